//! The keys of strings' random streams: what `pandas.util.hash_array` makes of text, which is
//! SipHash-2-4 of its bytes, mixed once more.

use super::{Chunk, MIN_PART_ROWS};
use crate::error::Error;
use crate::memory::zeroed;
use crate::threads::Pause;
use rayon::prelude::*;
use siphasher::sip::SipHasher24;

/// pandas' own.
const KEY: &[u8; 16] = b"0123456789123456";
/// Strings read together.
const BLOCK_ROWS: usize = 256;

/// The key of each string.
///
/// # Errors
/// As [`super::encode`].
pub fn keys(chunk: &Chunk, pause: &Pause) -> Result<Vec<u64>, Error> {
    let mut keys: Vec<u64> = zeroed(chunk.rows())?;
    let hasher = SipHasher24::new_with_key(KEY);
    keys.par_chunks_mut(BLOCK_ROWS)
        .with_min_len(MIN_PART_ROWS / BLOCK_ROWS)
        .enumerate()
        .try_for_each(|(block, keys)| {
            pause.ask()?;
            let mut bounds = [0; BLOCK_ROWS + 1];
            let first = block * BLOCK_ROWS;
            let found = chunk.bounds(first..first + keys.len(), &mut bounds[..=keys.len()]);
            found.ok_or(Error::DamagedStrings)?;
            for (key, bound) in keys.iter_mut().zip(bounds.windows(2)) {
                *key = mixed(hasher.hash(&chunk.bytes[bound[0]..bound[1]]));
            }
            Ok(())
        })?;
    Ok(keys)
}

/// The finalizer of `SplitMix64`.
fn mixed(mut key: u64) -> u64 {
    key = (key ^ (key >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    key = (key ^ (key >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    key ^ (key >> 31)
}
