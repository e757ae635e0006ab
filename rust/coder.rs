//! Raw ids -> codes 0..width in ascending id order. A dense range of integers is coded by
//! subtraction, also where a few others are far from it; of anything else, the ids that occur are
//! found by hash tables, seeded at random so that no choice of ids makes them slow, and each row is
//! coded once. None of it ever shows in the result.

use crate::columns::Integers;
use crate::error::Error;
use crate::memory::{collected, enter, map, push, zeroed};
use rayon::prelude::*;
use std::ops::Range;

/// Rows that tell whether a few ids are far from the others.
const SAMPLE_ROWS: usize = 1 << 10;
/// Of so many rows, one may have an id outside of the dense range.
const ROWS_OUTSIDE: usize = 1 << 10;
/// Tables of fewer rows have no use for even codes.
const FEW_ROWS: usize = 1 << 15;
const CHUNK_ROWS: usize = 1 << 16;

/// An order-preserving map from raw ids to codes `0..width()`.
pub enum Coder {
    /// code = id - `min`; some codes may occur in no row.
    Offset {
        /// Smallest id.
        min: i64,
        /// Largest id - `min` + 1.
        width: usize,
    },
    /// As `Offset`, and ids outside that range by their rank.
    Trimmed {
        /// Ids before the range, ascending.
        before: Vec<i64>,
        /// Smallest id of the range.
        min: i64,
        /// Number of ids in the range.
        width: usize,
        /// Ids after the range, ascending.
        after: Vec<i64>,
    },
    /// code = rank of the id among the ids that occur.
    Ranked {
        /// The ids that occur, ascending.
        ids: Vec<i64>,
        /// The code of each row.
        codes: Vec<u32>,
    },
}

impl Coder {
    /// The coder of a non-empty column.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn of(column: Integers) -> Result<Self, Error> {
        let span = column.span();
        let rows = column.len();
        // Tables over the range then cost at most about as much as the columns themselves.
        let most = 2 * rows as i128 + (1 << 16);
        let dense = length(span) <= most;
        if !dense || rows >= FEW_ROWS {
            let sample = sample(column);
            if !(dense && is_even(&sample, span))
                && let Some(trimmed) = trimmed(column, &sample, span, most)?
            {
                return Ok(trimmed);
            }
        }
        if dense {
            return Ok(Self::Offset { min: span.0, width: length(span) as usize });
        }
        match column {
            Integers::Wide(ids) => ranked(ids, i64::from),
            Integers::Narrow(ids) => ranked(ids, i64::from),
        }
    }

    /// The coder of a non-empty column of non-negative ids that keeps them as they are.
    pub fn identity(column: Integers) -> Self {
        Self::Offset { min: 0, width: column.span().1 as usize + 1 }
    }

    /// Number of codes.
    pub fn width(&self) -> usize {
        match self {
            Self::Offset { width, .. } => *width,
            Self::Trimmed { before, width, after, .. } => before.len() + width + after.len(),
            Self::Ranked { ids, .. } => ids.len(),
        }
    }

    /// The codes of the ids in `rows` of the column this coder was made of.
    ///
    /// # Panics
    /// If `codes` is not as long as `rows`, or a row does not exist.
    #[inline]
    pub fn encode(&self, column: Integers, rows: Range<usize>, codes: &mut [u32]) {
        if let Self::Ranked { codes: known, .. } = self {
            codes.copy_from_slice(&known[rows]);
            return;
        }
        match column {
            Integers::Wide(ids) => self.encode_slice(&ids[rows], codes, |id| id),
            Integers::Narrow(ids) => self.encode_slice(&ids[rows], codes, i64::from),
        }
    }

    #[inline]
    fn encode_slice<T: Copy>(&self, ids: &[T], codes: &mut [u32], wide: impl Fn(T) -> i64) {
        assert_eq!(ids.len(), codes.len());
        match self {
            Self::Offset { min, .. } => {
                for (code, &id) in codes.iter_mut().zip(ids) {
                    *code = wide(id).wrapping_sub(*min) as u32;
                }
            }
            Self::Trimmed { before, min, width, after } => {
                for (code, &id) in codes.iter_mut().zip(ids) {
                    let place = wide(id).wrapping_sub(*min) as u64;
                    *code = if place < *width as u64 {
                        before.len() as u32 + place as u32
                    } else {
                        code_outside(wide(id), (before, *min, *width, after))
                    };
                }
            }
            Self::Ranked { .. } => {}
        }
    }

    /// The id of a code.
    #[inline]
    pub fn id(&self, code: usize) -> i64 {
        match self {
            Self::Offset { min, .. } => min.wrapping_add(code as i64),
            Self::Trimmed { before, min, width, after } => {
                let inside = code.wrapping_sub(before.len());
                let outside = before.get(code).or_else(|| after.get(inside.wrapping_sub(*width)));
                outside.copied().unwrap_or(min.wrapping_add(inside as i64))
            }
            Self::Ranked { ids, .. } => ids[code],
        }
    }
}

#[cold]
fn code_outside(id: i64, (before, min, width, after): (&[i64], i64, usize, &[i64])) -> u32 {
    let rank = |ids: &[i64]| ids.partition_point(|&other| other < id);
    let code = if id < min { rank(before) } else { before.len() + width + rank(after) };
    code as u32
}

/// Number of integers from the first to the last.
fn length((first, last): (i64, i64)) -> i128 {
    i128::from(last) - i128::from(first) + 1
}

/// Ids of rows all over the column, ascending.
fn sample(column: Integers) -> Vec<i64> {
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
fn is_even(sample: &[i64], (min, max): (i64, i64)) -> bool {
    let part = |id: &i64| (length((min, *id)) - 1) * 64 / length((min, max));
    let others = |ids: &[i64]| {
        let commonest = ids.chunk_by(|a, b| a == b).map(<[i64]>::len).max();
        ids.len() - commonest.unwrap_or(0)
    };
    sample.chunk_by(|a, b| part(a) == part(b)).all(|ids| others(ids) <= sample.len() / 8)
}

/// A coder of the range that nearly all ids are in, if it is much shorter than that of all.
fn trimmed(
    column: Integers,
    sample: &[i64],
    (min, max): (i64, i64),
    most: i128,
) -> Result<Option<Coder>, Error> {
    let cut = sample.len() / 32;
    let (low, high) = (sample[cut], sample[sample.len() - 1 - cut]);
    let margin = i64::try_from(length((low, high))).unwrap_or(i64::MAX);
    let inner = (low.saturating_sub(margin).max(min), high.saturating_add(margin).min(max));
    if length(inner) > most.min(length((min, max)) / 4) {
        return Ok(None);
    }
    let outside = match column {
        Integers::Wide(ids) => outside(ids, inner, i64::from),
        Integers::Narrow(ids) => outside(ids, inner, i64::from),
    }?;
    let Some(mut ids) = outside else { return Ok(None) };
    ids.par_sort_unstable();
    ids.dedup();
    let after = ids.split_off(ids.partition_point(|&id| id < inner.0));
    Ok(Some(Coder::Trimmed { before: ids, min: inner.0, width: length(inner) as usize, after }))
}

/// The ids outside a range, None where there are too many.
fn outside<T: Copy + Sync>(
    ids: &[T],
    (first, last): (i64, i64),
    wide: impl Fn(T) -> i64 + Sync,
) -> Result<Option<Vec<i64>>, Error> {
    let most = ids.len() / ROWS_OUTSIDE + 1;
    let found = ids.par_chunks(CHUNK_ROWS).map(|chunk| {
        let outside = chunk.iter().map(|&id| wide(id)).filter(|id| !(first..=last).contains(id));
        collected(outside.take(most + 1))
    });
    let found: Vec<Vec<i64>> = found.collect::<Result<_, Error>>()?;
    let rows: usize = found.iter().map(Vec::len).sum();
    if rows > most { Ok(None) } else { collected(found.into_iter().flatten()).map(Some) }
}

/// The coder by ranks: each thread codes its rows in the order in which ids come first, then codes
/// become ranks.
fn ranked<T: Copy + Sync>(column: &[T], wide: impl Fn(T) -> i64 + Sync) -> Result<Coder, Error> {
    let mut codes = zeroed(column.len())?;
    let size = column.len().div_ceil(rayon::current_num_threads()).max(CHUNK_ROWS);
    let parts = column.par_chunks(size).zip(codes.par_chunks_mut(size));
    let found = parts.map(|(column, codes)| first_codes(column, codes, &wide));
    let found: Vec<Vec<(i64, u32)>> = found.collect::<Result<_, Error>>()?;
    let mut ids = collected(found.iter().flatten().map(|(id, _)| *id))?;
    ids.par_sort_unstable();
    ids.dedup();
    codes.par_chunks_mut(size).zip(found).try_for_each(|(codes, found)| {
        let mut ranks: Vec<u32> = zeroed(found.len())?;
        let mut rank = 0;
        for (id, code) in found {
            rank += ids[rank..].partition_point(|&other| other < id);
            ranks[code as usize] = rank as u32;
        }
        codes.iter_mut().for_each(|code| *code = ranks[*code as usize]);
        Ok(())
    })?;
    Ok(Coder::Ranked { ids, codes })
}

/// Code ids by the order in which they come first; returns the ids, ascending, with their codes.
fn first_codes<T: Copy>(
    column: &[T],
    codes: &mut [u32],
    wide: impl Fn(T) -> i64,
) -> Result<Vec<(i64, u32)>, Error> {
    let (mut known, mut found) = (map::<i64, u32>(0)?, Vec::new());
    for (code, &id) in codes.iter_mut().zip(column) {
        let id = wide(id);
        *code = if let Some(&code) = known.get(&id) {
            code
        } else {
            let code = found.len() as u32;
            enter(&mut known, id, code)?;
            push(&mut found, (id, code))?;
            code
        };
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(coder: &Coder, ids: &[i64]) -> Vec<u32> {
        let mut codes = vec![0; ids.len()];
        coder.encode(Integers::Wide(ids), 0..ids.len(), &mut codes);
        codes
    }

    /// Codes are in the order of the ids, fewer than allowed, and lead back to the ids.
    fn check(ids: &[i64], kind: fn(&Coder) -> bool) {
        let coder = Coder::of(Integers::Wide(ids)).unwrap();
        assert!(kind(&coder));
        let found = codes(&coder, ids);
        assert!(found.iter().all(|&code| (code as usize) < coder.width()));
        assert!(ids.iter().zip(&found).all(|(&id, &code)| coder.id(code as usize) == id));
        let mut pairs: Vec<_> = ids.iter().zip(&found).collect();
        pairs.sort_unstable();
        assert!(pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }

    #[test]
    fn ids_become_codes_in_their_order_and_back() {
        let dense: Vec<i64> = (0..1 << 16).map(|row| row * 7919 % 5000 - 2500).collect();
        check(&dense, |coder| matches!(coder, Coder::Offset { .. }));
        for far in [i64::MAX, i64::MIN, 100_000, -90_000] {
            let mut ids = dense.clone();
            (ids[77], ids[40_000], ids[65_000]) = (far, far / 2, far);
            check(&ids, |coder| matches!(coder, Coder::Trimmed { .. }));
        }
        let sparse: Vec<i64> =
            dense.iter().map(|id| id.wrapping_mul(0x1234_5678_9ABC_DEF1)).collect();
        check(&sparse, |coder| matches!(coder, Coder::Ranked { .. }));
        let mut halves = dense.clone();
        halves.iter_mut().step_by(2).for_each(|id| *id += 1 << 40);
        check(&halves, |coder| matches!(coder, Coder::Ranked { .. }));
        check(&[i64::MAX, i64::MIN, 0], |coder| !matches!(coder, Coder::Offset { .. }));
        check(&[5], |coder| matches!(coder, Coder::Offset { .. }));
    }

    #[test]
    fn one_busy_id_leaves_the_range_as_it_is() {
        let ids: Vec<i64> =
            (0..1 << 16).map(|row| if row % 3 == 0 { 9 } else { row % 50_000 }).collect();
        check(&ids, |coder| matches!(coder, Coder::Offset { .. }));
    }
}
