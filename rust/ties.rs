//! Equal timestamps of one user in the order of a hash of their items, so that neither the order of
//! the input nor that of the ids decides.

use crate::error::{Error, check_items, ensure};
use crate::philox::first_draws;
use crate::slices::by_offsets;
use crate::threads::Pause;
use rayon::prelude::*;

/// The third word of the counters; `store/streams.py` says what the others are drawn for.
const STREAM: u64 = 4;

/// Reorder each user's items of equal time by the first draw of the stream of (seed, item key);
/// equal draws keep the order of the indices.
///
/// `times` has an entry for each of `items`, ascending for each user; `keys` one for each item
/// index from 1 on.
///
/// # Errors
/// [`Error::Inconsistent`] where these do not fit together, [`Error::OutOfMemory`], or what `pause`
/// returns.
pub fn order_ties<I: PartialEq + Sync>(
    offsets: &[i64],
    (items, times): (&mut [i32], &[I]),
    keys: &[u64],
    seed: u64,
    pause: &Pause,
) -> Result<(), Error> {
    let (known, length, end) = (times.len(), items.len(), offsets.last());
    ensure!(
        known == length && end.is_some_and(|&end| end as usize == length),
        "{known} times of {length} items; the last offset is {end:?}"
    );
    items.par_chunks(1 << 15).try_for_each(|items| check_items(items, keys.len()))?;
    let hashes = first_draws(keys, STREAM, seed, pause)?;
    let users = by_offsets(offsets, items)?;
    pause.between()?;
    users.into_par_iter().zip(offsets).with_min_len(1 << 6).try_for_each(|(items, &start)| {
        pause.ask()?;
        let mut first = 0;
        let times = &times[start as usize..start as usize + items.len()];
        for tied in times.chunk_by(|a, b| a == b) {
            let items = &mut items[first..first + tied.len()];
            first += tied.len();
            if items.len() > 1 {
                items.sort_unstable_by_key(|&item| (hashes[item as usize - 1], item));
            }
        }
        Ok(())
    })
}
