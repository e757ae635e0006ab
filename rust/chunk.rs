//! Some rows of a table as borrowed columns, where the whole of it is nowhere.

use crate::columns::Integers;
use crate::error::Error;
use std::ops::Range;

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
