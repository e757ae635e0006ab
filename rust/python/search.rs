//! The search for the best items of each query.

use super::run;
use crate::search::{self, Excluded, Search};
use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

type BestArrays<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<i32>>);

/// Scores and numbers of the k vectors with the highest dot products with each query.
#[pyfunction]
pub fn top_k<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    vectors: PyReadonlyArray2<'py, f32>,
    excluded: (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i32>),
    k: usize,
) -> PyResult<BestArrays<'py>> {
    let excluded = Excluded { offsets: excluded.0.as_slice()?, numbers: excluded.1.as_slice()? };
    let search = Search { queries: queries.as_array(), vectors: vectors.as_array(), excluded, k };
    let shape = [search.queries.nrows(), k];
    let best = run(py, |pause| search::top_k(&search, pause))?;
    Ok((
        best.scores.into_pyarray(py).reshape(shape)?,
        best.numbers.into_pyarray(py).reshape(shape)?,
    ))
}
