//! Dense arrays of rows, and their negatives alone.

use super::draws::AliasTable;
use super::run;
use super::store::{RowArrays, StoreArrays};
use crate::rows::Window;
use crate::windows::{self, Arrays};
use ndarray::Dimension;
use numpy::{Element, PyArray, PyArray2, PyArrayDyn, PyArrayMethods};
use numpy::{PyUntypedArrayMethods, dtype};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

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
    let item_ids: Bound<'_, PyArray2<i32>> = zeros(py, &shape)?;
    let padding_mask: Bound<'_, PyArray2<bool>> = zeros(py, &shape)?;
    let positive_sequence: Bound<'_, PyArray2<i32>> = zeros(py, &shape)?;
    let negative_sequence: Bound<'_, PyArrayDyn<i32>> = zeros(py, &negatives)?;
    let sample_weight: Bound<'_, PyArray2<f32>> = zeros(py, &shape)?;
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
        run(py, |pause| windows::fill(&source, &rows, width, out, pause))?;
    }
    Ok((item_ids, padding_mask, positive_sequence, negative_sequence, sample_weight))
}

/// Zeros that NumPy allocates, which raises what says how many they were.
fn zeros<'py, T: Element, D: Dimension>(
    py: Python<'py>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyArray<T, D>>> {
    let numpy = py.import(intern!(py, "numpy"))?;
    let shape = PyTuple::new(py, shape)?;
    let made = numpy.call_method1(intern!(py, "zeros"), (shape, dtype::<T>(py)))?;
    Ok(made.cast_into()?)
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
    run(py, |pause| windows::fill_negatives(&source, &rows, width, slots, pause))
}
