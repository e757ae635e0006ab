//! Dot products of every query with every vector, without the matrix of all of them: a tile of
//! queries meets a block of vectors at a time, so that products stay in the cache. What is kept of
//! them is the caller's; all threads take part also where there are few queries.

use crate::dots::Rows;
use crate::error::{Error, ensure};
use crate::memory::{collected, filled, push, room, zeroed};
use crate::slices::parts;
use crate::threads::Pause;
use ndarray::linalg::general_mat_vec_mul;
use ndarray::{ArrayView2, ArrayViewMut1, s};
use rayon::prelude::*;
use std::ops::Range;
use std::slice;

/// Queries scored together.
pub const TILE: usize = 64;
/// Vectors scored together: with a tile of queries, 128 KiB of scores.
pub const BLOCK: usize = 512;
/// Vectors that all tiles pass through before the next ones are read from memory.
pub const STRETCH: usize = 1 << 14;
/// Multiplications so few, a millisecond of them, that threads would take longer to meet.
const SMALL: usize = 1 << 23;

/// What is multiplied; rows lie one after the other.
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

    /// How many multiplications they are.
    pub fn multiplications(&self) -> usize {
        let (queries, (vectors, width)) = (self.queries.nrows(), self.vectors.dim());
        queries.saturating_mul(vectors).saturating_mul(width)
    }

    /// Whether they are so few that `meet` is done by the thread that asks.
    pub fn is_small(&self) -> bool {
        self.multiplications() <= SMALL
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
        let scores = |queries, vectors, to: &mut [f32]| self.multiply(queries, vectors, to);
        self.meet_by(scores, (start, look), self.is_small(), pause)
    }

    /// As `meet`, by scores [queries, vectors] of another making, which are few or not.
    ///
    /// # Errors
    /// As `meet`, and those of `multiply`.
    pub fn meet_by<T: Send>(
        &self,
        multiply: impl Fn(Range<usize>, Range<usize>, &mut [f32]) -> Result<(), Error> + Sync,
        (start, look): (impl Fn() -> T, impl Fn(Row<'_>, &mut T) -> Result<(), Halt> + Sync),
        are_few: bool,
        pause: &Pause,
    ) -> Result<Vec<Task<T>>, Error> {
        let queries = self.queries.nrows();
        if are_few {
            return self.meet_alone(tasks(queries, 1, start)?, (&multiply, &look), pause);
        }
        let shares = (2 * rayon::current_num_threads()).div_ceil(queries.div_ceil(TILE).max(1));
        let mut tasks = tasks(queries, shares, start)?;
        for stretch in parts(0..self.vectors.nrows(), STRETCH) {
            pause.between()?;
            tasks.par_iter_mut().try_for_each_init(
                || zeroed(TILE * BLOCK),
                |buffer, task| {
                    let buffer = buffer.as_mut().map_err(|lack| lack.clone())?;
                    let numbers = part(&stretch, task.share, shares);
                    task.meet(numbers, buffer, (&multiply, &look), pause)
                },
            )?;
            self.require_numbers(&tasks)?;
        }
        Ok(tasks)
    }

    fn meet_alone<T>(
        &self,
        mut tasks: Vec<Task<T>>,
        by: (
            &impl Fn(Range<usize>, Range<usize>, &mut [f32]) -> Result<(), Error>,
            &impl Fn(Row<'_>, &mut T) -> Result<(), Halt>,
        ),
        pause: &Pause,
    ) -> Result<Vec<Task<T>>, Error> {
        let (queries, items) = (self.queries.nrows(), self.vectors.nrows());
        let mut buffer = zeroed(queries.min(TILE) * items.min(BLOCK))?;
        pause.between()?;
        for task in &mut tasks {
            task.meet(0..items, &mut buffer, by, pause)?;
        }
        self.require_numbers(&tasks)?;
        Ok(tasks)
    }

    fn require_numbers<T>(&self, tasks: &[Task<T>]) -> Result<(), Error> {
        match tasks.iter().filter_map(|task| task.nan).min() {
            Some(row) => Err(Error::NotANumber { row, rows: self.queries.nrows() }),
            None => Ok(()),
        }
    }

    /// Score of each query with a vector of its own, or minus infinity where its number is -1; to
    /// the last bit as it is in `meet`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and what `pause` returns.
    pub fn own(&self, numbers: &[i32], pause: &Pause) -> Result<Vec<f32>, Error> {
        let mut own = filled(numbers.len(), f32::NEG_INFINITY)?;
        own.par_iter_mut().zip(numbers).enumerate().with_min_len(TILE).try_for_each(
            |(query, (own, number))| {
                pause.ask()?;
                match usize::try_from(*number) {
                    Ok(number) => {
                        self.multiply(query..query + 1, number..number + 1, slice::from_mut(own))
                    }
                    Err(_) => Ok(()),
                }
            },
        )?;
        Ok(own)
    }

    /// Scores of a query with some vectors, to the last bit as they are in `meet`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Inconsistent`] where rows are not in order.
    pub fn some(&self, query: usize, numbers: &[i32]) -> Result<Vec<f32>, Error> {
        let width = self.vectors.ncols();
        let mut rows = room(numbers.len() * width)?;
        for number in numbers {
            rows.extend(self.vectors.row(*number as usize));
        }
        let vectors = ArrayView2::from_shape((numbers.len(), width), &rows);
        let vectors = vectors.map_err(|error| Error::Inconsistent(error.to_string()))?;
        let mut scores = zeroed(numbers.len())?;
        Products { queries: self.queries, vectors }.multiply(
            query..query + 1,
            0..numbers.len(),
            &mut scores,
        )?;
        Ok(scores)
    }

    /// Fill the scores [queries, vectors] of some. A query that is all alone fills no lanes: its
    /// products are added up as a processor reads the vectors.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Inconsistent`] where rows are not in order.
    pub fn multiply(
        &self,
        queries: Range<usize>,
        vectors: Range<usize>,
        scores: &mut [f32],
    ) -> Result<(), Error> {
        if self.queries.nrows() == 1 {
            let (query, vectors) = (self.queries.row(0), self.vectors.slice(s![vectors, ..]));
            general_mat_vec_mul(1.0, &vectors, &query, 0.0, &mut ArrayViewMut1::from(scores));
            return Ok(());
        }
        let (queries, vectors) =
            (self.queries.slice(s![queries, ..]), self.vectors.slice(s![vectors, ..]));
        let width = self.vectors.ncols();
        if width == 0 {
            scores.fill(0.0);
            return Ok(());
        }
        match (queries.to_slice(), vectors.to_slice()) {
            (Some(queries), Some(vectors)) => Rows { width, queries, vectors }.multiply(scores),
            _ => Err(Error::Inconsistent("queries or vectors that are not in order".into())),
        }
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
        numbers: Range<usize>,
        buffer: &mut [f32],
        (multiply, look): (
            &impl Fn(Range<usize>, Range<usize>, &mut [f32]) -> Result<(), Error>,
            &impl Fn(Row<'_>, &mut T) -> Result<(), Halt>,
        ),
        pause: &Pause,
    ) -> Result<(), Error> {
        for block in parts(numbers, BLOCK) {
            pause.ask()?;
            let scores = &mut buffer[..self.queries.len() * block.len()];
            multiply(self.queries.clone(), block.clone(), scores)?;
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
