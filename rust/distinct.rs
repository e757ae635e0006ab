//! The distinct ids of rows: a bitmap where they are dense, else a list.

use crate::chunk::Chunk;
use crate::error::Error;
use crate::memory::{collected, insert, room, zeroed};
use foldhash::HashSet;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// A bitmap may have so many bits for each id, and so many in any case.
const BITS_PER_ID: i128 = 64;
const BITS_AT_LEAST: i128 = 1 << 22;

/// Distinct ids.
#[derive(Clone)]
pub enum Ids {
    /// Bit i of word w is id `64 * (first + w) + i`.
    Bits {
        /// Of the words.
        first: i64,
        /// The bits.
        words: Vec<u64>,
    },
    /// Ascending.
    Sorted(Vec<i64>),
}

/// The distinct items of so many kept rows, which are between two edges.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn distinct(
    chunk: &Chunk,
    ranges: &[Range<usize>],
    edges: (i64, i64),
    rows: usize,
) -> Result<Ids, Error> {
    if fits_bits(edges, rows) {
        let (first, count) = words_of(edges);
        let words: Vec<AtomicU64> = zeroed(count)?;
        ranges.par_iter().for_each(|rows| {
            for row in chunk.kept(rows.clone()) {
                let item = chunk.items.id(row);
                let (word, bit) = (&words[((item >> 6) - first) as usize], 1 << (item & 63));
                // A line that is only read is shared by all threads; most bits are set soon.
                if word.load(Ordering::Relaxed) & bit == 0 {
                    word.fetch_or(bit, Ordering::Relaxed);
                }
            }
        });
        let words = collected(words.into_iter().map(AtomicU64::into_inner))?;
        return Ok(Ids::Bits { first, words });
    }
    let found = ranges
        .par_iter()
        .map(|rows| {
            let mut set = HashSet::default();
            for row in chunk.kept(rows.clone()) {
                insert(&mut set, chunk.items.id(row))?;
            }
            let mut ids = collected(set)?;
            ids.sort_unstable();
            Ok(ids)
        })
        .try_reduce(Vec::new, |a, b| union(&a, &b))?;
    Ok(Ids::Sorted(found))
}

/// Whether a bitmap is no larger than a list of the ids of so many rows.
fn fits_bits((least, most): (i64, i64), rows: usize) -> bool {
    let width = i128::from(most) - i128::from(least);
    width <= BITS_PER_ID * rows as i128 + BITS_AT_LEAST
}

/// The first word of a range of ids, and how many words it takes.
fn words_of((least, most): (i64, i64)) -> (i64, usize) {
    let first = least >> 6;
    (first, ((most >> 6) - first) as usize + 1)
}

/// Both ascending lists as one.
fn union(one: &[i64], other: &[i64]) -> Result<Vec<i64>, Error> {
    let mut joined = room(one.len() + other.len())?;
    let (mut a, mut b) = (one, other);
    while let (Some(&x), Some(&y)) = (a.first(), b.first()) {
        joined.push(x.min(y));
        a = &a[usize::from(x <= y)..];
        b = &b[usize::from(y <= x)..];
    }
    joined.extend_from_slice(a);
    joined.extend_from_slice(b);
    Ok(joined)
}

impl Ids {
    /// The ids of both.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn merge(&self, other: &Self) -> Result<Self, Error> {
        let (Some(one), Some(two)) = (self.range(), other.range()) else {
            return Ok(if self.range().is_some() { self.clone() } else { other.clone() });
        };
        let range = (one.0.min(two.0), one.1.max(two.1));
        if !fits_bits(range, self.len().max(other.len())) {
            return Ok(Self::Sorted(union(&self.sorted()?, &other.sorted()?)?));
        }
        let (first, count) = words_of(range);
        let mut words: Vec<u64> = zeroed(count)?;
        for ids in [self, other] {
            ids.mark(first, &mut words);
        }
        Ok(Self::Bits { first, words })
    }

    /// Set the bits of all ids in words that begin with `first`.
    fn mark(&self, first: i64, words: &mut [u64]) {
        match self {
            Self::Bits { first: own, words: bits } => {
                let start = (own - first) as usize;
                for (word, bits) in words[start..].iter_mut().zip(bits) {
                    *word |= bits;
                }
            }
            Self::Sorted(ids) => {
                for id in ids {
                    words[((id >> 6) - first) as usize] |= 1 << (id & 63);
                }
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bits { words, .. } => words.iter().map(|word| word.count_ones() as usize).sum(),
            Self::Sorted(ids) => ids.len(),
        }
    }

    /// Smallest and largest, of a bitmap rounded to its words; none without ids.
    fn range(&self) -> Option<(i64, i64)> {
        match self {
            Self::Bits { first, words } => {
                Some((first << 6, ((first + words.len() as i64 - 1) << 6) + 63))
            }
            Self::Sorted(ids) => Some((*ids.first()?, *ids.last()?)),
        }
    }

    /// The ids, ascending.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn sorted(&self) -> Result<Vec<i64>, Error> {
        let (first, words) = match self {
            Self::Sorted(ids) => return collected(ids.iter().copied()),
            Self::Bits { first, words } => (first, words),
        };
        let mut ids = room(self.len())?;
        for (place, &word) in words.iter().enumerate() {
            let mut left = word;
            while left != 0 {
                ids.push((first + place as i64) << 6 | i64::from(left.trailing_zeros()));
                left &= left - 1;
            }
        }
        Ok(ids)
    }
}
