//! Sorted rows and what decides which are kept -> a part of the store, and counts for the report.

use crate::emission::Instant;
use crate::error::{Error, check_items};
use crate::filters::{Duplicates, Minima, Settled};
use crate::memory::{collected, room, zeroed};
use crate::shard::{User, View};
use crate::slices::split_off;
use crate::tally::{Tally, Targets, count_ties};
use crate::threads::Pause;
use rayon::prelude::*;
use std::ops::Range;

/// What decides which rows are kept and what is counted.
#[derive(Clone, Copy)]
pub struct Rules {
    /// Repeated items of a user.
    pub duplicates: Duplicates,
    /// Interactions that users and items must have among those kept.
    pub minima: Minima,
    /// The last so many rows of each user are held out.
    pub holdout: usize,
    /// Item ids are indices already.
    pub identity: bool,
}

impl Rules {
    /// Whether item codes are the indices.
    pub fn keeps_codes(&self) -> bool {
        self.identity && !self.has_core()
    }

    /// Whether the k-core is more than a minimum for users.
    pub fn has_core(&self) -> bool {
        self.minima.item > 1
    }
}

/// What is done with the rows that are left.
pub struct Plan<'a> {
    /// The last so many rows of each user are held out.
    pub holdout: usize,
    /// By item code, the round in which it was found rare, or 0; empty without rounds.
    pub rare: &'a [i32],
    /// By item code, its index; empty where they are the same.
    pub indices: &'a [i32],
    /// Relative times at which validation and test begin, where these decide.
    pub starts: Option<[u64; 2]>,
}

/// A part of the store, and how it came about.
#[derive(Debug, PartialEq, Eq)]
pub struct Finished<I> {
    /// The rows; None where they are those of the shard as they are.
    pub part: Option<Part<I>>,
    /// With `starts`: each user's rows before each of the two periods.
    pub before: Vec<[u32; 2]>,
    /// Counts for the report.
    pub tally: Tally,
}

/// Rows of users that are kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Part<I> {
    /// Raw ids, ascending.
    pub user_ids: Vec<i64>,
    /// User u owns the rows `offsets[u]..offsets[u + 1]`.
    pub offsets: Vec<i64>,
    /// Item indices, in time order.
    pub items: Vec<i32>,
    /// Relative times; empty where there are none.
    pub times: Vec<I>,
}

/// How many rows of each user are left, and the counts that follow from it.
pub struct Verdict {
    /// Rows of each user; 0 of those who are dropped.
    pub left: Vec<u32>,
    /// Counts, but for ties.
    pub tally: Tally,
}

/// Weigh which rows of a shard are left, of users with `least` rows, after the rounds of `rare`.
///
/// # Errors
/// [`Error::Inconsistent`] where what is given does not fit together, [`Error::OutOfMemory`], or
/// what `pause` returns.
pub fn weigh<I: Instant>(
    shard: &View<I>,
    least: usize,
    rare: &[i32],
    pause: &Pause,
) -> Result<Verdict, Error> {
    require_codes(shard, "rounds", rare)?;
    let mut left: Vec<u32> = zeroed(shard.user_ids.len())?;
    pause.between()?;
    let mut rest = &mut left[..];
    let ranges = shard.ranges().into_iter();
    let jobs = ranges.map(|users| (users.clone(), split_off(&mut rest, users.len())));
    let tallies = collected(jobs)?.into_par_iter().map(|(users, left)| {
        pause.ask()?;
        let (mut tally, mut rounds) = (Tally::default(), Vec::new());
        for (user, slot) in users.zip(left) {
            let user = shard.user(user);
            let Settled { distinct, rare, left } = user.settled(least, rare, &mut rounds);
            *slot = left as u32;
            tally.rows_filtered += user.items.len();
            tally.rows_duplicate += user.items.len() - distinct;
            tally.rows_of_rare_items += rare;
            tally.rows_kept += left;
            tally.users_dropped += usize::from(left == 0);
        }
        Ok(tally)
    });
    let tally = tallies.try_reduce(Tally::default, |a, b| Ok(a.plus(b)))?;
    Ok(Verdict { left, tally })
}

fn require_codes<I: Sync>(shard: &View<I>, what: &str, by_code: &[i32]) -> Result<(), Error> {
    if !by_code.is_empty() {
        let most = by_code.len() - 1;
        shard.items.par_chunks(1 << 15).try_for_each(|items| {
            check_items(items, most)
                .map_err(|wrong| Error::Inconsistent(format!("{most} {what} of items: {wrong}")))
        })?;
    }
    Ok(())
}

/// Write what a verdict leaves of a shard.
///
/// # Errors
/// As [`weigh`].
pub fn finish<I: Instant>(
    shard: &View<I>,
    plan: &Plan,
    verdict: &Verdict,
    pause: &Pause,
) -> Result<Finished<I>, Error> {
    require_codes(shard, "indices", plan.indices)?;
    let (left, mut tally) = (&verdict.left, verdict.tally);
    let users = left.iter().filter(|left| **left > 0).count();
    let whole = tally.rows_kept == tally.rows_filtered && plan.indices.is_empty();
    let mut part = if whole { None } else { Some(laid_out(shard, left, users, tally)?) };
    let mut before = zeroed(if plan.starts.is_some() { users } else { 0 })?;
    pause.between()?;
    let out: (&mut [i32], &mut [I]) =
        part.as_mut().map_or_else(Default::default, |p| (&mut p.items[..], &mut p.times[..]));
    let jobs = jobs(&shard.ranges(), left, out, &mut before)?;
    let ties = jobs.into_par_iter().map(|job| {
        pause.ask()?;
        Ok(job.run(shard, plan, left))
    });
    tally = tally.plus(ties.try_reduce(Tally::default, |a, b| Ok(a.plus(b)))?);
    Ok(Finished { part, before, tally })
}

/// Ids and offsets of the users that are left, and room for their rows.
fn laid_out<I: Instant>(
    shard: &View<I>,
    left: &[u32],
    users: usize,
    tally: Tally,
) -> Result<Part<I>, Error> {
    let (mut user_ids, mut offsets) = (room(users)?, room(users + 1)?);
    offsets.push(0);
    let mut end = 0;
    for (&id, &rows) in shard.user_ids.iter().zip(left).filter(|(_, left)| **left > 0) {
        end += i64::from(rows);
        offsets.push(end);
        user_ids.push(id);
    }
    let timed = if shard.times.is_empty() { 0 } else { tally.rows_kept };
    Ok(Part { user_ids, offsets, items: zeroed(tally.rows_kept)?, times: zeroed(timed)? })
}

/// A range of users and where their rows go; nowhere where the shard has them already.
struct Job<'a, I> {
    users: Range<usize>,
    items: &'a mut [i32],
    times: &'a mut [I],
    before: &'a mut [[u32; 2]],
}

fn jobs<'a, I>(
    ranges: &[Range<usize>],
    left: &[u32],
    (mut items, mut times): (&'a mut [i32], &'a mut [I]),
    mut before: &'a mut [[u32; 2]],
) -> Result<Vec<Job<'a, I>>, Error> {
    collected(ranges.iter().map(|users| {
        let left = &left[users.clone()];
        let rows = left.iter().map(|left| *left as usize).sum::<usize>();
        let kept = left.iter().filter(|left| **left > 0).count();
        let (written, timed) = (rows.min(items.len()), rows.min(times.len()));
        let dated = kept.min(before.len());
        Job {
            users: users.clone(),
            items: split_off(&mut items, written),
            times: split_off(&mut times, timed),
            before: split_off(&mut before, dated),
        }
    }))
}

impl<I: Instant> Job<'_, I> {
    /// Write the rows of the users that are left, and count ties.
    fn run(self, shard: &View<I>, plan: &Plan, left: &[u32]) -> Tally {
        let mut tally = Tally::default();
        let (mut items, mut times) = (self.items, self.times);
        let mut before = self.before.iter_mut();
        for number in self.users {
            let (user, rows) = (shard.user(number), left[number] as usize);
            if rows == 0 {
                continue;
            }
            let written = rows.min(items.len());
            let own = split_off(&mut items, written);
            user.write(user.items, plan.rare, own);
            if !plan.indices.is_empty() {
                for item in &mut *own {
                    *item = plan.indices[*item as usize];
                }
            }
            let seen = if times.is_empty() {
                user.times
            } else {
                let own = split_off(&mut times, rows);
                user.write(user.times, plan.rare, own);
                own
            };
            let targets = match plan.starts {
                None => Targets::Last(plan.holdout),
                Some(starts) => Targets::After(
                    starts.map(|start| seen.partition_point(|time| time.wide() < start)),
                ),
            };
            if let (Targets::After(counts), Some(slot)) = (targets, before.next()) {
                *slot = counts.map(|rows| rows as u32);
            }
            count_ties(seen, targets, &mut tally);
        }
        tally
    }
}

impl<I> User<'_, I> {
    /// Write the values of the rows that are kept, of which there are as many as `out` takes.
    fn write<T: Copy>(&self, values: &[T], rare: &[i32], out: &mut [T]) {
        if values.len() == out.len() {
            return out.copy_from_slice(values);
        }
        let mut place = 0; // no branch a row: which are kept is not to be foreseen
        for (row, &value) in values.iter().enumerate() {
            let Some(slot) = out.get_mut(place) else { return };
            *slot = value;
            place += usize::from(self.keeps(row, rare));
        }
    }
}
