//! Strings as Arrow holds them: bytes in a row, and where each string begins.

use crate::columns::Integers;
use std::ops::Range;

/// Consecutive strings of a column; string i is `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Copy)]
pub struct Chunk<'a> {
    /// Where strings start and end; one more than there are strings, or none at all.
    pub offsets: Integers<'a>,
    /// The strings, one after the other.
    pub bytes: &'a [u8],
}

impl Chunk<'_> {
    /// Number of strings.
    pub fn rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// The bounds of consecutive strings; None where they leave the bytes.
    pub fn bounds(&self, rows: Range<usize>, bounds: &mut [Range<usize>]) -> Option<()> {
        let offsets = rows.start..=rows.end;
        match self.offsets {
            Integers::Wide(wide) => read_bounds(&wide[offsets], self.bytes.len(), bounds),
            Integers::Narrow(narrow) => read_bounds(&narrow[offsets], self.bytes.len(), bounds),
        }
    }
}

fn read_bounds<T: Copy + TryInto<usize>>(
    offsets: &[T],
    size: usize,
    bounds: &mut [Range<usize>],
) -> Option<()> {
    let mut start = (*offsets.first()?).try_into().ok()?;
    for (bound, &offset) in bounds.iter_mut().zip(&offsets[1..]) {
        let end = offset.try_into().ok()?;
        if end < start || end > size {
            return None;
        }
        *bound = start..end;
        start = end;
    }
    Some(())
}
