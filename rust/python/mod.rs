//! The border to Python: check, detach, call, wrap. Nothing else in the crate knows pyo3 or numpy.

mod columns;
mod draws;
mod search;
mod sequences;
mod store;
mod windows;

pub use columns::encode_strings;
pub use draws::{AliasTable, philox};
pub use search::top_k;
pub use sequences::{GroupedInteractions, Rules, group, order_ties};
pub use windows::{fill, fill_negatives, find_without_negative, shown_items};

use crate::error::Error;
use pyo3::exceptions::{PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        match error {
            Error::Interrupted => PyKeyboardInterrupt::new_err(()),
            other => PyValueError::new_err(other.to_string()),
        }
    }
}

/// Whether Python wants the calling thread to go on.
// The method path is not general enough in its lifetime.
#[allow(clippy::redundant_closure_for_method_calls)]
fn pause() -> Result<(), Error> {
    Python::attach(|py| py.check_signals()).map_err(|_| Error::Interrupted)
}
