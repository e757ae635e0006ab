//! The gradients of queries, keys and values.

use super::exponential::exponential;
use super::packing::{columns, panels, rows};
use super::products::{gather, scatter, scores};
use super::{Given, Head, Inputs, PADDED, Sequence, Tile, tiles};
use crate::error::Error;
use crate::machine::Machine;
use crate::memory::filled;
use std::ops::Range;

/// Keys whose shares are held at once.
const BLOCK: usize = 32;

/// Where a row's gradients go, each [length, heads, width].
pub struct Slopes<'a> {
    /// Its number.
    pub row: usize,
    /// Of its queries.
    pub query: &'a mut [f32],
    /// Of its keys.
    pub key: &'a mut [f32],
    /// Of its values.
    pub value: &'a mut [f32],
}

struct Scratch<const L: usize, const R: usize> {
    keys: Vec<[f32; R]>,
    values: Vec<[f32; R]>,
    queries: Vec<[f32; L]>,
    slopes: Vec<[f32; L]>,
    query_rows: Vec<[f32; L]>,
    slope_rows: Vec<[f32; L]>,
    /// Shares of the block after dropout, and the gradients of its scores.
    shares: [[f32; L]; BLOCK],
    score_slopes: [[f32; L]; BLOCK],
    query_slopes: Vec<[f32; L]>,
    key_slopes: Vec<[f32; L]>,
    value_slopes: Vec<[f32; L]>,
}

impl<const L: usize, const R: usize> Scratch<L, R> {
    fn new(length: usize, width: usize) -> Result<Self, Error> {
        let (keys, blocks) = (length.next_multiple_of(BLOCK), width.div_ceil(L));
        Ok(Self {
            keys: filled(keys / R * width, [0.0; R])?,
            values: filled(keys / R * width, [0.0; R])?,
            queries: filled(width, [0.0; L])?,
            slopes: filled(width, [0.0; L])?,
            query_rows: filled(blocks * L, [0.0; L])?,
            slope_rows: filled(blocks * L, [0.0; L])?,
            shares: [[0.0; L]; BLOCK],
            score_slopes: [[0.0; L]; BLOCK],
            query_slopes: filled(width, [0.0; L])?,
            key_slopes: filled(keys * blocks, [0.0; L])?,
            value_slopes: filled(keys * blocks, [0.0; L])?,
        })
    }
}

/// Of each query of a tile: its norms, and the product of what it saw and the gradient of that.
struct Kept<const L: usize> {
    highest: [f32; L],
    inverse: [f32; L],
    product: [f32; L],
}

/// Fill the gradients of some rows.
#[inline(always)]
pub fn backward<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    (inputs, given): (&Inputs<'_>, &Given<'_>),
    slopes: &mut dyn Iterator<Item = Slopes<'_>>,
) -> Result<(), Error> {
    let [_, length, heads, width] = inputs.shape;
    let mut scratch = Scratch::<L, R>::new(length, width)?;
    for row in slopes {
        for number in 0..heads {
            let head = inputs.head(row.row, number);
            let view = inputs.sequence(given.view, row.row, number);
            let slope = inputs.sequence(given.slope, row.row, number);
            let norms = &given.norms[head.number * 2 * length..][..2 * length];
            panels(head.key, head.seen, &mut scratch.keys);
            panels(head.value, head.seen, &mut scratch.values);
            scratch.key_slopes.fill([0.0; L]);
            scratch.value_slopes.fill([0.0; L]);
            for tile in tiles::<L>(length) {
                let kept = kept(norms, (view, slope), tile);
                descend(machine, (&head, slope), (tile, &kept), &mut scratch);
                let queries = row.query.chunks_exact_mut(heads * width).skip(tile.start);
                for (lane, query) in queries.take(tile.end - tile.start).enumerate() {
                    let query = &mut query[number * width..][..width];
                    for (to, lanes) in query.iter_mut().zip(&scratch.query_slopes) {
                        *to = lanes[lane] * head.scale;
                    }
                }
            }
            for (to, from) in
                [(&mut *row.key, &scratch.key_slopes), (&mut *row.value, &scratch.value_slopes)]
            {
                unpack::<L, R>(from, width, to.chunks_exact_mut(heads * width), number * width);
            }
        }
    }
    Ok(())
}

#[inline(always)]
fn kept<const L: usize>(
    norms: &[f32],
    (view, slope): (Sequence<'_>, Sequence<'_>),
    tile: Tile,
) -> Kept<L> {
    let (highest, inverse) = norms.split_at(norms.len() / 2);
    let mut kept = Kept { highest: [0.0; L], inverse: [0.0; L], product: [0.0; L] };
    for (lane, query) in (tile.start..tile.end).enumerate() {
        kept.highest[lane] = highest[query];
        kept.inverse[lane] = inverse[query];
        kept.product[lane] = dot(view.at(query), slope.at(query));
    }
    kept
}

/// A product of two vectors, in sums of their own for each of 16 numbers: one sum waits for itself.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0.0; 16];
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// Add what comes back from a tile to the gradients of its past; its own go to `query_slopes`.
#[inline(always)]
fn descend<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    (head, slope): (&Head<'_>, Sequence<'_>),
    (tile, kept): (Tile, &Kept<L>),
    scratch: &mut Scratch<L, R>,
) {
    let factor = head.dropout.keep().recip();
    columns(head.query, tile, head.scale, &mut scratch.queries);
    rows(head.query, tile, head.scale, &mut scratch.query_rows);
    columns(slope, tile, factor, &mut scratch.slopes);
    rows(slope, tile, factor, &mut scratch.slope_rows);
    scratch.query_slopes.fill([0.0; L]);
    let (keys, blocks) = (tile.end.min(head.seen), head.key.width.div_ceil(L));
    for first in (0..keys).step_by(BLOCK) {
        let block = first..keys.min(first + BLOCK);
        share(machine, head, (tile, kept), block.clone(), scratch);
        let (shares, slopes) = (&scratch.shares, &scratch.score_slopes);
        let to = first * blocks..first * blocks + block.len().next_multiple_of(R) * blocks;
        let values = &mut scratch.value_slopes[to.clone()];
        scatter::<M, L, R>(machine, shares, &scratch.slope_rows, values);
        scatter::<M, L, R>(machine, slopes, &scratch.query_rows, &mut scratch.key_slopes[to]);
        let slopes = &slopes[..block.len()];
        gather::<M, L, R>(machine, (head.key, first), slopes, &mut scratch.query_slopes);
    }
}

/// The shares of a block of keys after dropout, and the gradients of its scores.
#[inline(always)]
fn share<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    head: &Head<'_>,
    (tile, kept): (Tile, &Kept<L>),
    block: Range<usize>,
    scratch: &mut Scratch<L, R>,
) {
    let width = head.key.width;
    let panels = scratch.keys.chunks_exact(width).zip(scratch.values.chunks_exact(width));
    let shares = scratch.shares.as_chunks_mut::<R>().0.iter_mut();
    let places = shares.zip(scratch.score_slopes.as_chunks_mut::<R>().0);
    let panels = panels.enumerate().skip(block.start / R).take(block.len().div_ceil(R));
    for ((number, (keys, values)), (shares, slopes)) in panels.zip(places) {
        *shares = scores(machine, keys, &scratch.queries);
        *slopes = scores(machine, values, &scratch.slopes);
        for (key, (share, slope)) in (number * R..).zip(shares.iter_mut().zip(slopes)) {
            if key < block.end {
                weigh::<M, L>(head, (tile, kept), key, (share, slope));
            } else {
                (*share, *slope) = ([0.0; L], [0.0; L]);
            }
        }
    }
}

/// From the scores of a key and the gradients of its shares: its shares and the scores' gradients.
#[inline(always)]
fn weigh<M: Machine<L>, const L: usize>(
    head: &Head<'_>,
    (tile, kept): (Tile, &Kept<L>),
    key: usize,
    (share, slope): (&mut [f32; L], &mut [f32; L]),
) {
    let real = head.is_real(key);
    for (score, highest) in share.iter_mut().zip(&kept.highest) {
        *score = if real { *score } else { PADDED } - highest;
    }
    let mut whole = exponential::<M, L>(share);
    for (lane, (whole, inverse)) in whole.iter_mut().zip(&kept.inverse).enumerate() {
        *whole = if tile.start + lane < key { 0.0 } else { *whole * inverse };
    }
    *share = whole;
    if head.dropout.drops() {
        let keeps = head.kept::<L>(tile, key);
        for ((share, slope), keeps) in share.iter_mut().zip(&mut *slope).zip(keeps) {
            *share = if keeps { *share } else { 0.0 };
            *slope = if keeps { *slope } else { 0.0 };
        }
    }
    for ((slope, whole), product) in slope.iter_mut().zip(&whole).zip(&kept.product) {
        *slope = whole * (*slope - product);
    }
    if !real {
        *slope = [0.0; L];
    }
}

/// The gradients of keys as rows, which are there in groups of R in blocks of lanes.
#[inline(always)]
fn unpack<'a, const L: usize, const R: usize>(
    from: &[[f32; L]],
    width: usize,
    to: impl Iterator<Item = &'a mut [f32]>,
    start: usize,
) {
    let blocks = width.div_ceil(L);
    for (key, to) in to.enumerate() {
        let group = &from[key / R * R * blocks..][..R * blocks];
        let to = &mut to[start..][..width];
        for (block, to) in to.chunks_mut(L).enumerate() {
            to.copy_from_slice(&group[block * R + key % R][..to.len()]);
        }
    }
}
