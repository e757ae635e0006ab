//! The search for the best items of each query, and for the rank of one.

use super::{run, run_where};
use crate::adjustment::Adjustment;
use crate::blocks::Products;
use crate::coarse::Coarse;
use crate::ranks::{self, Ranking, Ranks};
use crate::search::{self, Excluded, Search};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

/// Factors and boosts of vectors, each empty where there are none.
type AdjustmentArrays<'py> = (PyReadonlyArray1<'py, f32>, PyReadonlyArray1<'py, f32>);
type BestArrays<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<i32>>);
type RankArrays<'py> =
    (Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);
pub(super) type ExcludedArrays<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i32>);

/// Vectors of eight bits a number, by which the best are found sooner.
#[pyclass(frozen)]
pub struct CoarseVectors(pub(super) Coarse);

#[pymethods]
impl CoarseVectors {
    #[new]
    fn new(py: Python<'_>, vectors: PyReadonlyArray2<'_, f32>) -> PyResult<Self> {
        let vectors = vectors.as_array();
        Ok(Self(run(py, |_| Coarse::of(vectors))?))
    }
}

/// Scores and numbers of the k vectors with the highest dot products with each query.
#[pyfunction]
#[pyo3(signature = (queries, vectors, excluded, k, adjustment=None, coarse=None))]
pub fn top_k<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    vectors: PyReadonlyArray2<'py, f32>,
    excluded: ExcludedArrays<'py>,
    k: usize,
    adjustment: Option<AdjustmentArrays<'py>>,
    coarse: Option<Bound<'py, CoarseVectors>>,
) -> PyResult<BestArrays<'py>> {
    let (queries, vectors) = (queries.as_array(), vectors.as_array());
    let (queries, vectors) = (queries.as_standard_layout(), vectors.as_standard_layout());
    let products = Products { queries: queries.view(), vectors: vectors.view() };
    let excluded = Excluded { offsets: excluded.0.as_slice()?, numbers: excluded.1.as_slice()? };
    let (adjustment, coarse) =
        (borrowed(adjustment.as_ref())?, coarse.as_ref().map(|c| &c.get().0));
    let search = Search { products, excluded, adjustment, k, coarse };
    let shape = [products.queries.nrows(), k];
    let best = run_where(py, search.is_small(), |pause| search::top_k(&search, pause))?;
    Ok((
        best.scores.into_pyarray(py).reshape(shape)?,
        best.numbers.into_pyarray(py).reshape(shape)?,
    ))
}

/// Scores of each query's target, how many vectors are above it and level with it, and the k best.
#[pyfunction]
#[pyo3(signature = (queries, vectors, excluded, targets, k, adjustment=None))]
pub fn count_above<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    vectors: PyReadonlyArray2<'py, f32>,
    excluded: ExcludedArrays<'py>,
    targets: PyReadonlyArray1<'py, i32>,
    k: usize,
    adjustment: Option<AdjustmentArrays<'py>>,
) -> PyResult<(RankArrays<'py>, Bound<'py, PyArray2<i32>>)> {
    let (queries, vectors) = (queries.as_array(), vectors.as_array());
    let (queries, vectors) = (queries.as_standard_layout(), vectors.as_standard_layout());
    let products = Products { queries: queries.view(), vectors: vectors.view() };
    let excluded = Excluded { offsets: excluded.0.as_slice()?, numbers: excluded.1.as_slice()? };
    let (adjustment, targets) = (borrowed(adjustment.as_ref())?, targets.as_slice()?);
    let ranking = Ranking { products, excluded, adjustment, targets, k };
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
    let (queries, vectors) = (queries.as_array(), vectors.as_array());
    let (queries, vectors) = (queries.as_standard_layout(), vectors.as_standard_layout());
    let products = Products { queries: queries.view(), vectors: vectors.view() };
    let (targets, others) = (targets.as_slice()?, others.as_array());
    let ranks = run(py, |pause| ranks::count_among(&products, targets, others, pause))?;
    Ok(rank_arrays(py, ranks))
}

fn rank_arrays(py: Python<'_>, ranks: Ranks) -> RankArrays<'_> {
    (ranks.own.into_pyarray(py), ranks.above.into_pyarray(py), ranks.level.into_pyarray(py))
}

fn borrowed<'a>(adjustment: Option<&'a AdjustmentArrays<'_>>) -> PyResult<Adjustment<'a>> {
    match adjustment {
        Some((factors, boosts)) => {
            Ok(Adjustment { factors: factors.as_slice()?, boosts: boosts.as_slice()? })
        }
        None => Ok(Adjustment::default()),
    }
}
