//! The k items whose vectors have the highest dot products with each query, without the matrix of
//! all scores: a tile of queries meets a block of items at a time, so that scores stay in the cache,
//! and only those above the k-th best so far are looked at again. Exact; among equal scores the
//! vector of the smaller number comes first.

use crate::best::{Found, Halt, keep_best};
use crate::error::{Error, ensure};
use crate::memory::{collected, filled, push, reserve, zeroed};
use crate::slices::parts;
use crate::threads::Pause;
use ndarray::linalg::{general_mat_mul, general_mat_vec_mul};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, s};
use rayon::prelude::*;
use std::collections::BinaryHeap;
use std::ops::Range;

/// Queries scored together.
const TILE: usize = 64;
/// Items scored together: with a tile of queries, 128 KiB of scores.
const BLOCK: usize = 512;
/// Items that all tiles pass through before the next ones are read from memory.
const STRETCH: usize = 1 << 14;
/// Fewer queries than this are multiplied one by one, which packs nothing.
const FEW: usize = 6;

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
    fn check(&self, queries: usize) -> Result<(), Error> {
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

    fn of(&self, query: usize) -> &'a [i32] {
        &self.numbers[self.offsets[query] as usize..self.offsets[query + 1] as usize]
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// A row for each query.
    pub queries: ArrayView2<'a, f32>,
    /// A row for each item, as wide; vectors have the numbers of their rows.
    pub vectors: ArrayView2<'a, f32>,
    /// Vectors that are not to be found.
    pub excluded: Excluded<'a>,
    /// Items for each query.
    pub k: usize,
}

/// Scores and numbers of vectors [queries, k], best first; minus infinity and -1 where there are fewer.
pub struct Best {
    /// Row after row.
    pub scores: Vec<f32>,
    /// Row after row.
    pub numbers: Vec<i32>,
}

/// Queries that meet a share of every stretch of items, and the best they have met.
struct Task {
    queries: Range<usize>,
    share: usize,
    heaps: Vec<BinaryHeap<Found>>,
    nan: Option<usize>,
}

/// Find the best vectors of every query.
///
/// # Errors
/// [`Error::Inconsistent`] where shapes do not fit together, [`Error::NotANumber`] where a score is
/// NaN, [`Error::OutOfMemory`], and what `pause` returns.
pub fn top_k(search: &Search<'_>, pause: &Pause) -> Result<Best, Error> {
    let (queries, items) = (search.queries.nrows(), search.vectors.nrows());
    let widths = (search.queries.ncols(), search.vectors.ncols());
    ensure!(widths.0 == widths.1, "queries of width {}, vectors of width {}", widths.0, widths.1);
    ensure!((1..=items).contains(&search.k), "k is {}, of {items} vectors", search.k);
    if i32::try_from(items).is_err() {
        return Err(Error::TooMany { what: "items", found: items, max: i32::MAX as usize });
    }
    search.excluded.check(queries)?;
    let shares = (2 * rayon::current_num_threads()).div_ceil(queries.div_ceil(TILE).max(1));
    let mut tasks = tasks(queries, shares)?;
    for stretch in parts(0..items, STRETCH) {
        pause.between()?;
        tasks.par_iter_mut().try_for_each_init(
            || zeroed(TILE * BLOCK),
            |buffer, task| {
                let buffer = buffer.as_mut().map_err(|lack| lack.clone())?;
                task.meet(search, part(&stretch, task.share, shares), buffer, pause)
            },
        )?;
        if let Some(row) = tasks.iter().filter_map(|task| task.nan).min() {
            return Err(Error::NotANumber { row, rows: queries });
        }
    }
    merge(tasks, queries, search.k)
}

fn tasks(queries: usize, shares: usize) -> Result<Vec<Task>, Error> {
    let mut tasks = Vec::new();
    for queries in parts(0..queries, TILE) {
        for share in 0..shares {
            let heaps = collected(queries.clone().map(|_| BinaryHeap::new()))?;
            push(&mut tasks, Task { queries: queries.clone(), share, heaps, nan: None })?;
        }
    }
    Ok(tasks)
}

/// One of so many nearly equal parts.
fn part(whole: &Range<usize>, number: usize, parts: usize) -> Range<usize> {
    whole.start + whole.len() * number / parts..whole.start + whole.len() * (number + 1) / parts
}

impl Task {
    fn meet(
        &mut self,
        search: &Search<'_>,
        numbers: Range<usize>,
        buffer: &mut [f32],
        pause: &Pause,
    ) -> Result<(), Error> {
        let queries = search.queries.slice(s![self.queries.clone(), ..]);
        for block in parts(numbers, BLOCK) {
            pause.ask()?;
            let vectors = search.vectors.slice(s![block.clone(), ..]);
            let scores = &mut buffer[..queries.nrows() * block.len()];
            multiply(queries, vectors, scores);
            for (number, row) in scores.chunks_exact(block.len()).enumerate() {
                let query = self.queries.start + number;
                let excluded = search.excluded.of(query);
                let (first, heap) = (block.start as i32, &mut self.heaps[number]);
                match keep_best(row, first, excluded, search.k, heap) {
                    Ok(()) => {}
                    Err(Halt::NotANumber) => self.nan = self.nan.or(Some(query)),
                    Err(Halt::Error(error)) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// Scores of every query (a row each) and vector.
fn multiply(queries: ArrayView2<'_, f32>, vectors: ArrayView2<'_, f32>, scores: &mut [f32]) {
    let shape = (queries.nrows(), vectors.nrows());
    if queries.nrows() < FEW {
        for (query, row) in queries.rows().into_iter().zip(scores.chunks_exact_mut(shape.1)) {
            let query: ArrayView1<'_, f32> = query;
            general_mat_vec_mul(1.0, &vectors, &query, 0.0, &mut ArrayViewMut1::from(row));
        }
    } else if let Ok(mut product) = ArrayViewMut2::from_shape(shape, scores) {
        general_mat_mul(1.0, &queries, &vectors.t(), 0.0, &mut product);
    }
}

fn merge(tasks: Vec<Task>, queries: usize, k: usize) -> Result<Best, Error> {
    let mut found: Vec<Vec<Found>> = collected((0..queries).map(|_| Vec::new()))?;
    for task in tasks {
        for (query, heap) in task.queries.zip(task.heaps) {
            reserve(&mut found[query], heap.len())?;
            found[query].extend(heap);
        }
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
    use ndarray::Array2;

    fn best(queries: &Array2<f32>, vectors: &Array2<f32>, k: usize) -> Result<Best, Error> {
        let offsets = vec![0; queries.nrows() + 1];
        let excluded = Excluded { offsets: &offsets, numbers: &[] };
        let search = Search { queries: queries.view(), vectors: vectors.view(), excluded, k };
        top_k(&search, &Pause::default())
    }

    #[test]
    fn equal_scores_come_by_number_across_blocks_and_stretches() {
        let items = STRETCH + BLOCK + 3;
        let vectors = Array2::from_shape_fn((items, 2), |(item, _)| [0.0, 1.0, 2.0][item % 3]);
        for queries in [1, FEW, 2 * TILE + 1] {
            let found = best(&Array2::ones((queries, 2)), &vectors, 4).unwrap();
            assert_eq!(found.numbers, [2, 5, 8, 11].repeat(queries));
            assert_eq!(found.scores, vec![4.0; 4 * queries]);
        }
    }

    #[test]
    fn an_interrupt_ends_the_search() {
        let (queries, vectors) = (Array2::<f32>::ones((1, 1)), Array2::<f32>::ones((2, 1)));
        let excluded = Excluded { offsets: &[0, 0], numbers: &[] };
        let search = Search { queries: queries.view(), vectors: vectors.view(), excluded, k: 1 };
        let pause = Pause::default();
        pause.stop();
        assert_eq!(top_k(&search, &pause).err(), Some(Error::Interrupted));
    }
}
