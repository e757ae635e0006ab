//! CSR + rows -> dense arrays of one split: shift, pad, mask, weight, and draw negatives. Each row
//! is a pure function of (seed, epoch, split, user, window); padding is left as the allocator zeroed it.

use crate::alias::AliasTable;
use crate::error::{Error, ensure};
use crate::memory::collected;
use crate::negatives::Sampler;
use crate::philox::Philox;
use crate::rows::{Row, Rows, Store, Window};
use crate::slices::{parts, split_off};
use crate::threads::Pause;
use rayon::prelude::*;
use std::ops::Range;

/// Rows handed to a thread at a time.
const BLOCK_ROWS: usize = 16;
/// Rows whose blocks are laid out at once.
const PAUSE_ROWS: usize = 1 << 16;

/// Zeroed outputs, row after row.
pub struct Arrays<'a> {
    /// `[n, width]` inputs.
    pub item_ids: &'a mut [i32],
    /// `[n, width]`, true on real items.
    pub padding_mask: &'a mut [bool],
    /// `[n, width]` targets.
    pub positive_sequence: &'a mut [i32],
    /// `[n, width, num_negatives]`.
    pub negative_sequence: &'a mut [i32],
    /// `[n, width]`.
    pub sample_weight: &'a mut [f32],
}

/// Fill `out`, all zero and of this width, with `rows`; `pause` is asked now and then whether to
/// go on.
///
/// # Errors
/// [`Error::Inconsistent`] where store, rows and width do not fit together, [`Error::OutOfMemory`], or
/// what `pause` returns.
pub fn fill(
    source: &Source,
    rows: &Rows,
    width: usize,
    mut out: Arrays,
    pause: &Pause,
) -> Result<(), Error> {
    let take = |rows| out.take(rows * width);
    each_block(source, rows, pause, take, |sampler, numbers, mut block| {
        for number in numbers {
            let mut out = block.take(width);
            if let Some(row) = source.row(rows, number, width)? {
                row.write(&source.window, &mut out);
                source.draw_negatives(&row, sampler, out.negative_sequence)?;
            }
        }
        Ok(())
    })
}

/// Replace the negatives in `out`, `[n, width, num_negatives]`, by those of the source's epoch;
/// see [`fill`]. Padding becomes 0.
///
/// # Errors
/// As [`fill`].
pub fn fill_negatives(
    source: &Source,
    rows: &Rows,
    width: usize,
    mut out: &mut [i32],
    pause: &Pause,
) -> Result<(), Error> {
    let size = width * source.window.num_negatives;
    let take = |rows| split_off(&mut out, rows * size);
    each_block(source, rows, pause, take, |sampler, numbers, mut block| {
        for number in numbers {
            let out = split_off(&mut block, size);
            let drawn = match source.row(rows, number, width)? {
                Some(row) => source.draw_negatives(&row, sampler, out)?,
                None => 0,
            };
            out[drawn..].fill(0);
        }
        Ok(())
    })
}

/// Write blocks of rows, each in what `take` splits off for so many, by all threads.
fn each_block<O: Send>(
    source: &Source,
    rows: &Rows,
    pause: &Pause,
    mut take: impl FnMut(usize) -> O,
    write: impl Fn(&mut Sampler, Range<usize>, O) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    source.check(rows)?;
    for numbers in parts(0..rows.len(), PAUSE_ROWS) {
        let blocks = parts(numbers, BLOCK_ROWS);
        let blocks = collected(blocks.map(|block| (block.clone(), take(block.len()))))?;
        pause.between()?;
        blocks.into_par_iter().try_for_each_init(
            || Sampler::new(source.window.num_items, source.popularity),
            |sampler, (numbers, out)| {
                pause.ask()?;
                write(sampler.as_mut().map_err(|lack| lack.clone())?, numbers, out)
            },
        )?;
    }
    Ok(())
}

/// Where rows come from.
pub struct Source<'a> {
    /// The sequences.
    pub store: Store<'a>,
    /// What is shown of them.
    pub window: Window,
    /// How negatives are proposed; uniformly where absent.
    pub popularity: Option<&'a AliasTable>,
    /// Epoch of the negatives.
    pub epoch: u64,
}

impl Source<'_> {
    fn check(&self, rows: &Rows) -> Result<(), Error> {
        self.store.check(rows)?;
        let items = self.window.num_items;
        let found = self.popularity.map_or(items, AliasTable::num_items);
        ensure!(found == items, "an alias table of {found} items for {items}");
        Ok(())
    }

    /// The row of a number, if it fits the width; None for one left empty.
    #[inline]
    fn row(&self, rows: &Rows, number: usize, width: usize) -> Result<Option<Row<'_>>, Error> {
        let row = Row::of(&self.store, &self.window, rows, number)?;
        if let Some(row) = &row {
            let (user, positions) = (row.user, row.positions());
            ensure!(
                positions <= width,
                "the row of user {user} has {positions} positions, but a width of {width} was \
                 asked for"
            );
        }
        Ok(row)
    }

    /// Write the negatives of a row's real positions; returns how many.
    fn draw_negatives(
        &self,
        row: &Row,
        sampler: &mut Sampler,
        out: &mut [i32],
    ) -> Result<usize, Error> {
        let window = &self.window;
        if window.num_negatives == 0 {
            return Ok(0);
        }
        sampler.reject(row.rejected(window))?;
        let user_key = self.store.user_keys[row.user];
        let counter = [0, user_key, window.split as u64, row.window as u64];
        let mut stream = Philox::new(counter, [window.seed, self.epoch]);
        let drawn = row.positions() * window.num_negatives;
        for negative in &mut out[..drawn] {
            *negative = sampler.draw(&mut stream);
        }
        Ok(drawn)
    }
}

impl Row<'_> {
    /// Write all but the negatives.
    fn write(&self, window: &Window, out: &mut Arrays) {
        let positions = self.positions();
        if positions == 0 {
            return;
        }
        out.item_ids[..positions].copy_from_slice(&self.shown[..positions]);
        out.positive_sequence[..positions].copy_from_slice(&self.shown[1..]);
        out.padding_mask[..positions].fill(true);
        if window.split == 0 && !window.prefixes {
            out.sample_weight[..positions].fill(1.0);
        } else if window.prefixes || self.shows_last {
            out.sample_weight[positions - 1] = 1.0;
        }
    }
}

impl<'a> Arrays<'a> {
    /// Split off the first `slots` positions.
    fn take(&mut self, slots: usize) -> Arrays<'a> {
        let negatives = match self.item_ids.len() {
            0 => 0,
            all => slots * (self.negative_sequence.len() / all),
        };
        Arrays {
            item_ids: split_off(&mut self.item_ids, slots),
            padding_mask: split_off(&mut self.padding_mask, slots),
            positive_sequence: split_off(&mut self.positive_sequence, slots),
            negative_sequence: split_off(&mut self.negative_sequence, negatives),
            sample_weight: split_off(&mut self.sample_weight, slots),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: Store = Store { offsets: &[0, 4, 5], items: &[1, 2, 3, 4, 5], user_keys: &[7, 8] };
    const WINDOW: Window = Window { num_negatives: 2, num_items: 5, ..Window::EXAMPLE };

    struct Filled {
        inputs: Vec<i32>,
        positives: Vec<i32>,
        negatives: Vec<i32>,
        mask: Vec<bool>,
        weights: Vec<f32>,
    }

    fn filled(window: &Window, users: &[i32], width: usize) -> Result<Filled, Error> {
        let ends: Vec<i32> =
            users.iter().map(|&user| if user == 0 { 3 + window.split as i32 } else { 1 }).collect();
        let rows = Rows { users, ends: &ends, windows: &[] };
        let slots = users.len() * width;
        let mut filled = Filled {
            inputs: vec![0; slots],
            positives: vec![0; slots],
            negatives: vec![0; slots * window.num_negatives],
            mask: vec![false; slots],
            weights: vec![0.0; slots],
        };
        let out = Arrays {
            item_ids: &mut filled.inputs,
            padding_mask: &mut filled.mask,
            positive_sequence: &mut filled.positives,
            negative_sequence: &mut filled.negatives,
            sample_weight: &mut filled.weights,
        };
        let source = Source { store: STORE, window: *window, popularity: None, epoch: 0 };
        fill(&source, &rows, width, out, &Pause::default()).map(|()| filled)
    }

    #[test]
    fn a_train_row_is_shifted_padded_and_weighted() {
        let row = filled(&WINDOW, &[-1, 0], 3).unwrap();
        assert_eq!(row.inputs, [0, 0, 0, 1, 2, 0]);
        assert_eq!(row.positives, [0, 0, 0, 2, 3, 0]);
        assert_eq!(row.weights, [0.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
        assert_eq!(row.mask, [false, false, false, true, true, false]);
        assert!(row.negatives[6..10].iter().all(|item| [4, 5].contains(item)));
        assert_eq!(row.negatives[10..], [0, 0]);
    }

    #[test]
    fn the_oldest_window_loses_the_held_out_target() {
        let recent = Window { split: 1, max_sequence_length: 2, ..WINDOW };
        assert_eq!(filled(&recent, &[0], 2).unwrap().weights, [0.0, 1.0]);
        let oldest = Window { oldest: true, ..recent };
        assert_eq!(filled(&oldest, &[0], 2).unwrap().weights, [0.0, 0.0]);
    }

    #[test]
    fn the_last_target_of_a_prefix_counts_alone() {
        let prefixes = Window { prefixes: true, stride: 1, num_negatives: 0, ..WINDOW };
        let (mut item_ids, mut positive_sequence, mut weights) = ([0; 2], [0; 2], [0.0; 2]);
        let out = Arrays {
            item_ids: &mut item_ids,
            padding_mask: &mut [false; 2],
            positive_sequence: &mut positive_sequence,
            negative_sequence: &mut [],
            sample_weight: &mut weights,
        };
        let source = Source { store: STORE, window: prefixes, popularity: None, epoch: 0 };
        let rows = Rows { users: &[0], ends: &[4], windows: &[1] };
        fill(&source, &rows, 2, out, &Pause::default()).unwrap();
        assert_eq!((item_ids, positive_sequence, weights), ([1, 2], [2, 3], [0.0, 1.0]));
    }

    #[test]
    fn too_small_a_width_and_unknown_users_are_errors() {
        assert!(matches!(filled(&WINDOW, &[0], 1), Err(Error::Inconsistent(_))));
        assert!(matches!(filled(&WINDOW, &[2], 3), Err(Error::Inconsistent(_))));
    }

    #[test]
    fn an_alias_table_of_other_items_is_refused() {
        let table = AliasTable::new(&[1; 4]).unwrap();
        let source = Source { store: STORE, window: WINDOW, popularity: Some(&table), epoch: 0 };
        let rows = Rows { users: &[], ends: &[], windows: &[] };
        assert!(source.check(&rows).is_err());
        assert!(Source { popularity: None, ..source }.check(&rows).is_ok());
    }
}
