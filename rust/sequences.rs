//! Columns -> the compact store, in memory: one shard of all users, the rounds of its k-core, and
//! what is left of it. Each row is compared only with rows of its user.

use crate::coder::Coder;
use crate::columns::{Columns, Time};
use crate::emission::Instant;
use crate::error::Error;
use crate::filters::core_round;
use crate::finish::{Finished, Plan, Rules, finish, weigh};
use crate::memory::collected;
use crate::rounds::{Core, core};
use crate::shard::{Shard, Times, View, numbered, relative, sorted};
use crate::tally::Tally;
use crate::threads::Pause;
use rayon::prelude::*;
use std::iter;

/// Largest item index: 0 is padding and `vocabulary_size` itself must fit an int32.
pub const MAX_ITEMS: usize = i32::MAX as usize - 1;

/// The compact store and how it came about.
#[derive(Debug)]
pub struct Sequences {
    /// All rows that passed the row filter.
    pub shard: Shard,
    /// Raw ids of the item codes from 1 on; empty where codes are the ids.
    pub code_ids: Vec<i64>,
    /// The rows that are kept.
    pub kept: Kept,
    /// Raw ids of the items from 1 on, ascending; empty under identity, None where they are those
    /// of the codes.
    pub item_ids: Option<Vec<i64>>,
    /// Number of items.
    pub num_items: usize,
}

/// What is left of the shard.
#[derive(Debug)]
pub enum Kept {
    /// With times as narrow as the shard's.
    Narrow(Finished<u32>),
    /// As wide.
    Wide(Finished<u64>),
}

/// Group the rows of `columns`, of which `starts` are the time keys of validation and test where
/// these decide; `pause` is asked between passes whether to go on.
///
/// # Errors
/// Columns of unequal length, too many rows or items, [`Error::OutOfMemory`], or what `pause` returns.
pub fn group<T: Time>(
    columns: &Columns<T>,
    rules: &Rules,
    starts: Option<[u64; 2]>,
    pause: &Pause,
) -> Result<Sequences, Error> {
    columns.check()?;
    pause.between()?;
    if columns.rows() == 0 {
        let shard = Shard { offsets: vec![0], ..Shard::default() };
        let (part, before, tally) = (None, Vec::new(), Tally::default());
        let kept = Kept::Narrow(Finished { part, before, tally });
        return Ok(Sequences { shard, code_ids: vec![], kept, item_ids: None, num_items: 0 });
    }
    let users = Coder::of(columns.users)?;
    pause.between()?;
    let items = if rules.keeps_codes() {
        Coder::identity(columns.items)
    } else {
        Coder::of(columns.items)?
    };
    let coders = (users, items);
    let (shard, seen) = sorted(columns, &coders, !rules.keeps_codes(), pause)?;
    let code_ids = seen.iter().enumerate().filter(|(_, seen)| **seen);
    let code_ids = collected(code_ids.map(|(code, _)| coders.1.id(code)))?;
    let codes = if rules.keeps_codes() { coders.1.width() } else { code_ids.len() + 1 };
    drop(coders);
    regroup(shard, (code_ids, codes), rules, starts, pause)
}

/// Group the sorted rows of a shard, whose item codes are below `codes` and, from 1 on, stand for
/// `code_ids`, or without these for themselves.
///
/// # Errors
/// As [`group`].
pub fn regroup(
    mut shard: Shard,
    (code_ids, codes): (Vec<i64>, usize),
    rules: &Rules,
    starts: Option<[u64; 2]>,
    pause: &Pause,
) -> Result<Sequences, Error> {
    shard.keep_distinct(rules.duplicates, codes, pause)?;
    let scale = (shard.time_min, shard.time_unit);
    let starts = starts.map(|starts| starts.map(|key| relative(key, scale)));
    let settled = match &shard.times {
        Times::Narrow(times) => {
            let view = shard.view(times);
            let (finished, items) = settle(&view, rules, (&code_ids, codes), starts, pause)?;
            (Kept::Narrow(finished), items)
        }
        Times::Wide(times) => {
            let view = shard.view(times);
            let (finished, items) = settle(&view, rules, (&code_ids, codes), starts, pause)?;
            (Kept::Wide(finished), items)
        }
    };
    let (kept, (item_ids, num_items)) = settled;
    Ok(Sequences { shard, code_ids, kept, item_ids, num_items })
}

/// The raw ids of the items that are kept, unless they are those of all codes, and their number.
type Items = (Option<Vec<i64>>, usize);

fn settle<I: Instant>(
    shard: &View<I>,
    rules: &Rules,
    (code_ids, codes): (&[i64], usize),
    starts: Option<[u64; 2]>,
    pause: &Pause,
) -> Result<(Finished<I>, Items), Error> {
    let Core { rare, mut counts, verdict } = if rules.has_core() {
        core(shard, rules.minima, codes, pause)?
    } else {
        let verdict = weigh(shard, rules.minima.user, &[], pause)?;
        Core { rare: Vec::new(), counts: Vec::new(), verdict }
    };
    let mut plan = Plan { holdout: rules.holdout, rare: &rare, indices: &[], starts };
    if rules.keeps_codes() {
        let finished = finish(shard, &plan, &verdict, pause)?;
        let items = finished.part.as_ref().map_or(shard.items, |part| &part.items);
        let largest = items.par_iter().with_min_len(1 << 15).copied().max();
        return Ok((finished, (Some(Vec::new()), largest.unwrap_or(0) as usize)));
    }
    // Every item of a user who stays is left, with one of its rows at least.
    if counts.is_empty() && verdict.tally.users_dropped > 0 {
        counts = core_round(shard, rules.minima.user, (&rare, codes), pause)?;
    }
    let is_left = |code: usize| counts.get(code).is_none_or(|count| *count > 0);
    let left = (1..codes).filter(|&code| is_left(code));
    let item_ids = collected(left.map(|code| code_ids[code - 1]))?;
    let mut indices = Vec::new();
    if rules.identity {
        indices = collected(iter::once(0).chain(code_ids.iter().map(|&id| id as i32)))?;
    } else if item_ids.len() < code_ids.len() {
        indices = numbered((0..codes).map(|code| code > 0 && is_left(code)))?;
    }
    plan.indices = &indices;
    let finished = finish(shard, &plan, &verdict, pause)?;
    let items = if rules.identity {
        (Some(Vec::new()), item_ids.last().map_or(0, |&id| id as usize))
    } else {
        let number = item_ids.len();
        ((number < code_ids.len()).then_some(item_ids), number)
    };
    Ok((finished, items))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Integers;
    use crate::filters::{Duplicates, Minima};

    #[test]
    fn rows_before_a_period_are_counted_among_those_kept() {
        // User 1 has item 9, which nobody else has, as the last before the first period.
        let users = [1, 1, 1, 1, 2, 2, 2];
        let items = [5, 6, 9, 7, 5, 6, 7];
        let times = [1i64, 2, 3, 4, 1, 2, 5];
        let columns = Columns {
            users: Integers::Wide(&users),
            items: Integers::Wide(&items),
            times: &times[..],
            keep: None,
        };
        for (least, before, kept) in [(1, [[3, 4], [2, 2]], 7), (2, [[2, 3], [2, 2]], 6)] {
            let rules = Rules {
                duplicates: Duplicates::Keep,
                minima: Minima { user: 1, item: least },
                holdout: 2,
                identity: false,
            };
            let starts = Some([4i64.key(), 5i64.key()]);
            let found = group(&columns, &rules, starts, &Pause::default()).unwrap();
            let Kept::Narrow(finished) = found.kept else { panic!("times are narrow") };
            assert_eq!(finished.before, before);
            assert_eq!(finished.tally.rows_kept, kept);
        }
    }
}
