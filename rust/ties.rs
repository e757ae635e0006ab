//! Equal timestamps of one user in the order of a hash of their items, so that neither the order of
//! the input nor that of the ids decides.

use crate::error::Error;
use crate::philox::Philox;
use rayon::prelude::*;

/// Third word of the counter of the hash; the splits' negatives use 0, 1 and 2.
const STREAM: u64 = 4;

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
    let out_of_range = |item: &&i32| **item < 1 || **item as usize > keys.len();
    if let Some(item) = items.par_iter().find_any(out_of_range) {
        return Err(Error::Inconsistent(format!("item {item} is not in 1..={}", keys.len())));
    }
    let hashes: Vec<u64> = keys.par_iter().map(|&key| hash(key, seed)).collect();
    let users = by_user(offsets, items)?;
    users.into_par_iter().with_min_len(1 << 6).for_each(|(start, items)| {
        let mut first = 0;
        let moments = &moments[start..start + items.len()];
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

fn hash(key: u64, seed: u64) -> u64 {
    Philox::new([0, key, STREAM, 0], [seed, 0]).draw()
}

/// Start and items of each user.
fn by_user<'a>(
    offsets: &[i64],
    items: &'a mut [i32],
) -> Result<Vec<(usize, &'a mut [i32])>, Error> {
    let mut rest = items;
    offsets
        .windows(2)
        .map(|bounds| {
            let length = usize::try_from(bounds[1] - bounds[0]).unwrap_or(usize::MAX);
            let (own, tail) = std::mem::take(&mut rest)
                .split_at_mut_checked(length)
                .ok_or_else(|| Error::Inconsistent("offsets do not ascend".into()))?;
            rest = tail;
            Ok((bounds[0] as usize, own))
        })
        .collect()
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
        expected.sort_by_key(|&item| hash(keys[item as usize - 1], 7));
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
