//! The k items whose vectors have the highest dot products with each query. Exact; among equal
//! scores the vector of the smaller number comes first.

use crate::adjustment::Adjustment;
use crate::best::{Found, keep_best, put_best, threshold};
use crate::blocks::{Products, Task};
use crate::coarse::{Bounded, Coarse};
use crate::error::{Error, ensure};
use crate::memory::{collected, filled, reserve};
use crate::threads::Pause;
use std::collections::BinaryHeap;

/// Vectors that each query must not get: those of query i are `numbers[offsets[i]..offsets[i + 1]]`,
/// in ascending order.
#[derive(Clone, Copy)]
pub struct Excluded<'a> {
    /// One more than there are queries.
    pub offsets: &'a [i64],
    /// Ascending within each query.
    pub numbers: &'a [i32],
}

impl<'a> Excluded<'a> {
    /// Check that they are of so many queries.
    ///
    /// # Errors
    /// [`Error::Inconsistent`].
    pub fn check(&self, queries: usize) -> Result<(), Error> {
        let total = self.numbers.len() as i64;
        let ends = (self.offsets.first(), self.offsets.last());
        let ascending = self.offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        ensure!(
            self.offsets.len() == queries + 1 && ends == (Some(&0), Some(&total)) && ascending,
            "offsets of excluded vectors that do not ascend from 0 to {total}, one for each of \
             {queries} queries"
        );
        Ok(())
    }

    /// Those of one query.
    pub fn of(&self, query: usize) -> &'a [i32] {
        &self.numbers[self.offsets[query] as usize..self.offsets[query + 1] as usize]
    }

    /// Whether a query must not get a vector.
    pub fn has(&self, query: usize, number: i32) -> bool {
        self.of(query).binary_search(&number).is_ok()
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// Queries, and the vectors to search.
    pub products: Products<'a>,
    /// Vectors that are not to be found.
    pub excluded: Excluded<'a>,
    /// What becomes of scores before they are compared.
    pub adjustment: Adjustment<'a>,
    /// Vectors for each query.
    pub k: usize,
    /// Made of the vectors: by these a few queries find the same sooner.
    pub coarse: Option<&'a Coarse>,
}

impl Search<'_> {
    /// Whether it is so short that it is done by the thread that asks.
    pub fn is_small(&self) -> bool {
        is_small(&self.products, self.coarse)
    }
}

/// Whether products are so few that they are looked at by the thread that asks.
pub fn is_small(products: &Products<'_>, coarse: Option<&Coarse>) -> bool {
    coarse.map_or_else(|| products.is_small(), |coarse| coarse.is_small(products))
}

impl Bounded for Search<'_> {
    type Kept = BinaryHeap<Found>;

    fn least(&self, kept: &Self::Kept) -> f32 {
        threshold(kept, self.k)
    }

    fn matters(&self, query: usize, upper: Found, _: &Self::Kept) -> bool {
        !self.excluded.has(query, upper.number)
    }

    fn keep(&self, lower: Found, kept: &mut Self::Kept) -> Result<(), Error> {
        put_best(lower, self.k, kept)
    }

    fn join(&self, kept: &mut Self::Kept, other: Self::Kept) -> Result<(), Error> {
        other.into_iter().try_for_each(|lower| put_best(lower, self.k, kept))
    }
}

/// Scores and numbers of vectors [queries, k], best first; minus infinity and -1 where there are fewer.
pub struct Best {
    /// Row after row.
    pub scores: Vec<f32>,
    /// Row after row.
    pub numbers: Vec<i32>,
}

/// Find the best vectors of every query.
///
/// # Errors
/// [`Error::Inconsistent`] where shapes do not fit together, [`Error::NotANumber`] where a score is
/// NaN, [`Error::OutOfMemory`], and what `pause` returns.
pub fn top_k(search: &Search<'_>, pause: &Pause) -> Result<Best, Error> {
    let Search { products, excluded, adjustment, k, coarse } = search;
    let (queries, items) = (products.queries.nrows(), products.vectors.nrows());
    products.check()?;
    ensure!((1..=items).contains(k), "k is {k}, of {items} vectors");
    excluded.check(queries)?;
    adjustment.check(items)?;
    if let Some(coarse) = coarse
        && let Some(near) = coarse.near(products, adjustment, search, pause)?
    {
        let heaps = near.into_iter().map(BinaryHeap::from).enumerate();
        return merge(heaps, queries, *k);
    }
    let tasks = products.meet(
        BinaryHeap::new,
        |row, heap| {
            adjustment.apply(row.first, row.scores);
            let hidden = |number| excluded.has(row.query, number);
            keep_best((row.first, &*row.scores), hidden, *k, heap)
        },
        pause,
    )?;
    merge(tasks.into_iter().flat_map(Task::into_kept), queries, *k)
}

/// The best of what was found for each query, in one heap or several.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn merge(
    heaps: impl IntoIterator<Item = (usize, BinaryHeap<Found>)>,
    queries: usize,
    k: usize,
) -> Result<Best, Error> {
    let mut found: Vec<Vec<Found>> = collected((0..queries).map(|_| Vec::new()))?;
    for (query, heap) in heaps {
        reserve(&mut found[query], heap.len())?;
        found[query].extend(heap);
    }
    let cells = queries.saturating_mul(k);
    let mut best = Best { scores: filled(cells, f32::NEG_INFINITY)?, numbers: filled(cells, -1)? };
    let rows = best.scores.chunks_mut(k).zip(best.numbers.chunks_mut(k));
    for ((scores, numbers), mut row) in rows.zip(found) {
        row.sort_unstable();
        for (place, one) in row.iter().take(k).enumerate() {
            scores[place] = one.score;
            numbers[place] = one.number;
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::{BLOCK, STRETCH, TILE};
    use ndarray::Array2;

    fn best(queries: &Array2<f32>, vectors: &Array2<f32>, k: usize) -> Result<Best, Error> {
        let offsets = vec![0; queries.nrows() + 1];
        let excluded = Excluded { offsets: &offsets, numbers: &[] };
        let products = Products { queries: queries.view(), vectors: vectors.view() };
        let adjustment = Adjustment::default();
        let search = Search { products, excluded, adjustment, k, coarse: None };
        top_k(&search, &Pause::default())
    }

    #[test]
    fn equal_scores_come_by_number_across_blocks_and_stretches() {
        let items = STRETCH + BLOCK + 3;
        let vectors = Array2::from_shape_fn((items, 2), |(item, _)| [0.0, 1.0, 2.0][item % 3]);
        for queries in [1, 6, 2 * TILE + 1] {
            let found = best(&Array2::ones((queries, 2)), &vectors, 4).unwrap();
            assert_eq!(found.numbers, [2, 5, 8, 11].repeat(queries));
            assert_eq!(found.scores, vec![4.0; 4 * queries]);
        }
    }

    #[test]
    fn few_and_many_queries_find_the_same() {
        let value = |(row, column): (usize, usize)| {
            f32::from(((row * 31 + column * 17) % 65_521) as u16).sin()
        };
        let (many, few) = (130, 7);
        let vectors = Array2::from_shape_fn((STRETCH + BLOCK + 3, 9), value);
        let queries = Array2::from_shape_fn((many, 9), |(row, column)| value((column, row)));
        let some = queries.slice(ndarray::s![..few, ..]);
        let is_small = |queries| Products { queries, vectors: vectors.view() }.is_small();
        assert!(!is_small(queries.view()) && is_small(some));
        let (all, found) = (best(&queries, &vectors, 5), best(&some.to_owned(), &vectors, 5));
        let (all, found) = (all.unwrap(), found.unwrap());
        assert_eq!(found.numbers, all.numbers[..5 * few]);
        assert_eq!(found.scores, all.scores[..5 * few]);
    }

    #[test]
    fn an_interrupt_ends_the_search() {
        let (queries, vectors) = (Array2::<f32>::ones((1, 1)), Array2::<f32>::ones((2, 1)));
        let excluded = Excluded { offsets: &[0, 0], numbers: &[] };
        let products = Products { queries: queries.view(), vectors: vectors.view() };
        let adjustment = Adjustment::default();
        let search = Search { products, excluded, adjustment, k: 1, coarse: None };
        let pause = Pause::default();
        pause.stop();
        assert_eq!(top_k(&search, &pause).err(), Some(Error::Interrupted));
    }
}
