//! Raw columns: integers of either width, and strings, which become codes.

use super::{run, run_alone};
use crate::columns::Integers;
use crate::strings::{self, Chunk, growing, keys};
use crate::threads::lock;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use std::sync::Mutex;

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

type Buffers<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<u8>>);

fn buffers(py: Python<'_>, buffers: strings::Buffers) -> Buffers<'_> {
    (buffers.offsets.into_pyarray(py), buffers.bytes.into_pyarray(py))
}

/// Codes of strings in ascending order, and the distinct strings.
#[pyfunction]
pub fn encode_strings<'py>(
    py: Python<'py>,
    chunks: Vec<StringChunk<'py>>,
) -> PyResult<(Bound<'py, PyArray1<i32>>, Buffers<'py>)> {
    let chunks = chunks.iter().map(StringChunk::borrow).collect::<PyResult<Vec<_>>>()?;
    let done = run(py, |pause| strings::encode(&chunks, pause))?;
    Ok((done.codes.into_pyarray(py), buffers(py, done.distinct)))
}

/// The key of each string's random stream.
#[pyfunction]
pub fn string_keys<'py>(
    py: Python<'py>,
    chunk: StringChunk<'py>,
) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let chunk = chunk.borrow()?;
    Ok(run(py, |pause| keys::keys(&chunk, pause))?.into_pyarray(py))
}

/// Distinct strings of chunks that come one by one, numbered from 0 in the order they came.
#[pyclass(frozen, module = "sasrec_fast._core")]
pub struct StringTable(Mutex<growing::StringTable>);

#[pymethods]
impl StringTable {
    #[new]
    fn new() -> PyResult<Self> {
        Ok(Self(Mutex::new(growing::StringTable::new()?)))
    }

    fn add<'py>(
        &self,
        py: Python<'py>,
        chunk: StringChunk<'py>,
    ) -> PyResult<Bound<'py, PyArray1<i32>>> {
        let chunk = chunk.borrow()?;
        let numbers = run_alone(py, &self.0, |table, pause| table.add(&chunk, pause))?;
        Ok(numbers.into_pyarray(py))
    }

    fn find<'py>(
        &self,
        py: Python<'py>,
        chunk: StringChunk<'py>,
    ) -> PyResult<Bound<'py, PyArray1<i32>>> {
        let chunk = chunk.borrow()?;
        let numbers = run_alone(py, &self.0, |table, pause| table.find(&chunk, pause))?;
        Ok(numbers.into_pyarray(py))
    }

    fn ranked<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyArray1<i32>>, Buffers<'py>)> {
        let (ranks, ascending) = run_alone(py, &self.0, |table, _| table.ranked())?;
        Ok((ranks.into_pyarray(py), buffers(py, ascending)))
    }

    #[getter]
    fn nbytes(&self, py: Python<'_>) -> usize {
        py.detach(|| lock(&self.0).bytes())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| lock(&self.0).len())
    }
}
