//! What is said of a split's rows before anything is filled: users for whom no negative exists, and
//! targets that training never shows.

use crate::error::{Error, check_items};
use crate::flags::Flags;
use crate::memory::collected;
use crate::rows::{Row, Rows, Store, Window};
use crate::threads::Pause;
use rayon::prelude::*;

const MIN_ROWS: usize = 1 << 10;

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
    let shown = Flags::new(window.num_items + 1)?;
    pause.between()?;
    (0..rows.len()).into_par_iter().with_min_len(MIN_ROWS).try_for_each(|number| {
        pause.ask()?;
        let Some(row) = Row::of(store, window, rows, number)? else { return Ok(()) };
        check_items(row.shown, window.num_items)?;
        for &item in row.shown {
            shown.raise(item as usize);
        }
        Ok(())
    })?;
    Ok(shown.into_vec())
}
