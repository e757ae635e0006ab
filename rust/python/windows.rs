//! Dense arrays of rows, their negatives alone, and what is asked of rows before.

use super::draws::AliasTable;
use super::pause;
use super::store::{RowArrays, StoreArrays};
use crate::accounting;
use crate::rows::Window;
use crate::windows::{self, Arrays};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
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
    Ok(py.detach(|| accounting::first_without_negative(&store, &options, &rows))?)
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
    Ok(py.detach(|| accounting::shown_items(&store, &options, &rows))?.into_pyarray(py))
}

type FilledArrays<'py> = (
    Bound<'py, PyArray2<i32>>,
    Bound<'py, PyArray2<bool>>,
    Bound<'py, PyArray2<i32>>,
    Bound<'py, PyArrayDyn<i32>>,
    Bound<'py, PyArray2<f32>>,
);

/// Dense arrays of rows, of a width.
#[pyfunction]
pub fn fill<'py>(
    py: Python<'py>,
    store: StoreArrays<'py>,
    options: Window,
    rows: RowArrays<'py>,
    popularity: Option<&Bound<'py, AliasTable>>,
    width: usize,
    epoch: u64,
) -> PyResult<FilledArrays<'py>> {
    let source = store.source(options, popularity, epoch)?;
    let rows = rows.borrow()?;
    let shape = [rows.len(), width];
    let negatives = match options.num_negatives {
        1 => shape.to_vec(),
        many => vec![rows.len(), width, many],
    };
    let item_ids = PyArray2::<i32>::zeros(py, shape, false);
    let padding_mask = PyArray2::<bool>::zeros(py, shape, false);
    let positive_sequence = PyArray2::<i32>::zeros(py, shape, false);
    let negative_sequence = PyArrayDyn::<i32>::zeros(py, negatives, false);
    let sample_weight = PyArray2::<f32>::zeros(py, shape, false);
    {
        let mut borrowed = (
            item_ids.try_readwrite()?,
            padding_mask.try_readwrite()?,
            positive_sequence.try_readwrite()?,
            negative_sequence.try_readwrite()?,
            sample_weight.try_readwrite()?,
        );
        let out = Arrays {
            item_ids: borrowed.0.as_slice_mut()?,
            padding_mask: borrowed.1.as_slice_mut()?,
            positive_sequence: borrowed.2.as_slice_mut()?,
            negative_sequence: borrowed.3.as_slice_mut()?,
            sample_weight: borrowed.4.as_slice_mut()?,
        };
        py.detach(|| windows::fill(&source, &rows, width, out, &pause))?;
    }
    Ok((item_ids, padding_mask, positive_sequence, negative_sequence, sample_weight))
}

/// Replace the negatives of rows, in place.
#[pyfunction]
pub fn fill_negatives(
    py: Python<'_>,
    store: StoreArrays<'_>,
    options: Window,
    rows: RowArrays<'_>,
    popularity: Option<&Bound<'_, AliasTable>>,
    epoch: u64,
    out: &Bound<'_, PyArrayDyn<i32>>,
) -> PyResult<()> {
    let source = store.source(options, popularity, epoch)?;
    let rows = rows.borrow()?;
    let width = options.max_sequence_length;
    let shape = [rows.len(), width, options.num_negatives];
    let expected = if options.num_negatives == 1 { &shape[..2] } else { &shape[..] };
    if out.shape() != expected {
        return Err(PyValueError::new_err(format!(
            "out has shape {:?}; the negatives of this split have shape {expected:?}",
            out.shape()
        )));
    }
    if !out.is_c_contiguous() {
        return Err(PyValueError::new_err("out is not C-contiguous"));
    }
    let mut out = out.try_readwrite()?;
    let slots = out.as_slice_mut()?;
    py.detach(|| windows::fill_negatives(&source, &rows, width, slots, &pause))?;
    Ok(())
}
