//! A shard: all rows of a range of users that passed the row filter, sorted by user and time. It
//! knows nothing of minima and of what is held out, so that it is also the log of the rows.

use crate::coder::Coder;
use crate::columns::{Columns, Time};
use crate::emission::{Instant, Outputs, sort_partitions};
use crate::error::{Error, ensure};
use crate::filters::{Duplicates, distinct_rows};
use crate::flags::Flags;
use crate::memory::{collected, room, zeroed};
use crate::partition::partition;
use crate::record::{Layout, Record};
use crate::slices::parts;
use crate::threads::Pause;
use std::ops::Range;

/// Rows that a thread takes at once, of whole users.
const MIN_ROWS: usize = 1 << 15;

/// Sorted rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shard {
    /// Raw ids of the users, ascending.
    pub user_ids: Vec<i64>,
    /// User u owns the rows `offsets[u]..offsets[u + 1]`.
    pub offsets: Vec<i64>,
    /// Item codes, in time order, from 1 on.
    pub items: Vec<i32>,
    /// When.
    pub times: Times,
    /// Smallest time key, which is 0 in `times`.
    pub time_min: u64,
    /// Difference of time keys that is 1 in `times`.
    pub time_unit: u64,
    /// Which rows the rule of duplicates keeps; empty where it keeps all.
    pub kept: Vec<bool>,
}

/// Times relative to the smallest; empty where there are none.
#[derive(Debug, PartialEq, Eq)]
pub enum Times {
    /// Of 32 bits each.
    Narrow(Vec<u32>),
    /// Of 64 bits each.
    Wide(Vec<u64>),
}

impl Default for Times {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

/// A shard, borrowed.
#[derive(Clone, Copy)]
pub struct View<'a, I> {
    /// See [`Shard`].
    pub user_ids: &'a [i64],
    /// See [`Shard`].
    pub offsets: &'a [i64],
    /// See [`Shard`].
    pub items: &'a [i32],
    /// See [`Shard`].
    pub times: &'a [I],
    /// See [`Shard`].
    pub kept: &'a [bool],
}

/// The rows of one user.
#[derive(Clone, Copy)]
pub struct User<'a, I> {
    /// Item codes.
    pub items: &'a [i32],
    /// Relative times; empty where there are none.
    pub times: &'a [I],
    /// Which rows are no duplicates; empty where all are kept.
    pub kept: &'a [bool],
}

impl<'a, I> View<'a, I> {
    /// Check that the arrays fit together, so that every user's rows exist.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where they do not.
    pub fn check(&self) -> Result<(), Error> {
        let (users, rows) = (self.user_ids.len(), self.items.len());
        ensure!(
            self.offsets.len() == users + 1,
            "{} offsets for {users} users; one more than users is needed",
            self.offsets.len()
        );
        let ascend = self.offsets.windows(2).all(|bounds| bounds[0] <= bounds[1]);
        let ends = (self.offsets.first(), self.offsets.last());
        ensure!(
            ascend && ends == (Some(&0), Some(&(rows as i64))),
            "the offsets of a shard of {rows} rows do not ascend from 0 to {rows}"
        );
        let (times, kept) = (self.times.len(), self.kept.len());
        ensure!(
            [0, rows].contains(&times) && [0, rows].contains(&kept),
            "{rows} items, {times} times and {kept} flags of a shard"
        );
        Ok(())
    }

    /// The rows of a user.
    #[inline]
    pub fn user(&self, user: usize) -> User<'a, I> {
        let rows = self.offsets[user] as usize..self.offsets[user + 1] as usize;
        User {
            items: &self.items[rows.clone()],
            times: self.times.get(rows.clone()).unwrap_or_default(),
            kept: self.kept.get(rows).unwrap_or_default(),
        }
    }

    /// Consecutive ranges of users with about as many rows each, for threads.
    pub fn ranges(&self) -> Vec<Range<usize>> {
        let rows = self.items.len();
        let size = rows.div_ceil(4 * rayon::current_num_threads()).max(MIN_ROWS);
        let mut ranges = Vec::new();
        let mut start = 0;
        for part in parts(0..rows, size) {
            let end = self.offsets[..self.user_ids.len()].partition_point(|&o| o < part.end as i64);
            if end > start {
                ranges.push(start..end);
                start = end;
            }
        }
        ranges
    }
}

/// Sort the kept rows of columns whose items are codes from 1 on.
///
/// # Errors
/// Columns of unequal length, too many rows, [`Error::OutOfMemory`], or what `pause` returns.
pub fn sort_shard<T: Time>(
    columns: &Columns<T>,
    duplicates: Duplicates,
    pause: &Pause,
) -> Result<Shard, Error> {
    columns.check()?;
    if columns.rows() == 0 {
        return Ok(Shard { offsets: vec![0], ..Shard::default() });
    }
    let (least, _) = columns.items.span();
    ensure!(least > 0, "item code {least} in a shard; codes begin with 1");
    pause.between()?;
    let coders = (Coder::of(columns.users)?, Coder::identity(columns.items));
    let (mut shard, _) = sorted(columns, &coders, false, pause)?;
    shard.keep_distinct(duplicates, coders.1.width(), pause)?;
    Ok(shard)
}

/// Sort the kept rows of columns; where `ranks`, the item codes of the shard are the ranks, from 1
/// on, of the items that occur in kept rows, and flags say which codes of the coder occur.
///
/// # Errors
/// As [`sort_shard`].
pub fn sorted<T: Time>(
    columns: &Columns<T>,
    coders: &(Coder, Coder),
    ranks: bool,
    pause: &Pause,
) -> Result<(Shard, Vec<bool>), Error> {
    let times = columns.time_span();
    let (users, items) = (coders.0.width(), coders.1.width());
    let layout = Layout::new(columns.rows(), users, items, times);
    pause.between()?;
    if layout.fits_word() {
        sorted_records::<u64, T>(columns, coders, (&layout, ranks), pause)
    } else if layout.fits_word_and_half() {
        sorted_records::<[u32; 3], T>(columns, coders, (&layout, ranks), pause)
    } else {
        sorted_records::<[u64; 2], T>(columns, coders, (&layout, ranks), pause)
    }
}

fn sorted_records<R: Record, T: Time>(
    columns: &Columns<T>,
    (users, items): &(Coder, Coder),
    (layout, ranks): (&Layout, bool),
    pause: &Pause,
) -> Result<(Shard, Vec<bool>), Error> {
    let seen = Flags::new(if ranks { items.width() } else { 0 })?;
    let partitioned = partition::<R, T>(columns, (users, items), layout, &seen, pause)?;
    pause.between()?;
    let seen = seen.into_vec();
    let indices = numbered(seen.iter().copied())?;
    let rows = partitioned.records.len();
    let (mut counts, mut codes) = (zeroed(users.width())?, zeroed(rows)?);
    let timed = if size_of::<T>() > 0 { rows } else { 0 };
    let outputs = (&mut counts[..], &mut codes[..]);
    let times = if layout.time_bits <= u32::BITS {
        Times::Narrow(emitted(&partitioned, layout, (&indices, timed), outputs, pause)?)
    } else {
        Times::Wide(emitted(&partitioned, layout, (&indices, timed), outputs, pause)?)
    };
    drop(partitioned);
    pause.between()?;
    let (user_ids, offsets) = index_users(users, &counts)?;
    let (time_min, time_unit) = (layout.time_min, layout.time_unit.value());
    let shard = Shard { user_ids, offsets, items: codes, times, time_min, time_unit, kept: vec![] };
    Ok((shard, seen))
}

/// Write counts and items, and return the times.
fn emitted<R: Record, I: Instant>(
    partitioned: &crate::partition::Partitioned<R>,
    layout: &Layout,
    (indices, timed): (&[i32], usize),
    (counts, items): (&mut [u32], &mut [i32]),
    pause: &Pause,
) -> Result<Vec<I>, Error> {
    let mut times = zeroed(timed)?;
    let outputs = Outputs { counts, items, times: &mut times };
    sort_partitions(partitioned, layout, indices, outputs, pause)?;
    Ok(times)
}

/// The number, from 1 on, of each flag that is up; 0 of the others.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn numbered(seen: impl IntoIterator<Item = bool>) -> Result<Vec<i32>, Error> {
    let mut last = 0;
    collected(seen.into_iter().map(|seen| {
        last += i32::from(seen);
        if seen { last } else { 0 }
    }))
}

/// Raw ids and offsets of the users who have rows.
fn index_users(users: &Coder, counts: &[u32]) -> Result<(Vec<i64>, Vec<i64>), Error> {
    let found = counts.iter().filter(|count| **count > 0).count();
    let (mut user_ids, mut offsets) = (room(found)?, room(found + 1)?);
    offsets.push(0);
    let mut end = 0;
    for (code, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        end += i64::from(count);
        offsets.push(end);
        user_ids.push(users.id(code));
    }
    Ok((user_ids, offsets))
}

impl Shard {
    /// Mark the rows that a rule of duplicates keeps.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], or what `pause` returns.
    pub fn keep_distinct(
        &mut self,
        duplicates: Duplicates,
        codes: usize,
        pause: &Pause,
    ) -> Result<(), Error> {
        self.kept = distinct_rows(&self.view::<u32>(&[]), duplicates, codes, pause)?;
        Ok(())
    }

    /// The shard with its times, or without.
    pub fn view<'a, I>(&'a self, times: &'a [I]) -> View<'a, I> {
        let Self { user_ids, offsets, items, kept, .. } = self;
        View { user_ids, offsets, items, times, kept }
    }
}

/// A time key as the smallest relative time that is not before it.
pub fn relative(key: u64, (time_min, time_unit): (u64, u64)) -> u64 {
    key.saturating_sub(time_min).div_ceil(time_unit.max(1))
}
