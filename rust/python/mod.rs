//! The border to Python: check, detach, call, wrap. Nothing else in the crate knows pyo3 or numpy.

mod accounting;
mod attention;
mod columns;
mod draws;
mod edits;
mod lists;
mod merge;
mod search;
mod sequences;
mod shards;
mod store;
mod streams;
mod windows;

pub use accounting::{
    count_items, count_items_of_rows, find_without_negative, repeated_targets, shown_items,
};
pub use attention::attention_handlers;
pub use columns::{StringTable, encode_strings, string_keys};
pub use draws::{AliasTable, first_draws, philox};
pub use edits::{apply_edit, find_edit};
pub use lists::{lists_of_products, lists_of_scores};
pub use merge::append;
pub use search::{CoarseVectors, count_above, count_among, top_k};
pub use sequences::{GroupedInteractions, group, order_ties};
pub use shards::{Finished, Rules, Shard, core_round, finish, sort_shard};
pub use streams::{ItemCodes, Span, route, scan};
pub use windows::{fill, fill_negatives};

use crate::error::Error;
use crate::threads::{self, Failure, Pause, lock};
use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use std::sync::Mutex;

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let said = error.to_string();
        match error {
            Error::Interrupted => PyKeyboardInterrupt::new_err(()),
            Error::OutOfMemory { .. } | Error::NoThreads(_) => PyMemoryError::new_err(said),
            Error::Fault(_) => PyRuntimeError::new_err(said),
            _ => PyValueError::new_err(said),
        }
    }
}

/// Do what needs no Python by the crate's threads; what a signal's handler raises meanwhile ends it.
fn run<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&Pause) -> Result<T, Error> + Send,
) -> PyResult<T> {
    raised(py.detach(|| threads::run(work, listen)))
}

/// As `run`, or what is short, here, without its threads.
fn run_where<T: Send>(
    py: Python<'_>,
    is_short: bool,
    work: impl FnOnce(&Pause) -> Result<T, Error> + Send,
) -> PyResult<T> {
    if is_short { Ok(py.detach(|| threads::run_here(work))?) } else { run(py, work) }
}

/// As `run`, alone with a value. Whoever waits for it holds up neither Python nor the pool.
fn run_alone<V: Send, T: Send>(
    py: Python<'_>,
    value: &Mutex<V>,
    work: impl FnOnce(&mut V, &Pause) -> Result<T, Error> + Send,
) -> PyResult<T> {
    raised(py.detach(|| {
        let mut value = lock(value);
        let value = &mut *value;
        threads::run(|pause| work(value, pause), listen)
    }))
}

fn listen() -> PyResult<()> {
    // The method path is not general enough in its lifetime.
    #[allow(clippy::redundant_closure_for_method_calls)]
    Python::attach(|py| py.check_signals())
}

fn raised<T>(result: Result<T, Failure<PyErr>>) -> PyResult<T> {
    result.map_err(|failure| match failure {
        Failure::Error(error) => error.into(),
        Failure::Told(raised) => raised,
    })
}
