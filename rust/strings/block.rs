//! Strings that are read together, apart from what is done with each, of which the processor then
//! overlaps many.

use super::Chunk;
use super::digest::{Digest, EMPTY, SHORT};
use crate::error::Error;
use foldhash::fast::RandomState;
use std::ops::Range;

/// Strings of a block, at most.
pub const BLOCK_ROWS: usize = 256;

/// Consecutive strings of a chunk.
pub struct Block<'a> {
    bytes: &'a [u8],
    bounds: [usize; BLOCK_ROWS + 1],
    digests: [Digest; BLOCK_ROWS],
    rows: usize,
    /// Whether all strings are short.
    pub short: bool,
    /// Letters of the longest string.
    longest: usize,
}

impl<'a> Block<'a> {
    /// Of no strings.
    pub fn new() -> Self {
        let (bounds, digests) = ([0; BLOCK_ROWS + 1], [EMPTY; BLOCK_ROWS]);
        Self { bytes: &[], bounds, digests, rows: 0, short: true, longest: 0 }
    }

    /// Read where strings of a chunk are.
    ///
    /// # Errors
    /// [`Error::DamagedStrings`].
    pub fn read(&mut self, chunk: &Chunk<'a>, rows: Range<usize>) -> Result<(), Error> {
        self.rows = rows.len();
        let bounds = &mut self.bounds[..=rows.len()];
        chunk.bounds(rows, bounds).ok_or(Error::DamagedStrings)?;
        self.bytes = chunk.bytes;
        let longest = bounds.windows(2).fold(0, |longest, pair| longest.max(pair[1] - pair[0]));
        (self.longest, self.short) = (longest, longest <= SHORT);
        Ok(())
    }

    /// The digest of each string.
    pub fn digest(&mut self, state: &RandomState) -> &[Digest] {
        let bounds = &self.bounds[..=self.rows];
        let rows = self.digests.iter_mut().zip(bounds.windows(2));
        if self.short && bounds[self.rows] + SHORT < self.bytes.len() {
            for (digest, bound) in rows {
                let behind = &self.bytes[bound[0]..=bound[0] + SHORT];
                *digest = Digest::short(behind, bound[1] - bound[0]);
            }
        } else {
            for (digest, bound) in rows {
                *digest = Digest::of(&self.bytes[bound[0]..bound[1]], state);
            }
        }
        self.digests()
    }

    /// The digests, after `digest`.
    #[inline]
    pub fn digests(&self) -> &[Digest] {
        &self.digests[..self.rows]
    }

    /// One of the strings.
    #[inline]
    pub fn string(&self, row: usize) -> &'a [u8] {
        &self.bytes[self.bounds[row]..self.bounds[row + 1]]
    }

    /// Whether all strings are so long.
    pub fn are_all(&self, length: usize) -> bool {
        self.longest == length && self.text().len() == length * self.rows
    }

    /// All of the strings, one after the other.
    pub fn text(&self) -> &'a [u8] {
        &self.bytes[self.bounds[0]..self.bounds[self.rows]]
    }
}
