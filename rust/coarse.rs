//! The search for the best vectors by a quarter of their bytes: what cannot be among the best is
//! seen by vectors of eight bits, and the few that can are looked at themselves. As exact as a
//! search of them all, to the last bit.

use crate::best::{Found, above, threshold};
use crate::blocks::{Halt, Products, Task};
use crate::error::{Error, ensure};
use crate::memory::{collected, push, room};
use crate::rounded::{RoundedQueries, RoundedVectors};
use crate::search::{Best, Search, merge, top_k};
use crate::threads::Pause;
use ndarray::ArrayView2;
use std::collections::BinaryHeap;

/// More queries than this share the reading of a block of vectors: then its bytes do not count.
const MOST_QUERIES: usize = 32;
/// Multiplications so few, a millisecond of them, that threads would take longer to meet.
const SMALL: usize = 1 << 25;
/// Candidates of a query that are looked through again whenever there are twice as many.
const MANY: usize = 256;

/// Vectors of eight bits a number, where they have bounds.
pub struct Coarse {
    shape: (usize, usize),
    vectors: Option<RoundedVectors>,
}

/// What a query has met: bounds of the k best, and what may be among them.
#[derive(Default)]
struct Near {
    /// The k greatest lower bounds.
    lowers: BinaryHeap<Found>,
    /// Those with an upper bound that is no less, and earlier ones.
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

    /// As [`top_k`] of the vectors that these were made of.
    ///
    /// # Errors
    /// As [`top_k`]; [`Error::Inconsistent`] where they were made of others.
    pub fn top_k(&self, search: &Search<'_>, pause: &Pause) -> Result<Best, Error> {
        let Search { products, excluded, k, adjustment } = search;
        let (queries, items) = (products.queries.nrows(), products.vectors.nrows());
        let found = products.vectors.dim();
        ensure!(found == self.shape, "vectors {found:?}, coarse {:?}", self.shape);
        products.check()?;
        let (Some(vectors), true) = (self.of_few(products), adjustment.is_none()) else {
            return top_k(search, pause);
        };
        let Some(asked) = RoundedQueries::of(products.queries)? else {
            return top_k(search, pause);
        };
        ensure!((1..=items).contains(k), "k is {k}, of {items} vectors");
        excluded.check(queries)?;
        let tasks = products.meet_by(
            |queries, numbers, scores| {
                vectors.uppers(&asked, (queries, numbers), scores);
                Ok(())
            },
            (Near::default, |row, near| {
                above(row.first, row.scores, near.least(*k), |upper| {
                    if !excluded.has(row.query, upper.number) {
                        let slack = vectors.slack(&asked, row.query, upper.number as usize);
                        near.put(upper, upper.score - slack, *k).map_err(Halt::Error)?;
                    }
                    Ok(near.least(*k))
                })
            }),
            self.is_small(products),
            pause,
        )?;
        let mut met: Vec<Near> = collected((0..queries).map(|_| Near::default()))?;
        for (query, near) in tasks.into_iter().flat_map(Task::into_kept) {
            met[query].join(near, *k)?;
        }
        let mut heaps = room(queries)?;
        for (query, near) in met.into_iter().enumerate() {
            heaps.push((query, near.looked_at(query, products, *k)?));
        }
        merge(heaps, queries, *k)
    }

    /// The vectors, where so few queries find the same sooner by them.
    fn of_few(&self, products: &Products<'_>) -> Option<&RoundedVectors> {
        self.vectors.as_ref().filter(|_| products.queries.nrows() <= MOST_QUERIES)
    }
}

impl Near {
    /// What an upper bound must reach.
    fn least(&self, k: usize) -> f32 {
        threshold(&self.lowers, k)
    }

    fn put(&mut self, upper: Found, lower: f32, k: usize) -> Result<(), Error> {
        self.keep(Found { score: lower, number: upper.number }, k)?;
        push(&mut self.candidates, upper)?;
        if self.candidates.len() >= 2 * self.pruned.max(MANY) {
            let least = self.least(k);
            self.candidates.retain(|one| one.score >= least);
            self.pruned = self.candidates.len();
        }
        Ok(())
    }

    fn keep(&mut self, lower: Found, k: usize) -> Result<(), Error> {
        if self.lowers.len() == k {
            if lower.score <= self.least(k) {
                return Ok(());
            }
            self.lowers.pop();
        }
        self.lowers.try_reserve(1).map_err(|_| crate::memory::lack::<Found>(k))?;
        self.lowers.push(lower);
        Ok(())
    }

    /// The scores of those that may be among the best.
    fn looked_at(
        self,
        query: usize,
        products: &Products<'_>,
        k: usize,
    ) -> Result<BinaryHeap<Found>, Error> {
        let least = self.least(k);
        let left = self.candidates.into_iter().filter(|one| one.score >= least);
        let numbers: Vec<i32> = collected(left.map(|one| one.number))?;
        let scores = products.some(query, &numbers)?;
        collected(scores.into_iter().zip(numbers).map(|(score, number)| Found { score, number }))
            .map(BinaryHeap::from)
    }

    /// Add what was met elsewhere.
    fn join(&mut self, other: Self, k: usize) -> Result<(), Error> {
        for lower in other.lowers {
            self.keep(lower, k)?;
        }
        for candidate in other.candidates {
            push(&mut self.candidates, candidate)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::cast_precision_loss)] // a number of 0..3
mod tests {
    use super::*;
    use crate::adjustment::Adjustment;
    use crate::blocks::{BLOCK, STRETCH};
    use crate::search::Excluded;
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
        };
        let coarse = Coarse::of(vectors.view()).unwrap();
        let pause = Pause::default();
        match (coarse.top_k(&search, &pause), top_k(&search, &pause)) {
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
