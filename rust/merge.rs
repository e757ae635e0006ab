//! Two shards -> one: rows that came later take their places among those there were, user by user.

use crate::columns::MAX_ROWS;
use crate::error::{Error, check_items, ensure};
use crate::memory::{collected, push, zeroed};
use crate::scale::{Relative, Scale, Ticks, Width};
use crate::shard::{Shard, View};
use crate::slices::split_off;
use crate::threads::Pause;
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// Times handed to a thread at once.
const CHUNK: usize = 1 << 16;
/// The place of a user whom a shard does not have.
const NOWHERE: u32 = u32::MAX;

/// A shard whose rows are put together with those of another.
pub struct Rows<'a> {
    /// The rows, but for their times.
    pub view: View<'a, ()>,
    /// Their times.
    pub times: Relative<'a>,
    /// By item code, what it becomes; empty where codes stay.
    pub codes: &'a [i32],
}

impl Rows<'_> {
    fn check(&self) -> Result<(), Error> {
        self.view.check()?;
        let (times, items) = (self.times.len(), self.view.items);
        ensure!([0, items.len()].contains(&times), "{times} times of {} rows", items.len());
        if !self.codes.is_empty() {
            let most = self.codes.len() - 1;
            items.par_chunks(CHUNK).try_for_each(|items| check_items(items, most))?;
        }
        Ok(())
    }

    fn written(&self, item: i32) -> i32 {
        self.codes.get(item as usize).copied().unwrap_or(item)
    }
}

/// The rows of both shards; those of `new` are after those of `old` with the same time. Duplicates
/// are not looked for.
///
/// # Errors
/// [`Error::Inconsistent`] where arrays do not fit together, [`Error::OutOfMemory`], or what `pause`
/// returns.
pub fn merged(old: &Rows, new: &Rows, pause: &Pause) -> Result<Shard, Error> {
    old.check()?;
    new.check()?;
    let found = old.view.items.len() + new.view.items.len();
    if found > MAX_ROWS {
        return Err(Error::TooMany { what: "rows", found, max: MAX_ROWS });
    }
    pause.between()?;
    let (before, after) = (&old.times, &new.times);
    let scale = match (before.len() > 0, after.len() > 0) {
        (true, true) => before.scale.joined(after.own_scale()),
        (false, true) => after.scale,
        _ => before.scale,
    };
    let most = u64::from(u32::MAX);
    let fits = match before.ticks {
        Ticks::Narrow(_) => scale == before.scale || before.last(scale) <= most,
        Ticks::Wide(_) => scale != before.scale && before.last(scale) <= most,
    };
    if fits && after.last(scale) <= most {
        in_width::<u32>(old, new, scale, pause)
    } else {
        in_width::<u64>(old, new, scale, pause)
    }
}

fn in_width<I: Width>(old: &Rows, new: &Rows, scale: Scale, pause: &Pause) -> Result<Shard, Error> {
    let sides = Sides {
        old,
        new,
        before: old.times.in_scale::<I>(scale)?,
        after: new.times.in_scale::<I>(scale)?,
    };
    let (mut places, mut user_ids, mut offsets) = (Vec::new(), Vec::new(), vec![0]);
    let mut rows = 0;
    each_user(old.view.user_ids, new.view.user_ids, |id, place| {
        rows += place.rows(old, new);
        push(&mut places, place)?;
        push(&mut user_ids, id)?;
        push(&mut offsets, rows as i64)
    })?;
    pause.between()?;
    let mut items: Vec<i32> = zeroed(rows)?;
    let mut times: Vec<I> = zeroed(sides.before.len() + sides.after.len())?;
    let whole =
        View { user_ids: &user_ids, offsets: &offsets, items: &items, times: &times, kept: &[] };
    let ranges = whole.ranges();
    let (mut free_items, mut free_times) = (&mut items[..], &mut times[..]);
    let jobs = collected(ranges.into_iter().map(|users| {
        let rows = (offsets[users.end] - offsets[users.start]) as usize;
        let timed = rows.min(free_times.len());
        (&places[users], split_off(&mut free_items, rows), split_off(&mut free_times, timed))
    }))?;
    jobs.into_par_iter().try_for_each(|(places, items, times)| {
        pause.ask()?;
        sides.write(places, items, times);
        Ok(())
    })?;
    let Scale { min: time_min, unit: time_unit } = scale;
    let times = I::into_times(times);
    Ok(Shard { user_ids, offsets, items, times, time_min, time_unit, kept: Vec::new() })
}

/// Where a user is in each shard.
#[derive(Clone, Copy)]
struct Place {
    old: u32,
    new: u32,
}

impl Place {
    fn rows(self, old: &Rows, new: &Rows) -> usize {
        range(&old.view, self.old).len() + range(&new.view, self.new).len()
    }
}

/// The rows of a user; none of one whom the shard does not have.
fn range(view: &View<()>, place: u32) -> Range<usize> {
    if place == NOWHERE {
        return 0..0;
    }
    view.offsets[place as usize] as usize..view.offsets[place as usize + 1] as usize
}

/// Call with each user of either list, ascending, and the places in both.
fn each_user(
    old: &[i64],
    new: &[i64],
    mut call: impl FnMut(i64, Place) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut i, mut j) = (0, 0);
    loop {
        let id = match (old.get(i), new.get(j)) {
            (Some(old), Some(new)) => *old.min(new),
            (Some(id), None) | (None, Some(id)) => *id,
            (None, None) => return Ok(()),
        };
        let mut place = Place { old: NOWHERE, new: NOWHERE };
        if old.get(i) == Some(&id) {
            place.old = i as u32;
            i += 1;
        }
        if new.get(j) == Some(&id) {
            place.new = j as u32;
            j += 1;
        }
        call(id, place)?;
    }
}

/// The rows that are put together, with times in one scale.
struct Sides<'a, I: Clone> {
    old: &'a Rows<'a>,
    new: &'a Rows<'a>,
    before: Cow<'a, [I]>,
    after: Cow<'a, [I]>,
}

impl<I: Width> Sides<'_, I> {
    /// Write the rows of users who follow one another.
    fn write(&self, places: &[Place], mut items: &mut [i32], mut times: &mut [I]) {
        // Users without new rows lie as they lay: the rows of many are copied at once.
        for run in places.chunk_by(|a, b| a.new == NOWHERE && b.new == NOWHERE) {
            let (first, last) = (run[0], run[run.len() - 1]);
            let old = range(&self.old.view, first.old).start..range(&self.old.view, last.old).end;
            let new = range(&self.new.view, first.new);
            let rows = old.len() + new.len();
            let timed = rows.min(times.len());
            let out = (split_off(&mut items, rows), split_off(&mut times, timed));
            self.merge(old, new, out);
        }
    }

    /// Merge the rows of a user by time; those there were come first among equal ones.
    fn merge(&self, old: Range<usize>, new: Range<usize>, (items, times): (&mut [i32], &mut [I])) {
        let mut rest = new.clone();
        let mut out = 0;
        let mut copy = |rows: &Rows, all: &[I], taken: Range<usize>| {
            let end = out + taken.len();
            let codes = &rows.view.items[taken.clone()];
            if rows.codes.is_empty() {
                items[out..end].copy_from_slice(codes);
            } else {
                let slots = items[out..end].iter_mut().zip(codes);
                slots.for_each(|(slot, item)| *slot = rows.written(*item));
            }
            if !times.is_empty() {
                times[out..end].copy_from_slice(&all[taken]);
            }
            out = end;
        };
        let mut start = old.start;
        while !rest.is_empty() && start < old.end {
            // Old rows up to the time of the next new one, then new rows before the next old one.
            let next = self.after.get(rest.start);
            let taken = next.map_or(old.end - start, |next| {
                self.before[start..old.end].partition_point(|time| time <= next)
            });
            copy(self.old, &self.before, start..start + taken);
            start += taken;
            let taken = match self.before[..].get(start).filter(|_| start < old.end) {
                Some(next) => self.after[rest.clone()].partition_point(|time| time < next),
                None => rest.len(),
            };
            copy(self.new, &self.after, rest.start..rest.start + taken);
            rest.start += taken;
        }
        copy(self.old, &self.before, start..old.end.max(start));
        copy(self.new, &self.after, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::Times;

    fn rows<'a>(shard: &'a Shard, codes: &'a [i32]) -> Rows<'a> {
        let ticks = match &shard.times {
            Times::Narrow(times) => Ticks::Narrow(times),
            Times::Wide(times) => Ticks::Wide(times),
        };
        let scale = Scale { min: shard.time_min, unit: shard.time_unit };
        Rows { view: shard.view(&[]), times: Relative { ticks, scale }, codes }
    }

    fn shard(users: &[(i64, &[(u64, i32)])], (time_min, time_unit): (u64, u64)) -> Shard {
        let all = || users.iter().flat_map(|(_, rows)| rows.iter());
        let ends = users.iter().scan(0, |end, (_, rows)| {
            *end += rows.len() as i64;
            Some(*end)
        });
        let narrow = all().map(|row| u32::try_from(row.0)).collect::<Result<_, _>>();
        let times =
            narrow.map_or_else(|_| Times::Wide(all().map(|row| row.0).collect()), Times::Narrow);
        Shard {
            user_ids: users.iter().map(|user| user.0).collect(),
            offsets: [0].into_iter().chain(ends).collect(),
            items: all().map(|row| row.1).collect(),
            times,
            time_min,
            time_unit,
            kept: Vec::new(),
        }
    }

    #[test]
    fn later_rows_come_after_equal_times() {
        let old = shard(&[(1, &[(0, 1), (2, 2)]), (3, &[(1, 3)]), (4, &[(5, 1)])], (100, 1));
        let new =
            shard(&[(1, &[(0, 1), (1, 2), (4, 3)]), (2, &[(0, 1)]), (4, &[(0, 2)])], (101, 1));
        let found = merged(&rows(&old, &[0, 1, 2, 4]), &rows(&new, &[]), &Pause::default());
        let expected = shard(
            &[
                (1, &[(0, 1), (1, 1), (2, 2), (2, 2), (5, 3)]),
                (2, &[(1, 1)]),
                (3, &[(1, 4)]),
                (4, &[(1, 2), (5, 1)]),
            ],
            (100, 1),
        );
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn scales_are_joined() {
        let old = shard(&[(1, &[(0, 1), (1, 2)])], (1000, 60));
        let with = |rows_of_one: &[(u64, i32)], scale| {
            let new = shard(&[(1, rows_of_one)], scale);
            merged(&rows(&old, &[]), &rows(&new, &[]), &Pause::default()).unwrap()
        };
        let found = with(&[(0, 3), (2, 4)], (910, 60));
        assert_eq!(found, shard(&[(1, &[(0, 3), (3, 1), (4, 4), (5, 2)])], (910, 30)));
        let found = with(&[(0, 3)], (1120, 1)); // a single time has no unit
        assert_eq!(found, shard(&[(1, &[(0, 1), (1, 2), (2, 3)])], (1000, 60)));
        let far = u64::from(u32::MAX) + 1;
        let found = with(&[(0, 3), (far, 4)], (1000, 60));
        assert_eq!(found, shard(&[(1, &[(0, 1), (0, 3), (1, 2), (far, 4)])], (1000, 60)));
        let found = with(&[(0, 3), (1, 4)], (1001, 1 << 33));
        assert_eq!(found.times, Times::Wide(vec![0, 1, 60, 1 + (1 << 33)]));
    }

    #[test]
    fn without_times_rows_follow_one_another() {
        let untimed = |shard: Shard| Shard { times: Times::default(), ..shard };
        let old = untimed(shard(&[(1, &[(0, 1), (0, 2)]), (2, &[(0, 5)])], (0, 1)));
        let new = untimed(shard(&[(1, &[(0, 3)]), (3, &[(0, 4)])], (0, 1)));
        let found = merged(&rows(&old, &[]), &rows(&new, &[]), &Pause::default()).unwrap();
        assert_eq!((found.items, found.offsets), (vec![1, 2, 3, 5, 4], vec![0, 3, 4, 5]));
        let none = Shard { offsets: vec![0], ..Shard::default() };
        let found = merged(&rows(&old, &[]), &rows(&none, &[]), &Pause::default());
        assert_eq!(found, Ok(old));
    }
}
