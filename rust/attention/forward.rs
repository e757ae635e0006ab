//! What each query sees.

use super::exponential::exponential;
use super::packing::{columns, panels};
use super::products::{gather, scores};
use super::{Head, Inputs, PADDED, Tile, tiles};
use crate::error::Error;
use crate::machine::Machine;
use crate::memory::filled;

/// Where a row's results go.
pub struct View<'a> {
    /// Its number.
    pub row: usize,
    /// What its queries see, [length, heads, width].
    pub seen: &'a mut [f32],
    /// Of each head, its queries' highest scores, then the inverse sums of their exponentials.
    pub norms: &'a mut [f32],
}

struct Scratch<const L: usize, const R: usize> {
    keys: Vec<[f32; R]>,
    queries: Vec<[f32; L]>,
    weights: Vec<[f32; L]>,
    seen: Vec<[f32; L]>,
}

/// Fill the views of some rows.
#[inline(always)]
pub fn forward<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    inputs: &Inputs<'_>,
    views: &mut dyn Iterator<Item = View<'_>>,
) -> Result<(), Error> {
    let [_, length, heads, width] = inputs.shape;
    let keys = length.next_multiple_of(R);
    let mut scratch = Scratch::<L, R> {
        keys: filled(keys / R * width, [0.0; R])?,
        queries: filled(width, [0.0; L])?,
        weights: filled(keys, [0.0; L])?,
        seen: filled(width, [0.0; L])?,
    };
    for view in views {
        for (number, norms) in view.norms.chunks_exact_mut(2 * length).enumerate() {
            let head = inputs.head(view.row, number);
            panels(head.key, head.seen, &mut scratch.keys);
            let (most, inverse) = norms.split_at_mut(length);
            for tile in tiles::<L>(length) {
                let (highest, sums) = see(machine, &head, tile, &mut scratch);
                let queries = view.seen.chunks_exact_mut(heads * width);
                for (lane, query) in
                    queries.skip(tile.start).take(tile.end - tile.start).enumerate()
                {
                    most[tile.start + lane] = highest[lane];
                    inverse[tile.start + lane] = sums[lane].recip();
                    let factor = sums[lane].recip() / head.dropout.keep();
                    let query = &mut query[number * width..][..width];
                    for (to, numbers) in query.iter_mut().zip(&scratch.seen) {
                        *to = numbers[lane] * factor;
                    }
                }
            }
        }
    }
    Ok(())
}

/// What a tile sees, up to the factor; returns the highest scores and the sums of exponentials.
#[inline(always)]
fn see<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    head: &Head<'_>,
    tile: Tile,
    scratch: &mut Scratch<L, R>,
) -> ([f32; L], [f32; L]) {
    columns(head.query, tile, head.scale, &mut scratch.queries);
    let keys = tile.end.min(head.seen);
    let highest = score(machine, head, tile, scratch);
    let mut sums = [0.0; L];
    for (key, weights) in scratch.weights[..keys].iter_mut().enumerate() {
        for (weight, highest) in weights.iter_mut().zip(&highest) {
            *weight -= highest;
        }
        *weights = exponential::<M, L>(weights);
        for (sum, weight) in sums.iter_mut().zip(&*weights) {
            *sum += weight;
        }
        if head.dropout.drops() {
            let kept = head.kept::<L>(tile, key);
            for (weight, kept) in weights.iter_mut().zip(kept) {
                *weight = if kept { *weight } else { 0.0 };
            }
        }
    }
    scratch.seen.fill([0.0; L]);
    gather::<M, L, R>(machine, (head.value, 0), &scratch.weights[..keys], &mut scratch.seen);
    (highest, sums)
}

/// The scores of a tile, into `weights`, and the highest of each query.
#[inline(always)]
fn score<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    head: &Head<'_>,
    tile: Tile,
    scratch: &mut Scratch<L, R>,
) -> [f32; L] {
    let keys = tile.end.min(head.seen);
    let mut highest = [f32::NEG_INFINITY; L];
    let blocks = scratch.weights.as_chunks_mut::<R>().0;
    for ((number, panel), block) in
        scratch.keys.chunks_exact(head.key.width).enumerate().zip(blocks).take(keys.div_ceil(R))
    {
        *block = scores(machine, panel, &scratch.queries);
        for (key, scores) in (number * R..keys).zip(block) {
            if !head.is_real(key) {
                *scores = [PADDED; L];
            }
            for (lane, (score, highest)) in scores.iter_mut().zip(&mut highest).enumerate() {
                *score = if tile.start + lane < key { f32::NEG_INFINITY } else { *score };
                *highest = if *score > *highest { *score } else { *highest };
            }
        }
    }
    highest
}

impl Head<'_> {
    /// Which queries of the tile keep their share of a key.
    #[inline(always)]
    pub(super) fn kept<const L: usize>(&self, tile: Tile, key: usize) -> [bool; L] {
        let query = self.number.wrapping_mul(self.length).wrapping_add(tile.start);
        self.dropout.kept(query.wrapping_mul(self.length).wrapping_add(key), self.length)
    }
}
