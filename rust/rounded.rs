//! Vectors and queries rounded to eight bits a number, and how far their products may be off.
//!
//! A vector v is s n + r with whole numbers n in -127..=127, and a query q is t m + e. The product
//! q v is t s (m n) + (t m) r + e v, and so within |t m| |r| + |e| |v| of its first part, by the
//! inequality of Cauchy and Schwarz; what is lost by rounding is added to that.
// What becomes of products is compiled for each processor, where they are computed.
#![allow(clippy::inline_always)]

use crate::error::Error;
use crate::memory::{filled, room, zeroed};
use crate::whole::{Finish, SIDE, WIDEST, WholeQueries, WholeVectors};
use ndarray::{ArrayView1, ArrayView2};
use std::ops::Range;

/// Added to what a product may be off: more than what is lost of numbers too small for a float.
const TINY: f32 = f32::MIN_POSITIVE;
/// Lengths of vectors and queries whose products are far from what a float can hold.
const LONGEST: f64 = 1e18;
/// More than what is lost by the rounding of sums of floats.
const MARGIN: f64 = 1.0 + 1e-5;

/// Vectors of eight bits a number.
pub struct RoundedVectors {
    numbers: WholeVectors,
    sides: Vec<Side>,
}

/// Queries of eight bits a number.
pub struct RoundedQueries {
    numbers: WholeQueries,
    bounds: Vec<Bounds>,
}

/// Of vectors that lie side by side.
#[derive(Clone, Copy, Default)]
struct Side {
    /// What the numbers of each are multiplied by.
    scales: [f32; SIDE],
    /// Lengths of what that leaves of each.
    rests: [f32; SIDE],
    lengths: [f32; SIDE],
}

/// What products with a query are multiplied by, and how far they may be off.
struct Bounds {
    scale: f32,
    a_rest: f32,
    a_length: f32,
}

/// What is rounded to eight bits.
struct Rounded {
    scale: f32,
    length: f64,
    rest: f64,
}

impl RoundedVectors {
    /// Those of some vectors; None where one is too long, or not of numbers, or all are too wide.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn of(vectors: ArrayView2<'_, f32>) -> Result<Option<Self>, Error> {
        let (items, width) = vectors.dim();
        if !(1..=WIDEST).contains(&width) {
            return Ok(None);
        }
        let mut numbers = WholeVectors::zeros(items, width)?;
        let mut sides = filled(items.div_ceil(SIDE), Side::default())?;
        for (number, vector) in vectors.rows().into_iter().enumerate() {
            let found = rounded(vector, |column, whole| numbers.set(number, column, whole));
            let Some(Rounded { scale, length, rest }) = found else {
                return Ok(None);
            };
            let (side, lane) = (&mut sides[number / SIDE], number % SIDE);
            side.scales[lane] = scale;
            side.rests[lane] = above_or_equal(rest * MARGIN);
            side.lengths[lane] = above_or_equal(length * MARGIN);
        }
        Ok(Some(Self { numbers, sides }))
    }

    /// Fill [queries, vectors] scores with what the products of some cannot be above.
    pub fn uppers(
        &self,
        queries: &RoundedQueries,
        those: (Range<usize>, Range<usize>),
        scores: &mut [f32],
    ) {
        let upper = Upper { bounds: &queries.bounds, sides: &self.sides };
        self.numbers.multiply(&queries.numbers, those, &upper, scores);
    }

    /// What a product cannot be below.
    pub fn lower(&self, queries: &RoundedQueries, query: usize, vector: usize) -> f32 {
        let (side, lane) = (&self.sides[vector / SIDE], vector % SIDE);
        let bounds = &queries.bounds[query];
        let product = self.numbers.product(&queries.numbers, query, vector);
        bounds.scaled(product, side, lane) - bounds.slack(side, lane)
    }

    /// How far what a product cannot be above is above what it cannot be below.
    pub fn spread(&self, queries: &RoundedQueries, query: usize, vector: usize) -> f32 {
        2.0 * queries.bounds[query].slack(&self.sides[vector / SIDE], vector % SIDE)
    }
}

impl RoundedQueries {
    /// Those of queries; None where one is too long, or not of numbers.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn of(queries: ArrayView2<'_, f32>) -> Result<Option<Self>, Error> {
        let (count, width) = queries.dim();
        let (mut numbers, mut bounds) = (zeroed(count * width)?, room(count)?);
        for (query, numbers) in queries.rows().into_iter().zip(numbers.chunks_exact_mut(width)) {
            let found = rounded(query, |column, whole| numbers[column] = whole);
            let Some(Rounded { scale, length, rest }) = found else {
                return Ok(None);
            };
            let rounding = 2.0 * (f64::from(width as u32) + 8.0) * f64::from(f32::EPSILON);
            let most = length + rest;
            bounds.push(Bounds {
                scale,
                a_rest: above_or_equal(most * (1.0 + rounding)),
                a_length: above_or_equal(rest + most * rounding),
            });
        }
        Ok(Some(Self { numbers: WholeQueries::of(&numbers, width)?, bounds }))
    }
}

impl Bounds {
    /// The product that one of whole numbers stands for.
    #[inline(always)]
    #[allow(clippy::cast_precision_loss)] // which the bounds allow for
    fn scaled(&self, product: i32, side: &Side, lane: usize) -> f32 {
        product as f32 * side.scales[lane] * self.scale
    }

    /// How far the product with a vector may be off.
    #[inline(always)]
    fn slack(&self, side: &Side, lane: usize) -> f32 {
        self.a_rest * side.rests[lane] + self.a_length * side.lengths[lane] + TINY
    }
}

/// What products cannot be above.
struct Upper<'a> {
    bounds: &'a [Bounds],
    sides: &'a [Side],
}

impl Finish for Upper<'_> {
    #[inline(always)]
    fn finish(&self, query: usize, group: usize, products: &[i32; SIDE]) -> [f32; SIDE] {
        let (bounds, side) = (&self.bounds[query], &self.sides[group]);
        std::array::from_fn(|lane| {
            bounds.scaled(products[lane], side, lane) + bounds.slack(side, lane)
        })
    }
}

/// Put each number's nearest multiple of a scale, whole numbers in -127..=127; None where the row is
/// too long, or not of numbers.
fn rounded(row: ArrayView1<'_, f32>, mut put: impl FnMut(usize, i8)) -> Option<Rounded> {
    let greatest = row.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
    let scale = greatest / 127.0;
    let (mut rest, mut length) = (0.0, 0.0);
    for (column, number) in row.iter().enumerate() {
        let number = f64::from(*number);
        let whole = if scale > 0.0 { (number / f64::from(scale)).round() } else { 0.0 };
        let whole = whole.clamp(-127.0, 127.0) as i8;
        put(column, whole);
        rest += (number - f64::from(scale) * f64::from(whole)).powi(2);
        length += number * number;
    }
    let (length, rest) = (length.sqrt(), rest.sqrt());
    (length < LONGEST).then_some(Rounded { scale, length, rest })
}

/// The least float that is no less.
fn above_or_equal(number: f64) -> f32 {
    let near = number as f32;
    if f64::from(near) < number { near.next_up() } else { near }
}
