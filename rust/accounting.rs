//! What is said of a split's rows before anything is filled: users for whom no negative exists,
//! targets that training never shows or that their user had before, and counts of items.

use crate::error::{Error, check_items};
use crate::memory::{collected, room, zeroed};
use crate::rows::{Row, Rows, Store, Window};
use crate::slices::parts;
use crate::threads::Pause;
use bytemuck::Zeroable;
use rayon::prelude::*;
use std::ops::Range;

const MIN_ROWS: usize = 1 << 10;
/// Items looked at between two questions whether to go on.
const PAUSE_ITEMS: usize = 1 << 20;

/// The user of the first row that rejects every item.
///
/// # Errors
/// [`Error::Inconsistent`] where store and rows do not fit together, [`Error::OutOfMemory`], or what
/// `pause` returns.
pub fn first_without_negative(
    store: &Store,
    window: &Window,
    rows: &Rows,
    pause: &Pause,
) -> Result<Option<usize>, Error> {
    store.check(rows)?;
    if store.longest() < window.num_items {
        return Ok(None);
    }
    let numbers = (0..rows.len()).into_par_iter().with_min_len(MIN_ROWS);
    let owners = numbers.map(|number| {
        pause.ask()?;
        let Some(row) = Row::of(store, window, rows, number)? else { return Ok(None) };
        let (rejected, items) = (row.rejected(window), window.num_items);
        Ok((rejected.len() >= items && distinct(rejected)? >= items).then_some(row.user))
    });
    owners.find_first(|owner| *owner != Ok(None)).unwrap_or(Ok(None))
}

fn distinct(items: &[i32]) -> Result<usize, Error> {
    let mut items = collected(items.iter().copied())?;
    items.sort_unstable();
    items.dedup();
    Ok(items.len())
}

/// For each row, whether the last item of its sequence is in it before, too.
///
/// # Errors
/// As [`first_without_negative`].
pub fn repeated_targets(store: &Store, rows: &Rows, pause: &Pause) -> Result<Vec<bool>, Error> {
    store.check(rows)?;
    let mut repeated: Vec<bool> = zeroed(rows.len())?;
    let slots = repeated.par_iter_mut().with_min_len(MIN_ROWS >> 4).enumerate();
    slots.try_for_each(|(number, slot)| {
        pause.ask()?;
        if let Some((target, before)) = store.sequence(rows, number)?.split_last() {
            *slot = before.contains(target);
        }
        Ok(())
    })?;
    Ok(repeated)
}

/// For each item index from 0 on, whether a row shows it.
///
/// # Errors
/// As [`first_without_negative`].
pub fn shown_items(
    store: &Store,
    window: &Window,
    rows: &Rows,
    pause: &Pause,
) -> Result<Vec<bool>, Error> {
    store.check(rows)?;
    let size = window.num_items + 1;
    let show = |shown: &mut [bool], numbers: Range<usize>| {
        for number in numbers {
            pause.ask()?;
            let Some(row) = Row::of(store, window, rows, number)? else { continue };
            each(row.shown, shown, |shown| *shown = true)?;
        }
        Ok(())
    };
    tabled(shares(store, rows, size)?, size, show, |sum, shown| *sum |= shown, pause)
}

/// How often each item index from 0 on, `size` of them, occurs in the store.
///
/// # Errors
/// [`Error::Inconsistent`] for an item outside, [`Error::OutOfMemory`], or what `pause` returns.
pub fn count_items(items: &[i32], size: usize, pause: &Pause) -> Result<Vec<i64>, Error> {
    let share = items.len().div_ceil(tables(items.len(), size)).max(1);
    let count = |counts: &mut [i64], part: Range<usize>| {
        for part in parts(part, PAUSE_ITEMS) {
            pause.ask()?;
            each(&items[part], counts, |count| *count += 1)?;
        }
        Ok(())
    };
    let shares = collected(parts(0..items.len(), share))?;
    tabled(shares, size, count, |sum, count| *sum += count, pause)
}

/// As [`count_items`], in the sequences of rows: in all of each, or as its last item alone.
///
/// # Errors
/// As [`first_without_negative`].
pub fn count_items_of_rows(
    store: &Store,
    rows: &Rows,
    (size, last_alone): (usize, bool),
    pause: &Pause,
) -> Result<Vec<i64>, Error> {
    store.check(rows)?;
    let count = |counts: &mut [i64], numbers: Range<usize>| {
        for number in numbers {
            pause.ask()?;
            let sequence = store.sequence(rows, number)?;
            let skipped = if last_alone { sequence.len().saturating_sub(1) } else { 0 };
            each(&sequence[skipped..], counts, |count| *count += 1)?;
        }
        Ok(())
    };
    tabled(shares(store, rows, size)?, size, count, |sum, count| *sum += count, pause)
}

/// Change the entry of each item.
#[inline]
fn each<T>(items: &[i32], table: &mut [T], change: impl Fn(&mut T)) -> Result<(), Error> {
    for &item in items {
        match table.get_mut(item as usize) {
            Some(entry) => change(entry),
            None => return check_items(items, table.len().saturating_sub(1)),
        }
    }
    Ok(())
}

/// How many tables are worth their memory and the time to add them up.
fn tables(interactions: usize, size: usize) -> usize {
    (interactions / (4 * size.max(1))).clamp(1, rayon::current_num_threads())
}

/// Rows in consecutive shares of about as many interactions, one for each table.
fn shares(store: &Store, rows: &Rows, size: usize) -> Result<Vec<Range<usize>>, Error> {
    let interactions = store.items.len();
    let tables = tables(interactions, size);
    let (mut shares, mut start) = (room(tables)?, 0);
    for share in 1..=tables {
        let place = (interactions / tables * share) as i64;
        let is_before = |&user: &i32| store.offsets.get(user as usize).is_some_and(|o| *o < place);
        let end = if share < tables { rows.users.partition_point(is_before) } else { rows.len() };
        shares.push(start..end.max(start));
        start = end.max(start);
    }
    Ok(shares)
}

/// A table with an entry for each item, the sum of one for each share.
fn tabled<T: Copy + PartialEq + Send + Zeroable>(
    shares: Vec<Range<usize>>,
    size: usize,
    fill: impl Fn(&mut [T], Range<usize>) -> Result<(), Error> + Sync,
    add: impl Fn(&mut T, T),
    pause: &Pause,
) -> Result<Vec<T>, Error> {
    pause.between()?;
    let mut tables: Vec<Vec<T>> = room(shares.len())?;
    for _ in &shares {
        tables.push(zeroed(size)?);
    }
    tables.par_iter_mut().zip(shares).try_for_each(|(table, share)| fill(table, share))?;
    let Some(mut sum) = tables.pop() else { return zeroed(size) };
    for table in tables {
        pause.between()?;
        sum.iter_mut().zip(table).for_each(|(sum, part)| add(sum, part));
    }
    // Padding has an entry, but is no item.
    let is_item = sum.first().is_none_or(|padding| *padding == T::zeroed());
    check_items(if is_item { &[] } else { &[0] }, size.saturating_sub(1))?;
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: Store =
        Store { offsets: &[0, 4, 6, 7], items: &[1, 2, 1, 3, 2, 2, 4], user_keys: &[7, 8, 9] };

    #[test]
    fn targets_are_looked_for_before_them_alone() {
        let rows = Rows { users: &[0, 0, 1, -1], ends: &[3, 4, 2, 2], windows: &[] };
        let found = repeated_targets(&STORE, &rows, &Pause::default());
        assert_eq!(found, Ok(vec![true, false, true, false]));
    }

    #[test]
    fn items_are_counted_in_the_sequences_of_rows() {
        let rows = Rows { users: &[0, 1], ends: &[3, 2], windows: &[] };
        let counted = |last| count_items_of_rows(&STORE, &rows, (5, last), &Pause::default());
        assert_eq!(counted(false), Ok(vec![0, 2, 3, 0, 0]));
        assert_eq!(counted(true), Ok(vec![0, 1, 1, 0, 0]));
        assert_eq!(count_items(STORE.items, 5, &Pause::default()), Ok(vec![0, 2, 3, 1, 1]));
        assert!(count_items(STORE.items, 4, &Pause::default()).is_err());
    }

    #[test]
    fn shares_are_all_rows() {
        let offsets: Vec<i64> = (0..=1000).map(|user| 100 * user).collect();
        let (items, keys) = (vec![1; 100_000], vec![0; 1000]);
        let store = Store { offsets: &offsets, items: &items, user_keys: &keys };
        let (users, ends): (Vec<i32>, Vec<i32>) = (0..1000).map(|user| (user, 100)).unzip();
        let rows = Rows { users: &users, ends: &ends, windows: &[] };
        for size in [1, 10, 1 << 20] {
            let shares = shares(&store, &rows, size).unwrap();
            assert_eq!(
                shares.into_iter().flatten().collect::<Vec<_>>(),
                (0..1000).collect::<Vec<_>>()
            );
        }
        let sums = count_items_of_rows(&store, &rows, (2, false), &Pause::default());
        assert_eq!(sums, Ok(vec![0, 100_000]));
    }
}
