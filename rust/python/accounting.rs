//! What is asked of rows before anything is filled, and counts of items.

use super::run;
use super::store::{RowArrays, StoreArrays};
use crate::accounting;
use crate::rows::Window;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

/// The user of the first row for which no negative exists.
#[pyfunction]
pub fn find_without_negative(
    py: Python<'_>,
    store: StoreArrays<'_>,
    options: Window,
    rows: RowArrays<'_>,
) -> PyResult<Option<usize>> {
    let (store, rows) = (store.borrow()?, rows.borrow()?);
    run(py, |pause| accounting::first_without_negative(&store, &options, &rows, pause))
}

/// For each item index from 0 on, whether a row shows it.
#[pyfunction]
pub fn shown_items<'py>(
    py: Python<'py>,
    store: StoreArrays<'py>,
    options: Window,
    rows: RowArrays<'py>,
) -> PyResult<Bound<'py, PyArray1<bool>>> {
    let (store, rows) = (store.borrow()?, rows.borrow()?);
    let shown = run(py, |pause| accounting::shown_items(&store, &options, &rows, pause))?;
    Ok(shown.into_pyarray(py))
}

/// For each row, whether the last item of its sequence is in it before, too.
#[pyfunction]
pub fn repeated_targets<'py>(
    py: Python<'py>,
    store: StoreArrays<'py>,
    rows: RowArrays<'py>,
) -> PyResult<Bound<'py, PyArray1<bool>>> {
    let (store, rows) = (store.borrow()?, rows.borrow()?);
    let repeated = run(py, |pause| accounting::repeated_targets(&store, &rows, pause))?;
    Ok(repeated.into_pyarray(py))
}

/// How often each item index from 0 on, `size` of them, occurs.
#[pyfunction]
pub fn count_items<'py>(
    py: Python<'py>,
    items: PyReadonlyArray1<'py, i32>,
    size: usize,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let items = items.as_slice()?;
    let counts = run(py, |pause| accounting::count_items(items, size, pause))?;
    Ok(counts.into_pyarray(py))
}

/// As `count_items`, in the sequences of rows: in all of each, or as its last item alone.
#[pyfunction]
pub fn count_items_of_rows<'py>(
    py: Python<'py>,
    store: StoreArrays<'py>,
    rows: RowArrays<'py>,
    size: usize,
    last_alone: bool,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let (store, rows) = (store.borrow()?, rows.borrow()?);
    let which = (size, last_alone);
    let count = |pause: &_| accounting::count_items_of_rows(&store, &rows, which, pause);
    Ok(run(py, count)?.into_pyarray(py))
}
