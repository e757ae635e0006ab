//! Which shares are dropped: those whose number has a hash above a limit. The same bits as those of
//! `keep_mask` in layers/dropout.py, where the hash and the seed are described.

const GOLDEN: u32 = 0x9E37_79B9;

/// A mask of shares [rows, heads, length, length].
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    first: u32,
    key: u32,
    limit: u32,
}

impl Dropout {
    /// The mask of a seed of two numbers that keeps what has a hash up to `limit`.
    pub fn new(seed: [u32; 2], limit: u32) -> Self {
        let first = hash(seed[0] ^ hash(seed[1].wrapping_add(GOLDEN), 0), 0);
        Self { first, key: hash(first.wrapping_add(GOLDEN), 0), limit }
    }

    /// Whether anything is dropped.
    #[inline(always)]
    pub fn drops(&self) -> bool {
        self.limit < u32::MAX
    }

    /// The probability of being kept.
    pub fn keep(&self) -> f32 {
        ((f64::from(self.limit) + 1.0) / (f64::from(u32::MAX) + 1.0)) as f32
    }

    /// A number in [0, 1), for tests.
    #[cfg(test)]
    pub fn number(&self, number: u32) -> f32 {
        (hash(self.first.wrapping_add(number), self.key) >> 8) as f32 / (1u32 << 24) as f32
    }

    /// Which of the shares are kept that are `stride` after each other, from a number on.
    #[inline(always)]
    pub fn kept<const LANES: usize>(&self, number: usize, stride: usize) -> [bool; LANES] {
        let (first, stride) = (self.first.wrapping_add(number as u32), stride as u32);
        let mut kept = [false; LANES];
        for (lane, kept) in kept.iter_mut().enumerate() {
            let number = first.wrapping_add((lane as u32).wrapping_mul(stride));
            *kept = hash(number, self.key) <= self.limit;
        }
        kept
    }
}

/// "lowbias32" (Wellons 2018); `key` is mixed in between its multiplications.
#[inline(always)]
fn hash(number: u32, key: u32) -> u32 {
    let number = (number ^ (number >> 16)).wrapping_mul(0x7FEB_352D) ^ key;
    let number = (number ^ (number >> 15)).wrapping_mul(0x846C_A68B);
    number ^ (number >> 16)
}
