//! Philox4x64-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy
//! as 1, 2, 3" (2011), with the stream order of `numpy.random.Philox(...).random_raw()`.

use crate::error::Error;
use crate::memory::zeroed;
use crate::threads::Pause;
use rayon::prelude::*;

const MULTIPLIERS: [u64; 2] = [0xD2E7_470E_E14C_6C93, 0xCA5A_8263_9512_1157];
const WEYL: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xBB67_AE85_84CA_A73B];
const ROUNDS: usize = 10;
/// Blocks computed together: independent chains keep the multiplier busy.
const LANES: usize = 4;
const BUFFER: usize = 4 * LANES;
const KEYS_AT_ONCE: usize = 1 << 10;

/// A stream of 64-bit draws, a pure function of its counter and key.
pub struct Philox {
    counter: [u64; 4],
    key: [u64; 2],
    buffer: [u64; BUFFER],
    position: usize,
}

impl Philox {
    /// Start a stream; like NumPy, the counter is incremented before the first block.
    pub fn new(counter: [u64; 4], key: [u64; 2]) -> Self {
        Self { counter, key, buffer: [0; BUFFER], position: BUFFER }
    }

    /// The next raw draw.
    #[inline]
    pub fn draw(&mut self) -> u64 {
        if self.position == BUFFER {
            self.refill();
        }
        let value = self.buffer[self.position];
        self.position += 1;
        value
    }

    /// The next raw draw scaled to `0..bound` by a 128-bit product.
    #[inline]
    pub fn draw_below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    fn refill(&mut self) {
        let mut blocks = [[0u64; 4]; LANES];
        for block in &mut blocks {
            increment(&mut self.counter);
            *block = self.counter;
        }
        scramble(&mut blocks, self.key);
        self.buffer.copy_from_slice(blocks.as_flattened());
        self.position = 0;
    }
}

/// The first draw of the stream of each of `keys` that is drawn for `purpose`, the third word of its
/// counter.
///
/// # Errors
/// [`Error::OutOfMemory`], or what `pause` returns.
pub fn first_draws(
    keys: &[u64],
    purpose: u64,
    seed: u64,
    pause: &Pause,
) -> Result<Vec<u64>, Error> {
    let mut draws: Vec<u64> = zeroed(keys.len())?;
    pause.between()?;
    draws.par_chunks_mut(KEYS_AT_ONCE).zip(keys.par_chunks(KEYS_AT_ONCE)).try_for_each(
        |(draws, keys)| {
            pause.ask()?;
            for (draws, keys) in draws.chunks_mut(LANES).zip(keys.chunks(LANES)) {
                let mut blocks = [[0; 4]; LANES];
                for (block, &key) in blocks.iter_mut().zip(keys) {
                    *block = [0, key, purpose, 0];
                    increment(block);
                }
                scramble(&mut blocks, [seed, 0]);
                for (draw, block) in draws.iter_mut().zip(blocks) {
                    *draw = block[0];
                }
            }
            Ok(())
        },
    )?;
    Ok(draws)
}

/// Counters -> draws.
fn scramble(blocks: &mut [[u64; 4]; LANES], mut key: [u64; 2]) {
    for _ in 0..ROUNDS {
        for block in &mut *blocks {
            *block = round(*block, key);
        }
        key[0] = key[0].wrapping_add(WEYL[0]);
        key[1] = key[1].wrapping_add(WEYL[1]);
    }
}

/// Add one to a 256-bit little-endian counter.
#[inline]
fn increment(counter: &mut [u64; 4]) {
    for word in counter {
        *word = word.wrapping_add(1);
        if *word != 0 {
            break;
        }
    }
}

#[inline]
fn round(block: [u64; 4], key: [u64; 2]) -> [u64; 4] {
    let first = u128::from(MULTIPLIERS[0]) * u128::from(block[0]);
    let second = u128::from(MULTIPLIERS[1]) * u128::from(block[2]);
    [
        (second >> 64) as u64 ^ block[1] ^ key[0],
        second as u64,
        (first >> 64) as u64 ^ block[3] ^ key[1],
        first as u64,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_carries_through_all_words() {
        let mut counter = [u64::MAX, u64::MAX, 7, 0];
        increment(&mut counter);
        assert_eq!(counter, [0, 0, 8, 0]);
    }

    #[test]
    fn equals_numpy() {
        // np.random.Philox(counter=[0, 5, 1, 0], key=[3, 2]).random_raw(6)
        let mut stream = Philox::new([0, 5, 1, 0], [3, 2]);
        let draws: Vec<u64> = (0..6).map(|_| stream.draw()).collect();
        assert_eq!(draws, NUMPY_DRAWS);
    }

    const NUMPY_DRAWS: [u64; 6] = [
        0x37ec_0744_3eba_4c3a,
        0xaa11_5c2c_f524_f94e,
        0xbc21_f215_402c_6b3d,
        0x8284_52d9_7945_111d,
        0xf0e0_0756_78f0_c541,
        0x3057_f038_7287_1a73,
    ];
}
