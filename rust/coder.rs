//! Raw ids -> codes 0..width in ascending id order. A dense range of integers is coded by
//! subtraction, also where a few others are far from it; of anything else, the ids that occur are
//! found by hash tables, seeded at random so that no choice of ids makes them slow, and each row is
//! coded once. None of it ever shows in the result.

use crate::columns::Integers;
use crate::error::Error;
use crate::outliers::{Trimmed, length};
use crate::sparse::ranked;
use std::ops::Range;

/// An order-preserving map from raw ids to codes `0..width()`.
pub enum Coder {
    /// code = id - `min`; some codes may occur in no row.
    Offset {
        /// Smallest id.
        min: i64,
        /// Largest id - `min` + 1.
        width: usize,
    },
    /// As `Offset`, where a few ids are apart from the others.
    Trimmed(Trimmed),
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
        // Tables over the range then cost at most about as much as the columns themselves.
        let most = 2 * column.len() as i128 + (1 << 16);
        if let Some(trimmed) = Trimmed::of(column, span, most)? {
            return Ok(Self::Trimmed(trimmed));
        }
        if length(span) <= most {
            return Ok(Self::Offset { min: span.0, width: length(span) as usize });
        }
        let (ids, codes) = ranked(column)?;
        Ok(Self::Ranked { ids, codes })
    }

    /// The coder of a non-empty column of non-negative ids that keeps them as they are.
    pub fn identity(column: Integers) -> Self {
        Self::Offset { min: 0, width: column.span().1 as usize + 1 }
    }

    /// Number of codes.
    pub fn width(&self) -> usize {
        match self {
            Self::Offset { width, .. } => *width,
            Self::Trimmed(trimmed) => trimmed.width(),
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
            Self::Trimmed(trimmed) => trimmed.encode(ids, codes, wide),
            Self::Ranked { .. } => {}
        }
    }

    /// The id of a code.
    #[inline]
    pub fn id(&self, code: usize) -> i64 {
        match self {
            Self::Offset { min, .. } => min.wrapping_add(code as i64),
            Self::Trimmed(trimmed) => trimmed.id(code),
            Self::Ranked { ids, .. } => ids[code],
        }
    }
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
        let many: Vec<i64> =
            (0..1i64 << 17).map(|row| (row / 2).wrapping_mul(0x1234_5678_9ABC_DEF1)).collect();
        check(&many, |coder| matches!(coder, Coder::Ranked { .. }));
        let crowded: Vec<i64> =
            many.iter().map(|id| if id % 3 == 0 { *id } else { id >> 30 }).collect();
        check(&crowded, |coder| matches!(coder, Coder::Ranked { .. }));
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
