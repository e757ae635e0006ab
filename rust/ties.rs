//! Equal timestamps of one user in the order of a hash of their items, so that neither the order of
//! the input nor that of the ids decides.

use crate::error::{Error, check_items};
use crate::slices::by_offsets;
use crate::streams::{TIES, first_draw};
use rayon::prelude::*;

/// Reorder each user's items of equal moment by the first draw of the stream of (seed, item key);
/// equal draws keep the order of the indices.
///
/// `moments` has an entry for each of `items`, ascending for each user; `keys` one for each item
/// index from 1 on.
///
/// # Errors
/// [`Error::Inconsistent`] where these do not fit together.
pub fn order_ties(
    offsets: &[i64],
    items: &mut [i32],
    moments: &[u32],
    keys: &[u64],
    seed: u64,
) -> Result<(), Error> {
    if moments.len() != items.len() || offsets.last().is_none_or(|&end| end as usize != items.len())
    {
        return Err(Error::Inconsistent(format!(
            "{} moments of {} items; the last offset is {:?}",
            moments.len(),
            items.len(),
            offsets.last()
        )));
    }
    items.par_chunks(1 << 15).try_for_each(|items| check_items(items, keys.len()))?;
    let hashes: Vec<u64> = keys.par_iter().map(|&key| first_draw(key, TIES, seed)).collect();
    let users = by_offsets(offsets, items)?;
    users.into_par_iter().zip(offsets).with_min_len(1 << 6).for_each(|(items, &start)| {
        let mut first = 0;
        let moments = &moments[start as usize..start as usize + items.len()];
        for tied in moments.chunk_by(|a, b| a == b) {
            let items = &mut items[first..first + tied.len()];
            first += tied.len();
            if items.len() > 1 {
                items.sort_by_key(|&item| (hashes[item as usize - 1], item));
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ties_are_reordered_whatever_their_order_was() {
        let keys = [10, 20, 30, 40];
        let moments = [0, 1, 1, 1, 0, 0];
        let mut one = [4, 1, 2, 3, 2, 1];
        let mut other = [4, 3, 1, 2, 1, 2];
        for items in [&mut one, &mut other] {
            order_ties(&[0, 4, 6], items, &moments, &keys, 7).unwrap();
        }
        assert_eq!(one, other);
        assert_eq!(one[0], 4);
        let mut expected = [1, 2];
        expected.sort_by_key(|&item| first_draw(keys[item as usize - 1], TIES, 7));
        assert_eq!(one[4..], expected);
    }

    #[test]
    fn what_does_not_fit_together_is_an_error() {
        for (offsets, items, moments) in [
            (vec![0, 2], vec![1, 2], vec![0]),
            (vec![0, 3], vec![1, 2], vec![0, 0]),
            (vec![0, 3, 2], vec![1, 2], vec![0, 0]),
            (vec![0, 2], vec![1, 3], vec![0, 0]),
            (vec![], vec![], vec![]),
        ] {
            assert!(order_ties(&offsets, &mut items.clone(), &moments, &[5, 6], 0).is_err());
        }
    }
}
