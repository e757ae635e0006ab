//! Dot products of every query with every vector, without the matrix of all of them: a tile of
//! queries meets a block of vectors at a time, so that products stay in the cache. What is kept of
//! them is the caller's; all threads take part also where there are few queries.

use crate::error::{Error, ensure};
use crate::memory::{collected, push, zeroed};
use crate::slices::parts;
use crate::threads::Pause;
use ndarray::linalg::{general_mat_mul, general_mat_vec_mul};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, s};
use rayon::prelude::*;
use std::ops::Range;

/// Queries scored together.
pub const TILE: usize = 64;
/// Vectors scored together: with a tile of queries, 128 KiB of scores.
pub const BLOCK: usize = 512;
/// Vectors that all tiles pass through before the next ones are read from memory.
pub const STRETCH: usize = 1 << 14;
/// Fewer queries than this are multiplied one by one, which packs nothing.
pub const FEW: usize = 6;

/// What is multiplied.
#[derive(Clone, Copy)]
pub struct Products<'a> {
    /// A row for each query.
    pub queries: ArrayView2<'a, f32>,
    /// A row for each vector, as wide; vectors have the numbers of their rows.
    pub vectors: ArrayView2<'a, f32>,
}

/// Scores of a query with consecutive vectors.
pub struct Row<'a> {
    /// Number of the query.
    pub query: usize,
    /// Number of the first vector.
    pub first: usize,
    /// One for each vector; nobody looks at them afterwards.
    pub scores: &'a mut [f32],
}

/// Why a row of scores was not looked at to its end.
pub enum Halt {
    /// A score is NaN.
    NotANumber,
    /// Of another kind.
    Error(Error),
}

/// Queries that meet a share of every stretch of vectors, and what is kept of what they met.
pub struct Task<T> {
    queries: Range<usize>,
    kept: Vec<T>,
    share: usize,
    nan: Option<usize>,
}

impl Products<'_> {
    /// Check that queries and vectors are of one width, and that the numbers fit.
    ///
    /// # Errors
    /// [`Error::Inconsistent`], [`Error::TooMany`].
    pub fn check(&self) -> Result<(), Error> {
        let (queries, vectors) = (self.queries.ncols(), self.vectors.ncols());
        ensure!(queries == vectors, "queries of width {queries}, vectors of width {vectors}");
        let items = self.vectors.nrows();
        match i32::try_from(items) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::TooMany { what: "items", found: items, max: i32::MAX as usize }),
        }
    }

    /// Show `look` the scores of all queries. The vectors of a query are shared among several
    /// tasks, each of which meets its own in ascending order.
    ///
    /// # Errors
    /// [`Error::NotANumber`] where `look` says so, its other errors, [`Error::OutOfMemory`], and
    /// what `pause` returns.
    pub fn meet<T: Send>(
        &self,
        start: impl Fn() -> T,
        look: impl Fn(Row<'_>, &mut T) -> Result<(), Halt> + Sync,
        pause: &Pause,
    ) -> Result<Vec<Task<T>>, Error> {
        let queries = self.queries.nrows();
        let shares = (2 * rayon::current_num_threads()).div_ceil(queries.div_ceil(TILE).max(1));
        let mut tasks = tasks(queries, shares, start)?;
        for stretch in parts(0..self.vectors.nrows(), STRETCH) {
            pause.between()?;
            tasks.par_iter_mut().try_for_each_init(
                || zeroed(TILE * BLOCK),
                |buffer, task| {
                    let buffer = buffer.as_mut().map_err(|lack| lack.clone())?;
                    task.meet(self, part(&stretch, task.share, shares), buffer, &look, pause)
                },
            )?;
            if let Some(row) = tasks.iter().filter_map(|task| task.nan).min() {
                return Err(Error::NotANumber { row, rows: queries });
            }
        }
        Ok(tasks)
    }

    /// Score of each query with a vector of its own, or minus infinity where its number is -1. As
    /// it is in `meet`, to the last bit: a product adds up each of its elements in the order of
    /// the columns, wherever the element stands and however many there are.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and what `pause` returns.
    pub fn own(&self, numbers: &[i32], pause: &Pause) -> Result<Vec<f32>, Error> {
        let mut own = zeroed(numbers.len())?;
        own.par_chunks_mut(TILE).zip(numbers.par_chunks(TILE)).enumerate().try_for_each(
            |(tile, (own, numbers))| {
                pause.ask()?;
                let queries = self.queries.slice(s![tile * TILE..tile * TILE + own.len(), ..]);
                self.own_of_tile(queries, numbers, own)
            },
        )?;
        Ok(own)
    }

    fn own_of_tile(
        &self,
        queries: ArrayView2<'_, f32>,
        numbers: &[i32],
        own: &mut [f32],
    ) -> Result<(), Error> {
        let vector = |number: i32| {
            usize::try_from(number).ok().map(|number| self.vectors.slice(s![number..=number, ..]))
        };
        own.fill(f32::NEG_INFINITY);
        if own.len() < FEW {
            for (place, vector) in numbers.iter().map(|number| vector(*number)).enumerate() {
                if let Some(vector) = vector {
                    let query = queries.slice(s![place..=place, ..]);
                    multiply(query, vector, &mut own[place..=place]);
                }
            }
            return Ok(());
        }
        let width = self.vectors.ncols();
        let (mut chosen, mut scores) = (zeroed(own.len() * width)?, zeroed(own.len() * own.len())?);
        if let Ok(mut chosen) = ArrayViewMut2::from_shape((own.len(), width), &mut chosen) {
            for (mut row, number) in chosen.rows_mut().into_iter().zip(numbers) {
                if let Some(vector) = vector(*number) {
                    row.assign(&vector.row(0));
                }
            }
            multiply(queries, chosen.view(), &mut scores);
        }
        for (place, _) in numbers.iter().enumerate().filter(|(_, number)| **number >= 0) {
            own[place] = scores[place * own.len() + place];
        }
        Ok(())
    }
}

fn tasks<T>(queries: usize, shares: usize, start: impl Fn() -> T) -> Result<Vec<Task<T>>, Error> {
    let mut tasks = Vec::new();
    for queries in parts(0..queries, TILE) {
        for share in 0..shares {
            let kept = collected(queries.clone().map(|_| start()))?;
            push(&mut tasks, Task { queries: queries.clone(), share, kept, nan: None })?;
        }
    }
    Ok(tasks)
}

/// One of so many nearly equal parts.
fn part(whole: &Range<usize>, number: usize, parts: usize) -> Range<usize> {
    whole.start + whole.len() * number / parts..whole.start + whole.len() * (number + 1) / parts
}

impl<T> Task<T> {
    /// Number of each query, and what is kept for it.
    pub fn into_kept(self) -> impl Iterator<Item = (usize, T)> {
        self.queries.zip(self.kept)
    }

    fn meet(
        &mut self,
        products: &Products<'_>,
        numbers: Range<usize>,
        buffer: &mut [f32],
        look: &impl Fn(Row<'_>, &mut T) -> Result<(), Halt>,
        pause: &Pause,
    ) -> Result<(), Error> {
        let queries = products.queries.slice(s![self.queries.clone(), ..]);
        for block in parts(numbers, BLOCK) {
            pause.ask()?;
            let vectors = products.vectors.slice(s![block.clone(), ..]);
            let scores = &mut buffer[..queries.nrows() * block.len()];
            multiply(queries, vectors, scores);
            let rows = self.queries.clone().zip(scores.chunks_exact_mut(block.len()));
            for ((query, scores), kept) in rows.zip(&mut self.kept) {
                match look(Row { query, first: block.start, scores }, kept) {
                    Ok(()) => {}
                    Err(Halt::NotANumber) => self.nan = self.nan.or(Some(query)),
                    Err(Halt::Error(error)) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// Scores of every query (a row each) and vector.
fn multiply(queries: ArrayView2<'_, f32>, vectors: ArrayView2<'_, f32>, scores: &mut [f32]) {
    let shape = (queries.nrows(), vectors.nrows());
    if queries.nrows() < FEW {
        for (query, row) in queries.rows().into_iter().zip(scores.chunks_exact_mut(shape.1)) {
            let query: ArrayView1<'_, f32> = query;
            general_mat_vec_mul(1.0, &vectors, &query, 0.0, &mut ArrayViewMut1::from(row));
        }
    } else if let Ok(mut product) = ArrayViewMut2::from_shape(shape, scores) {
        general_mat_mul(1.0, &queries, &vectors.t(), 0.0, &mut product);
    }
}
