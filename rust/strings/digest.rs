//! What a table compares and hashes strings by: two words.

use foldhash::fast::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Most bytes of a string that is its own digest.
pub const SHORT: usize = 15;
/// Of strings of each length up to `SHORT` the bytes.
const MASKS: [[u64; 2]; SHORT + 1] = masks();
/// How far the length is from the lowest bit.
pub const LENGTH_BIT: u32 = 56;

/// A string of at most 15 bytes itself and its length from 1, or the hash of a longer one.
#[derive(Clone, Copy, Default)]
pub struct Digest([u64; 2]);

/// Of no string.
pub const EMPTY: Digest = Digest([0; 2]);

const fn masks() -> [[u64; 2]; SHORT + 1] {
    let mut masks = [[0; 2]; SHORT + 1];
    let mut length = 1;
    while length <= SHORT {
        let mask = u128::MAX >> (128 - 8 * length);
        masks[length] = [mask as u64, (mask >> 64) as u64];
        length += 1;
    }
    masks
}

impl PartialEq for Digest {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        (self.0[0] ^ other.0[0]) | (self.0[1] ^ other.0[1]) == 0 // without a branch for each
    }
}

impl Digest {
    /// What is hashed and compared.
    pub fn words(self) -> [u64; 2] {
        self.0
    }

    /// Of a short string its letters, zeros behind them, and its length from 1.
    #[inline]
    pub fn letters(&self) -> &[u8] {
        bytemuck::bytes_of(&self.0)
    }

    /// Of any string.
    #[inline]
    pub fn of(string: &[u8], state: &RandomState) -> Self {
        if string.len() <= SHORT {
            let padded: [u8; SHORT + 1] = super::padded(string);
            return Self::short(&padded, string.len());
        }
        let mut hasher = state.build_hasher();
        hasher.write(string);
        Self([hasher.finish(), string.len() as u64 | 0xFF << LENGTH_BIT])
    }

    /// Of the first bytes of 16, so many of them.
    #[inline]
    pub fn short(bytes: &[u8], length: usize) -> Self {
        let mask = MASKS[length];
        let (low, high) = bytes.split_at(8);
        let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Self([word(low) & mask[0], word(high) & mask[1] | (length as u64 + 1) << LENGTH_BIT])
    }
}
