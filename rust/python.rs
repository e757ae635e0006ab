//! The border to Python: check, detach, call, wrap. Nothing else in the crate knows pyo3.

use crate::alias::{Alias, AliasTable};
use crate::columns::{Columns, Ids, Time};
use crate::emission::HeldOut;
use crate::error::Error;
use crate::filters::{Duplicates, Minima};
use crate::philox::Philox;
use crate::rows::{Rows, Store, Window};
use crate::sequences::{self, Rules, Sequences};
use crate::strings::{self, Chunk, Offsets};
use crate::top_k::{Excluded, Search};
use crate::windows::{self, Arrays, Source};
use crate::{account, ties};
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArray1,
    PyReadonlyArray2, PyUntypedArrayMethods,
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
pub struct GroupRules<'py> {
    duplicates: String,
    min_user_interactions: usize,
    min_item_interactions: usize,
    holdout: usize,
    split_at: Option<TimeColumn<'py>>,
    identity: bool,
    moments: bool,
}

impl GroupRules<'_> {
    fn rules(&self, split_at: Option<[u64; 2]>) -> Rules {
        Rules {
            duplicates: match self.duplicates.as_str() {
                "first" => Duplicates::First,
                "last" => Duplicates::Last,
                _ => Duplicates::Keep,
            },
            minima: Minima { user: self.min_user_interactions, item: self.min_item_interactions },
            held_out: split_at.map_or(HeldOut::Last(self.holdout), HeldOut::From),
            identity: self.identity,
            moments: self.moments,
        }
    }
}

/// The compact store and what was counted on the way.
#[pyclass(frozen, get_all, module = "sasrec_fast._core")]
pub struct GroupedInteractions {
    offsets: Py<PyArray1<i64>>,
    items: Py<PyArray1<i32>>,
    user_ids: Py<PyArray1<i64>>,
    item_ids: Py<PyArray1<i64>>,
    before: Py<PyArray1<u32>>,
    moments: Py<PyArray1<u32>>,
    num_items: usize,
    rows_filtered: usize,
    rows_duplicate: usize,
    rows_of_rare_items: usize,
    rows_kept: usize,
    users_dropped: usize,
    rows_tied: usize,
    users_tie_dependent: usize,
}

impl GroupedInteractions {
    fn wrap(py: Python<'_>, done: Sequences) -> Self {
        Self {
            offsets: done.offsets.into_pyarray(py).unbind(),
            items: done.items.into_pyarray(py).unbind(),
            user_ids: done.user_ids.into_pyarray(py).unbind(),
            item_ids: done.item_ids.into_pyarray(py).unbind(),
            before: done.before.into_flattened().into_pyarray(py).unbind(),
            moments: done.moments.into_pyarray(py).unbind(),
            num_items: done.vocabulary,
            rows_filtered: done.tally.rows_filtered,
            rows_duplicate: done.tally.rows_duplicate,
            rows_of_rare_items: done.tally.rows_of_rare_items,
            rows_kept: done.tally.rows_kept,
            users_dropped: done.tally.users_dropped,
            rows_tied: done.tally.rows_tied,
            users_tie_dependent: done.tally.users_tie_dependent,
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
    rules: GroupRules<'_>,
) -> PyResult<GroupedInteractions> {
    let keep = keep.as_ref().map(PyReadonlyArray1::as_slice).transpose()?;
    let untimed = (users.ids()?, items.ids()?, keep);
    let done = match (&timestamps, &rules.split_at) {
        (None, None) => {
            let (users, items, keep) = untimed;
            let times = vec![(); users.len()];
            run(py, &Columns { users, items, times: &times[..], keep }, &rules.rules(None))?
        }
        (Some(TimeColumn::Int(times)), None) => run_timed(py, untimed, times, None, &rules)?,
        (Some(TimeColumn::Float(times)), None) => run_timed(py, untimed, times, None, &rules)?,
        (Some(TimeColumn::Int(times)), Some(TimeColumn::Int(starts))) => {
            run_timed(py, untimed, times, Some(starts), &rules)?
        }
        (Some(TimeColumn::Float(times)), Some(TimeColumn::Float(starts))) => {
            run_timed(py, untimed, times, Some(starts), &rules)?
        }
        _ => {
            return Err(PyValueError::new_err(
                "split_at has times of another dtype than timestamps",
            ));
        }
    };
    Ok(GroupedInteractions::wrap(py, done))
}

fn run_timed<T: Time + numpy::Element>(
    py: Python<'_>,
    (users, items, keep): (Ids<'_>, Ids<'_>, Option<&[bool]>),
    times: &PyReadonlyArray1<'_, T>,
    starts: Option<&PyReadonlyArray1<'_, T>>,
    rules: &GroupRules<'_>,
) -> PyResult<Sequences> {
    let split_at = match starts.map(PyReadonlyArray1::as_slice).transpose()? {
        None => None,
        Some([validation, test]) => Some([validation.key(), test.key()]),
        Some(_) => return Err(PyValueError::new_err("split_at holds two times")),
    };
    let columns = Columns { users, items, times: times.as_slice()?, keep };
    Ok(run(py, &columns, &rules.rules(split_at))?)
}

fn run<T: Time>(
    py: Python<'_>,
    columns: &Columns<'_, T>,
    rules: &Rules,
) -> Result<Sequences, Error> {
    py.detach(|| sequences::group(columns, rules, &pause))
}

/// Put each user's items of equal moment in the order of a hash, in place.
#[pyfunction]
pub fn order_ties(
    py: Python<'_>,
    offsets: PyReadonlyArray1<'_, i64>,
    items: &Bound<'_, PyArray1<i32>>,
    moments: PyReadonlyArray1<'_, u32>,
    item_keys: PyReadonlyArray1<'_, u64>,
    seed: u64,
) -> PyResult<()> {
    let (offsets, moments, keys) =
        (offsets.as_slice()?, moments.as_slice()?, item_keys.as_slice()?);
    let mut items = items.try_readwrite()?;
    let items = items.as_slice_mut()?;
    py.detach(|| ties::order_ties(offsets, items, moments, keys, seed))?;
    Ok(())
}

type AliasArrays<'py> =
    (Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<u64>>);

/// Thresholds, aliases and cumulative weights of an alias table.
#[pyfunction]
pub fn alias_table<'py>(
    py: Python<'py>,
    weights: PyReadonlyArray1<'py, u64>,
) -> PyResult<AliasArrays<'py>> {
    let weights = weights.as_slice()?;
    let made = py.detach(|| Alias::new(weights))?;
    Ok((
        made.thresholds.into_pyarray(py),
        made.aliases.into_pyarray(py),
        made.cumulative.into_pyarray(py),
    ))
}

#[derive(FromPyObject)]
pub struct WindowOptions {
    split: usize,
    max_sequence_length: usize,
    oldest: bool,
    stride: usize,
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

#[derive(FromPyObject)]
pub struct RowArrays<'py> {
    users: PyReadonlyArray1<'py, i32>,
    ends: PyReadonlyArray1<'py, i32>,
    windows: PyReadonlyArray1<'py, i32>,
}

#[derive(FromPyObject)]
pub struct PopularityArrays<'py> {
    thresholds: PyReadonlyArray1<'py, u64>,
    aliases: PyReadonlyArray1<'py, i32>,
    cumulative: PyReadonlyArray1<'py, u64>,
}

impl WindowOptions {
    fn window(&self, epoch: u64) -> Window {
        Window {
            split: self.split,
            max_sequence_length: self.max_sequence_length,
            oldest: self.oldest,
            stride: self.stride,
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

    fn source<'a>(
        &'a self,
        window: Window,
        popularity: Option<&'a PopularityArrays<'_>>,
    ) -> PyResult<Source<'a>> {
        let popularity = popularity.map(PopularityArrays::borrow).transpose()?;
        Ok(Source { store: self.borrow()?, window, popularity })
    }
}

impl RowArrays<'_> {
    fn borrow(&self) -> PyResult<Rows<'_>> {
        Ok(Rows {
            users: self.users.as_slice()?,
            ends: self.ends.as_slice()?,
            windows: self.windows.as_slice()?,
        })
    }
}

impl PopularityArrays<'_> {
    fn borrow(&self) -> PyResult<AliasTable<'_>> {
        Ok(AliasTable {
            thresholds: self.thresholds.as_slice()?,
            aliases: self.aliases.as_slice()?,
            cumulative: self.cumulative.as_slice()?,
        })
    }
}

/// The user of the first row for which no negative exists.
#[pyfunction]
pub fn find_without_negative(
    py: Python<'_>,
    store: StoreArrays<'_>,
    options: WindowOptions,
    rows: RowArrays<'_>,
) -> PyResult<Option<usize>> {
    let (store, window, rows) = (store.borrow()?, options.window(0), rows.borrow()?);
    Ok(py.detach(|| account::first_without_negative(&store, &window, &rows))?)
}

/// For each item index from 0 on, whether a row shows it.
#[pyfunction]
pub fn shown_items<'py>(
    py: Python<'py>,
    store: StoreArrays<'py>,
    options: WindowOptions,
    rows: RowArrays<'py>,
) -> PyResult<Bound<'py, PyArray1<bool>>> {
    let (store, window, rows) = (store.borrow()?, options.window(0), rows.borrow()?);
    Ok(py.detach(|| account::shown_items(&store, &window, &rows))?.into_pyarray(py))
}

type FilledArrays<'py> = (
    Bound<'py, PyArray2<i32>>,
    Bound<'py, PyArray2<bool>>,
    Bound<'py, PyArray2<i32>>,
    Bound<'py, PyArrayDyn<i32>>,
    Bound<'py, PyArray2<f32>>,
);

/// Dense arrays of rows, `length` columns wide.
#[pyfunction]
#[pyo3(signature = (store, options, rows, popularity, length, epoch))]
pub fn fill<'py>(
    py: Python<'py>,
    store: StoreArrays<'py>,
    options: WindowOptions,
    rows: RowArrays<'py>,
    popularity: Option<PopularityArrays<'py>>,
    length: usize,
    epoch: u64,
) -> PyResult<FilledArrays<'py>> {
    let source = store.source(options.window(epoch), popularity.as_ref())?;
    let rows = rows.borrow()?;
    let shape = [rows.len(), length];
    let negatives = match options.num_negatives {
        1 => shape.to_vec(),
        many => vec![rows.len(), length, many],
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
        py.detach(|| windows::fill(&source, &rows, length, out, &pause))?;
    }
    Ok((item_ids, padding_mask, positive_sequence, negative_sequence, sample_weight))
}

/// Replace the negatives of rows, in place.
#[pyfunction]
#[pyo3(signature = (store, options, rows, popularity, epoch, out))]
pub fn fill_negatives(
    py: Python<'_>,
    store: StoreArrays<'_>,
    options: WindowOptions,
    rows: RowArrays<'_>,
    popularity: Option<PopularityArrays<'_>>,
    epoch: u64,
    out: &Bound<'_, PyArrayDyn<i32>>,
) -> PyResult<()> {
    let source = store.source(options.window(epoch), popularity.as_ref())?;
    let rows = rows.borrow()?;
    let columns = options.max_sequence_length;
    let shape = [rows.len(), columns, options.num_negatives];
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
    py.detach(|| windows::fill_negatives(&source, &rows, columns, slots, &pause))?;
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

type BestArrays<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<i32>>);

/// Scores and columns of the k vectors with the highest dot products with each query.
#[pyfunction]
pub fn top_k<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    vectors: PyReadonlyArray2<'py, f32>,
    excluded: (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i32>),
    k: usize,
) -> PyResult<BestArrays<'py>> {
    let excluded = Excluded { offsets: excluded.0.as_slice()?, columns: excluded.1.as_slice()? };
    let search = Search { queries: queries.as_array(), vectors: vectors.as_array(), excluded, k };
    let rows = search.queries.nrows();
    let best = py.detach(|| crate::top_k::top_k(&search, &pause))?;
    Ok((
        best.scores.into_pyarray(py).reshape([rows, k])?,
        best.columns.into_pyarray(py).reshape([rows, k])?,
    ))
}
