//! Which interactions are kept: repeated items of a user, and the iterated k-core, in which every
//! user and every item has enough interactions among those kept. The k-core is unique.
//!
//! It is found in rounds, each of them a map over shards and a sum: users with too few rows are
//! dropped, then items, which are rare once the rows of all shards are counted, and so on. What a
//! round leaves follows from the number of the round in which each item was found rare.

use crate::error::{Error, check_items, ensure};
use crate::memory::{insert, zeroed};
use crate::shard::{User, View};
use crate::slices::split_off;
use crate::threads::Pause;
use foldhash::HashSet;
use rayon::prelude::*;

/// Most bytes of marks of a thread; with more codes than that, few of them occur in a row.
const MAX_MARKS: usize = 1 << 24;

/// What to do with an item that a user has more than once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// Keep every interaction.
    Keep,
    /// Keep the earliest.
    First,
    /// Keep the latest.
    Last,
}

/// Interactions a user and an item must have.
#[derive(Clone, Copy)]
pub struct Minima {
    /// Of each user.
    pub user: usize,
    /// Of each item.
    pub item: usize,
}

/// Which rows a rule of duplicates keeps, of items that are codes below `codes`; empty for all.
///
/// # Errors
/// [`Error::OutOfMemory`], or what `pause` returns.
pub fn distinct_rows(
    shard: &View<u32>,
    rule: Duplicates,
    codes: usize,
    pause: &Pause,
) -> Result<Vec<bool>, Error> {
    let mut kept = zeroed(if rule == Duplicates::Keep { 0 } else { shard.items.len() })?;
    if kept.is_empty() {
        return Ok(kept);
    }
    let mut rest = &mut kept[..];
    let ranges = shard.ranges().into_iter().map(|users| {
        let rows = shard.offsets[users.end] - shard.offsets[users.start];
        (users, split_off(&mut rest, rows as usize))
    });
    let ranges: Vec<_> = ranges.collect();
    pause.between()?;
    ranges.into_par_iter().try_for_each(|(users, mut kept)| {
        let mut seen = Seen::of(codes)?;
        for user in users {
            let items = shard.user(user).items;
            let kept = split_off(&mut kept, items.len());
            if !seen.repeats(items)? {
                kept.fill(true);
                continue;
            }
            seen.next();
            let mut rows = items.iter().zip(kept);
            let mut mark = |(item, kept): (&i32, &mut bool)| -> Result<(), Error> {
                *kept = seen.is_new(*item)?;
                Ok(())
            };
            match rule {
                Duplicates::Last => rows.rev().try_for_each(mark)?,
                _ => rows.try_for_each(&mut mark)?,
            }
        }
        pause.ask()
    })?;
    Ok(kept)
}

/// The items that the user at hand was seen with.
enum Seen {
    /// By code, the number of the last reading of a user's items that found it.
    Marks(Vec<u32>, u32),
    /// Of one user, where codes are too many to mark.
    Set(HashSet<i32>),
}

impl Seen {
    fn of(codes: usize) -> Result<Self, Error> {
        if codes > MAX_MARKS / size_of::<u32>() {
            return Ok(Self::Set(HashSet::default()));
        }
        Ok(Self::Marks(zeroed(codes)?, 0))
    }

    /// Forget all items.
    fn next(&mut self) {
        match self {
            Self::Marks(_, number) => *number += 1,
            Self::Set(items) => items.clear(),
        }
    }

    /// Whether any item is there twice; nearly no user of most tables has one.
    fn repeats(&mut self, items: &[i32]) -> Result<bool, Error> {
        self.next();
        match self {
            Self::Marks(marks, number) => Ok(items.iter().fold(false, |found, &item| {
                found | (std::mem::replace(&mut marks[item as usize], *number) == *number)
            })),
            Self::Set(seen) => {
                for &item in items {
                    if !insert(seen, item)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    #[inline]
    fn is_new(&mut self, item: i32) -> Result<bool, Error> {
        match self {
            Self::Marks(marks, number) => {
                Ok(std::mem::replace(&mut marks[item as usize], *number) != *number)
            }
            Self::Set(items) => insert(items, item),
        }
    }
}

/// What is left of a user's rows.
#[derive(Clone, Copy, Default)]
pub struct Settled {
    /// Rows that are no duplicates.
    pub distinct: usize,
    /// Rows dropped with rare items.
    pub rare: usize,
    /// Rows that are kept; 0 where the user is dropped.
    pub left: usize,
}

impl<I> User<'_, I> {
    /// Whether a row is kept, unless its user is dropped.
    #[inline]
    pub fn keeps(&self, row: usize, rare: &[i32]) -> bool {
        let is_rare = !rare.is_empty() && rare[self.items[row] as usize] > 0;
        !is_rare && self.is_distinct(row)
    }

    /// Whether the rule of duplicates keeps a row.
    #[inline]
    pub fn is_distinct(&self, row: usize) -> bool {
        self.kept.is_empty() || self.kept[row]
    }

    /// What is left after the rounds in which items were found rare; none where `rare` is empty.
    pub fn settled(&self, least: usize, rare: &[i32], rounds: &mut Vec<i32>) -> Settled {
        let rows = self.items.len();
        let distinct = match self.kept {
            [] => rows,
            kept => kept.iter().filter(|kept| **kept).count(),
        };
        let left = match rare {
            [] => distinct,
            rare => (0..rows).filter(|&row| self.keeps(row, rare)).count(),
        };
        if left >= least.max(1) {
            return Settled { distinct, rare: distinct - left, left };
        }
        if left == distinct || distinct < least {
            return Settled { distinct, rare: 0, left: 0 };
        }
        // Rows go in the order of their items' rounds, until too few of the user's are left.
        rounds.clear();
        rounds.extend(
            (0..rows)
                .filter(|&row| self.is_distinct(row))
                .map(|row| rare[self.items[row] as usize]),
        );
        rounds.retain(|round| *round > 0);
        rounds.sort_unstable();
        let last = rounds[distinct - least.max(1)];
        Settled { distinct, rare: rounds.partition_point(|round| *round <= last), left: 0 }
    }
}

/// A round of the k-core: how many kept rows each item code has after the rounds before, of which
/// `rare` has the number by code, or 0; it may be empty before the first.
///
/// # Errors
/// [`Error::Inconsistent`] where a shard does not fit together, [`Error::OutOfMemory`], or what
/// `pause` returns.
pub fn core_round<I: Sync>(
    shard: &View<I>,
    least: usize,
    (rare, codes): (&[i32], usize),
    pause: &Pause,
) -> Result<Vec<u32>, Error> {
    ensure!(rare.is_empty() || rare.len() == codes, "{} rounds for {codes} item codes", rare.len());
    shard.items.par_chunks(1 << 15).try_for_each(|items| check_items(items, codes - 1))?;
    let ranges = shard.ranges();
    let share = ranges.len().div_ceil(rayon::current_num_threads()).max(1);
    pause.between()?;
    let counts = ranges.par_chunks(share).map(|ranges| {
        let mut counts: Vec<u32> = zeroed(codes)?;
        let mut rounds = Vec::new();
        for user in ranges.iter().cloned().flatten() {
            let user = shard.user(user);
            let left = user.settled(least, rare, &mut rounds).left;
            if left == user.items.len() {
                user.items.iter().for_each(|&item| counts[item as usize] += 1);
            } else if left > 0 {
                for (row, &item) in user.items.iter().enumerate() {
                    counts[item as usize] += u32::from(user.keeps(row, rare));
                }
            }
        }
        pause.ask()?;
        Ok(counts)
    });
    let sum = counts.try_reduce_with(|mut sum, counts: Vec<u32>| {
        sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        Ok(sum)
    });
    sum.unwrap_or_else(|| zeroed(codes))
}

/// Note the items that a round of counts finds rare; returns whether there are any.
pub fn note_rare(counts: &[u32], least: usize, rare: &mut [i32], round: i32) -> bool {
    let mut found = false;
    for (&count, rare) in counts.iter().zip(rare) {
        if *rare == 0 && count > 0 && (count as usize) < least {
            *rare = round;
            found = true;
        }
    }
    found
}
