//! The border to Python: check, detach, call, wrap. Nothing else in the crate knows pyo3.

use crate::columns::{Columns, Ids, Time};
use crate::error::Error;
use crate::filters::{Duplicates, Minima};
use crate::philox::Philox;
use crate::sequences::{self, Rules, Sequences};
use crate::strings::{self, Chunk, Offsets};
use crate::windows::{self, Arrays, Store, Window};
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArray1,
    PyUntypedArrayMethods,
};
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
fn pause() -> Result<(), Error> {
    Python::attach(|py| py.check_signals()).map_err(|_| Error::Interrupted)
}

#[derive(FromPyObject)]
pub enum IdColumn<'py> {
    Wide(PyReadonlyArray1<'py, i64>),
    Narrow(PyReadonlyArray1<'py, i32>),
}

impl IdColumn<'_> {
    fn ids(&self) -> PyResult<Ids<'_>> {
        Ok(match self {
            Self::Wide(array) => Ids::Wide(array.as_slice()?),
            Self::Narrow(array) => Ids::Narrow(array.as_slice()?),
        })
    }
}

#[derive(FromPyObject)]
pub enum TimeColumn<'py> {
    Int(PyReadonlyArray1<'py, i64>),
    Float(PyReadonlyArray1<'py, f64>),
}

#[derive(FromPyObject)]
pub struct GroupRules {
    duplicates: String,
    min_user_interactions: usize,
    min_item_interactions: usize,
    holdout: usize,
    identity: bool,
}

/// The compact store and what was counted on the way.
#[pyclass(frozen, get_all, module = "sasrec_fast._core")]
pub struct GroupedInteractions {
    offsets: Py<PyArray1<i64>>,
    items: Py<PyArray1<i32>>,
    user_ids: Py<PyArray1<i64>>,
    item_ids: Py<PyArray1<i64>>,
    num_items: usize,
    rows_filtered: usize,
    rows_duplicate: usize,
    rows_of_rare_items: usize,
    rows_kept: usize,
    users_dropped: usize,
    rows_tied: usize,
    users_tie_dependent: usize,
    user_without_negative: Option<usize>,
}

impl GroupedInteractions {
    fn wrap(py: Python<'_>, done: Sequences) -> Self {
        Self {
            offsets: done.offsets.into_pyarray(py).unbind(),
            items: done.items.into_pyarray(py).unbind(),
            user_ids: done.user_ids.into_pyarray(py).unbind(),
            item_ids: done.item_ids.into_pyarray(py).unbind(),
            num_items: done.vocabulary,
            rows_filtered: done.tally.rows_filtered,
            rows_duplicate: done.tally.rows_duplicate,
            rows_of_rare_items: done.tally.rows_of_rare_items,
            rows_kept: done.tally.rows_kept,
            users_dropped: done.tally.users_dropped,
            rows_tied: done.tally.rows_tied,
            users_tie_dependent: done.tally.users_tie_dependent,
            user_without_negative: done.without_negative,
        }
    }
}

/// Group rows by user, stable by time.
#[pyfunction]
#[pyo3(signature = (users, items, timestamps, keep, rules))]
pub fn group(
    py: Python<'_>,
    users: IdColumn<'_>,
    items: IdColumn<'_>,
    timestamps: Option<TimeColumn<'_>>,
    keep: Option<PyReadonlyArray1<'_, bool>>,
    rules: GroupRules,
) -> PyResult<GroupedInteractions> {
    let keep = keep.as_ref().map(PyReadonlyArray1::as_slice).transpose()?;
    let duplicates = match rules.duplicates.as_str() {
        "first" => Duplicates::First,
        "last" => Duplicates::Last,
        _ => Duplicates::Keep,
    };
    let minima = Minima { user: rules.min_user_interactions, item: rules.min_item_interactions };
    let rules = Rules { duplicates, minima, holdout: rules.holdout, identity: rules.identity };
    let (users, items) = (users.ids()?, items.ids()?);
    let done = match &timestamps {
        Some(TimeColumn::Int(times)) => {
            let times = times.as_slice()?;
            run(py, &Columns { users, items, times, keep }, &rules)
        }
        Some(TimeColumn::Float(times)) => {
            let times = times.as_slice()?;
            run(py, &Columns { users, items, times, keep }, &rules)
        }
        None => {
            let times = vec![(); users.len()];
            run(py, &Columns { users, items, times: &times[..], keep }, &rules)
        }
    };
    Ok(GroupedInteractions::wrap(py, done?))
}

fn run<T: Time>(
    py: Python<'_>,
    columns: &Columns<'_, T>,
    rules: &Rules,
) -> Result<Sequences, Error> {
    py.detach(|| sequences::group(columns, rules, &pause))
}

#[derive(FromPyObject)]
pub struct WindowOptions {
    split: usize,
    holdout: usize,
    max_sequence_length: usize,
    oldest: bool,
    reject_all: bool,
    num_negatives: usize,
    num_items: usize,
    seed: u64,
}

#[derive(FromPyObject)]
pub struct StoreArrays<'py> {
    offsets: PyReadonlyArray1<'py, i64>,
    items: PyReadonlyArray1<'py, i32>,
    user_keys: PyReadonlyArray1<'py, u64>,
}

impl WindowOptions {
    fn window(&self, epoch: u64) -> Window {
        Window {
            split: self.split,
            holdout: self.holdout,
            max_sequence_length: self.max_sequence_length,
            oldest: self.oldest,
            reject_all: self.reject_all,
            num_negatives: self.num_negatives,
            vocabulary: self.num_items,
            seed: self.seed,
            epoch,
        }
    }
}

impl StoreArrays<'_> {
    fn borrow(&self) -> PyResult<Store<'_>> {
        Ok(Store {
            offsets: self.offsets.as_slice()?,
            items: self.items.as_slice()?,
            user_keys: self.user_keys.as_slice()?,
        })
    }
}

type FilledArrays<'py> = (
    Bound<'py, PyArray2<i32>>,
    Bound<'py, PyArray2<bool>>,
    Bound<'py, PyArray2<i32>>,
    Bound<'py, PyArrayDyn<i32>>,
    Bound<'py, PyArray2<f32>>,
);

/// Dense arrays of the given users' rows, `length` columns wide.
#[pyfunction]
pub fn fill<'py>(
    py: Python<'py>,
    store: StoreArrays<'py>,
    options: WindowOptions,
    users: PyReadonlyArray1<'py, i64>,
    length: usize,
    epoch: u64,
) -> PyResult<FilledArrays<'py>> {
    let users = users.as_slice()?;
    let window = options.window(epoch);
    let shape = [users.len(), length];
    let negatives = match window.num_negatives {
        1 => shape.to_vec(),
        many => vec![users.len(), length, many],
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
        let store = store.borrow()?;
        py.detach(|| windows::fill(&store, &window, users, length, out, &pause))?;
    }
    Ok((item_ids, padding_mask, positive_sequence, negative_sequence, sample_weight))
}

/// Replace the negatives of the given users' rows, in place.
#[pyfunction]
pub fn fill_negatives(
    py: Python<'_>,
    store: StoreArrays<'_>,
    options: WindowOptions,
    users: PyReadonlyArray1<'_, i64>,
    epoch: u64,
    out: &Bound<'_, PyArrayDyn<i32>>,
) -> PyResult<()> {
    let users = users.as_slice()?;
    let window = options.window(epoch);
    let columns = options.max_sequence_length;
    let shape = [users.len(), columns, window.num_negatives];
    let expected = if window.num_negatives == 1 { &shape[..2] } else { &shape[..] };
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
    let store = store.borrow()?;
    py.detach(|| windows::fill_negatives(&store, &window, users, columns, slots, &pause))?;
    Ok(())
}

/// The first `n` raw draws of the stream of a counter and a key.
#[pyfunction]
pub fn philox(
    py: Python<'_>,
    counter: [u64; 4],
    key: [u64; 2],
    n: usize,
) -> Bound<'_, PyArray1<u64>> {
    let mut stream = Philox::new(counter, key);
    (0..n).map(|_| stream.draw()).collect::<Vec<u64>>().into_pyarray(py)
}

#[derive(FromPyObject)]
pub enum OffsetColumn<'py> {
    Wide(PyReadonlyArray1<'py, i64>),
    Narrow(PyReadonlyArray1<'py, i32>),
}

#[derive(FromPyObject)]
pub struct StringChunk<'py>(OffsetColumn<'py>, PyReadonlyArray1<'py, u8>);

impl StringChunk<'_> {
    fn borrow(&self) -> PyResult<Chunk<'_>> {
        let offsets = match &self.0 {
            OffsetColumn::Wide(array) => Offsets::Wide(array.as_slice()?),
            OffsetColumn::Narrow(array) => Offsets::Narrow(array.as_slice()?),
        };
        Ok(Chunk { offsets, bytes: self.1.as_slice()? })
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
    let done = py.detach(|| strings::encode(&chunks, &pause))?;
    Ok((done.codes.into_pyarray(py), done.first_rows.into_pyarray(py)))
}
