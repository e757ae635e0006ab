//! A few ids far from all others, such as a test account's, apart from the dense range of the others.

use crate::columns::Integers;
use crate::error::Error;
use crate::memory::{collected, push};
use rayon::prelude::*;

/// Rows that tell whether a few ids are far from the others.
const SAMPLE_ROWS: usize = 1 << 10;
/// Of so many rows, one may have an id outside of the dense range.
const ROWS_OUTSIDE: usize = 1 << 6;
/// Tables of fewer rows have no use for an even range.
const FEW_ROWS: usize = 1 << 15;
const CHUNK_ROWS: usize = 1 << 16;
/// Rows that are looked at one by one where any of them is outside.
const BLOCK_ROWS: usize = 1 << 9;

/// Smallest and largest id.
pub type Span = (i64, i64);

/// A dense range of ids, and the ids that occur outside of it.
pub struct Trimmed {
    /// Ids before the range, ascending.
    before: Vec<i64>,
    /// Smallest id of the range.
    min: i64,
    /// Number of ids in the range.
    length: usize,
    /// Ids after the range, ascending.
    after: Vec<i64>,
}

impl Trimmed {
    /// The dense range of a non-empty column whose ids have a span, if it has at most so many ids, is
    /// much shorter, and there is reason to look for it: the span has more, or is uneven.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn of(column: Integers, span: Span, most: i128) -> Result<Option<Self>, Error> {
        let is_dense = length(span) <= most;
        if is_dense && column.len() < FEW_ROWS {
            return Ok(None);
        }
        let sample = sample(column);
        if is_dense && is_even(&sample, span) {
            return Ok(None);
        }
        let Some(inner) = inner(&sample, span, most) else { return Ok(None) };
        let found = match column {
            Integers::Wide(ids) => outside(ids, inner, i64::from),
            Integers::Narrow(ids) => outside(ids, inner, i64::from),
        }?;
        Ok(found.map(|(mut before, span)| {
            before.par_sort_unstable();
            before.dedup();
            let after = before.split_off(before.partition_point(|&id| id < span.0));
            Self { before, min: span.0, length: length(span) as usize, after }
        }))
    }

    /// Number of codes.
    pub fn width(&self) -> usize {
        self.before.len() + self.length + self.after.len()
    }

    /// The codes of ids that occur.
    #[inline]
    pub fn encode<T: Copy>(&self, ids: &[T], codes: &mut [u32], wide: impl Fn(T) -> i64) {
        let (first, length) = (self.before.len() as u32, self.length as u64);
        let place = |id: T| wide(id).wrapping_sub(self.min) as u64;
        let mut all_inside = true; // no branch a row, so that the loop is done in vectors
        for (code, &id) in codes.iter_mut().zip(ids) {
            all_inside &= place(id) < length;
            *code = first.wrapping_add(place(id) as u32);
        }
        if !all_inside {
            for (code, &id) in codes.iter_mut().zip(ids).filter(|(_, id)| place(**id) >= length) {
                *code = self.code_outside(wide(id));
            }
        }
    }

    #[cold]
    fn code_outside(&self, id: i64) -> u32 {
        let rank = |ids: &[i64]| ids.partition_point(|&other| other < id);
        let code = if id < self.min {
            rank(&self.before)
        } else {
            self.before.len() + self.length + rank(&self.after)
        };
        code as u32
    }

    /// The id of a code.
    #[inline]
    pub fn id(&self, code: usize) -> i64 {
        let inside = code.wrapping_sub(self.before.len());
        let after = || self.after.get(inside.wrapping_sub(self.length));
        self.before
            .get(code)
            .or_else(after)
            .copied()
            .unwrap_or(self.min.wrapping_add(inside as i64))
    }
}

/// Number of integers from the first to the last.
pub fn length((first, last): Span) -> i128 {
    i128::from(last) - i128::from(first) + 1
}

/// Ids of rows all over a non-empty column, ascending.
pub fn sample(column: Integers) -> Vec<i64> {
    // Multiples of the golden ratio leave no gaps and do not fall in step with the rows.
    let fraction = |number: usize| (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let row = |number| (u128::from(fraction(number)) * column.len() as u128) >> 64;
    let mut ids: Vec<i64> =
        (0..SAMPLE_ROWS).map(|number| column.id(row(number) as usize)).collect();
    ids.sort_unstable();
    ids
}

/// Whether no small part of the range has many of the ids, one of them apart: partitions, which are
/// parts of the range, then hold about as many rows each.
fn is_even(sample: &[i64], (min, max): Span) -> bool {
    let part = |id: &i64| (length((min, *id)) - 1) * 64 / length((min, max));
    let others = |ids: &[i64]| {
        let commonest = ids.chunk_by(|a, b| a == b).map(<[i64]>::len).max();
        ids.len() - commonest.unwrap_or(0)
    };
    sample.chunk_by(|a, b| part(a) == part(b)).all(|ids| others(ids) <= sample.len() / 8)
}

/// The range of nearly all ids, with room around it, if it is much shorter than that of all.
fn inner(sample: &[i64], (min, max): Span, most: i128) -> Option<Span> {
    let cut = sample.len() / 32;
    let (low, high) = (sample[cut], sample[sample.len() - 1 - cut]);
    let room = i64::try_from(length((low, high))).unwrap_or(i64::MAX);
    let inner = (low.saturating_sub(room).max(min), high.saturating_add(room).min(max));
    (length(inner) <= most.min(length((min, max)) / 4)).then_some(inner)
}

/// Ids outside a range, and the span of those in it.
type Outside = (Vec<i64>, Span);

/// The ids outside a range, and the span of those in it; None where too many are outside.
fn outside<T: Copy + Sync>(
    ids: &[T],
    (first, last): Span,
    wide: impl Fn(T) -> i64 + Sync,
) -> Result<Option<Outside>, Error> {
    let most = ids.len() / ROWS_OUTSIDE + 1;
    let found = ids.par_chunks(CHUNK_ROWS).map(|chunk| {
        let (mut outside, mut span) = (Vec::new(), (last, first));
        let is_inside = |id: &i64| (first..=last).contains(id);
        for block in chunk.chunks(BLOCK_ROWS) {
            let ids = block.iter().map(|&id| wide(id));
            let (least, greatest) = ids.clone().fold(span, |(a, b), id| (a.min(id), b.max(id)));
            if first <= least && greatest <= last {
                span = (least, greatest);
                continue;
            }
            for id in ids {
                if is_inside(&id) {
                    span = (span.0.min(id), span.1.max(id));
                } else if outside.len() <= most {
                    push(&mut outside, id)?;
                }
            }
        }
        Ok((outside, span))
    });
    let found: Vec<Outside> = found.collect::<Result<_, Error>>()?;
    let rows: usize = found.iter().map(|(outside, _)| outside.len()).sum();
    if rows > most {
        return Ok(None);
    }
    let wider = |a: Span, (_, b): &Outside| (a.0.min(b.0), a.1.max(b.1));
    let span = found.iter().fold((last, first), wider);
    Ok(Some((collected(found.into_iter().flat_map(|(outside, _)| outside))?, span)))
}
