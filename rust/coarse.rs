//! The search for the best vectors by a quarter of their bytes: what cannot be among the best is
//! seen by vectors of eight bits, and the few that can are looked at themselves. As exact as a
//! search of them all, to the last bit.
//!
//! A vector v is s n + r with whole numbers n in -127..=127. The product of a query q with it is
//! within |q| |r| of s (q n), by the inequality of Cauchy and Schwarz; what both products lose by
//! rounding is added to that.

use crate::best::{Found, above, threshold};
use crate::blocks::{Halt, Row};
use crate::dots::Rows;
use crate::error::{Error, ensure};
use crate::memory::{collected, push, room, zeroed};
use crate::search::{Best, Search, merge, top_k};
use crate::threads::Pause;
use ndarray::ArrayView2;
use std::collections::BinaryHeap;
use std::ops::Range;

/// Added to what a product may be off: more than what is lost of numbers too small for a float.
const TINY: f32 = f32::MIN_POSITIVE;
/// Lengths of vectors and queries whose products are far from what a float can hold.
const LONGEST: f64 = 1e18;
/// More queries than this share the reading of a block of vectors: then its bytes do not count.
const MOST_QUERIES: usize = 16;
/// Candidates of a query that are looked through again whenever there are twice as many.
const MANY: usize = 256;

/// Vectors of eight bits a number.
pub struct Coarse {
    width: usize,
    numbers: Vec<i8>,
    /// What the numbers of each vector are multiplied by.
    scales: Vec<f32>,
    /// How far a product may be off, of a query of length 1.
    slacks: Vec<f32>,
    is_usable: bool,
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
        let (items, width) = vectors.dim();
        let mut made = Self {
            width,
            numbers: zeroed(items * width)?,
            scales: room(items)?,
            slacks: room(items)?,
            is_usable: width > 0,
        };
        if width == 0 {
            return Ok(made);
        }
        for (vector, numbers) in vectors.rows().into_iter().zip(made.numbers.chunks_mut(width)) {
            let greatest = vector.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
            let scale = greatest / 127.0;
            let (mut rest, mut length) = (0.0, 0.0);
            for (number, to) in vector.iter().zip(numbers) {
                let number = f64::from(*number);
                let whole = if scale > 0.0 { (number / f64::from(scale)).round() } else { 0.0 };
                *to = whole.clamp(-127.0, 127.0) as i8;
                rest += (number - f64::from(scale) * f64::from(*to)).powi(2);
                length += number * number;
            }
            let (rest, length) = (rest.sqrt(), length.sqrt());
            let rounding = 2.0 * (f64::from(width as u32) + 8.0) * f64::from(f32::EPSILON);
            let slack = (rest + rounding * (length + rest)) * (1.0 + 1e-5);
            made.is_usable &= length < LONGEST; // and finite
            made.scales.push(scale);
            made.slacks.push(above_or_equal(slack));
        }
        Ok(made)
    }

    /// As [`top_k`] of the vectors that these were made of.
    ///
    /// # Errors
    /// As [`top_k`]; [`Error::Inconsistent`] where they were made of others.
    pub fn top_k(&self, search: &Search<'_>, pause: &Pause) -> Result<Best, Error> {
        let Search { products, excluded, k, .. } = search;
        let (queries, items) = (products.queries.nrows(), products.vectors.nrows());
        let shape = (self.scales.len(), self.width);
        ensure!(
            products.vectors.dim() == shape,
            "vectors {:?}, coarse {shape:?}",
            products.vectors.dim()
        );
        if !self.is_usable || queries > MOST_QUERIES || !search.adjustment.is_none() {
            return top_k(search, pause);
        }
        let lengths: Vec<f64> = collected(products.queries.rows().into_iter().map(length))?;
        if !lengths.iter().all(|length| *length < LONGEST) {
            return top_k(search, pause); // also where one is not a number
        }
        products.check()?;
        ensure!((1..=items).contains(k), "k is {k}, of {items} vectors");
        excluded.check(queries)?;
        let lengths: Vec<f32> =
            collected(lengths.into_iter().map(|length| above_or_equal(length * (1.0 + 1e-6))))?;
        let tasks = products.meet_by(
            |queries, vectors, scores| self.multiply(products.queries, queries, vectors, scores),
            Near::default,
            |row, near| {
                let query = row.query;
                let hidden = |number| excluded.has(query, number);
                self.look(row, lengths[query], hidden, *k, near)
            },
            pause,
        )?;
        let mut met: Vec<Near> = collected((0..queries).map(|_| Near::default()))?;
        for (query, near) in tasks.into_iter().flat_map(crate::blocks::Task::into_kept) {
            met[query].join(near, *k)?;
        }
        let mut heaps = room(queries)?;
        for (query, near) in met.into_iter().enumerate() {
            let least = near.least(*k);
            let mut found = room(near.candidates.len())?;
            for candidate in near.candidates.into_iter().filter(|one| one.score >= least) {
                let (number, mut score) = (candidate.number as usize, [0.0]);
                products.multiply(query..query + 1, number..number + 1, &mut score)?;
                found.push(Found { score: score[0], number: candidate.number });
            }
            heaps.push((query, BinaryHeap::from(found)));
        }
        merge(heaps, queries, *k)
    }

    /// Fill products of queries with whole numbers.
    fn multiply(
        &self,
        queries: ArrayView2<'_, f32>,
        those: Range<usize>,
        vectors: Range<usize>,
        scores: &mut [f32],
    ) -> Result<(), Error> {
        let width = self.width;
        let Some(queries) = queries.to_slice() else {
            return Err(Error::Inconsistent("queries that are not in order".into()));
        };
        let queries = &queries[those.start * width..those.end * width];
        let vectors = &self.numbers[vectors.start * width..vectors.end * width];
        Rows { width, queries, vectors }.multiply(scores)
    }

    fn look(
        &self,
        row: Row<'_>,
        length: f32,
        hidden: impl Fn(i32) -> bool,
        k: usize,
        near: &mut Near,
    ) -> Result<(), Halt> {
        let these = row.first..row.first + row.scores.len();
        let (scales, slacks) = (&self.scales[these.clone()], &self.slacks[these]);
        for ((score, scale), slack) in row.scores.iter_mut().zip(scales).zip(slacks) {
            *score = *score * scale + (length * slack + TINY);
        }
        above(row.first, row.scores, near.least(k), |upper| {
            if !hidden(upper.number) {
                let slack = length * self.slacks[upper.number as usize] + TINY;
                let lower = upper.score - 2.0 * slack;
                near.put(upper, lower, k).map_err(Halt::Error)?;
            }
            Ok(near.least(k))
        })
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

fn length(query: ndarray::ArrayView1<'_, f32>) -> f64 {
    query.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt()
}

/// The least float that is no less.
fn above_or_equal(number: f64) -> f32 {
    let near = number as f32;
    if f64::from(near) < number { near.next_up() } else { near }
}

#[cfg(test)]
#[allow(clippy::cast_precision_loss)] // a number of 0..3
mod tests {
    use super::*;
    use crate::adjustment::Adjustment;
    use crate::blocks::{BLOCK, Products, STRETCH};
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
