//! CSR + rows -> dense arrays of one split: shift, pad, mask, weight, and draw negatives. Each row
//! is a pure function of (seed, epoch, split, user, window); padding is left as the allocator zeroed it.

use crate::alias::AliasTable;
use crate::error::{Error, ensure};
use crate::negatives::Sampler;
use crate::philox::Philox;
use crate::rows::{Row, Rows, Store, Window};
use crate::slices::{parts, split_off};
use rayon::prelude::*;
use std::ops::Range;

/// Rows handed to a thread at a time.
const BLOCK_ROWS: usize = 16;
/// Rows filled between two questions whether to go on.
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
/// [`Error::Inconsistent`] where store, rows and width do not fit together, or what `pause` returns.
pub fn fill(
    source: &Source,
    rows: &Rows,
    width: usize,
    mut out: Arrays,
    pause: &dyn Fn() -> Result<(), Error>,
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
    pause: &dyn Fn() -> Result<(), Error>,
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
    pause: &dyn Fn() -> Result<(), Error>,
    mut take: impl FnMut(usize) -> O,
    write: impl Fn(&mut Sampler, Range<usize>, O) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    source.check(rows)?;
    for numbers in parts(0..rows.len(), PAUSE_ROWS) {
        let blocks = parts(numbers, BLOCK_ROWS);
        let blocks: Vec<_> = blocks.map(|block| (block.clone(), take(block.len()))).collect();
        blocks.into_par_iter().try_for_each_init(
            || Sampler::new(source.window.num_items, source.popularity),
            |sampler, (numbers, out)| write(sampler, numbers, out),
        )?;
        pause()?;
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
        if window.split == 0 {
            out.sample_weight[..positions].fill(1.0);
        } else if self.shows_last {
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
