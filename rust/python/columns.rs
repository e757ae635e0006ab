//! Raw columns: integers of either width, and strings, which become codes.

use super::run;
use crate::columns::Integers;
use crate::strings::{self, Chunk};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

#[derive(FromPyObject)]
pub enum IntegerColumn<'py> {
    Wide(PyReadonlyArray1<'py, i64>),
    Narrow(PyReadonlyArray1<'py, i32>),
}

impl IntegerColumn<'_> {
    pub fn borrow(&self) -> PyResult<Integers<'_>> {
        Ok(match self {
            Self::Wide(array) => Integers::Wide(array.as_slice()?),
            Self::Narrow(array) => Integers::Narrow(array.as_slice()?),
        })
    }
}

#[derive(FromPyObject)]
pub struct StringChunk<'py>(IntegerColumn<'py>, PyReadonlyArray1<'py, u8>);

impl StringChunk<'_> {
    fn borrow(&self) -> PyResult<Chunk<'_>> {
        Ok(Chunk { offsets: self.0.borrow()?, bytes: self.1.as_slice()? })
    }
}

type EncodedStrings<'py> = (Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<i64>>);

/// Codes of strings in ascending order, and the first row of each distinct string.
#[pyfunction]
pub fn encode_strings<'py>(
    py: Python<'py>,
    chunks: Vec<StringChunk<'py>>,
) -> PyResult<EncodedStrings<'py>> {
    let chunks = chunks.iter().map(StringChunk::borrow).collect::<PyResult<Vec<_>>>()?;
    let done = run(py, |pause| strings::encode(&chunks, pause))?;
    Ok((done.codes.into_pyarray(py), done.first_rows.into_pyarray(py)))
}
