//! The kept rows of a chunk by shard, as narrow as they fit: a user's shard is found by its id, an
//! item becomes the code 1 + its rank among all items, a time a count of ticks from the first one.

use crate::bounds::{Finder, Shards};
use crate::chunk::{Chunk, Times};
use crate::error::Error;
use crate::item_codes::Codes;
use crate::memory::{room, zeroed};
use crate::slices::{parts, split_off};
use crate::threads::Pause;
use crate::time_span::SCALES;
use bytemuck::Zeroable;
use rayon::prelude::*;
use std::ops::Range;

const PART_ROWS: usize = 1 << 16;

/// User ids: relative to the first of their shard, or as they are.
pub enum Users {
    /// Relative.
    Narrow(Vec<i32>),
    /// As they are.
    Wide(Vec<i64>),
}

/// Times of routed rows.
pub enum Moments {
    /// There are none.
    Absent,
    /// Ticks from the first time.
    Ticks(Vec<i32>),
    /// Integers as they are.
    Wide(Vec<i64>),
    /// Floats as they are.
    Float(Vec<f64>),
}

/// How times are written.
#[derive(Clone, Copy)]
pub enum Clock {
    /// As they are.
    AsTheyAre,
    /// As the number of steps (one of [`SCALES`]) from the smallest.
    Ticks(i64, i64),
}

/// The kept rows of a chunk, shard after shard, each in the order of the chunk.
pub struct Routed {
    /// Their users.
    pub users: Users,
    /// Codes of their items.
    pub items: Vec<i32>,
    /// Their times.
    pub times: Moments,
    /// Shard s has the rows `starts[s]..starts[s + 1]`.
    pub starts: Vec<i64>,
}

/// Route the rows of a chunk.
///
/// # Errors
/// Columns of unequal length; [`Error::Inconsistent`] for a user outside all shards, an item without
/// a code, or a time that is no tick: the chunk is not the one that was scanned;
/// [`Error::OutOfMemory`], or what `pause` returns.
pub fn route(
    chunk: &Chunk,
    shards: &Shards,
    codes: &Codes,
    clock: Clock,
    pause: &Pause,
) -> Result<Routed, Error> {
    chunk.check()?;
    shards.check()?;
    pause.between()?;
    let finder = Finder::of(shards);
    let ranges: Vec<Range<usize>> = parts(0..chunk.users.len(), PART_ROWS).collect();
    let found = ranges
        .par_iter()
        .map(|rows| found(chunk, &finder, rows.clone()))
        .collect::<Result<Vec<_>, Error>>()?;
    let mut starts: Vec<i64> = zeroed(shards.firsts.len() + 1)?;
    for shard in 0..shards.firsts.len() {
        let rows: i64 = found.iter().map(|found| i64::from(found.counts[shard])).sum();
        starts[shard + 1] = starts[shard] + rows;
    }
    pause.between()?;
    let plan = Plan { found: &found, ranges: &ranges, rows: starts[shards.firsts.len()] as usize };
    let firsts = shards.firsts;
    let users = if shards.are_narrow() {
        Users::Narrow(plan.moved(|row, shard| {
            Ok(chunk.users.id(row).wrapping_sub(firsts[shard as usize]) as i32)
        })?)
    } else {
        Users::Wide(plan.moved(|row, _| Ok(chunk.users.id(row)))?)
    };
    pause.ask()?;
    let items = plan.moved(|row, _| {
        let code = codes.code(chunk.items.id(row));
        if code > 0 { Ok(code) } else { Err(changed("an item")) }
    })?;
    pause.ask()?;
    let times = moments(chunk.times, clock, &plan)?;
    Ok(Routed { users, items, times, starts })
}

fn moments(times: Times, clock: Clock, plan: &Plan) -> Result<Moments, Error> {
    Ok(match (times, clock) {
        (Times::Absent, _) => Moments::Absent,
        (Times::Wide(times), Clock::AsTheyAre) => {
            Moments::Wide(plan.moved(|row, _| Ok(times[row]))?)
        }
        (Times::Narrow(times), Clock::AsTheyAre) => {
            Moments::Wide(plan.moved(|row, _| Ok(i64::from(times[row])))?)
        }
        (Times::Float(times), Clock::AsTheyAre) => {
            Moments::Float(plan.moved(|row, _| Ok(times[row]))?)
        }
        (Times::Wide(times), Clock::Ticks(..)) => ticks(|row| Some(times[row]), clock, plan)?,
        (Times::Narrow(times), Clock::Ticks(..)) => {
            ticks(|row| Some(i64::from(times[row])), clock, plan)?
        }
        (Times::Float(times), Clock::Ticks(..)) => {
            let whole = |time: f64| (time.fract() == 0.0).then_some(time as i64);
            ticks(|row| whole(times[row]), clock, plan)?
        }
    })
}

fn ticks(
    time: impl Fn(usize) -> Option<i64> + Sync,
    clock: Clock,
    plan: &Plan,
) -> Result<Moments, Error> {
    let Clock::Ticks(least, step) = clock else { return Ok(Moments::Absent) };
    // The divisors are constants, so that none of these is a division.
    Ok(Moments::Ticks(match step {
        1 => plan.ticks::<{ SCALES[3] }>(&time, least)?,
        1000 => plan.ticks::<{ SCALES[2] }>(&time, least)?,
        1_000_000 => plan.ticks::<{ SCALES[1] }>(&time, least)?,
        1_000_000_000 => plan.ticks::<{ SCALES[0] }>(&time, least)?,
        other => return Err(Error::Inconsistent(format!("a tick of {other}"))),
    }))
}

fn changed(what: &str) -> Error {
    Error::Inconsistent(format!("{what} that was not there when the rows were first looked at"))
}

/// The shards of the rows of a range, none (`u16::MAX`) for those not kept, and how many each has.
struct Found {
    shards: Vec<u16>,
    counts: Vec<u32>,
}

const NOT_KEPT: u16 = u16::MAX;
/// Most shards.
pub const MAX_SHARDS: usize = NOT_KEPT as usize;

fn found(chunk: &Chunk, finder: &Finder, rows: Range<usize>) -> Result<Found, Error> {
    let shards = finder.firsts.len();
    if shards > MAX_SHARDS {
        return Err(Error::TooMany { what: "shards", found: shards, max: MAX_SHARDS });
    }
    let mut found = Found { shards: room(rows.len())?, counts: zeroed(shards)? };
    for row in rows {
        if chunk.keep.is_some_and(|keep| !keep[row]) {
            found.shards.push(NOT_KEPT);
            continue;
        }
        let shard = finder.shard(chunk.users.id(row)).ok_or_else(|| changed("a user"))?;
        found.shards.push(shard as u16);
        found.counts[shard] += 1;
    }
    Ok(found)
}

/// Which row goes where.
struct Plan<'a> {
    found: &'a [Found],
    ranges: &'a [Range<usize>],
    rows: usize,
}

impl Plan<'_> {
    /// One column: what `of` gives for each kept row and its shard, in the new order.
    fn moved<T: Copy + Zeroable + Send>(
        &self,
        of: impl Fn(usize, u16) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        let mut column: Vec<T> = zeroed(self.rows)?;
        let mut rest = &mut column[..];
        let shards = self.found.first().map_or(0, |found| found.counts.len());
        let mut cells: Vec<Vec<std::slice::IterMut<T>>> =
            self.found.iter().map(|_| room(shards)).collect::<Result<_, Error>>()?;
        for shard in 0..shards {
            for (cells, found) in cells.iter_mut().zip(self.found) {
                cells.push(split_off(&mut rest, found.counts[shard] as usize).iter_mut());
            }
        }
        self.ranges.par_iter().zip(self.found).zip(cells).try_for_each(
            |((rows, found), mut cells)| {
                for (row, &shard) in rows.clone().zip(&found.shards) {
                    // Counted exactly, so that the cell always has room.
                    if let Some(slot) = cells.get_mut(shard as usize).and_then(Iterator::next) {
                        *slot = of(row, shard)?;
                    }
                }
                Ok(())
            },
        )?;
        Ok(column)
    }

    fn ticks<const STEP: i64>(
        &self,
        time: impl Fn(usize) -> Option<i64> + Sync,
        least: i64,
    ) -> Result<Vec<i32>, Error> {
        self.moved(|row, _| {
            let since = time(row).map(|time| time.wrapping_sub(least) as u64);
            let ticks = since.filter(|since| since % STEP as u64 == 0).map(|s| s / STEP as u64);
            ticks.and_then(|ticks| i32::try_from(ticks).ok()).ok_or_else(|| changed("a time"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Integers;

    #[test]
    fn rows_go_to_their_shards_in_order() {
        let users = [5, -3, 9, 5, 6, 9];
        let items = [70i64, 10, 10, 30, 70, 30];
        let times = [4000i64, 1000, 9000, 1000, 2000, 3000];
        let keep = [true, true, true, true, false, true];
        let chunk = Chunk {
            users: Integers::Wide(&users),
            items: Integers::Wide(&items),
            times: Times::Wide(&times),
            keep: Some(&keep),
        };
        let codes = Codes::of(&[10, 30, 70]).unwrap();
        let shards = Shards { firsts: &[-3, 5, 8], last: 9 };
        let clock = Clock::Ticks(1000, 1000);
        let routed = route(&chunk, &shards, &codes, clock, &Pause::default()).unwrap();
        assert!(matches!(routed.users, Users::Narrow(users) if users == [0, 0, 0, 1, 1]));
        assert_eq!(routed.items, [1, 3, 2, 1, 2]);
        assert!(matches!(routed.times, Moments::Ticks(times) if times == [0, 3, 0, 8, 2]));
        assert_eq!(routed.starts, [0, 1, 3, 5]);
    }

    #[test]
    fn rows_nobody_scanned_are_refused() {
        let (users, items) = ([3i64], [7i64]);
        let chunk = Chunk {
            users: Integers::Wide(&users),
            items: Integers::Wide(&items),
            times: Times::Wide(&[5]),
            keep: None,
        };
        let routed = |ids: &[i64], firsts: &[i64], clock| {
            let shards = Shards { firsts, last: 4 };
            route(&chunk, &shards, &Codes::of(ids).unwrap(), clock, &Pause::default()).is_ok()
        };
        assert!(routed(&[7], &[3], Clock::AsTheyAre));
        assert!(!routed(&[8], &[3], Clock::AsTheyAre));
        assert!(!routed(&[7], &[4], Clock::AsTheyAre));
        assert!(!routed(&[7], &[3], Clock::Ticks(6, 1)));
        assert!(!routed(&[7], &[3], Clock::Ticks(0, 1000)));
    }
}
