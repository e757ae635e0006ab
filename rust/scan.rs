//! What one look at a chunk of rows tells about it, merged chunk by chunk: enough to say where shards
//! begin, what an item's code is and how narrow a time can be. In any order of chunks it is the same.

use crate::chunk::Chunk;
use crate::columns::Integers;
use crate::distinct::{Ids, distinct};
use crate::error::{Error, ensure};
use crate::memory::{collected, room};
use crate::sample::{lowest, sampled};
use crate::slices::parts;
use crate::threads::Pause;
use crate::time_span::{TimeSpan, time_span};
use rayon::prelude::*;
use std::ops::Range;

const PART_ROWS: usize = 1 << 16;

/// What is known of some rows that pass the row filter.
#[derive(Clone)]
pub struct Span {
    /// How many there are.
    pub rows: u64,
    /// Smallest and largest user id; `(i64::MAX, i64::MIN)` without rows.
    pub users: (i64, i64),
    /// Priority and user of the rows of the lowest priorities.
    sample: Vec<(u64, i64)>,
    items: Ids,
    /// Of their times.
    pub times: TimeSpan,
}

impl Span {
    /// A span from its parts.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where item ids do not ascend, or there are more samples than rows.
    pub fn new(
        rows: u64,
        users: (i64, i64),
        mut sample: Vec<(u64, i64)>,
        item_ids: Vec<i64>,
        times: TimeSpan,
    ) -> Result<Self, Error> {
        ensure!(item_ids.windows(2).all(|pair| pair[0] < pair[1]), "item ids do not ascend");
        ensure!(sample.len() as u64 <= rows, "{} samples of {rows} rows", sample.len());
        lowest(&mut sample);
        Ok(Self { rows, users, sample, items: Ids::Sorted(item_ids), times })
    }

    /// Look at the rows of a chunk, the first of which has a number among all rows.
    ///
    /// # Errors
    /// Columns of unequal length, [`Error::OutOfMemory`], or what `pause` returns.
    pub fn of(chunk: &Chunk, first_row: u64, pause: &Pause) -> Result<Self, Error> {
        chunk.check()?;
        pause.between()?;
        let ranges: Vec<Range<usize>> = parts(0..chunk.users.len(), PART_ROWS).collect();
        let edges = ranges
            .par_iter()
            .map(|rows| Edges::of(chunk, rows.clone()))
            .reduce(Edges::default, Edges::merge);
        if edges.rows == 0 {
            return Self::new(0, (i64::MAX, i64::MIN), Vec::new(), Vec::new(), TimeSpan::Absent);
        }
        pause.ask()?;
        let times = ranges
            .par_iter()
            .map(|rows| Ok(time_span(chunk, rows.clone())))
            .try_reduce(|| TimeSpan::Absent, TimeSpan::merge)?;
        pause.ask()?;
        let items = distinct(chunk, &ranges, edges.items, edges.rows)?;
        pause.ask()?;
        let sample = sampled(chunk, &ranges, edges.rows, first_row)?;
        Ok(Self { rows: edges.rows as u64, users: edges.users, sample, items, times })
    }

    /// What is known of both.
    ///
    /// # Errors
    /// As [`TimeSpan::merge`], or [`Error::OutOfMemory`].
    pub fn merge(&self, other: &Self) -> Result<Self, Error> {
        let mut sample = room(self.sample.len() + other.sample.len())?;
        sample.extend_from_slice(&self.sample);
        sample.extend_from_slice(&other.sample);
        lowest(&mut sample);
        Ok(Self {
            rows: self.rows + other.rows,
            users: (self.users.0.min(other.users.0), self.users.1.max(other.users.1)),
            sample,
            items: self.items.merge(&other.items)?,
            times: self.times.merge(other.times)?,
        })
    }

    /// The distinct item ids, ascending.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn item_ids(&self) -> Result<Vec<i64>, Error> {
        self.items.sorted()
    }

    /// Priority and user of the sampled rows, the lowest priority first.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn sample(&self) -> Result<Vec<(u64, i64)>, Error> {
        let mut sample = collected(self.sample.iter().copied())?;
        sample.par_sort_unstable();
        Ok(sample)
    }

    /// The first users of so many shards of about as many rows each, from the second shard on; of
    /// several that are equal, where a user has more rows than that, all but the last are empty.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn bounds(&self, shards: usize) -> Result<Vec<i64>, Error> {
        let mut users = collected(self.sample.iter().map(|&(_, user)| user))?;
        users.par_sort_unstable();
        let places =
            (1..shards).map(|shard| (shard as u128 * users.len() as u128) as usize / shards);
        collected(places.filter_map(|place| users.get(place).copied()))
    }
}

/// Kept rows, and the ranges of their ids.
#[derive(Clone, Copy)]
struct Edges {
    rows: usize,
    users: (i64, i64),
    items: (i64, i64),
}

impl Default for Edges {
    fn default() -> Self {
        Self { rows: 0, users: (i64::MAX, i64::MIN), items: (i64::MAX, i64::MIN) }
    }
}

impl Edges {
    fn of(chunk: &Chunk, rows: Range<usize>) -> Self {
        let count = chunk.keep.map_or(rows.len(), |_| chunk.kept(rows.clone()).count());
        let users = range_of(chunk, chunk.users, rows.clone());
        Self { rows: count, users, items: range_of(chunk, chunk.items, rows) }
    }

    fn merge(self, other: Self) -> Self {
        let joined = |a: (i64, i64), b: (i64, i64)| (a.0.min(b.0), a.1.max(b.1));
        Self {
            rows: self.rows + other.rows,
            users: joined(self.users, other.users),
            items: joined(self.items, other.items),
        }
    }
}

/// Smallest and largest id of the kept rows.
fn range_of(chunk: &Chunk, column: Integers, rows: Range<usize>) -> (i64, i64) {
    let fold = |ids: &mut dyn Iterator<Item = i64>| {
        ids.fold((i64::MAX, i64::MIN), |(least, most), id| (least.min(id), most.max(id)))
    };
    match (chunk.keep, column) {
        // Loops over slices, which the compiler turns into vectors.
        (None, Integers::Wide(ids)) => ids[rows]
            .iter()
            .fold((i64::MAX, i64::MIN), |(least, most), &id| (least.min(id), most.max(id))),
        (None, Integers::Narrow(ids)) => {
            let (least, most) = ids[rows]
                .iter()
                .fold((i32::MAX, i32::MIN), |(least, most), &id| (least.min(id), most.max(id)));
            (i64::from(least), i64::from(most))
        }
        (Some(_), column) => fold(&mut chunk.kept(rows).map(|row| column.id(row))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Times;
    use crate::sample::SAMPLE;

    fn scanned(items: &[i64], first_row: u64) -> Span {
        let users: Vec<i64> = items.iter().map(|item| item.wrapping_mul(7)).collect();
        let chunk = Chunk {
            users: Integers::Wide(&users),
            items: Integers::Wide(items),
            times: Times::Wide(items),
            keep: None,
        };
        Span::of(&chunk, first_row, &Pause::default()).unwrap()
    }

    #[test]
    fn merging_is_scanning_all() {
        let items: Vec<i64> = (0..200_000).map(|row| row * row % 100_003 - 50_000).collect();
        let whole = scanned(&items, 0);
        let (one, two, three) = (
            scanned(&items[..70_000], 0),
            scanned(&items[70_000..70_001], 70_000),
            scanned(&items[70_001..], 70_001),
        );
        for merged in [
            one.merge(&two).unwrap().merge(&three).unwrap(),
            three.merge(&one).unwrap().merge(&two).unwrap(),
        ] {
            assert_eq!(merged.rows, whole.rows);
            assert_eq!((merged.users, merged.times), (whole.users, whole.times));
            assert_eq!(merged.sample(), whole.sample());
            assert_eq!(merged.item_ids(), whole.item_ids());
            assert_eq!(merged.bounds(7), whole.bounds(7));
        }
        assert_eq!(whole.sample().unwrap().len(), SAMPLE);
    }

    #[test]
    fn ids_far_apart_are_listed() {
        let near = scanned(&[5, 3, 3], 0);
        let far = scanned(&[i64::MAX, i64::MIN, 4], 3);
        let expected = vec![i64::MIN, 3, 4, 5, i64::MAX];
        assert_eq!(near.merge(&far).unwrap().item_ids(), Ok(expected.clone()));
        assert_eq!(far.merge(&near).unwrap().item_ids(), Ok(expected));
    }
}
