//! Raw ids -> codes 0..width in ascending id order. A dense range of integers is coded by
//! subtraction, anything else by a hash table; which of the two never shows in the result.

use crate::columns::Ids;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

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
        ranks: FxHashMap<i64, u32>,
    },
}

impl Coder {
    /// The coder of a non-empty column.
    #[must_use]
    pub fn of(column: Ids) -> Self {
        let (min, max) = span(column);
        let width = i128::from(max) - i128::from(min) + 1;
        // Tables over the range then cost at most about as much as the columns themselves.
        if width <= 2 * column.len() as i128 + (1 << 16) {
            return Self::Offset { min, width: width as usize };
        }
        let ids = distinct(column);
        let ranks = ids.iter().enumerate().map(|(rank, &id)| (id, rank as u32)).collect();
        Self::Ranked { ids, ranks }
    }

    /// The coder of a non-empty column of non-negative ids that keeps them as they are.
    #[must_use]
    pub fn identity(column: Ids) -> Self {
        Self::Offset { min: 0, width: span(column).1 as usize + 1 }
    }

    /// Number of codes.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::Offset { width, .. } => *width,
            Self::Ranked { ids, .. } => ids.len(),
        }
    }

    /// The code of an id that occurs in the column.
    #[inline]
    #[must_use]
    pub fn code(&self, id: i64) -> u32 {
        match self {
            Self::Offset { min, .. } => id.wrapping_sub(*min) as u32,
            Self::Ranked { ranks, .. } => ranks[&id],
        }
    }

    /// The id of a code.
    #[inline]
    #[must_use]
    pub fn id(&self, code: usize) -> i64 {
        match self {
            Self::Offset { min, .. } => min.wrapping_add(code as i64),
            Self::Ranked { ids, .. } => ids[code],
        }
    }
}

/// Smallest and largest id of a non-empty column.
fn span(column: Ids) -> (i64, i64) {
    (0..column.len())
        .into_par_iter()
        .with_min_len(1 << 16)
        .fold(
            || (i64::MAX, i64::MIN),
            |(min, max), row| (min.min(column.at(row)), max.max(column.at(row))),
        )
        .reduce(|| (i64::MAX, i64::MIN), |a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// The distinct ids of a column, ascending.
fn distinct(column: Ids) -> Vec<i64> {
    let found: FxHashSet<i64> = (0..column.len())
        .into_par_iter()
        .with_min_len(1 << 16)
        .fold(FxHashSet::default, |mut set, row| {
            set.insert(column.at(row));
            set
        })
        .reduce(FxHashSet::default, |a, b| {
            let (mut large, small) = if a.len() < b.len() { (b, a) } else { (a, b) };
            large.extend(small);
            large
        });
    let mut ids: Vec<i64> = found.into_iter().collect();
    ids.par_sort_unstable();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extreme_ids_are_ranked() {
        let column = [i64::MAX, i64::MIN, 0, i64::MAX];
        let coder = Coder::of(Ids::Wide(&column));
        assert_eq!(coder.width(), 3);
        assert_eq!(column.map(|id| coder.code(id)), [2, 0, 1, 2]);
        assert_eq!(coder.id(0), i64::MIN);
    }

    #[test]
    fn a_dense_range_is_coded_by_subtraction() {
        let column = [-2, 3];
        let coder = Coder::of(Ids::Narrow(&column));
        assert!(matches!(coder, Coder::Offset { min: -2, width: 6 }));
        assert_eq!(coder.id(coder.code(3) as usize), 3);
    }
}
