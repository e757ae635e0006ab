//! What is drawn: raw words of a stream, and the table by which popular items are proposed.

use super::run;
use crate::alias;
use crate::memory::zeroed;
use crate::philox::{Philox, first_draws as draw_first};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

/// The first `n` raw draws of the stream of a counter and a key.
#[pyfunction]
pub fn philox(
    py: Python<'_>,
    counter: [u64; 4],
    key: [u64; 2],
    n: usize,
) -> PyResult<Bound<'_, PyArray1<u64>>> {
    let mut stream = Philox::new(counter, key);
    let mut draws: Vec<u64> = zeroed(n)?;
    draws.fill_with(|| stream.draw());
    Ok(draws.into_pyarray(py))
}

/// The first draw of the stream of each key that is drawn for a purpose, see `store/streams.py`.
#[pyfunction]
pub fn first_draws<'py>(
    py: Python<'py>,
    keys: PyReadonlyArray1<'py, u64>,
    purpose: u64,
    seed: u64,
) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let keys = keys.as_slice()?;
    let draws = run(py, |pause| draw_first(keys, purpose, seed, pause))?;
    Ok(draws.into_pyarray(py))
}

/// An alias table of the weights of the items 1..=n.
#[pyclass(frozen, module = "sasrec_fast._core")]
pub struct AliasTable(pub alias::AliasTable);

#[pymethods]
impl AliasTable {
    #[new]
    fn new(py: Python<'_>, weights: PyReadonlyArray1<'_, u64>) -> PyResult<Self> {
        let weights = weights.as_slice()?;
        Ok(Self(run(py, |_| alias::AliasTable::new(weights))?))
    }
}
