//! Errors of the pure modules as Python's, and Python's wish to stop as one of theirs.

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
pub fn pause() -> Result<(), Error> {
    Python::attach(|py| py.check_signals()).map_err(|_| Error::Interrupted)
}
