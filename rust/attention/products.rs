//! The three products of attention. Each holds a tile of R rows of lanes in registers and adds to all
//! of them, for each term, the product of a number of the row and the lanes of the term.

use super::Sequence;
use crate::machine::Machine;

/// Sums over the width, for R keys: `panel` has a row of their numbers for each, `columns` the lanes.
#[inline(always)]
pub fn scores<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    panel: &[[f32; R]],
    columns: &[[f32; L]],
) -> [[f32; L]; R] {
    let mut scores = [[0.0; L]; R];
    let mut sums = load(machine, &scores);
    for (numbers, lanes) in panel.iter().zip(columns) {
        add(machine, &mut sums, numbers, lanes);
    }
    store(machine, sums, &mut scores);
    scores
}

/// Add to each number of the width of `to` what the sequence has there at each key from `first` on,
/// times the lanes of the key.
#[inline(always)]
pub fn gather<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    (sequence, first): (Sequence<'_>, usize),
    weights: &[[f32; L]],
    to: &mut [[f32; L]],
) {
    let numbers = &sequence.numbers[first * sequence.stride..];
    let from = (numbers, sequence.stride);
    let mut done = 0;
    while to.len() - done >= R {
        gather_rows::<M, L, R>(machine, from, weights, (to, done));
        done += R;
    }
    while to.len() - done >= 2 {
        gather_rows::<M, L, 2>(machine, from, weights, (to, done));
        done += 2;
    }
    if done < to.len() {
        gather_rows::<M, L, 1>(machine, from, weights, (to, done));
    }
}

#[inline(always)]
fn gather_rows<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    (numbers, stride): (&[f32], usize),
    weights: &[[f32; L]],
    (to, start): (&mut [[f32; L]], usize),
) {
    let Some(to) = to[start..].first_chunk_mut::<R>() else { return };
    let mut sums = load(machine, to);
    for (lanes, numbers) in weights.iter().zip(numbers.chunks(stride)) {
        let Some(numbers) = numbers[start..].first_chunk::<R>() else { return };
        add(machine, &mut sums, numbers, lanes);
    }
    store(machine, sums, to);
}

/// Add to R keys at a time, each `rows` wide in blocks of lanes, the lanes of each query of the tile
/// times its weight for the key.
#[inline(always)]
pub fn scatter<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    weights: &[[f32; L]],
    rows: &[[f32; L]],
    to: &mut [[f32; L]],
) {
    let blocks = rows.len() / L;
    for (weights, to) in weights.as_chunks::<R>().0.iter().zip(to.chunks_exact_mut(R * blocks)) {
        for (rows, to) in rows.as_chunks::<L>().0.iter().zip(to.as_chunks_mut::<R>().0) {
            let mut sums = load(machine, to);
            for (query, lanes) in rows.iter().enumerate() {
                let mut numbers = [0.0; R];
                for (number, weights) in numbers.iter_mut().zip(weights) {
                    *number = weights[query];
                }
                add(machine, &mut sums, &numbers, lanes);
            }
            store(machine, sums, to);
        }
    }
}

#[inline(always)]
fn load<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    from: &[[f32; L]; R],
) -> [M::Lanes; R] {
    let mut lanes = [machine.load(&from[0]); R];
    for (lanes, from) in lanes.iter_mut().zip(from) {
        *lanes = machine.load(from);
    }
    lanes
}

#[inline(always)]
fn store<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    lanes: [M::Lanes; R],
    to: &mut [[f32; L]; R],
) {
    for (lanes, to) in lanes.into_iter().zip(to) {
        machine.store(lanes, to);
    }
}

#[inline(always)]
fn add<M: Machine<L>, const L: usize, const R: usize>(
    machine: M,
    sums: &mut [M::Lanes; R],
    numbers: &[f32; R],
    lanes: &[f32; L],
) {
    let lanes = machine.load(lanes);
    for (sum, number) in sums.iter_mut().zip(numbers) {
        *sum = machine.add(*number, lanes, *sum);
    }
}
