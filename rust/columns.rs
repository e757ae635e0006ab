//! The raw columns as borrowed slices, and the order-preserving keys of timestamps.

use crate::error::Error;
use rayon::prelude::*;

/// Most rows: a dense coder's width, at most 2 rows + 65,536, must fit a 32-bit code.
pub const MAX_ROWS: usize = (1 << 31) - (1 << 17);

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
            Self::Wide(ids) => span(ids, i64::MAX, i64::MIN, |id| id),
            Self::Narrow(ids) => span(ids, i64::MAX, i64::MIN, i64::from),
        }
    }
}

/// Smallest and largest key of a slice, `(most, least)` if it is empty.
fn span<T: Copy + Sync, K: Ord + Copy + Send + Sync>(
    values: &[T],
    most: K,
    least: K,
    key: impl Fn(T) -> K + Sync,
) -> (K, K) {
    values
        .par_chunks(1 << 16)
        .map(|chunk| {
            chunk.iter().fold((most, least), |(min, max), &value| {
                (min.min(key(value)), max.max(key(value)))
            })
        })
        .reduce(|| (most, least), |a, b| (a.0.min(b.0), a.1.max(b.1)))
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

impl Time for f64 {
    #[inline]
    fn key(self) -> u64 {
        let bits = if self == 0.0 { 0 } else { self.to_bits() };
        if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
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

    /// Smallest and largest time key; `(u64::MAX, 0)` without rows.
    pub fn time_span(&self) -> (u64, u64) {
        span(self.times, u64::MAX, 0, T::key)
    }
}
