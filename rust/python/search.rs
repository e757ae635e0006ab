//! The search for the best items of each query, and for the rank of one.

use super::run;
use crate::blocks::Products;
use crate::ranks::{self, Ranking, Ranks};
use crate::search::{self, Excluded, Search};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

type BestArrays<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<i32>>);
type RankArrays<'py> =
    (Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);
type ExcludedArrays<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i32>);

/// Scores and numbers of the k vectors with the highest dot products with each query.
#[pyfunction]
pub fn top_k<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    vectors: PyReadonlyArray2<'py, f32>,
    excluded: ExcludedArrays<'py>,
    k: usize,
) -> PyResult<BestArrays<'py>> {
    let products = Products { queries: queries.as_array(), vectors: vectors.as_array() };
    let excluded = Excluded { offsets: excluded.0.as_slice()?, numbers: excluded.1.as_slice()? };
    let search = Search { products, excluded, k };
    let shape = [products.queries.nrows(), k];
    let best = run(py, |pause| search::top_k(&search, pause))?;
    Ok((
        best.scores.into_pyarray(py).reshape(shape)?,
        best.numbers.into_pyarray(py).reshape(shape)?,
    ))
}

/// Scores of each query's target, how many vectors are above it and level with it, and the k best.
#[pyfunction]
pub fn count_above<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    vectors: PyReadonlyArray2<'py, f32>,
    excluded: ExcludedArrays<'py>,
    targets: PyReadonlyArray1<'py, i32>,
    k: usize,
) -> PyResult<(RankArrays<'py>, Bound<'py, PyArray2<i32>>)> {
    let products = Products { queries: queries.as_array(), vectors: vectors.as_array() };
    let excluded = Excluded { offsets: excluded.0.as_slice()?, numbers: excluded.1.as_slice()? };
    let ranking = Ranking { products, excluded, targets: targets.as_slice()?, k };
    let shape = [products.queries.nrows(), k];
    let mut ranks = run(py, |pause| ranks::count_above(&ranking, pause))?;
    let best = std::mem::take(&mut ranks.best).into_pyarray(py).reshape(shape)?;
    Ok((rank_arrays(py, ranks), best))
}

/// As `count_above`, among the vectors of each query's row of numbers; -1 is none.
#[pyfunction]
pub fn count_among<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    vectors: PyReadonlyArray2<'py, f32>,
    targets: PyReadonlyArray1<'py, i32>,
    others: PyReadonlyArray2<'py, i32>,
) -> PyResult<RankArrays<'py>> {
    let products = Products { queries: queries.as_array(), vectors: vectors.as_array() };
    let (targets, others) = (targets.as_slice()?, others.as_array());
    let ranks = run(py, |pause| ranks::count_among(&products, targets, others, pause))?;
    Ok(rank_arrays(py, ranks))
}

fn rank_arrays(py: Python<'_>, ranks: Ranks) -> RankArrays<'_> {
    (ranks.own.into_pyarray(py), ranks.above.into_pyarray(py), ranks.level.into_pyarray(py))
}
