//! Lists of the best vectors by rules.

use super::search::{CoarseVectors, ExcludedArrays};
use super::{run, run_where};
use crate::adjustment::Adjustment;
use crate::blocks::Products;
use crate::listing::{Listing, lists_of_products as listed};
use crate::lists::{self, Rules};
use crate::search::Excluded;
use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

type ListArrays<'py, S> = (Bound<'py, PyArray2<S>>, Bound<'py, PyArray2<i32>>);

#[derive(FromPyObject)]
pub struct RulesArrays<'py> {
    factors: PyReadonlyArray1<'py, f32>,
    boosts: PyReadonlyArray1<'py, f32>,
    groups: PyReadonlyArray1<'py, i32>,
    most_per_group: usize,
    always: PyReadonlyArray1<'py, i32>,
    diversity: f64,
    pool: usize,
}

impl RulesArrays<'_> {
    fn borrow(&self) -> PyResult<Rules<'_>> {
        let (factors, boosts) = (self.factors.as_slice()?, self.boosts.as_slice()?);
        Ok(Rules {
            adjustment: Adjustment { factors, boosts },
            groups: self.groups.as_slice()?,
            most_per_group: self.most_per_group,
            always: self.always.as_slice()?,
            diversity: self.diversity,
            pool: self.pool,
        })
    }
}

/// Scores and numbers of the vectors that each query's list of k holds, by dot products.
#[pyfunction]
#[pyo3(signature = (queries, vectors, excluded, k, rules, coarse=None))]
pub fn lists_of_products<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    vectors: PyReadonlyArray2<'py, f32>,
    excluded: ExcludedArrays<'py>,
    k: usize,
    rules: RulesArrays<'py>,
    coarse: Option<Bound<'py, CoarseVectors>>,
) -> PyResult<ListArrays<'py, f32>> {
    let (queries, vectors) = (queries.as_array(), vectors.as_array());
    let (queries, vectors) = (queries.as_standard_layout(), vectors.as_standard_layout());
    let products = Products { queries: queries.view(), vectors: vectors.view() };
    let excluded = Excluded { offsets: excluded.0.as_slice()?, numbers: excluded.1.as_slice()? };
    let (rules, coarse) = (rules.borrow()?, coarse.as_ref().map(|coarse| &coarse.get().0));
    let listing = Listing { products, excluded, rules, k, coarse };
    let shape = [products.queries.nrows(), k];
    let found = run_where(py, listing.are_few(), |pause| listed(&listing, pause))?;
    let numbers = found.numbers.into_pyarray(py).reshape(shape)?;
    Ok((found.scores.into_pyarray(py).reshape(shape)?, numbers))
}

/// As `lists_of_products`, by scores that are adjusted and minus infinity where a query must not get an item.
#[pyfunction]
pub fn lists_of_scores<'py>(
    py: Python<'py>,
    scores: PyReadonlyArray2<'py, f64>,
    vectors: PyReadonlyArray2<'py, f32>,
    k: usize,
    rules: RulesArrays<'py>,
) -> PyResult<ListArrays<'py, f64>> {
    let (scores, vectors) = (scores.as_array(), vectors.as_array());
    let (shape, rules) = ([scores.nrows(), k], rules.borrow()?);
    let found = run(py, |pause| lists::lists_of_scores(scores, vectors, &rules, k, pause))?;
    let numbers = found.numbers.into_pyarray(py).reshape(shape)?;
    Ok((found.scores.into_pyarray(py).reshape(shape)?, numbers))
}
