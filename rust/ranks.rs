//! How many vectors score above the target of each query, and how many level with it: its rank,
//! without the matrix of all scores. Products of equal vectors are equal, see [`Products::own`].

use crate::adjustment::Adjustment;
use crate::best::{Found, keep_best};
use crate::blocks::{Halt, Products, Row, TILE, Task};
use crate::error::{Error, ensure};
use crate::memory::{collected, filled, push};
use crate::search::{Excluded, merge};
use crate::threads::Pause;
use ndarray::ArrayView2;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Ranking<'a> {
    /// Queries, and the vectors that are ranked.
    pub products: Products<'a>,
    /// Vectors that are not ranked.
    pub excluded: Excluded<'a>,
    /// What becomes of scores before they are compared.
    pub adjustment: Adjustment<'a>,
    /// Number of the vector whose rank is wanted, for each query; -1 for one of minus infinity.
    pub targets: &'a [i32],
    /// Best vectors to find in passing.
    pub k: usize,
}

/// The rank of each query's target.
pub struct Ranks {
    /// Its score; minus infinity where there is no target.
    pub own: Vec<f32>,
    /// Vectors that score above it.
    pub above: Vec<i64>,
    /// Vectors that score as it does, itself included.
    pub level: Vec<i64>,
    /// Numbers [queries, k] of the best vectors as `top_k` finds them, row after row.
    pub best: Vec<i32>,
}

/// What a task has met of a query's vectors.
#[derive(Default)]
struct Met {
    above: i64,
    level: i64,
    heap: BinaryHeap<Found>,
}

/// Count the vectors above every query's target, and those level with it.
///
/// # Errors
/// [`Error::Inconsistent`] where shapes do not fit together, [`Error::NotANumber`] where a score is
/// NaN, [`Error::OutOfMemory`], and what `pause` returns.
pub fn count_above(ranking: &Ranking<'_>, pause: &Pause) -> Result<Ranks, Error> {
    let Ranking { products, excluded, adjustment, targets, k } = ranking;
    let (queries, items) = (products.queries.nrows(), products.vectors.nrows());
    products.check()?;
    excluded.check(queries)?;
    adjustment.check(items)?;
    check_targets(targets, queries, items)?;
    ensure!(*k <= items, "k is {k}, of {items} vectors");
    let mut own = products.own(targets, pause)?;
    for (own, target) in own.iter_mut().zip(*targets).filter(|(_, target)| **target >= 0) {
        adjustment.apply(*target as usize, std::slice::from_mut(own));
    }
    let tasks = products.meet(
        Met::default,
        |row, met| {
            adjustment.apply(row.first, row.scores);
            if *k > 0 {
                let hidden = |number| excluded.has(row.query, number);
                keep_best((row.first, &*row.scores), hidden, *k, &mut met.heap)?;
            }
            met.count(&row, own[row.query], targets[row.query], excluded.of(row.query))
        },
        pause,
    )?;
    let (mut above, mut level) = (filled(queries, 0)?, filled(queries, 1)?);
    let mut heaps = Vec::new();
    for (query, met) in tasks.into_iter().flat_map(Task::into_kept) {
        above[query] += met.above;
        level[query] += met.level;
        push(&mut heaps, (query, met.heap))?;
    }
    let best = if *k > 0 { merge(heaps, queries, *k)?.numbers } else { Vec::new() };
    Ok(Ranks { own, above, level, best })
}

fn check_targets(targets: &[i32], queries: usize, items: usize) -> Result<(), Error> {
    ensure!(targets.len() == queries, "{} targets of {queries} queries", targets.len());
    check_numbers(targets.iter(), items)
}

fn check_numbers<'a>(
    mut numbers: impl Iterator<Item = &'a i32>,
    items: usize,
) -> Result<(), Error> {
    match numbers.find(|number| **number < -1 || **number >= items as i32) {
        Some(number) => Err(Error::Inconsistent(format!("target {number} of {items} vectors"))),
        None => Ok(()),
    }
}

impl Met {
    /// Count a row of scores without the target, which is level with itself however it rounds.
    fn count(
        &mut self,
        row: &Row<'_>,
        own: f32,
        target: i32,
        excluded: &[i32],
    ) -> Result<(), Halt> {
        let (above, below) = around(row.scores, own);
        self.above += above;
        // Rarely more than the target are neither above nor below.
        if above + below < row.scores.len() as i64 {
            if row.scores.iter().any(|score| score.is_nan()) {
                return Err(Halt::NotANumber);
            }
            self.level += row.scores.len() as i64 - above - below;
        }
        let (first, end) = (row.first as i32, (row.first + row.scores.len()) as i32);
        let hidden = &excluded[excluded.partition_point(|&number| number < first)..];
        let hidden = &hidden[..hidden.partition_point(|&number| number < end)];
        let here = (first..end).contains(&target) && hidden.binary_search(&target).is_err();
        let mut last = -1;
        for &number in hidden.iter().chain(here.then_some(&target)) {
            if number != last {
                let score = row.scores.get(number.wrapping_sub(first) as usize);
                match score.and_then(|score| score.partial_cmp(&own)) {
                    Some(Ordering::Greater) => self.above -= 1,
                    Some(Ordering::Equal) => self.level -= 1,
                    _ => {}
                }
            }
            last = number;
        }
        Ok(())
    }
}

/// How many scores are above one, and how many below; at most 2^31 of them.
fn around(scores: &[f32], own: f32) -> (i64, i64) {
    let (above, below) = scores.iter().fold((0_i32, 0_i32), |(above, below), &score| {
        (above + i32::from(score > own), below + i32::from(score < own))
    });
    (above.into(), below.into())
}

/// Count among a few vectors of each query's own, given by their numbers.
///
/// # Arguments
/// `others`: [queries, K]; -1 for none. They may repeat, and then count as often.
///
/// # Errors
/// As [`count_above`].
pub fn count_among(
    products: &Products<'_>,
    targets: &[i32],
    others: ArrayView2<'_, i32>,
    pause: &Pause,
) -> Result<Ranks, Error> {
    let (queries, items) = (products.queries.nrows(), products.vectors.nrows());
    products.check()?;
    check_targets(targets, queries, items)?;
    ensure!(others.nrows() == queries, "{} rows of others of {queries} queries", others.nrows());
    check_numbers(others.iter(), items)?;
    let counted: Result<Vec<_>, Error> = (0..queries)
        .into_par_iter()
        .with_min_len(TILE)
        .map(|query| {
            pause.ask()?;
            let score = |number: i32| match usize::try_from(number) {
                Ok(number) => products.vectors.row(number).dot(&products.queries.row(query)),
                Err(_) => f32::NEG_INFINITY,
            };
            let own = score(targets[query]);
            let (mut above, mut level, mut nan) = (0, 1, own.is_nan());
            for number in others.row(query).iter().filter(|number| **number >= 0) {
                match score(*number).partial_cmp(&own) {
                    Some(Ordering::Greater) => above += 1,
                    Some(Ordering::Equal) => level += 1,
                    Some(Ordering::Less) => {}
                    None => nan = true,
                }
            }
            Ok((own, above, level, nan))
        })
        .collect();
    let counted = counted?;
    if let Some(row) = counted.iter().position(|(.., nan)| *nan) {
        return Err(Error::NotANumber { row, rows: queries });
    }
    Ok(Ranks {
        own: collected(counted.iter().map(|(own, ..)| *own))?,
        above: collected(counted.iter().map(|(_, above, ..)| *above))?,
        level: collected(counted.iter().map(|(.., level, _)| *level))?,
        best: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::{BLOCK, STRETCH};
    use ndarray::Array2;

    /// A number between -1 and 1 that rounds.
    fn value((row, column): (usize, usize)) -> f32 {
        f32::from(((row * 31 + column * 17 + 1) % 65_521) as u16).sin()
    }

    #[test]
    fn equal_vectors_are_level_wherever_they_stand() {
        // As odd as can be: the last block, and the last tile, are of one row.
        let copies = [0, 7, BLOCK - 1, BLOCK, 3 * BLOCK + 5, STRETCH - 1, STRETCH, STRETCH + BLOCK];
        let mut vectors = Array2::from_shape_fn((STRETCH + BLOCK + 1, 19), value);
        for copy in copies {
            vectors.row_mut(copy).assign(&Array2::from_shape_fn((1, 19), value).row(0));
        }
        for queries in [1, 5, 16, TILE + 1, 2 * TILE + 17] {
            let asked = Array2::from_shape_fn((queries, 19), |(row, column)| value((column, row)));
            let products = Products { queries: asked.view(), vectors: vectors.view() };
            let targets: Vec<i32> =
                (0..queries).map(|query| copies[query % copies.len()] as i32).collect();
            let offsets: Vec<i64> = (0..=queries as i64).map(|query| 2 * query).collect();
            let numbers = [7, 7].repeat(queries);
            let excluded = Excluded { offsets: &offsets, numbers: &numbers };
            let adjustment = Adjustment::default();
            let ranking = Ranking { products, excluded, adjustment, targets: &targets, k: 0 };
            let ranks = count_above(&ranking, &Pause::default()).unwrap();
            for (query, level) in ranks.level.iter().enumerate() {
                let hidden = targets[query] == 7; // level with the others and with itself
                assert_eq!(*level, if hidden { 8 } else { 7 }, "query {query} of {queries}");
            }
        }
    }

    #[test]
    fn an_interrupt_ends_the_counting() {
        let ones = Array2::<f32>::ones((1, 1));
        let products = Products { queries: ones.view(), vectors: ones.view() };
        let excluded = Excluded { offsets: &[0, 0], numbers: &[] };
        let adjustment = Adjustment::default();
        let pause = Pause::default();
        pause.stop();
        let ranking = Ranking { products, excluded, adjustment, targets: &[0], k: 0 };
        assert_eq!(count_above(&ranking, &pause).err(), Some(Error::Interrupted));
        let among = count_among(&products, &[0], ndarray::array![[0]].view(), &pause);
        assert_eq!(among.err(), Some(Error::Interrupted));
    }
}
