//! What the streams of Philox are drawn for: the third word of their counter. The negatives of a
//! split have its number, 0 train, 1 validation, 2 test; what Python draws is in
//! `store/streams.py`.

use crate::philox::Philox;

/// The order of equal timestamps, by item.
pub const TIES: u64 = 4;

/// The first draw of the stream of a key.
pub fn first_draw(key: u64, stream: u64, seed: u64) -> u64 {
    Philox::new([0, key, stream, 0], [seed, 0]).draw()
}
