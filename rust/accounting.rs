//! What is said of a split's rows before anything is filled: users for whom no negative exists, and
//! targets that training never shows.

use crate::error::{Error, check_items};
use crate::flags::Flags;
use crate::rows::{Row, Rows, Store, Window};
use rayon::prelude::*;

const MIN_ROWS: usize = 1 << 10;

/// The user of the first row that rejects every item.
///
/// # Errors
/// [`Error::Inconsistent`] where store and rows do not fit together.
pub fn first_without_negative(
    store: &Store,
    window: &Window,
    rows: &Rows,
) -> Result<Option<usize>, Error> {
    store.check(rows)?;
    let found =
        (0..rows.len()).into_par_iter().with_min_len(MIN_ROWS).find_map_first(
            |number| match Row::of(store, window, rows, number) {
                Err(error) => Some(Err(error)),
                Ok(None) => None,
                Ok(Some(row)) => {
                    let rejected = row.rejected(window);
                    (rejected.len() >= window.num_items && distinct(rejected) >= window.num_items)
                        .then_some(Ok(row.user))
                }
            },
        );
    found.transpose()
}

fn distinct(items: &[i32]) -> usize {
    let mut items = items.to_vec();
    items.sort_unstable();
    items.dedup();
    items.len()
}

/// For each item index from 0 on, whether a row shows it.
///
/// # Errors
/// [`Error::Inconsistent`] where store and rows do not fit together.
pub fn shown_items(store: &Store, window: &Window, rows: &Rows) -> Result<Vec<bool>, Error> {
    store.check(rows)?;
    let shown = Flags::new(window.num_items + 1);
    (0..rows.len()).into_par_iter().with_min_len(MIN_ROWS).try_for_each(|number| {
        let Some(row) = Row::of(store, window, rows, number)? else { return Ok(()) };
        check_items(row.shown, window.num_items)?;
        for &item in row.shown {
            shown.raise(item as usize);
        }
        Ok(())
    })?;
    Ok(shown.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: Store =
        Store { offsets: &[0, 3, 7], items: &[2, 3, 2, 1, 3, 3, 2], user_keys: &[0, 1] };
    const WINDOW: Window =
        Window { split: 1, max_sequence_length: 2, num_items: 3, ..Window::EXAMPLE };

    #[test]
    fn a_user_of_every_item_is_found() {
        let rows = Rows { users: &[0, 1], ends: &[3, 4], windows: &[] };
        assert_eq!(first_without_negative(&STORE, &WINDOW, &rows), Ok(Some(1)));
        let past = Rows { users: &[0, 1], ends: &[3, 3], windows: &[] };
        assert_eq!(first_without_negative(&STORE, &WINDOW, &past), Ok(None));
        let all = Window { reject_all: true, ..WINDOW };
        assert_eq!(first_without_negative(&STORE, &all, &past), Ok(Some(1)));
    }

    #[test]
    fn only_what_the_window_shows_is_seen() {
        let rows = Rows { users: &[1], ends: &[4], windows: &[] };
        assert_eq!(shown_items(&STORE, &WINDOW, &rows), Ok(vec![false, false, true, true]));
        let small = Window { num_items: 2, ..WINDOW };
        assert!(shown_items(&STORE, &small, &rows).is_err());
    }
}
