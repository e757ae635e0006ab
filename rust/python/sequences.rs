//! Columns of a table in, the compact store and its counts out.

use super::columns::IntegerColumn;
use super::run;
use crate::columns::{Columns, Integers, Time};
use crate::emission::{self, HeldOut};
use crate::filters::{Duplicates, Minima};
use crate::sequences::{self, Sequences};
use crate::ties;
use numpy::{Element, IntoPyArray, PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// What decides which rows are kept and what is counted.
#[pyclass(frozen, module = "sasrec_fast._core")]
pub struct Rules(emission::Rules);

#[pymethods]
impl Rules {
    #[new]
    #[pyo3(signature = (*, duplicates, min_user_interactions, min_item_interactions, holdout, identity, moments))]
    fn new(
        duplicates: &str,
        min_user_interactions: usize,
        min_item_interactions: usize,
        holdout: usize,
        identity: bool,
        moments: bool,
    ) -> PyResult<Self> {
        let duplicates = match duplicates {
            "keep" => Duplicates::Keep,
            "first" => Duplicates::First,
            "last" => Duplicates::Last,
            other => return Err(PyValueError::new_err(format!("duplicates is {other:?}"))),
        };
        let minima = Minima { user: min_user_interactions, item: min_item_interactions };
        let held_out = HeldOut::Last(holdout);
        Ok(Self(emission::Rules { duplicates, minima, held_out, identity, moments }))
    }
}

/// Timestamps, and the two of them at which validation and test begin, where these decide.
#[derive(FromPyObject)]
pub enum Times<'py> {
    Int(PyReadonlyArray1<'py, i64>, Option<PyReadonlyArray1<'py, i64>>),
    Float(PyReadonlyArray1<'py, f64>, Option<PyReadonlyArray1<'py, f64>>),
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
            num_items: done.num_items,
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
pub fn group(
    py: Python<'_>,
    users: IntegerColumn<'_>,
    items: IntegerColumn<'_>,
    times: Option<Times<'_>>,
    keep: Option<PyReadonlyArray1<'_, bool>>,
    rules: &Bound<'_, Rules>,
) -> PyResult<GroupedInteractions> {
    let (users, items, keep) = (users.borrow()?, items.borrow()?, optional(keep.as_ref())?);
    let (untimed, rules) = ((users, items, keep), rules.get().0);
    let done = match &times {
        None => grouped(py, untimed, &vec![(); users.len()], None, rules),
        Some(Times::Int(times, starts)) => {
            grouped(py, untimed, times.as_slice()?, optional(starts.as_ref())?, rules)
        }
        Some(Times::Float(times, starts)) => {
            grouped(py, untimed, times.as_slice()?, optional(starts.as_ref())?, rules)
        }
    };
    Ok(GroupedInteractions::wrap(py, done?))
}

fn optional<'a, T: Element>(
    array: Option<&'a PyReadonlyArray1<'_, T>>,
) -> PyResult<Option<&'a [T]>> {
    Ok(array.map(PyReadonlyArray1::as_slice).transpose()?)
}

fn grouped<T: Time>(
    py: Python<'_>,
    (users, items, keep): (Integers<'_>, Integers<'_>, Option<&[bool]>),
    times: &[T],
    starts: Option<&[T]>,
    mut rules: emission::Rules,
) -> PyResult<Sequences> {
    rules.held_out = match starts {
        None => rules.held_out,
        Some([validation, test]) => HeldOut::From([validation.key(), test.key()]),
        Some(_) => return Err(PyValueError::new_err("split_at holds two times")),
    };
    let columns = Columns { users, items, times, keep };
    run(py, |pause| sequences::group(&columns, &rules, pause))
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
    run(py, |pause| ties::order_ties(offsets, (items, moments), keys, seed, pause))
}
