//! Columns of a table in, the compact store and its counts out.

use super::columns::IntegerColumn;
use super::run;
use super::shards::{Finished, RelativeTimes, Rules, Shard, Times, keys, optional};
use crate::columns::{Columns, Integers, Time};
use crate::finish;
use crate::sequences::{self, Kept, Sequences};
use crate::ties;
use numpy::{IntoPyArray, PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;

/// The compact store and how it came about.
#[pyclass(frozen, get_all, module = "sasrec_fast._core")]
pub struct GroupedInteractions {
    shard: Py<Shard>,
    code_ids: Py<PyArray1<i64>>,
    kept: Py<Finished>,
    item_ids: Py<PyArray1<i64>>,
    num_items: usize,
}

impl GroupedInteractions {
    pub fn wrap(py: Python<'_>, done: Sequences) -> PyResult<Self> {
        let shard = Shard::wrap(py, done.shard);
        let kept = match done.kept {
            Kept::Narrow(finished) => Finished::wrap(py, &shard, finished),
            Kept::Wide(finished) => Finished::wrap(py, &shard, finished),
        };
        let code_ids = done.code_ids.into_pyarray(py).unbind();
        let item_ids = match done.item_ids {
            Some(ids) => ids.into_pyarray(py).unbind(),
            None => code_ids.clone_ref(py),
        };
        let (shard, kept) = (Py::new(py, shard)?, Py::new(py, kept)?);
        Ok(Self { shard, code_ids, kept, item_ids, num_items: done.num_items })
    }
}

/// Group rows by user, stable by time.
#[pyfunction]
pub fn group(
    py: Python<'_>,
    users: IntegerColumn<'_>,
    items: IntegerColumn<'_>,
    times: Option<(Times<'_>, Option<Times<'_>>)>,
    keep: Option<PyReadonlyArray1<'_, bool>>,
    rules: &Bound<'_, Rules>,
) -> PyResult<GroupedInteractions> {
    let (users, items, keep) = (users.borrow()?, items.borrow()?, optional(keep.as_ref())?);
    let (untimed, rules) = ((users, items, keep), &rules.get().0);
    let done = match &times {
        None => grouped(py, untimed, &vec![(); users.len()], None, rules),
        Some((times, starts)) => {
            let starts = starts.as_ref().map(keys).transpose()?;
            match times {
                Times::Int(times) => grouped(py, untimed, times.as_slice()?, starts, rules),
                Times::Narrow(times) => grouped(py, untimed, times.as_slice()?, starts, rules),
                Times::Float(times) => grouped(py, untimed, times.as_slice()?, starts, rules),
            }
        }
    };
    GroupedInteractions::wrap(py, done?)
}

fn grouped<T: Time>(
    py: Python<'_>,
    (users, items, keep): (Integers<'_>, Integers<'_>, Option<&[bool]>),
    times: &[T],
    starts: Option<[u64; 2]>,
    rules: &finish::Rules,
) -> PyResult<Sequences> {
    let columns = Columns { users, items, times, keep };
    run(py, |pause| sequences::group(&columns, rules, starts, pause))
}

/// Put each user's items of equal time in the order of a hash, in place.
#[pyfunction]
pub fn order_ties(
    py: Python<'_>,
    offsets: PyReadonlyArray1<'_, i64>,
    items: &Bound<'_, PyArray1<i32>>,
    times: RelativeTimes<'_>,
    item_keys: PyReadonlyArray1<'_, u64>,
    seed: u64,
) -> PyResult<()> {
    let (offsets, keys) = (offsets.as_slice()?, item_keys.as_slice()?);
    let mut items = items.try_readwrite()?;
    let items = items.as_slice_mut()?;
    match &times {
        RelativeTimes::Narrow(times) => {
            let times = times.as_slice()?;
            run(py, |pause| ties::order_ties(offsets, (items, times), keys, seed, pause))
        }
        RelativeTimes::Wide(times) => {
            let times = times.as_slice()?;
            run(py, |pause| ties::order_ties(offsets, (items, times), keys, seed, pause))
        }
    }
}
