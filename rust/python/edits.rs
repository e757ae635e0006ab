//! What an array of users' rows became, and the array that was.

use super::run;
use crate::edits::{self, Edit, Rows};
use bytemuck::Zeroable;
use numpy::{Element, IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

type Places<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);
type GivenPlaces<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>);

/// A value for each row: items, or relative times.
#[derive(FromPyObject)]
pub enum Values<'py> {
    Items(PyReadonlyArray1<'py, i32>),
    Narrow(PyReadonlyArray1<'py, u32>),
    Wide(PyReadonlyArray1<'py, u64>),
}

type RowsOfUsers<'py> = (PyReadonlyArray1<'py, i64>, Values<'py>);

/// Where what is gone was, and where what is new is, in rows of users who had others before.
#[pyfunction]
pub fn find_edit<'py>(
    py: Python<'py>,
    old: RowsOfUsers<'py>,
    new: RowsOfUsers<'py>,
    users: PyReadonlyArray1<'py, i64>,
) -> PyResult<Places<'py>> {
    let offsets = (old.0.as_slice()?, new.0.as_slice()?);
    let users = users.as_slice()?;
    let edit = match (&old.1, &new.1) {
        (Values::Items(old), Values::Items(new)) => found(py, offsets, (old, new), users),
        (Values::Narrow(old), Values::Narrow(new)) => found(py, offsets, (old, new), users),
        (Values::Wide(old), Values::Wide(new)) => found(py, offsets, (old, new), users),
        _ => Err(of_two_types()),
    }?;
    Ok((edit.removed.into_pyarray(py), edit.places.into_pyarray(py)))
}

fn found<T: Element + PartialEq + Sync>(
    py: Python<'_>,
    offsets: (&[i64], &[i64]),
    values: (&PyReadonlyArray1<'_, T>, &PyReadonlyArray1<'_, T>),
    users: &[i64],
) -> PyResult<Edit> {
    let old = Rows { offsets: offsets.0, values: values.0.as_slice()? };
    let new = Rows { offsets: offsets.1, values: values.1.as_slice()? };
    run(py, |pause| edits::find(old, new, users, pause))
}

/// An older array without what is gone, and with new values at their places.
#[pyfunction]
pub fn apply_edit<'py>(
    py: Python<'py>,
    old: Values<'py>,
    edit: GivenPlaces<'py>,
    values: Values<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let places = (edit.0.as_slice()?, edit.1.as_slice()?);
    match (&old, &values) {
        (Values::Items(old), Values::Items(values)) => applied(py, old, places, values),
        (Values::Narrow(old), Values::Narrow(values)) => applied(py, old, places, values),
        (Values::Wide(old), Values::Wide(values)) => applied(py, old, places, values),
        _ => Err(of_two_types()),
    }
}

fn applied<'py, T: Element + Copy + Zeroable + Sync + Send>(
    py: Python<'py>,
    old: &PyReadonlyArray1<'py, T>,
    places: (&[i64], &[i64]),
    values: &PyReadonlyArray1<'py, T>,
) -> PyResult<Bound<'py, PyAny>> {
    let (old, values) = (old.as_slice()?, values.as_slice()?);
    let made = run(py, |pause| edits::apply(old, places, values, pause))?;
    Ok(made.into_pyarray(py).into_any())
}

fn of_two_types() -> PyErr {
    PyTypeError::new_err("an array and its edit are of two types")
}
