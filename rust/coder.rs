//! Raw ids -> codes 0..width in ascending id order. A dense range of integers is coded by
//! subtraction, anything else by a hash table, seeded at random so that no choice of ids makes it
//! slow; neither ever shows in the result.

use crate::columns::Integers;
use crate::error::Error;
use crate::memory::{collected, insert, map};
use foldhash::{HashMap, HashSet};
use rayon::prelude::*;
use std::hash::Hash;
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
    /// code = rank of the id among the ids that occur.
    Ranked {
        /// The ids that occur, ascending.
        ids: Vec<i64>,
        /// Their ranks.
        ranks: HashMap<i64, u32>,
    },
}

impl Coder {
    /// The coder of a non-empty column.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn of(column: Integers) -> Result<Self, Error> {
        let (min, max) = column.span();
        let width = i128::from(max) - i128::from(min) + 1;
        // Tables over the range then cost at most about as much as the columns themselves.
        if width <= 2 * column.len() as i128 + (1 << 16) {
            return Ok(Self::Offset { min, width: width as usize });
        }
        let ids = distinct(column)?;
        let mut ranks = map(ids.len())?;
        ranks.extend(ids.iter().enumerate().map(|(rank, &id)| (id, rank as u32)));
        Ok(Self::Ranked { ids, ranks })
    }

    /// The coder of a non-empty column of non-negative ids that keeps them as they are.
    pub fn identity(column: Integers) -> Self {
        Self::Offset { min: 0, width: column.span().1 as usize + 1 }
    }

    /// Number of codes.
    pub fn width(&self) -> usize {
        match self {
            Self::Offset { width, .. } => *width,
            Self::Ranked { ids, .. } => ids.len(),
        }
    }

    /// The codes of the ids in `rows` of the column this coder was made of.
    ///
    /// # Panics
    /// If `codes` is not as long as `rows`, or a row does not exist.
    #[inline]
    pub fn encode(&self, column: Integers, rows: Range<usize>, codes: &mut [u32]) {
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
            Self::Ranked { ranks, .. } => {
                for (code, &id) in codes.iter_mut().zip(ids) {
                    *code = ranks[&wide(id)];
                }
            }
        }
    }

    /// The id of a code.
    #[inline]
    pub fn id(&self, code: usize) -> i64 {
        match self {
            Self::Offset { min, .. } => min.wrapping_add(code as i64),
            Self::Ranked { ids, .. } => ids[code],
        }
    }
}

/// The distinct ids of a column, ascending.
fn distinct(column: Integers) -> Result<Vec<i64>, Error> {
    let mut ids: Vec<i64> = match column {
        Integers::Wide(ids) => collected(distinct_set(ids)?)?,
        Integers::Narrow(ids) => collected(distinct_set(ids)?.into_iter().map(i64::from))?,
    };
    ids.par_sort_unstable();
    Ok(ids)
}

fn distinct_set<T: Copy + Eq + Hash + Send + Sync>(ids: &[T]) -> Result<HashSet<T>, Error> {
    ids.par_chunks(1 << 16)
        .try_fold(HashSet::default, |set, chunk| with(set, chunk.iter().copied()))
        .try_reduce(HashSet::default, |a, b| {
            let (large, small) = if a.len() < b.len() { (b, a) } else { (a, b) };
            with(large, small)
        })
}

fn with<T: Eq + Hash>(
    mut set: HashSet<T>,
    more: impl IntoIterator<Item = T>,
) -> Result<HashSet<T>, Error> {
    for value in more {
        insert(&mut set, value)?;
    }
    Ok(set)
}
