//! Sequences, laid out as the products read them.

use super::{Sequence, Tile};

/// R keys beside each other: [keys / R, width, R], zeros where there are no more.
#[inline(always)]
pub fn panels<const R: usize>(sequence: Sequence<'_>, keys: usize, to: &mut [[f32; R]]) {
    for (panel, to) in to.chunks_exact_mut(sequence.width).enumerate() {
        to.fill([0.0; R]);
        for (lane, key) in (panel * R..keys.min((panel + 1) * R)).enumerate() {
            for (number, to) in sequence.at(key).iter().zip(to.iter_mut()) {
                to[lane] = *number;
            }
        }
    }
}

/// The queries of a tile beside each other, scaled: [width, lanes], zeros where there are no more.
#[inline(always)]
pub fn columns<const L: usize>(
    sequence: Sequence<'_>,
    tile: Tile,
    scale: f32,
    to: &mut [[f32; L]],
) {
    to.fill([0.0; L]);
    for (lane, query) in (tile.start..tile.end).enumerate() {
        for (number, to) in sequence.at(query).iter().zip(to.iter_mut()) {
            to[lane] = *number * scale;
        }
    }
}

/// The queries of a tile, scaled, in blocks of lanes: [width / lanes, queries, lanes], padded with
/// zeros.
#[inline(always)]
pub fn rows<const L: usize>(sequence: Sequence<'_>, tile: Tile, scale: f32, to: &mut [[f32; L]]) {
    to.fill([0.0; L]);
    for (block, to) in to.chunks_exact_mut(L).enumerate() {
        for (query, to) in (tile.start..tile.end).zip(to) {
            for (number, to) in sequence.at(query)[block * L..].iter().zip(to) {
                *to = *number * scale;
            }
        }
    }
}
