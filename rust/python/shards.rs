//! Columns of a table in, sorted rows out; rounds of the k-core, and the part of the store that is
//! left of a shard.

use super::columns::IntegerColumn;
use super::run;
use crate::columns::{Columns, Integers, Time};
use crate::emission::Instant;
use crate::filters::{self, Duplicates, Minima};
use crate::finish as rest;
use crate::finish::{Finished as Done, Plan};
use crate::shard::{self, Times as ShardTimes, View};
use numpy::{Element, IntoPyArray, PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// What decides which rows are kept and what is counted.
#[pyclass(frozen, module = "sasrec_fast._core")]
pub struct Rules(pub rest::Rules);

#[pymethods]
impl Rules {
    #[new]
    #[pyo3(signature = (*, duplicates, min_user_interactions, min_item_interactions, holdout, identity))]
    fn new(
        duplicates: &str,
        min_user_interactions: usize,
        min_item_interactions: usize,
        holdout: usize,
        identity: bool,
    ) -> PyResult<Self> {
        let duplicates = match duplicates {
            "keep" => Duplicates::Keep,
            "first" => Duplicates::First,
            "last" => Duplicates::Last,
            other => return Err(PyValueError::new_err(format!("duplicates is {other:?}"))),
        };
        let minima = Minima { user: min_user_interactions, item: min_item_interactions };
        Ok(Self(rest::Rules { duplicates, minima, holdout, identity }))
    }
}

/// Timestamps.
#[derive(FromPyObject)]
pub enum Times<'py> {
    Int(PyReadonlyArray1<'py, i64>),
    Narrow(PyReadonlyArray1<'py, i32>),
    Float(PyReadonlyArray1<'py, f64>),
}

/// Relative times.
#[derive(FromPyObject)]
pub enum RelativeTimes<'py> {
    Narrow(PyReadonlyArray1<'py, u32>),
    Wide(PyReadonlyArray1<'py, u64>),
}

/// All rows of a range of users that passed the row filter, sorted by user and time.
#[pyclass(frozen, get_all, module = "sasrec_fast._core")]
pub struct Shard {
    pub user_ids: Py<PyArray1<i64>>,
    pub offsets: Py<PyArray1<i64>>,
    pub items: Py<PyArray1<i32>>,
    pub times: Py<PyAny>,
    pub time_min: u64,
    pub time_unit: u64,
    pub kept: Py<PyArray1<bool>>,
}

type ShardState<'py> = (
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i32>>,
    Bound<'py, PyAny>,
    u64,
    u64,
    Bound<'py, PyArray1<bool>>,
);

#[pymethods]
impl Shard {
    #[new]
    fn new(
        user_ids: Py<PyArray1<i64>>,
        offsets: Py<PyArray1<i64>>,
        items: Py<PyArray1<i32>>,
        times: Py<PyAny>,
        time_min: u64,
        time_unit: u64,
        kept: Py<PyArray1<bool>>,
    ) -> Self {
        Self { user_ids, offsets, items, times, time_min, time_unit, kept }
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> ShardState<'py> {
        (
            self.user_ids.bind(py).clone(),
            self.offsets.bind(py).clone(),
            self.items.bind(py).clone(),
            self.times.bind(py).clone(),
            self.time_min,
            self.time_unit,
            self.kept.bind(py).clone(),
        )
    }
}

impl Shard {
    pub fn wrap(py: Python<'_>, shard: shard::Shard) -> Self {
        let times = match shard.times {
            ShardTimes::Narrow(times) => times.into_pyarray(py).into_any(),
            ShardTimes::Wide(times) => times.into_pyarray(py).into_any(),
        };
        Self {
            user_ids: shard.user_ids.into_pyarray(py).unbind(),
            offsets: shard.offsets.into_pyarray(py).unbind(),
            items: shard.items.into_pyarray(py).unbind(),
            times: times.unbind(),
            time_min: shard.time_min,
            time_unit: shard.time_unit,
            kept: shard.kept.into_pyarray(py).unbind(),
        }
    }

    pub fn read<'py>(&self, py: Python<'py>) -> PyResult<ShardArrays<'py>> {
        Ok(ShardArrays {
            user_ids: self.user_ids.bind(py).try_readonly()?,
            offsets: self.offsets.bind(py).try_readonly()?,
            items: self.items.bind(py).try_readonly()?,
            times: self.times.bind(py).extract()?,
            kept: self.kept.bind(py).try_readonly()?,
        })
    }
}

/// The arrays of a shard while they are read.
pub struct ShardArrays<'py> {
    user_ids: PyReadonlyArray1<'py, i64>,
    offsets: PyReadonlyArray1<'py, i64>,
    items: PyReadonlyArray1<'py, i32>,
    pub times: RelativeTimes<'py>,
    kept: PyReadonlyArray1<'py, bool>,
}

impl ShardArrays<'_> {
    pub fn view<'a, I>(&'a self, times: &'a [I]) -> PyResult<View<'a, I>> {
        let view = View {
            user_ids: self.user_ids.as_slice()?,
            offsets: self.offsets.as_slice()?,
            items: self.items.as_slice()?,
            times,
            kept: self.kept.as_slice()?,
        };
        view.check()?;
        Ok(view)
    }
}

/// Sort the kept rows of columns by user and time.
#[pyfunction]
pub fn sort_shard(
    py: Python<'_>,
    users: IntegerColumn<'_>,
    items: IntegerColumn<'_>,
    times: Option<Times<'_>>,
    keep: Option<PyReadonlyArray1<'_, bool>>,
    rules: &Bound<'_, Rules>,
) -> PyResult<Shard> {
    let untimed = (users.borrow()?, items.borrow()?, optional(keep.as_ref())?);
    let duplicates = rules.get().0.duplicates;
    let done = match &times {
        None => sorted(py, untimed, &vec![(); untimed.0.len()], duplicates),
        Some(Times::Int(times)) => sorted(py, untimed, times.as_slice()?, duplicates),
        Some(Times::Narrow(times)) => sorted(py, untimed, times.as_slice()?, duplicates),
        Some(Times::Float(times)) => sorted(py, untimed, times.as_slice()?, duplicates),
    };
    Ok(Shard::wrap(py, done?))
}

fn sorted<T: Time>(
    py: Python<'_>,
    (users, items, keep): (Integers<'_>, Integers<'_>, Option<&[bool]>),
    times: &[T],
    duplicates: Duplicates,
) -> PyResult<shard::Shard> {
    let columns = Columns { users, items, times, keep };
    run(py, |pause| shard::sort_shard(&columns, duplicates, pause))
}

pub fn optional<'a, T: Element>(
    array: Option<&'a PyReadonlyArray1<'_, T>>,
) -> PyResult<Option<&'a [T]>> {
    Ok(array.map(PyReadonlyArray1::as_slice).transpose()?)
}

/// How many kept rows each item code has after the rounds of the k-core before.
#[pyfunction]
pub fn core_round<'py>(
    py: Python<'py>,
    shard: &Bound<'py, Shard>,
    rules: &Bound<'py, Rules>,
    rare: PyReadonlyArray1<'py, i32>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let (arrays, rare) = (shard.get().read(py)?, rare.as_slice()?);
    let view = arrays.view::<u32>(&[])?;
    let least = rules.get().0.minima.user;
    let counts = run(py, |pause| filters::core_round(&view, least, (rare, rare.len()), pause))?;
    Ok(PyArray1::from_iter(py, counts.into_iter().map(i64::from)))
}

/// The part of the store that is left of a shard, and what was counted on the way.
#[pyclass(frozen, get_all, module = "sasrec_fast._core")]
pub struct Finished {
    pub user_ids: Py<PyArray1<i64>>,
    pub offsets: Py<PyArray1<i64>>,
    pub items: Py<PyArray1<i32>>,
    pub times: Py<PyAny>,
    pub before: Py<PyArray1<u32>>,
    pub rows_filtered: usize,
    pub rows_duplicate: usize,
    pub rows_of_rare_items: usize,
    pub rows_kept: usize,
    pub users_dropped: usize,
    pub rows_tied: usize,
    pub users_tie_dependent: usize,
}

impl Finished {
    /// What is left; the arrays of the shard where it is left as it is.
    pub fn wrap<I: Element>(py: Python<'_>, shard: &Shard, done: Done<I>) -> Self {
        let (user_ids, offsets, items, times) = match done.part {
            Some(part) => (
                part.user_ids.into_pyarray(py).unbind(),
                part.offsets.into_pyarray(py).unbind(),
                part.items.into_pyarray(py).unbind(),
                part.times.into_pyarray(py).into_any().unbind(),
            ),
            None => (
                shard.user_ids.clone_ref(py),
                shard.offsets.clone_ref(py),
                shard.items.clone_ref(py),
                shard.times.clone_ref(py),
            ),
        };
        Self {
            user_ids,
            offsets,
            items,
            times,
            before: done.before.into_flattened().into_pyarray(py).unbind(),
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

/// Finish a shard: the rows that are left after all rounds, with final indices of their items.
#[pyfunction]
#[pyo3(signature = (shard, rules, rare, indices, starts))]
pub fn finish(
    py: Python<'_>,
    shard: &Bound<'_, Shard>,
    rules: &Bound<'_, Rules>,
    rare: Option<PyReadonlyArray1<'_, i32>>,
    indices: Option<PyReadonlyArray1<'_, i32>>,
    starts: Option<Times<'_>>,
) -> PyResult<Finished> {
    let (shard, rules) = (shard.get(), &rules.get().0);
    let arrays = shard.read(py)?;
    let starts = starts.as_ref().map(keys).transpose()?;
    let scale = (shard.time_min, shard.time_unit);
    let plan = Plan {
        holdout: rules.holdout,
        rare: optional(rare.as_ref())?.unwrap_or_default(),
        indices: optional(indices.as_ref())?.unwrap_or_default(),
        starts: starts.map(|starts| starts.map(|key| shard::relative(key, scale))),
    };
    let least = rules.minima.user;
    match &arrays.times {
        RelativeTimes::Narrow(times) => {
            let view = arrays.view(times.as_slice()?)?;
            Ok(Finished::wrap(py, shard, finished(py, &view, least, &plan)?))
        }
        RelativeTimes::Wide(times) => {
            let view = arrays.view(times.as_slice()?)?;
            Ok(Finished::wrap(py, shard, finished(py, &view, least, &plan)?))
        }
    }
}

fn finished<I: Instant>(
    py: Python<'_>,
    view: &View<'_, I>,
    least: usize,
    plan: &Plan<'_>,
) -> PyResult<Done<I>> {
    run(py, |pause| {
        let verdict = rest::weigh(view, least, plan.rare, pause)?;
        rest::finish(view, plan, &verdict, pause)
    })
}

/// The keys of the two times at which validation and test begin.
pub fn keys(starts: &Times<'_>) -> PyResult<[u64; 2]> {
    let keys: Vec<u64> = match starts {
        Times::Int(times) => times.as_slice()?.iter().map(|time| time.key()).collect(),
        Times::Narrow(times) => times.as_slice()?.iter().map(|time| time.key()).collect(),
        Times::Float(times) => times.as_slice()?.iter().map(|time| time.key()).collect(),
    };
    keys.try_into().map_err(|_| PyValueError::new_err("split_at holds two times"))
}
