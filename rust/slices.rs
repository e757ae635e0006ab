//! Parts of ranges and slices, each worked on alone.

use crate::error::{Error, ensure};
use crate::memory::room;
use std::ops::Range;

/// Consecutive parts of a range, all of one size but the last.
pub fn parts(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(size).map(move |start| start..end.min(start + size))
}

/// Split off the first `length` elements.
///
/// # Panics
/// If there are fewer.
pub fn split_off<'a, T>(slice: &mut &'a mut [T], length: usize) -> &'a mut [T] {
    let (head, tail) = std::mem::take(slice).split_at_mut(length);
    *slice = tail;
    head
}

/// The parts `slice[offsets[i]..offsets[i + 1]]`.
///
/// # Errors
/// [`Error::Inconsistent`] where the offsets do not ascend from 0, or leave the slice;
/// [`Error::OutOfMemory`].
pub fn by_offsets<'a, T>(offsets: &[i64], slice: &'a mut [T]) -> Result<Vec<&'a mut [T]>, Error> {
    ensure!(offsets.first().is_none_or(|&first| first == 0), "offsets do not begin with 0");
    let mut rest = slice;
    let mut parts = room(offsets.len())?;
    for bounds in offsets.windows(2) {
        let length = usize::try_from(bounds[1].wrapping_sub(bounds[0])).unwrap_or(usize::MAX);
        ensure!(length <= rest.len(), "offsets do not ascend");
        parts.push(split_off(&mut rest, length));
    }
    Ok(parts)
}
