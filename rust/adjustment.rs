//! What a shop makes of a model's scores, vector by vector: it multiplies some and adds to some.

use crate::error::{Error, ensure};

/// Factors and boosts of vectors, by their number.
#[derive(Clone, Copy, Default)]
pub struct Adjustment<'a> {
    /// A score s >= 0 becomes s * factor, another s / factor, so that factors above 1 always lift;
    /// empty where there are none.
    pub factors: &'a [f32],
    /// Added afterwards; empty where there are none.
    pub boosts: &'a [f32],
}

impl Adjustment<'_> {
    /// Whether scores stay as they are.
    pub fn is_none(&self) -> bool {
        self.factors.is_empty() && self.boosts.is_empty()
    }

    /// Check that they are of so many vectors.
    ///
    /// # Errors
    /// [`Error::Inconsistent`].
    pub fn check(&self, items: usize) -> Result<(), Error> {
        for (name, values) in [("factors", self.factors), ("boosts", self.boosts)] {
            let count = values.len();
            ensure!(count == 0 || count == items, "{count} {name} of {items} vectors");
        }
        Ok(())
    }

    /// Adjust scores of consecutive vectors, of which `first` is the number of the first.
    pub fn apply(&self, first: usize, scores: &mut [f32]) {
        if let Some(factors) = self.factors.get(first..first + scores.len()) {
            for (score, factor) in scores.iter_mut().zip(factors) {
                *score = if *score >= 0.0 { *score * factor } else { *score / factor };
            }
        }
        if let Some(boosts) = self.boosts.get(first..first + scores.len()) {
            for (score, boost) in scores.iter_mut().zip(boosts) {
                *score += boost;
            }
        }
    }
}
