//! Chunks of a table that is larger than memory: what one look at them tells, and their rows by shard.

use super::columns::IntegerColumn;
use super::run;
use super::shards::Times as Timestamps;
use crate::bounds::Shards;
use crate::chunk::{Chunk, Times};
use crate::item_codes::Codes;
use crate::route::{self as routing, Clock, Moments, Users};
use crate::scan as scanning;
use crate::time_span::TimeSpan;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// The columns of a chunk: users, items, times and which rows to keep.
#[derive(FromPyObject)]
pub struct ChunkColumns<'py>(
    IntegerColumn<'py>,
    IntegerColumn<'py>,
    Option<Timestamps<'py>>,
    Option<PyReadonlyArray1<'py, bool>>,
);

impl ChunkColumns<'_> {
    fn borrow(&self) -> PyResult<Chunk<'_>> {
        let times = match &self.2 {
            None => Times::Absent,
            Some(Timestamps::Int(times)) => Times::Wide(times.as_slice()?),
            Some(Timestamps::Narrow(times)) => Times::Narrow(times.as_slice()?),
            Some(Timestamps::Float(times)) => Times::Float(times.as_slice()?),
        };
        let keep = self.3.as_ref().map(PyReadonlyArray1::as_slice).transpose()?;
        Ok(Chunk { users: self.0.borrow()?, items: self.1.borrow()?, times, keep })
    }
}

/// A span of times as Python sees it: smallest, largest, and the step of integers or whether floats
/// are whole.
#[derive(FromPyObject, IntoPyObject)]
pub enum TimeRange {
    Int(i64, i64, i64),
    Float(f64, f64, bool),
}

/// What is known of some rows that pass the row filter.
#[pyclass(frozen, module = "sasrec_fast._core")]
pub struct Span(scanning::Span);

type Arrays<'py, A, B> = (Bound<'py, PyArray1<A>>, Bound<'py, PyArray1<B>>);

#[pymethods]
impl Span {
    #[new]
    #[pyo3(signature = (rows, users, sample, item_ids, times))]
    fn new(
        rows: u64,
        users: Option<(i64, i64)>,
        sample: (PyReadonlyArray1<'_, u64>, PyReadonlyArray1<'_, i64>),
        item_ids: PyReadonlyArray1<'_, i64>,
        times: Option<TimeRange>,
    ) -> PyResult<Self> {
        let (priorities, owners) = (sample.0.as_slice()?, sample.1.as_slice()?);
        let sample = priorities.iter().copied().zip(owners.iter().copied()).collect();
        let times = match times {
            None => TimeSpan::Absent,
            Some(TimeRange::Int(least, most, step)) => TimeSpan::Int(least, most, step),
            Some(TimeRange::Float(least, most, whole)) => TimeSpan::Float(least, most, whole),
        };
        let users = users.unwrap_or((i64::MAX, i64::MIN));
        let ids = item_ids.as_slice()?.to_vec();
        Ok(Self(scanning::Span::new(rows, users, sample, ids, times)?))
    }

    #[getter]
    fn rows(&self) -> u64 {
        self.0.rows
    }

    #[getter]
    fn users(&self) -> Option<(i64, i64)> {
        (self.0.rows > 0).then_some(self.0.users)
    }

    #[getter]
    fn sample<'py>(&self, py: Python<'py>) -> PyResult<Arrays<'py, u64, i64>> {
        let sample = run(py, |_| self.0.sample())?;
        let (priorities, users): (Vec<u64>, Vec<i64>) = sample.into_iter().unzip();
        Ok((priorities.into_pyarray(py), users.into_pyarray(py)))
    }

    #[getter]
    fn item_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        Ok(run(py, |_| self.0.item_ids())?.into_pyarray(py))
    }

    #[getter]
    fn times(&self) -> Option<TimeRange> {
        match self.0.times {
            TimeSpan::Absent => None,
            TimeSpan::Int(least, most, step) => Some(TimeRange::Int(least, most, step)),
            TimeSpan::Float(least, most, whole) => Some(TimeRange::Float(least, most, whole)),
        }
    }

    fn merge(&self, py: Python<'_>, other: &Bound<'_, Self>) -> PyResult<Self> {
        let other = &other.get().0;
        Ok(Self(run(py, |_| self.0.merge(other))?))
    }

    fn bounds<'py>(&self, py: Python<'py>, shards: usize) -> PyResult<Bound<'py, PyArray1<i64>>> {
        Ok(run(py, |_| self.0.bounds(shards))?.into_pyarray(py))
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let parts = (self.rows(), self.users(), self.sample(py)?, self.item_ids(py)?, self.times());
        parts.into_pyobject(py)
    }
}

/// Look at the rows of a chunk, the first of which has this number among all rows.
#[pyfunction]
pub fn scan(py: Python<'_>, chunk: ChunkColumns<'_>, first_row: u64) -> PyResult<Span> {
    let chunk = chunk.borrow()?;
    Ok(Span(run(py, |pause| scanning::Span::of(&chunk, first_row, pause))?))
}

/// The codes 1, 2, .. of items, in the order of their ids.
#[pyclass(frozen, module = "sasrec_fast._core")]
pub struct ItemCodes(Codes);

#[pymethods]
impl ItemCodes {
    #[new]
    fn new(py: Python<'_>, item_ids: PyReadonlyArray1<'_, i64>) -> PyResult<Self> {
        let ids = item_ids.as_slice()?;
        Ok(Self(run(py, |_| Codes::of(ids))?))
    }
}

type RoutedArrays<'py> = (
    Bound<'py, PyAny>,
    Bound<'py, PyArray1<i32>>,
    Option<Bound<'py, PyAny>>,
    Bound<'py, PyArray1<i64>>,
);

/// The kept rows of a chunk by shard: users, items, times, and where each shard begins.
#[pyfunction]
pub fn route<'py>(
    py: Python<'py>,
    chunk: ChunkColumns<'py>,
    shards: (PyReadonlyArray1<'py, i64>, i64),
    codes: &Bound<'py, ItemCodes>,
    ticks: Option<(i64, i64)>,
) -> PyResult<RoutedArrays<'py>> {
    let chunk = chunk.borrow()?;
    let shards = Shards { firsts: shards.0.as_slice()?, last: shards.1 };
    let clock = ticks.map_or(Clock::AsTheyAre, |(least, step)| Clock::Ticks(least, step));
    let codes = &codes.get().0;
    let done = run(py, |pause| routing::route(&chunk, &shards, codes, clock, pause))?;
    let users = match done.users {
        Users::Narrow(users) => users.into_pyarray(py).into_any(),
        Users::Wide(users) => users.into_pyarray(py).into_any(),
    };
    let times = match done.times {
        Moments::Absent => None,
        Moments::Ticks(times) => Some(times.into_pyarray(py).into_any()),
        Moments::Wide(times) => Some(times.into_pyarray(py).into_any()),
        Moments::Float(times) => Some(times.into_pyarray(py).into_any()),
    };
    Ok((users, done.items.into_pyarray(py), times, done.starts.into_pyarray(py)))
}
