//! Rows that came later, put among those of a shard, and the compact store that is left of all.

use super::run;
use super::sequences::GroupedInteractions;
use super::shards::{RelativeTimes, Rules, Shard, ShardArrays, Times, keys, optional};
use crate::memory::collected;
use crate::merge::{Rows, merged};
use crate::scale::{Relative, Scale, Ticks};
use crate::sequences::regroup;
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use rayon::prelude::*;

/// Group the rows of two shards, those of the second after equal times of the first.
#[pyfunction]
#[pyo3(signature = (shards, codes, code_ids, rules, starts))]
pub fn append(
    py: Python<'_>,
    shards: (Bound<'_, Shard>, Bound<'_, Shard>),
    codes: (Option<PyReadonlyArray1<'_, i32>>, Option<PyReadonlyArray1<'_, i32>>),
    code_ids: Option<PyReadonlyArray1<'_, i64>>,
    rules: &Bound<'_, Rules>,
    starts: Option<Times<'_>>,
) -> PyResult<GroupedInteractions> {
    let (there, later, rules) = (shards.0.get(), shards.1.get(), &rules.get().0);
    let (old, new) = (there.read(py)?, later.read(py)?);
    let (old, new) = (rows(&old, there, codes.0.as_ref())?, rows(&new, later, codes.1.as_ref())?);
    let code_ids = optional(code_ids.as_ref())?;
    let starts = starts.as_ref().map(keys).transpose()?;
    let done = run(py, |pause| {
        let shard = merged(&old, &new, pause)?;
        let items = match code_ids {
            Some(ids) => (collected(ids.iter().copied())?, ids.len() + 1),
            None => (Vec::new(), shard.items.par_iter().max().map_or(0, |&most| most as usize) + 1),
        };
        regroup(shard, items, rules, starts, pause)
    });
    GroupedInteractions::wrap(py, done?)
}

fn rows<'a>(
    arrays: &'a ShardArrays<'_>,
    shard: &Shard,
    codes: Option<&'a PyReadonlyArray1<'_, i32>>,
) -> PyResult<Rows<'a>> {
    let ticks = match &arrays.times {
        RelativeTimes::Narrow(times) => Ticks::Narrow(times.as_slice()?),
        RelativeTimes::Wide(times) => Ticks::Wide(times.as_slice()?),
    };
    let codes = optional(codes)?.unwrap_or_default();
    let scale = Scale { min: shard.time_min, unit: shard.time_unit };
    Ok(Rows { view: arrays.view(&[])?, times: Relative { ticks, scale }, codes })
}
