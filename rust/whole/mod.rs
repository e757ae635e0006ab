//! Dot products of whole numbers of eight bits, exact. Sixteen vectors lie side by side, four numbers
//! of each at a time, as the instructions for such products take them: one of them is sixty-four
//! multiplications, and no sum goes across the lanes of a processor's vector.
#![allow(unsafe_code)]
// what is compiled for a processor is called by its proof; see each `SAFETY`
// Each processor's form is compiled whole, so everything below it is inlined there.
#![allow(clippy::inline_always)]

mod multiplier;

use crate::error::Error;
use crate::machine::Portable;
#[cfg(target_arch = "x86_64")]
use crate::machine::{Avx2, Avx512Whole};
use crate::memory::{collected, filled, room};
use multiplier::Multiplier;
use std::ops::Range;

/// Vectors side by side.
pub const SIDE: usize = 16;
/// Numbers of a vector that are multiplied at once.
const STEP: usize = 4;
/// Groups of vectors that meet a query together.
const TILE: usize = 4;
/// Numbers of vectors are kept with this added, from 1 to 255.
const ADDED: i32 = 128;
/// More columns than this, and sums might not fit.
pub const WIDEST: usize = 1 << 15;

type Bytes = [u8; SIDE * STEP];
type Sums = [i32; SIDE];

/// What becomes of products of a query, by its number, with the vectors of a group, by its number.
pub trait Finish {
    /// Their scores. To be inlined, always.
    fn finish(&self, query: usize, group: usize, products: &[i32; SIDE]) -> [f32; SIDE];
}

/// Vectors of whole numbers in -127..=127.
pub struct WholeVectors {
    steps: usize,
    bytes: Vec<Bytes>,
}

/// Queries of whole numbers in -127..=127.
pub struct WholeQueries {
    numbers: Vec<[i8; STEP]>,
    /// What the sums of each begin with, which takes away what was added to vectors.
    starts: Vec<i32>,
}

impl WholeVectors {
    /// So many vectors of zeros.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn zeros(count: usize, width: usize) -> Result<Self, Error> {
        let steps = width.div_ceil(STEP);
        Ok(Self { steps, bytes: filled(count.div_ceil(SIDE) * steps, [ADDED as u8; SIDE * STEP])? })
    }

    /// Set a number.
    pub fn set(&mut self, vector: usize, column: usize, number: i8) {
        let place = vector % SIDE * STEP + column % STEP;
        let bytes = &mut self.bytes[vector / SIDE * self.steps + column / STEP];
        bytes[place] = (i32::from(number) + ADDED) as u8;
    }

    /// The product of one with a query.
    pub fn product(&self, queries: &WholeQueries, query: usize, vector: usize) -> i32 {
        let steps = self.steps;
        let bytes = &self.bytes[vector / SIDE * steps..][..steps];
        let numbers = &queries.numbers[query * steps..][..steps];
        let first = vector % SIDE * STEP;
        let both = bytes
            .iter()
            .zip(numbers)
            .flat_map(|(bytes, numbers)| bytes[first..first + STEP].iter().zip(numbers));
        let sum: i32 = both.map(|(byte, number)| i32::from(*byte) * i32::from(*number)).sum();
        queries.starts[query] + sum
    }

    /// Fill the scores [queries, vectors] that some products become.
    pub fn multiply(
        &self,
        queries: &WholeQueries,
        (those, vectors): (Range<usize>, Range<usize>),
        finish: &impl Finish,
        scores: &mut [f32],
    ) {
        let part = Part { all: self, queries, those, vectors };
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(machine) = Avx512Whole::here() {
                // SAFETY: the value is the proof of the processor.
                return unsafe { multiply_avx512(machine, &part, finish, scores) };
            }
            if let Some(machine) = Avx2::here() {
                // SAFETY: likewise.
                return unsafe { multiply_avx2(machine, &part, finish, scores) };
            }
        }
        multiply(Portable, &part, finish, scores);
    }
}

impl WholeQueries {
    /// Rows of so many numbers.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn of(rows: &[i8], width: usize) -> Result<Self, Error> {
        let steps = width.div_ceil(STEP);
        let mut numbers = room(rows.len() / width * steps)?;
        for row in rows.chunks_exact(width) {
            numbers.extend(row.chunks(STEP).map(|some| {
                let mut step = [0; STEP];
                step[..some.len()].copy_from_slice(some);
                step
            }));
        }
        let start = |row: &[i8]| -ADDED * row.iter().map(|number| i32::from(*number)).sum::<i32>();
        let starts = collected(rows.chunks_exact(width).map(start))?;
        Ok(Self { numbers, starts })
    }
}

/// Some queries and consecutive vectors.
struct Part<'a> {
    all: &'a WholeVectors,
    queries: &'a WholeQueries,
    those: Range<usize>,
    vectors: Range<usize>,
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn multiply_avx512(
    machine: Avx512Whole,
    part: &Part<'_>,
    finish: &impl Finish,
    scores: &mut [f32],
) {
    multiply(machine, part, finish, scores);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_avx2(machine: Avx2, part: &Part<'_>, finish: &impl Finish, scores: &mut [f32]) {
    multiply(machine, part, finish, scores);
}

#[inline(always)]
fn multiply(machine: impl Multiplier, part: &Part<'_>, finish: &impl Finish, scores: &mut [f32]) {
    let mut group = part.vectors.start / SIDE;
    while group * SIDE < part.vectors.end {
        let left = part.vectors.end.div_ceil(SIDE) - group;
        if left < TILE {
            tile::<_, 1>(machine, part, group, (finish, &mut *scores));
            group += 1;
        } else {
            tile::<_, TILE>(machine, part, group, (finish, &mut *scores));
            group += TILE;
        }
    }
}

/// All queries with G groups of vectors, some of which may be beyond the part's.
#[inline(always)]
fn tile<M: Multiplier, const G: usize>(
    machine: M,
    part: &Part<'_>,
    group: usize,
    (finish, scores): (&impl Finish, &mut [f32]),
) {
    let Part { all, queries, those, vectors } = part;
    let steps = all.steps;
    let bytes: [&[Bytes]; G] =
        std::array::from_fn(|number| &all.bytes[(group + number) * steps..][..steps]);
    let first = group * SIDE;
    let (start, end) = (first.max(vectors.start), (first + G * SIDE).min(vectors.end));
    for (query, scores) in those.clone().zip(scores.chunks_exact_mut(vectors.len())) {
        let mut sums = [machine.splat(queries.starts[query]); G];
        let numbers = &queries.numbers[query * steps..][..steps];
        for step in 0..steps {
            for (sums, bytes) in sums.iter_mut().zip(&bytes) {
                *sums = machine.add(&bytes[step], numbers[step], *sums);
            }
        }
        let mut found = [[0.0; SIDE]; G];
        for ((number, sums), found) in sums.into_iter().enumerate().zip(&mut found) {
            let mut products = [0; SIDE];
            machine.store(sums, &mut products);
            *found = finish.finish(query, group + number, &products);
        }
        let found = &found.as_flattened()[start - first..end - first];
        scores[start - vectors.start..end - vectors.start].copy_from_slice(found);
    }
}

#[cfg(test)]
#[allow(clippy::cast_precision_loss)] // small numbers
mod tests {
    use super::*;

    /// Numbers in -127..=127, the ends more often.
    fn numbers(count: usize, factor: usize) -> Vec<i8> {
        let number = |place: usize| ((place * factor + 7) % 271) as i16 - 135;
        (0..count).map(|place| number(place).clamp(-127, 127) as i8).collect()
    }

    fn check(multiply: impl Fn(&Part<'_>, &mut [f32])) {
        for (asked, count) in [(1, 1), (3, 17), (2, 64), (5, 150), (1, 100)] {
            for width in [1, 4, 19, 64] {
                let (rows, queries) = (numbers(count * width, 31), numbers(asked * width, 17));
                let mut all = WholeVectors::zeros(count, width).unwrap();
                for (place, number) in rows.iter().enumerate() {
                    all.set(place / width, place % width, *number);
                }
                let whole = WholeQueries::of(&queries, width).unwrap();
                for vectors in [0..count, count / 3..count, count / 4..count / 2] {
                    for those in [0..asked, asked / 2..asked] {
                        let expected: Vec<f32> = those
                            .clone()
                            .flat_map(|query| vectors.clone().map(move |vector| (query, vector)))
                            .map(|(query, vector)| {
                                let query = &queries[query * width..(query + 1) * width];
                                let vector = &rows[vector * width..(vector + 1) * width];
                                let both = query.iter().zip(vector);
                                both.map(|(a, b)| f32::from(*a) * f32::from(*b)).sum()
                            })
                            .collect();
                        let mut found = vec![f32::NAN; expected.len()];
                        let (vectors, those) = (vectors.clone(), those.clone());
                        multiply(&Part { all: &all, queries: &whole, those, vectors }, &mut found);
                        assert_eq!(found, expected, "{asked} {count} {width}");
                    }
                }
            }
        }
    }

    struct AsTheyAre;

    impl Finish for AsTheyAre {
        fn finish(&self, _: usize, _: usize, products: &Sums) -> [f32; SIDE] {
            products.map(|product| product as f32)
        }
    }

    #[test]
    fn products_are_exact_on_every_processor() {
        check(|part, products| multiply(Portable, part, &AsTheyAre, products));
        check(|part, products| {
            let Part { all, queries, those, vectors } = part;
            all.multiply(queries, (those.clone(), vectors.clone()), &AsTheyAre, products);
        });
        #[cfg(target_arch = "x86_64")]
        if let Some(machine) = Avx2::here() {
            // SAFETY: the value is the proof of the processor.
            check(|part, products| unsafe { multiply_avx2(machine, part, &AsTheyAre, products) });
        }
    }
}
