//! A table of strings that come chunk by chunk. It copies each distinct one into memory of its own,
//! so that a chunk may go as soon as its strings have their numbers.

use super::order::{rank, sorted};
use super::table::{Strings, Table};
use super::{Buffers, Chunk, MAX_ROWS};
use crate::error::Error;
use crate::memory::{collected, reserve, zeroed};
use crate::threads::Pause;

/// The distinct strings of all chunks so far, numbered from 0 in the order they came.
pub struct StringTable(Table<Copied>);

/// Strings one after the other, in memory of their own.
#[derive(Default)]
struct Copied {
    /// Where each ends.
    ends: Vec<usize>,
    bytes: Vec<u8>,
}

impl Strings<'_> for Copied {
    fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    fn get(&self, number: usize) -> &[u8] {
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.bytes[start..self.ends[number]]
    }

    fn push(&mut self, string: &[u8]) -> Result<(), Error> {
        reserve(&mut self.ends, 1)?;
        reserve(&mut self.bytes, string.len())?;
        self.bytes.extend_from_slice(string);
        self.ends.push(self.bytes.len());
        Ok(())
    }
}

impl StringTable {
    /// A table without strings.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new() -> Result<Self, Error> {
        Ok(Self(Table::new(Copied::default())?))
    }

    /// The number of each string of a chunk; those that are new get the next ones. After an error,
    /// some of the strings may be in the table.
    ///
    /// # Errors
    /// As [`super::encode`]; more strings than it takes rows.
    pub fn add(&mut self, chunk: &Chunk, pause: &Pause) -> Result<Vec<i32>, Error> {
        let rows = chunk.rows();
        let most = self.len().saturating_add(rows);
        if most > MAX_ROWS && self.len() + self.unknown(chunk, pause)? > MAX_ROWS {
            return Err(Error::TooMany { what: "strings", found: most, max: MAX_ROWS });
        }
        let mut numbers = zeroed(rows)?;
        self.0.number(chunk, 0..rows, &mut numbers, pause)?;
        Ok(numbers)
    }

    /// The number of each string of a chunk, -1 where it is unknown.
    ///
    /// # Errors
    /// As [`super::encode`].
    pub fn find(&self, chunk: &Chunk, pause: &Pause) -> Result<Vec<i32>, Error> {
        let mut numbers = zeroed(chunk.rows())?;
        self.0.known(chunk, &mut numbers, pause)?;
        Ok(numbers)
    }

    /// Strings of a chunk that are unknown, equal ones counted each.
    fn unknown(&self, chunk: &Chunk, pause: &Pause) -> Result<usize, Error> {
        Ok(self.find(chunk, pause)?.iter().filter(|number| **number < 0).count())
    }

    /// Number of distinct strings.
    pub fn len(&self) -> usize {
        self.0.strings.len()
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let Copied { ends, bytes } = &self.0.strings;
        self.0.slot_bytes() + ends.capacity() * size_of::<usize>() + bytes.capacity()
    }

    /// The rank of each number, which is that of its string in ascending order of bytes, and the
    /// strings in that order.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn ranked(&self) -> Result<(Vec<i32>, Buffers), Error> {
        let strings = collected((0..self.len()).map(|number| self.0.strings.get(number)))?;
        rank(&strings, &sorted(&strings)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Integers;
    use crate::strings::encode;

    #[test]
    fn chunks_give_the_codes_of_the_whole() {
        let words =
            ["b", "", "a string of more than 16 bytes", "a", "b", "a string of more than 16 byteS"];
        let bytes = words.concat().into_bytes();
        let offsets: Vec<i64> = words.iter().fold(vec![0], |mut offsets, word| {
            offsets.push(offsets[offsets.len() - 1] + word.len() as i64);
            offsets
        });
        let chunk = |first: usize, last: usize| Chunk {
            offsets: Integers::Wide(&offsets[first..=last]),
            bytes: &bytes,
        };
        let (mut table, pause) = (StringTable::new().unwrap(), Pause::default());
        assert_eq!(table.find(&chunk(0, 2), &pause), Ok(vec![-1, -1]));
        let mut numbers = table.add(&chunk(0, 4), &pause).unwrap();
        numbers.extend(table.add(&chunk(4, 6), &pause).unwrap());
        assert_eq!(numbers, [0, 1, 2, 3, 0, 4]);
        let (ranks, ascending) = table.ranked().unwrap();
        let codes: Vec<i32> = numbers.iter().map(|number| ranks[*number as usize]).collect();
        assert_eq!(codes, encode(&[chunk(0, 6)], &pause).unwrap().codes);
        assert_eq!(
            ascending.bytes,
            [words[1], words[3], words[5], words[2], words[0]].concat().as_bytes()
        );
        assert_eq!(ascending.offsets.len(), 6);
    }
}
