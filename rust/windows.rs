//! CSR + rows -> dense arrays of one split: shift, pad, mask, weight, and draw negatives. Each
//! row is a pure function of (seed, epoch, split, user); padding is left as the allocator zeroed it.

use crate::error::Error;
use crate::negatives::Sampler;
use crate::philox::Philox;
use rayon::prelude::*;

/// Rows handed to a thread at a time.
const BLOCK_ROWS: usize = 16;
/// Rows filled between two questions whether to go on.
const PAUSE_ROWS: usize = 1 << 16;

/// The compact store, borrowed.
#[derive(Clone, Copy)]
pub struct Store<'a> {
    /// User u owns `items[offsets[u]..offsets[u + 1]]`.
    pub offsets: &'a [i64],
    /// Item indices 1..=vocabulary.
    pub items: &'a [i32],
    /// The key of each user's random stream.
    pub user_keys: &'a [u64],
}

/// Which part of a user's sequence a row shows, and how.
#[derive(Clone, Copy)]
pub struct Window {
    /// 0 train, 1 validation, 2 test.
    pub split: usize,
    /// Last interactions of each user that are held out.
    pub holdout: usize,
    /// Most input positions of a row.
    pub max_sequence_length: usize,
    /// Keep the first items of a long sequence, not the last.
    pub oldest: bool,
    /// Reject all items of the user, not only those of the row's sequence.
    pub reject_all: bool,
    /// Negatives a position.
    pub num_negatives: usize,
    /// Number of items.
    pub vocabulary: usize,
    /// Seed of all streams.
    pub seed: u64,
    /// Epoch of the negatives.
    pub epoch: u64,
}

/// Zeroed outputs, row after row.
pub struct Arrays<'a> {
    /// `[n, columns]` inputs.
    pub item_ids: &'a mut [i32],
    /// `[n, columns]`, true on real items.
    pub padding_mask: &'a mut [bool],
    /// `[n, columns]` targets.
    pub positive_sequence: &'a mut [i32],
    /// `[n, columns, num_negatives]`.
    pub negative_sequence: &'a mut [i32],
    /// `[n, columns]`.
    pub sample_weight: &'a mut [f32],
}

/// Fill `out`, all zero, with one row for each of `users` (a position in the store, or -1 for a row
/// left empty), trimmed to `columns`; `pause` is asked now and then whether to go on.
///
/// # Errors
/// [`Error::Inconsistent`] where store, rows and columns do not fit together, or what `pause` returns.
pub fn fill(
    store: &Store,
    window: &Window,
    users: &[i64],
    columns: usize,
    mut out: Arrays,
    pause: &dyn Fn() -> Result<(), Error>,
) -> Result<(), Error> {
    store.check()?;
    for users in users.chunks(PAUSE_ROWS) {
        fill_rows(store, window, users, columns, out.take(users.len() * columns))?;
        pause()?;
    }
    Ok(())
}

fn fill_rows(
    store: &Store,
    window: &Window,
    users: &[i64],
    columns: usize,
    out: Arrays,
) -> Result<(), Error> {
    let size = BLOCK_ROWS * columns;
    users
        .par_chunks(BLOCK_ROWS)
        .zip(out.item_ids.par_chunks_mut(size))
        .zip(out.padding_mask.par_chunks_mut(size))
        .zip(out.positive_sequence.par_chunks_mut(size))
        .zip(out.negative_sequence.par_chunks_mut(size * window.num_negatives))
        .zip(out.sample_weight.par_chunks_mut(size))
        .try_for_each_init(
            || Sampler::new(window.vocabulary),
            |sampler, (((((users, inputs), mask), positives), negatives), weights)| {
                let mut block = Arrays {
                    item_ids: inputs,
                    padding_mask: mask,
                    positive_sequence: positives,
                    negative_sequence: negatives,
                    sample_weight: weights,
                };
                users.iter().try_for_each(|&user| {
                    let mut out = block.take(columns);
                    if user >= 0 {
                        let row = Row::of(store, window, user, columns)?;
                        row.write(window, &mut out);
                        row.draw_negatives(store, window, sampler, out.negative_sequence)?;
                    }
                    Ok(())
                })
            },
        )
}

/// Replace the negatives in `out`, `[n, columns, num_negatives]`, by those of the window's epoch;
/// see [`fill`]. Padding becomes 0.
///
/// # Errors
/// As [`fill`].
pub fn fill_negatives(
    store: &Store,
    window: &Window,
    users: &[i64],
    columns: usize,
    out: &mut [i32],
    pause: &dyn Fn() -> Result<(), Error>,
) -> Result<(), Error> {
    store.check()?;
    let size = columns * window.num_negatives;
    for (users, out) in users.chunks(PAUSE_ROWS).zip(out.chunks_mut(PAUSE_ROWS * size)) {
        users.par_chunks(BLOCK_ROWS).zip(out.par_chunks_mut(BLOCK_ROWS * size)).try_for_each_init(
            || Sampler::new(window.vocabulary),
            |sampler, (users, out)| {
                users.iter().zip(out.chunks_mut(size)).try_for_each(|(&user, out)| {
                    let drawn = if user < 0 {
                        0
                    } else {
                        let row = Row::of(store, window, user, columns)?;
                        row.draw_negatives(store, window, sampler, out)?
                    };
                    out[drawn..].fill(0);
                    Ok(())
                })
            },
        )?;
        pause()?;
    }
    Ok(())
}

/// What one row shows of a user.
struct Row<'a> {
    user: usize,
    /// All items of the user.
    all: &'a [i32],
    /// The items of the split, before the window cuts them.
    sequence: &'a [i32],
    /// The items in the window: inputs and the last target.
    shown: &'a [i32],
    /// Whether the last item of the sequence is shown.
    shows_last: bool,
}

impl<'a> Row<'a> {
    fn of(store: &Store<'a>, window: &Window, user: i64, columns: usize) -> Result<Self, Error> {
        let all = store.items_of(user)?;
        let held_back = window.holdout.saturating_sub(window.split);
        let sequence = &all[..all.len().saturating_sub(held_back)];
        let length = sequence.len().min(window.max_sequence_length + 1);
        let first = if window.oldest { 0 } else { sequence.len() - length };
        let positions = length.saturating_sub(1);
        if positions > columns {
            return Err(Error::Inconsistent(format!(
                "the row of user {user} has {positions} positions, \
                 but {columns} columns were asked for"
            )));
        }
        let shows_last = first + length == sequence.len();
        let shown = &sequence[first..first + length];
        Ok(Self { user: user as usize, all, sequence, shown, shows_last })
    }

    fn positions(&self) -> usize {
        self.shown.len().saturating_sub(1)
    }

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

    /// Write the negatives of the real positions; returns how many.
    fn draw_negatives(
        &self,
        store: &Store,
        window: &Window,
        sampler: &mut Sampler,
        out: &mut [i32],
    ) -> Result<usize, Error> {
        sampler.reject(if window.reject_all { self.all } else { self.sequence })?;
        let counter = [0, store.user_keys[self.user], window.split as u64, 0];
        let mut stream = Philox::new(counter, [window.seed, window.epoch]);
        let drawn = self.positions() * window.num_negatives;
        for negative in &mut out[..drawn] {
            *negative = sampler.draw(&mut stream);
        }
        Ok(drawn)
    }
}

impl<'a> Store<'a> {
    fn check(&self) -> Result<(), Error> {
        if self.offsets.len() != self.user_keys.len() + 1 {
            return Err(Error::Inconsistent(format!(
                "{} offsets for {} users; one more than users is needed",
                self.offsets.len(),
                self.user_keys.len()
            )));
        }
        Ok(())
    }

    fn items_of(&self, user: i64) -> Result<&'a [i32], Error> {
        let user = user as usize;
        if user >= self.user_keys.len() {
            return Err(Error::Inconsistent(format!(
                "user {user} asked for, but there are {}",
                self.user_keys.len()
            )));
        }
        let (start, end) = (self.offsets[user], self.offsets[user + 1]);
        self.items.get(start as usize..end as usize).ok_or_else(|| {
            Error::Inconsistent(format!("user {user} owns {start}..{end} of {}", self.items.len()))
        })
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

fn split_off<'a, T>(slice: &mut &'a mut [T], length: usize) -> &'a mut [T] {
    let (head, tail) = std::mem::take(slice).split_at_mut(length);
    *slice = tail;
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: Store = Store { offsets: &[0, 4, 5], items: &[1, 2, 3, 4, 5], user_keys: &[7, 8] };
    const WINDOW: Window = Window {
        split: 0,
        holdout: 1,
        max_sequence_length: 3,
        oldest: false,
        reject_all: false,
        num_negatives: 2,
        vocabulary: 5,
        seed: 0,
        epoch: 0,
    };

    struct Filled {
        inputs: Vec<i32>,
        positives: Vec<i32>,
        negatives: Vec<i32>,
        mask: Vec<bool>,
        weights: Vec<f32>,
    }

    fn filled(window: &Window, users: &[i64], columns: usize) -> Result<Filled, Error> {
        let slots = users.len() * columns;
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
        fill(&STORE, window, users, columns, out, &|| Ok(())).map(|()| filled)
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
    fn too_few_columns_and_unknown_users_are_errors() {
        assert!(matches!(filled(&WINDOW, &[0], 1), Err(Error::Inconsistent(_))));
        assert!(matches!(filled(&WINDOW, &[2], 3), Err(Error::Inconsistent(_))));
    }
}
