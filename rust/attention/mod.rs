//! Causal attention with dropout, forward and backward, where scores stay in the cache: of a tile of
//! queries against its past only one block is ever held. The shares are those of an exact softmax;
//! the way back computes them again from what was kept of each query (Dao et al. 2022,
//! `FlashAttention`). Queries of a tile lie beside each other in the lanes of a vector.
// Each processor's form is compiled whole, so everything below it is inlined there. Widths and sizes
// of tests are far below 2^23.
#![allow(clippy::inline_always, clippy::cast_precision_loss)]

mod backward;
mod dropout;
mod exponential;
mod forward;
mod packing;
mod processor;
mod products;
#[cfg(test)]
mod tests;

pub use backward::Slopes;
pub use dropout::Dropout;
pub use forward::View;
pub use processor::Processor;

use crate::error::{Error, ensure};

/// What a padded key scores, as in the layer that this stands for: finite, where all are padded.
const PADDED: f32 = -1e9;

/// Queries, keys and values, each [rows, length, heads, width], and what is dropped.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// Of `query`, `key` and `value`.
    pub shape: [usize; 4],
    /// What looks.
    pub query: &'a [f32],
    /// What is looked at.
    pub key: &'a [f32],
    /// What is seen.
    pub value: &'a [f32],
    /// [rows, length], 0 where a key is padding; empty: none is.
    pub real: &'a [u8],
    /// Which shares are dropped.
    pub dropout: Dropout,
}

/// What the way back needs besides.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// What was seen, as the queries.
    pub view: &'a [f32],
    /// Of `View`, of all rows.
    pub norms: &'a [f32],
    /// The gradient of what was seen, as the queries.
    pub slope: &'a [f32],
}

impl<'a> Inputs<'a> {
    /// Numbers of a row: of queries, and of norms.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where a slice has another length than the shape says.
    pub fn row_lengths(&self) -> Result<(usize, usize), Error> {
        let [rows, length, heads, width] = self.shape;
        let numbers = length * heads * width;
        let lengths = [self.query.len(), self.key.len(), self.value.len()];
        ensure!(
            lengths == [rows * numbers; 3] && numbers > 0,
            "queries, keys and values of {lengths:?} numbers, of {rows} x {numbers}"
        );
        let real = self.real.len();
        ensure!(
            real == 0 || real == rows * length,
            "{real} marks of padding, of {rows} x {length}"
        );
        Ok((numbers, 2 * heads * length))
    }

    /// One head of one row.
    #[inline(always)]
    fn head(&self, row: usize, head: usize) -> Head<'a> {
        let [_, length, heads, width] = self.shape;
        let real =
            if self.real.is_empty() { self.real } else { &self.real[row * length..][..length] };
        // Keys after the last real one have no share, unless no key is real.
        let seen = real.iter().rposition(|mark| *mark != 0).map_or(length, |last| last + 1);
        Head {
            query: self.sequence(self.query, row, head),
            key: self.sequence(self.key, row, head),
            value: self.sequence(self.value, row, head),
            real,
            length,
            seen,
            number: row * heads + head,
            scale: (width as f32).sqrt().recip(),
            dropout: self.dropout,
        }
    }

    #[inline(always)]
    fn sequence(&self, of: &'a [f32], row: usize, head: usize) -> Sequence<'a> {
        let [_, length, heads, width] = self.shape;
        let row = &of[row * length * heads * width..][..length * heads * width];
        Sequence { numbers: &row[head * width..], stride: heads * width, width }
    }
}

/// The vectors of one head, in the row of all heads.
#[derive(Clone, Copy)]
struct Sequence<'a> {
    numbers: &'a [f32],
    stride: usize,
    width: usize,
}

impl<'a> Sequence<'a> {
    #[inline(always)]
    fn at(&self, position: usize) -> &'a [f32] {
        &self.numbers[position * self.stride..][..self.width]
    }
}

/// One head of one row, and what is dropped there.
#[derive(Clone, Copy)]
struct Head<'a> {
    query: Sequence<'a>,
    key: Sequence<'a>,
    value: Sequence<'a>,
    real: &'a [u8],
    length: usize,
    seen: usize,
    number: usize,
    scale: f32,
    dropout: Dropout,
}

impl Head<'_> {
    #[inline(always)]
    fn is_real(&self, key: usize) -> bool {
        self.real.get(key).is_none_or(|mark| *mark != 0)
    }
}

/// Queries that are taken together; the first tile is the one that is not full, as its past is short.
#[derive(Clone, Copy)]
struct Tile {
    start: usize,
    end: usize,
}

fn tiles<const LANES: usize>(length: usize) -> impl Iterator<Item = Tile> {
    let missing = length.next_multiple_of(LANES) - length;
    (0..length.div_ceil(LANES)).map(move |tile| Tile {
        start: (tile * LANES).saturating_sub(missing),
        end: (tile + 1) * LANES - missing,
    })
}
