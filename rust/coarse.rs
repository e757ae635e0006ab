//! The search for the best vectors by a quarter of their bytes: what cannot be among the best is
//! seen by vectors of eight bits, and the few that can are looked at themselves. As exact as a
//! search of them all, to the last bit.

use crate::adjustment::Adjustment;
use crate::best::{Found, above};
use crate::blocks::{Halt, Products, Task};
use crate::error::{Error, ensure};
use crate::memory::{collected, push, reserve, room};
use crate::rounded::{RoundedQueries, RoundedVectors};
use crate::threads::Pause;
use ndarray::ArrayView2;
use std::slice;

/// More queries than this share the reading of a block of vectors: then its bytes do not count.
pub const MOST_QUERIES: usize = 32;
/// Multiplications so few, a millisecond of them, that threads would take longer to meet.
const SMALL: usize = 1 << 25;
/// Candidates of a query that are looked through again whenever there are twice as many.
const MANY: usize = 256;

/// Vectors of eight bits a number, where they have bounds.
pub struct Coarse {
    shape: (usize, usize),
    vectors: Option<RoundedVectors>,
}

/// What is looked for, by bounds of scores.
pub trait Bounded: Sync {
    /// The best lower bounds of a query.
    type Kept: Default + Send;

    /// What an upper bound must be above.
    fn least(&self, kept: &Self::Kept) -> f32;
    /// Whether a vector whose upper bound is above that may be what is looked for.
    fn matters(&self, query: usize, upper: Found, kept: &Self::Kept) -> bool;
    /// Keep a lower bound where it is one of the best.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    fn keep(&self, lower: Found, kept: &mut Self::Kept) -> Result<(), Error>;
    /// Keep those of another part of the vectors, too.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    fn join(&self, kept: &mut Self::Kept, other: Self::Kept) -> Result<(), Error>;
    /// Vectors whose scores are wanted in any case, which do not matter.
    fn always(&self) -> &[i32] {
        &[]
    }
}

/// What a query has met.
struct Near<K> {
    kept: K,
    /// Vectors that mattered, with their upper bounds.
    candidates: Vec<Found>,
    pruned: usize,
}

impl Coarse {
    /// Those of some vectors.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn of(vectors: ArrayView2<'_, f32>) -> Result<Self, Error> {
        Ok(Self { shape: vectors.dim(), vectors: RoundedVectors::of(vectors)? })
    }

    /// Whether a search is so short that it is done by the thread that asks.
    pub fn is_small(&self, products: &Products<'_>) -> bool {
        let is_short = products.multiplications() <= SMALL;
        products.is_small() || is_short && self.of_few(products).is_some()
    }

    /// For each query the vectors that may be what is looked for, with their adjusted scores, in
    /// ascending order of their numbers; None where all are sooner looked at themselves.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where these were made of other vectors, [`Error::NotANumber`] where a
    /// bound is NaN, [`Error::OutOfMemory`], and what `pause` returns.
    pub fn near<B: Bounded>(
        &self,
        products: &Products<'_>,
        adjustment: &Adjustment<'_>,
        by: &B,
        pause: &Pause,
    ) -> Result<Option<Vec<Vec<Found>>>, Error> {
        let found = products.vectors.dim();
        ensure!(found == self.shape, "vectors {found:?}, coarse {:?}", self.shape);
        let Some(vectors) = self.of_few(products) else { return Ok(None) };
        let Some(asked) = RoundedQueries::of(products.queries)? else { return Ok(None) };
        let lower = |query: usize, upper: Found| {
            let number = upper.number as usize;
            if adjustment.is_none() {
                return upper.score - vectors.spread(&asked, query, number);
            }
            let mut score = vectors.lower(&asked, query, number);
            adjustment.apply(number, slice::from_mut(&mut score));
            score
        };
        let tasks = products.meet_by(
            |queries, numbers, scores| {
                vectors.uppers(&asked, (queries, numbers), scores);
                Ok(())
            },
            (Near::default, |row, near: &mut Near<B::Kept>| {
                adjustment.apply(row.first, row.scores);
                above(row.first, row.scores, by.least(&near.kept), |upper| {
                    if by.matters(row.query, upper, &near.kept) {
                        let score = lower(row.query, upper);
                        by.keep(Found { score, ..upper }, &mut near.kept).map_err(Halt::Error)?;
                        near.put(upper, by).map_err(Halt::Error)?;
                    }
                    Ok(by.least(&near.kept))
                })
            }),
            self.is_small(products),
            pause,
        )?;
        let queries = products.queries.nrows();
        let mut met: Vec<Near<B::Kept>> = collected((0..queries).map(|_| Near::default()))?;
        for (query, near) in tasks.into_iter().flat_map(Task::into_kept) {
            met[query].join(near, by)?;
        }
        let mut all = room(queries)?;
        for (query, near) in met.into_iter().enumerate() {
            pause.ask()?;
            let numbers = near.numbers(by)?;
            let mut scores = products.some(query, &numbers)?;
            for (score, number) in scores.iter_mut().zip(&numbers) {
                adjustment.apply(*number as usize, slice::from_mut(score));
            }
            let both = scores.into_iter().zip(numbers);
            all.push(collected(both.map(|(score, number)| Found { score, number }))?);
        }
        Ok(Some(all))
    }

    /// The vectors, where so few queries find the same sooner by them.
    fn of_few(&self, products: &Products<'_>) -> Option<&RoundedVectors> {
        let fit = products.queries.dim().1 == self.shape.1;
        self.vectors.as_ref().filter(|_| fit && products.queries.nrows() <= MOST_QUERIES)
    }
}

impl<K: Default> Default for Near<K> {
    fn default() -> Self {
        Self { kept: K::default(), candidates: Vec::new(), pruned: 0 }
    }
}

impl<K> Near<K> {
    fn put(&mut self, upper: Found, by: &impl Bounded<Kept = K>) -> Result<(), Error> {
        push(&mut self.candidates, upper)?;
        if self.candidates.len() >= 2 * self.pruned.max(MANY) {
            let least = by.least(&self.kept);
            self.candidates.retain(|one| one.score >= least);
            self.pruned = self.candidates.len();
        }
        Ok(())
    }

    /// Add what was met elsewhere.
    fn join(&mut self, other: Self, by: &impl Bounded<Kept = K>) -> Result<(), Error> {
        by.join(&mut self.kept, other.kept)?;
        reserve(&mut self.candidates, other.candidates.len())?;
        self.candidates.extend(other.candidates);
        Ok(())
    }

    /// Of all whose scores are wanted, ascending.
    fn numbers(self, by: &impl Bounded<Kept = K>) -> Result<Vec<i32>, Error> {
        let least = by.least(&self.kept);
        let left = self.candidates.into_iter().filter(|one| one.score >= least);
        let always = by.always().iter().copied();
        let mut numbers: Vec<i32> = collected(left.map(|one| one.number).chain(always))?;
        numbers.sort_unstable();
        Ok(numbers)
    }
}

#[cfg(test)]
#[allow(clippy::cast_precision_loss)] // a number of 0..3
mod tests {
    use super::*;
    use crate::blocks::{BLOCK, STRETCH};
    use crate::search::{Excluded, Search, top_k};
    use ndarray::Array2;

    fn check(queries: &Array2<f32>, vectors: &Array2<f32>, hidden: &[i32], k: usize) {
        let offsets: Vec<i64> =
            (0..=queries.nrows()).map(|query| (query * hidden.len()) as i64).collect();
        let numbers = hidden.repeat(queries.nrows());
        let search = Search {
            products: Products { queries: queries.view(), vectors: vectors.view() },
            excluded: Excluded { offsets: &offsets, numbers: &numbers },
            adjustment: Adjustment::default(),
            k,
            coarse: None,
        };
        let coarse = Coarse::of(vectors.view()).unwrap();
        let pause = Pause::default();
        let by_both = Search { coarse: Some(&coarse), ..search };
        match (top_k(&by_both, &pause), top_k(&search, &pause)) {
            (Ok(found), Ok(expected)) => {
                assert_eq!(found.numbers, expected.numbers);
                assert_eq!(found.scores, expected.scores);
            }
            (found, expected) => assert_eq!(found.err(), expected.err()),
        }
    }

    /// A number between -1 and 1 that rounds.
    fn value((row, column): (usize, usize)) -> f32 {
        f32::from(((row * 7919 + column * 104_729) % 65_521) as u16).sin()
    }

    #[test]
    fn the_best_are_those_of_a_whole_search() {
        let (items, kinds) = (STRETCH + BLOCK + 3, 5);
        for width in [1, 19] {
            let vectors = Array2::from_shape_fn((items, width), value);
            // Many are equal, and many nearly so.
            let alike = Array2::from_shape_fn((items, width), |(row, column)| {
                value((row % kinds, column)) * (1.0 + (row / kinds % 3) as f32 * f32::EPSILON)
            });
            for queries in [1, 3, MOST_QUERIES, MOST_QUERIES + 1] {
                let asked = Array2::from_shape_fn((queries, width), |(r, c)| value((c, r + 1)));
                for k in [2, 300] {
                    check(&asked, &vectors, &[0, 5, 9], k);
                    check(&asked, &alike, &[3], k);
                }
            }
        }
    }

    #[test]
    fn products_too_small_for_floats_are_compared_as_they_are() {
        let vectors = Array2::from_shape_fn((900, 19), |place| 1e-22 * value(place));
        for length in [1e-10, 1e-15, 1e-20, 1e-23, 0.0] {
            let asked = Array2::from_shape_fn((3, 19), |(r, c)| length * value((c, r + 1)));
            check(&asked, &vectors, &[2], 5);
        }
    }

    #[test]
    fn what_has_no_bounds_is_searched_whole() {
        let asked = Array2::<f32>::ones((2, 3));
        for number in [0.0, f32::MIN_POSITIVE / 8.0, 1e30, f32::INFINITY, f32::NAN] {
            let mut vectors = Array2::from_shape_fn((40, 3), value);
            vectors.row_mut(7).fill(number);
            check(&asked, &vectors, &[], 3);
            check(&vectors.slice(ndarray::s![6..9, ..]).to_owned(), &vectors, &[], 3);
        }
    }
}
