//! What one look at a chunk of rows tells about it, merged chunk by chunk: enough to say where shards begin,
//! what an item's code is and how narrow a time can be. In whatever order chunks are merged, it is the same.

use crate::columns::Integers;
use crate::error::{Error, ensure};
use crate::memory::{collected, insert, room, zeroed};
use crate::slices::parts;
use crate::threads::Pause;
use foldhash::HashSet;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows whose users are sampled.
pub const SAMPLE: usize = 1 << 16;
/// Ticks that all times may be whole multiples of, the coarsest first.
pub const SCALES: [i64; 4] = [1_000_000_000, 1_000_000, 1000, 1];
const PART_ROWS: usize = 1 << 16;
/// A bitmap may have so many bits for each id, and so many in any case.
const BITS_PER_ID: i128 = 64;
const BITS_AT_LEAST: i128 = 1 << 22;
/// Floats count the integers up to here.
const EXACT: i64 = 1 << 53;
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// A column of timestamps.
#[derive(Clone, Copy)]
pub enum Times<'a> {
    /// Rows are in time order.
    Absent,
    /// Integers of any unit.
    Wide(&'a [i64]),
    /// The same, of 32 bits.
    Narrow(&'a [i32]),
    /// Finite floats.
    Float(&'a [f64]),
}

/// Some rows of a table.
#[derive(Clone, Copy)]
pub struct Chunk<'a> {
    /// User ids.
    pub users: Integers<'a>,
    /// Item ids.
    pub items: Integers<'a>,
    /// Timestamps.
    pub times: Times<'a>,
    /// Rows that pass the row filter; all where absent.
    pub keep: Option<&'a [bool]>,
}

impl Chunk<'_> {
    /// Check that all columns have one length.
    ///
    /// # Errors
    /// [`Error::UnequalLengths`].
    pub fn check(&self) -> Result<(), Error> {
        let expected = self.users.len();
        let times = match self.times {
            Times::Absent => expected,
            Times::Wide(times) => times.len(),
            Times::Narrow(times) => times.len(),
            Times::Float(times) => times.len(),
        };
        let keep = self.keep.map_or(expected, <[bool]>::len);
        for (column, rows) in [("item", self.items.len()), ("timestamp", times), ("keep", keep)] {
            if rows != expected {
                return Err(Error::UnequalLengths { column, rows, expected });
            }
        }
        Ok(())
    }

    /// The rows of a range that are kept.
    #[inline]
    pub fn kept(&self, rows: Range<usize>) -> impl Iterator<Item = usize> {
        rows.filter(|&row| self.keep.is_none_or(|keep| keep[row]))
    }
}

/// Smallest and largest time, and what all of them are multiples of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TimeSpan {
    /// No rows, or no times.
    Absent,
    /// Integers, all whole multiples of the last, one of [`SCALES`].
    Int(i64, i64, i64),
    /// Floats, and whether all are whole numbers that float64 counts exactly.
    Float(f64, f64, bool),
}

impl TimeSpan {
    /// The span of both.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where integers beside floats are beyond what these count exactly.
    pub fn merge(self, other: Self) -> Result<Self, Error> {
        Ok(match (self, other) {
            (Self::Absent, span) | (span, Self::Absent) => span,
            (Self::Int(least, most, step), Self::Int(other_least, other_most, other_step)) => {
                Self::Int(least.min(other_least), most.max(other_most), step.min(other_step))
            }
            (Self::Float(least, most, whole), Self::Float(other_least, other_most, all)) => {
                Self::Float(least.min(other_least), most.max(other_most), whole && all)
            }
            (Self::Int(least, most, _), float) | (float, Self::Int(least, most, _)) => {
                let exact = least >= -EXACT && most <= EXACT;
                ensure!(exact, "times {least} to {most} beside floats, which do not hold them");
                #[allow(clippy::cast_precision_loss)] // none, as was just checked
                return Self::Float(least as f64, most as f64, true).merge(float);
            }
        })
    }
}

/// Distinct ids.
#[derive(Clone)]
enum Ids {
    /// Bit i of word w is id `64 * (first + w) + i`.
    Bits { first: i64, words: Vec<u64> },
    /// Ascending.
    Sorted(Vec<i64>),
}

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
        let items = distinct(chunk, &ranges, edges)?;
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

/// Leave the rows of the lowest priorities.
fn lowest(sample: &mut Vec<(u64, i64)>) {
    if sample.len() > SAMPLE {
        sample.select_nth_unstable(SAMPLE);
        sample.truncate(SAMPLE);
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

/// The span of the times of the kept rows.
fn time_span(chunk: &Chunk, rows: Range<usize>) -> TimeSpan {
    match chunk.times {
        Times::Absent => TimeSpan::Absent,
        Times::Wide(times) => whole_span(chunk.kept(rows).map(|row| times[row])),
        Times::Narrow(times) => whole_span(chunk.kept(rows).map(|row| i64::from(times[row]))),
        Times::Float(times) => {
            let kept = chunk.kept(rows).map(|row| times[row]);
            kept.fold(TimeSpan::Absent, |span, time| {
                let whole = time.fract() == 0.0 && time.abs() <= EXACT_FLOAT;
                match span {
                    TimeSpan::Float(a, b, all) => {
                        TimeSpan::Float(a.min(time), b.max(time), all && whole)
                    }
                    _ => TimeSpan::Float(time, time, whole),
                }
            })
        }
    }
}

fn whole_span(times: impl Iterator<Item = i64>) -> TimeSpan {
    let (mut least, mut most, mut scale) = (i64::MAX, i64::MIN, 0);
    for time in times {
        least = least.min(time);
        most = most.max(time);
        // The divisors are constants, so that none of these is a division.
        while !match scale {
            0 => time % SCALES[0] == 0,
            1 => time % SCALES[1] == 0,
            2 => time % SCALES[2] == 0,
            _ => true,
        } {
            scale += 1;
        }
    }
    if least > most { TimeSpan::Absent } else { TimeSpan::Int(least, most, SCALES[scale]) }
}

/// The distinct items of the kept rows.
fn distinct(chunk: &Chunk, ranges: &[Range<usize>], edges: Edges) -> Result<Ids, Error> {
    if fits_bits(edges.items, edges.rows) {
        let (first, count) = words_of(edges.items);
        let words: Vec<AtomicU64> = zeroed(count)?;
        ranges.par_iter().for_each(|rows| {
            for row in chunk.kept(rows.clone()) {
                let item = chunk.items.id(row);
                let (word, bit) = (&words[((item >> 6) - first) as usize], 1 << (item & 63));
                // A line that is only read is shared by all threads; most bits are set soon.
                if word.load(Ordering::Relaxed) & bit == 0 {
                    word.fetch_or(bit, Ordering::Relaxed);
                }
            }
        });
        let words = collected(words.into_iter().map(AtomicU64::into_inner))?;
        return Ok(Ids::Bits { first, words });
    }
    let found = ranges
        .par_iter()
        .map(|rows| {
            let mut set = HashSet::default();
            for row in chunk.kept(rows.clone()) {
                insert(&mut set, chunk.items.id(row))?;
            }
            let mut ids = collected(set)?;
            ids.sort_unstable();
            Ok(ids)
        })
        .try_reduce(Vec::new, |a, b| union(&a, &b))?;
    Ok(Ids::Sorted(found))
}

/// Whether a bitmap is no larger than a list of the ids of so many rows.
fn fits_bits((least, most): (i64, i64), rows: usize) -> bool {
    let width = i128::from(most) - i128::from(least);
    width <= BITS_PER_ID * rows as i128 + BITS_AT_LEAST
}

/// The first word of a range of ids, and how many words it takes.
fn words_of((least, most): (i64, i64)) -> (i64, usize) {
    let first = least >> 6;
    (first, ((most >> 6) - first) as usize + 1)
}

/// Both ascending lists as one.
fn union(one: &[i64], other: &[i64]) -> Result<Vec<i64>, Error> {
    let mut joined = room(one.len() + other.len())?;
    let (mut a, mut b) = (one, other);
    while let (Some(&x), Some(&y)) = (a.first(), b.first()) {
        joined.push(x.min(y));
        a = &a[usize::from(x <= y)..];
        b = &b[usize::from(y <= x)..];
    }
    joined.extend_from_slice(a);
    joined.extend_from_slice(b);
    Ok(joined)
}

impl Ids {
    fn merge(&self, other: &Self) -> Result<Self, Error> {
        let (Some(one), Some(two)) = (self.range(), other.range()) else {
            return Ok(if self.range().is_some() { self.clone() } else { other.clone() });
        };
        let range = (one.0.min(two.0), one.1.max(two.1));
        if !fits_bits(range, self.len().max(other.len())) {
            return Ok(Self::Sorted(union(&self.sorted()?, &other.sorted()?)?));
        }
        let (first, count) = words_of(range);
        let mut words: Vec<u64> = zeroed(count)?;
        for ids in [self, other] {
            ids.mark(first, &mut words);
        }
        Ok(Self::Bits { first, words })
    }

    /// Set the bits of all ids in words that begin with `first`.
    fn mark(&self, first: i64, words: &mut [u64]) {
        match self {
            Self::Bits { first: own, words: bits } => {
                let start = (own - first) as usize;
                for (word, bits) in words[start..].iter_mut().zip(bits) {
                    *word |= bits;
                }
            }
            Self::Sorted(ids) => {
                for id in ids {
                    words[((id >> 6) - first) as usize] |= 1 << (id & 63);
                }
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bits { words, .. } => words.iter().map(|word| word.count_ones() as usize).sum(),
            Self::Sorted(ids) => ids.len(),
        }
    }

    /// Smallest and largest, of a bitmap rounded to its words; none without ids.
    fn range(&self) -> Option<(i64, i64)> {
        match self {
            Self::Bits { first, words } => {
                Some((first << 6, ((first + words.len() as i64 - 1) << 6) + 63))
            }
            Self::Sorted(ids) => Some((*ids.first()?, *ids.last()?)),
        }
    }

    fn sorted(&self) -> Result<Vec<i64>, Error> {
        let (first, words) = match self {
            Self::Sorted(ids) => return collected(ids.iter().copied()),
            Self::Bits { first, words } => (first, words),
        };
        let mut ids = room(self.len())?;
        for (place, &word) in words.iter().enumerate() {
            let mut left = word;
            while left != 0 {
                ids.push((first + place as i64) << 6 | i64::from(left.trailing_zeros()));
                left &= left - 1;
            }
        }
        Ok(ids)
    }
}

/// Priority of a row: its number, mixed (the finaliser of `SplitMix64`, which maps no two to one).
#[inline]
fn priority(row: u64) -> u64 {
    let mut mixed = row.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// The kept rows of the lowest priorities.
fn sampled(
    chunk: &Chunk,
    ranges: &[Range<usize>],
    kept: usize,
    first_row: u64,
) -> Result<Vec<(u64, i64)>, Error> {
    // Enough rows are below this but for once in a lifetime.
    let wanted = (SAMPLE + SAMPLE / 16) as u64;
    let limit = (u64::MAX / kept as u64).saturating_mul(wanted);
    let below = |limit: u64| {
        ranges
            .par_iter()
            .map(|rows| {
                let mut found = room(rows.len().min(SAMPLE))?;
                for row in chunk.kept(rows.clone()) {
                    let priority = priority(first_row.wrapping_add(row as u64));
                    if priority <= limit {
                        found.push((priority, chunk.users.id(row)));
                    }
                }
                Ok(found)
            })
            .try_reduce(Vec::new, |mut a, b| {
                crate::memory::reserve(&mut a, b.len())?;
                a.extend_from_slice(&b);
                Ok::<_, Error>(a)
            })
    };
    let mut found = below(limit)?;
    if found.len() < SAMPLE.min(kept) {
        found = below(u64::MAX)?;
    }
    lowest(&mut found);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn the_coarsest_tick_is_found() {
        let span = |times: &[i64]| whole_span(times.iter().copied());
        assert_eq!(
            span(&[3_000_000_000, 0, -1_000_000_000]),
            TimeSpan::Int(-1_000_000_000, 3_000_000_000, 1_000_000_000)
        );
        assert_eq!(span(&[3_000_000_000, 5000]), TimeSpan::Int(5000, 3_000_000_000, 1000));
        assert_eq!(span(&[1]), TimeSpan::Int(1, 1, 1));
    }
}
