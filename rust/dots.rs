//! Dot products of some queries with some vectors. Queries lie beside each other in the lanes of a
//! processor's vector, so each product adds up its elements in the order of the columns: to the last
//! bit it is the same, whatever else is computed beside it.
#![allow(unsafe_code)]
// what is compiled for a processor is called by its proof; see each `SAFETY`
// Each processor's form is compiled whole, so everything below it is inlined there.
#![allow(clippy::inline_always)]

use crate::error::Error;
#[cfg(target_arch = "x86_64")]
use crate::machine::{Avx2, Avx512};
use crate::machine::{Machine, Portable};
use crate::memory::filled;

/// What is multiplied, each a row of `width` numbers after the other.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// Numbers of a row, at least 1.
    pub width: usize,
    /// The queries.
    pub queries: &'a [f32],
    /// The vectors.
    pub vectors: &'a [f32],
}

impl Rows<'_> {
    /// Fill [queries, vectors] scores.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn multiply(self, scores: &mut [f32]) -> Result<(), Error> {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(machine) = Avx512::here() {
                // SAFETY: the value is the proof of the processor.
                return unsafe { multiply_avx512(machine, self, scores) };
            }
            if let Some(machine) = Avx2::here() {
                // SAFETY: likewise.
                return unsafe { multiply_avx2(machine, self, scores) };
            }
        }
        multiply::<_, 8, 8, 4>(Portable, self, scores)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
fn multiply_avx512(machine: Avx512, rows: Rows<'_>, scores: &mut [f32]) -> Result<(), Error> {
    multiply::<_, 32, 16, 8>(machine, rows, scores)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_avx2(machine: Avx2, rows: Rows<'_>, scores: &mut [f32]) -> Result<(), Error> {
    multiply::<_, 16, 8, 4>(machine, rows, scores)
}

/// By as many lanes as the queries fill, and R vectors at a time.
#[inline(always)]
fn multiply<M, const WIDE: usize, const NARROW: usize, const R: usize>(
    machine: M,
    rows: Rows<'_>,
    scores: &mut [f32],
) -> Result<(), Error>
where
    M: Machine<WIDE> + Machine<NARROW>,
{
    let vectors = rows.vectors.len() / rows.width;
    if vectors == 0 {
        return Ok(());
    }
    let (mut queries, mut scores) = (rows.queries, scores);
    while !queries.is_empty() {
        let lanes = if queries.len() > NARROW * rows.width { WIDE } else { NARROW };
        let count = lanes.min(queries.len() / rows.width);
        let (now, later) = queries.split_at(count * rows.width);
        let (own, others) = scores.split_at_mut(count * vectors);
        let part = Rows { queries: now, ..rows };
        if lanes == WIDE {
            in_lanes::<M, WIDE, R>(machine, part, own)?;
        } else {
            in_lanes::<M, NARROW, R>(machine, part, own)?;
        }
        (queries, scores) = (later, others);
    }
    Ok(())
}

/// At most L queries.
#[inline(always)]
fn in_lanes<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    rows: Rows<'_>,
    scores: &mut [f32],
) -> Result<(), Error> {
    let Rows { width, queries, vectors } = rows;
    let mut columns = filled(width, [0.0; L])?;
    for (lane, query) in queries.chunks_exact(width).enumerate() {
        for (column, number) in columns.iter_mut().zip(query) {
            column[lane] = *number;
        }
    }
    let count = vectors.len() / width;
    let whole = count - count % R;
    for first in (0..whole).step_by(R) {
        let (start, end) = (first * width, (first + R) * width);
        machine.foresee(&vectors[end..(end + R * width).min(vectors.len())]);
        let found = products::<M, L, R>(machine, &columns, &vectors[start..end]);
        hand_out(&found, scores, (first, count));
    }
    for first in whole..count {
        let vector = &vectors[first * width..(first + 1) * width];
        hand_out(&products::<M, L, 1>(machine, &columns, vector), scores, (first, count));
    }
    Ok(())
}

/// Of R vectors, each with all lanes.
#[inline(always)]
fn products<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    columns: &[[f32; L]],
    vectors: &[f32],
) -> [[f32; L]; R] {
    let width = columns.len();
    let rows: [&[f32]; R] = std::array::from_fn(|row| &vectors[row * width..(row + 1) * width]);
    let mut products = [[0.0; L]; R];
    let mut sums = [machine.load(&products[0]); R];
    for (place, lanes) in columns.iter().enumerate() {
        let lanes = machine.load(lanes);
        for (sum, row) in sums.iter_mut().zip(&rows) {
            *sum = machine.add(row[place], lanes, *sum);
        }
    }
    for (sum, to) in sums.into_iter().zip(&mut products) {
        machine.store(sum, to);
    }
    products
}

/// Products of R vectors, the first of which has a number among so many, to the rows of queries.
#[inline(always)]
fn hand_out<const L: usize, const R: usize>(
    products: &[[f32; L]; R],
    scores: &mut [f32],
    (first, count): (usize, usize),
) {
    for (lane, scores) in scores.chunks_exact_mut(count).enumerate() {
        let scores = &mut scores[first..first + R];
        for (score, products) in scores.iter_mut().zip(products) {
            *score = products[lane];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number between -1 and 1 that rounds.
    fn values(count: usize, factor: usize) -> Vec<f32> {
        (0..count).map(|place| f32::from((place * factor % 65_521) as u16).sin()).collect()
    }

    fn by_each<const L: usize>(
        rows: Rows<'_>,
        machine: impl Machine<L>,
    ) -> impl Iterator<Item = f32> {
        let _ = machine;
        rows.queries.chunks_exact(rows.width).flat_map(move |query| {
            rows.vectors.chunks_exact(rows.width).map(move |vector| {
                query.iter().zip(vector).fold(0.0, |sum, (a, b)| fused(machine, *b, *a, sum))
            })
        })
    }

    fn fused<M: Machine<L>, const L: usize>(_: M, a: f32, b: f32, c: f32) -> f32 {
        M::fused(a, b, c)
    }

    fn check<const L: usize>(
        machine: impl Machine<L>,
        multiply: impl Fn(Rows<'_>, &mut [f32]) -> Result<(), Error>,
    ) {
        for (queries, vectors) in [(1, 1), (3, 8), (4, 9), (16, 7), (17, 65), (33, 12), (70, 31)] {
            for width in [1, 19, 64] {
                let (asked, searched) = (values(queries * width, 31), values(vectors * width, 17));
                let rows = Rows { width, queries: &asked, vectors: &searched };
                let mut scores = vec![f32::NAN; queries * vectors];
                multiply(rows, &mut scores).unwrap();
                assert!(scores.iter().copied().eq(by_each(rows, machine)), "{queries} {vectors}");
            }
        }
    }

    #[test]
    fn each_product_is_added_up_in_order() {
        check::<8>(Portable, |rows, scores| multiply::<_, 8, 8, 4>(Portable, rows, scores));
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(machine) = Avx2::here() {
                // SAFETY: the value is the proof of the processor.
                check::<8>(machine, |rows, scores| unsafe { multiply_avx2(machine, rows, scores) });
            }
            if let Some(machine) = Avx512::here() {
                // SAFETY: likewise.
                check::<16>(machine, |rows, to| unsafe { multiply_avx512(machine, rows, to) });
            }
        }
    }

    #[test]
    fn nothing_has_no_products() {
        Rows { width: 2, queries: &[1.0, 2.0], vectors: &[] }.multiply(&mut []).unwrap();
        Rows { width: 2, queries: &[], vectors: &[1.0, 2.0] }.multiply(&mut []).unwrap();
    }
}
