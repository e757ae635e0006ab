//! The raw columns as borrowed slices, and the order-preserving keys of timestamps.

use crate::divisor::Divisor;
use crate::error::Error;
use rayon::prelude::*;

/// Most rows: a dense coder's width, at most 2 rows + 65,536, must fit a 32-bit code.
pub const MAX_ROWS: usize = (1 << 31) - (1 << 17);

const CHUNK_ROWS: usize = 1 << 16;

/// A column of integers: ids, codes of a sorted dictionary, or offsets.
#[derive(Clone, Copy)]
pub enum Integers<'a> {
    /// 64 bits each.
    Wide(&'a [i64]),
    /// 32 bits each.
    Narrow(&'a [i32]),
}

impl Integers<'_> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Wide(ids) => ids.len(),
            Self::Narrow(ids) => ids.len(),
        }
    }

    /// Smallest and largest; `(i64::MAX, i64::MIN)` without rows.
    pub fn span(&self) -> (i64, i64) {
        match self {
            Self::Wide(ids) => span(ids, i64::from),
            Self::Narrow(ids) => span(ids, i64::from),
        }
    }

    /// The id of a row.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    pub fn id(&self, row: usize) -> i64 {
        match self {
            Self::Wide(ids) => ids[row],
            Self::Narrow(ids) => i64::from(ids[row]),
        }
    }
}

/// Smallest and largest value, `(i64::MAX, i64::MIN)` if there is none.
fn span<T: Copy + Sync>(values: &[T], wide: impl Fn(T) -> i64 + Sync) -> (i64, i64) {
    let none = || (i64::MAX, i64::MIN);
    values
        .par_chunks(CHUNK_ROWS)
        .map(|chunk| {
            let wider =
                |(min, max): (i64, i64), &value| (min.min(wide(value)), max.max(wide(value)));
            chunk.iter().fold(none(), wider)
        })
        .reduce(none, |a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// What the times of a column have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpan {
    /// Smallest key; `u64::MAX` without rows.
    pub min: u64,
    /// Largest key; 0 without rows.
    pub max: u64,
    /// Greatest common divisor of the keys' differences, which the unit of whole seconds in
    /// microseconds is a part of; 0 where all keys are equal.
    pub unit: u64,
    /// Whether no time is before that of an earlier row.
    pub in_order: bool,
}

impl TimeSpan {
    /// The span of no rows.
    pub const NONE: Self = Self { min: u64::MAX, max: 0, unit: 0, in_order: true };

    /// The span of a chunk; differences are taken from `origin`, which is any of the keys.
    fn of<T: Time>(times: &[T], origin: u64) -> Self {
        let wider = |(min, max): (u64, u64), time: &T| (min.min(time.key()), max.max(time.key()));
        let (min, max) = times.iter().fold((Self::NONE.min, Self::NONE.max), wider);
        let differences = times.iter().map(|time| time.key().abs_diff(origin));
        let in_order = times.is_sorted_by_key(|time| time.key());
        Self { min, max, unit: Divisor::common(differences), in_order }
    }

    /// The span of these rows and, below them, those of another.
    #[must_use]
    pub fn then(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            unit: Divisor::common([self.unit, other.unit]),
            in_order: self.in_order && other.in_order && self.max <= other.min,
        }
    }
}

/// A timestamp that can be compared as an unsigned key.
pub trait Time: Copy + Send + Sync {
    /// A key with the order of the timestamps; equal timestamps have equal keys.
    fn key(self) -> u64;
}

impl Time for i64 {
    #[inline]
    fn key(self) -> u64 {
        self as u64 ^ (1 << 63)
    }
}

impl Time for i32 {
    #[inline]
    fn key(self) -> u64 {
        i64::from(self).key()
    }
}

/// Floats of one magnitude have keys with a common divisor, and whole ones of any: the keys of whole
/// numbers have few bits, once divided by it.
impl Time for f64 {
    #[inline]
    fn key(self) -> u64 {
        let magnitude = self.abs().to_bits();
        let middle = 1 << 63;
        if self.is_sign_negative() { middle - magnitude } else { middle + magnitude }
    }
}

/// No timestamps: the rows are in time order already.
impl Time for () {
    #[inline]
    fn key(self) -> u64 {
        0
    }
}

/// The columns of one table.
#[derive(Clone, Copy)]
pub struct Columns<'a, T> {
    /// User ids.
    pub users: Integers<'a>,
    /// Item ids.
    pub items: Integers<'a>,
    /// Timestamps.
    pub times: &'a [T],
    /// Rows to keep; all where absent.
    pub keep: Option<&'a [bool]>,
}

impl<T: Time> Columns<'_, T> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.users.len()
    }

    /// Whether a row passes the row filter.
    #[inline]
    pub fn keeps(&self, row: usize) -> bool {
        self.keep.is_none_or(|keep| keep[row])
    }

    /// Check that all columns have one length that the counters hold.
    ///
    /// # Errors
    /// [`Error::UnequalLengths`] or [`Error::TooMany`].
    pub fn check(&self) -> Result<(), Error> {
        let expected = self.rows();
        let lengths = [
            ("item", self.items.len()),
            ("timestamp", self.times.len()),
            ("keep", self.keep.map_or(expected, <[bool]>::len)),
        ];
        for (column, rows) in lengths {
            if rows != expected {
                return Err(Error::UnequalLengths { column, rows, expected });
            }
        }
        if expected > MAX_ROWS {
            return Err(Error::TooMany { what: "rows", found: expected, max: MAX_ROWS });
        }
        Ok(())
    }

    /// What the times have in common.
    pub fn time_span(&self) -> TimeSpan {
        let origin = self.times.first().map_or(0, |time| time.key());
        self.times
            .par_chunks(CHUNK_ROWS)
            .map(|chunk| TimeSpan::of(chunk, origin))
            .reduce(|| TimeSpan::NONE, TimeSpan::then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span_of<T: Time>(times: &[T]) -> TimeSpan {
        let rows = Integers::Wide(&[]);
        Columns { users: rows, items: rows, times, keep: None }.time_span()
    }

    #[test]
    fn keys_are_in_the_order_of_the_times() {
        let floats = [f64::MIN, -1.5, -f64::MIN_POSITIVE, 0.0, f64::MIN_POSITIVE, 2.0, f64::MAX];
        assert!(floats.windows(2).all(|pair| pair[0].key() < pair[1].key()));
        assert_eq!((-0.0f64).key(), 0.0f64.key());
        let integers = [i64::MIN, -1, 0, 1, i64::MAX];
        assert!(integers.windows(2).all(|pair| pair[0].key() < pair[1].key()));
        assert_eq!((-7i32).key(), (-7i64).key());
    }

    #[test]
    fn the_unit_divides_all_differences() {
        for (times, unit) in [
            (&[5_000_123i64, -2_999_877, 123][..], 1_000_000),
            (&[0, 86_400, -172_800], 86_400),
            (&[3, 4], 1),
            (&[i64::MIN, i64::MAX], u64::MAX),
            (&[7, 7], 0),
            (&[], 0),
        ] {
            assert_eq!(span_of(times).unit, unit, "{times:?}");
        }
        let many: Vec<i64> = (0..200_000).map(|row| (row * 7919 % 100_003) * 1_000).collect();
        assert_eq!(span_of(&many).unit, 1_000);
        assert_eq!(span_of(&[1e9, 1e9 + 1.0, 0.0, -5.0]).unit.trailing_zeros(), 52 - 29);
    }

    #[test]
    fn order_is_that_of_all_chunks() {
        let mut times: Vec<i64> = (0..200_000).map(|row| row / 3).collect();
        assert!(span_of(&times).in_order);
        times[3 * CHUNK_ROWS - 1] = i64::MAX; // after its own chunk's, before the next one's
        assert!(!span_of(&times).in_order);
        assert!(span_of(&[(); 3]).in_order);
    }
}
