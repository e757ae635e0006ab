//! Lists whose vectors differ, by maximal marginal relevance (Carbonell & Goldstein 1998): each next
//! one is the best by (1 - diversity) * relevance - diversity * the greatest cosine with those chosen.

use crate::best::{Found, Score};
use crate::error::Error;
use crate::lists::Rules;
use crate::memory::{collected, filled, reserve, room};
use ndarray::{ArrayView1, ArrayView2, Axis};

/// How a list is chosen.
pub struct Choice<'a> {
    /// What it must be like.
    pub rules: &'a Rules<'a>,
    /// A row for each number.
    pub vectors: ArrayView2<'a, f32>,
    /// Its length.
    pub k: usize,
}

/// Choose from a pool and from what is always there. Relevance is the score on a scale from the
/// least of the pool, 0, to its greatest, 1; of equal ones the smaller number is chosen.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn diverse<S: Score>(
    choice: &Choice<'_>,
    pool: Vec<Found<S>>,
    always: Vec<Found<S>>,
) -> Result<Vec<Found<S>>, Error> {
    let Choice { rules, vectors, k } = choice;
    let scale = Scale::of(&pool);
    let mut left = pool;
    reserve(&mut left, always.len())?;
    left.extend(&always);
    left.sort_unstable_by_key(|one| one.number);
    // Places and shares of groups are kept for those that are always there.
    let (mut list, mut owed): (Vec<Found<S>>, Vec<Found<S>>) = (room(*k)?, always);
    let mut taken = owed.clone();
    let lengths = collected(left.iter().map(|one| length(row(*vectors, one.number))))?;
    let mut likeness = filled(left.len(), None::<f64>)?;
    let mut open = filled(left.len(), true)?;
    while list.len() < *k {
        let mut best: Option<(f64, usize)> = None;
        for (place, one) in left.iter().enumerate().filter(|(place, _)| open[*place]) {
            let is_owed = owed.iter().any(|other| other.number == one.number);
            let fits = owed.len() + list.len() < *k && rules.allows(one.number, &taken);
            if is_owed || fits {
                let alike = likeness[place].unwrap_or(0.0);
                let value = (1.0 - rules.diversity) * scale.relevance(one.score.into())
                    - rules.diversity * alike;
                if best.is_none_or(|(most, _)| value > most) {
                    best = Some((value, place));
                }
            }
        }
        let Some((_, place)) = best else { break };
        let one = left[place];
        open[place] = false;
        if let Some(owing) = owed.iter().position(|other| other.number == one.number) {
            owed.swap_remove(owing);
        } else {
            reserve(&mut taken, 1)?;
            taken.push(one);
        }
        list.push(one);
        for (other, alike) in likeness.iter_mut().enumerate().filter(|(other, _)| open[*other]) {
            let product = dot(row(*vectors, left[other].number), row(*vectors, one.number));
            let norm = lengths[other] * lengths[place];
            let cosine = if norm > 0.0 { product / norm } else { 0.0 };
            *alike = Some(alike.map_or(cosine, |most| most.max(cosine)));
        }
    }
    Ok(list)
}

/// What relevance is measured by.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    fn of<S: Score>(pool: &[Found<S>]) -> Self {
        let scores = pool.iter().map(|one| one.score.into());
        let (least, most) = scores.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), one| {
            (f64::min(low, one), f64::max(high, one))
        });
        Self { least, most }
    }

    fn relevance(&self, score: f64) -> f64 {
        let width = self.most - self.least;
        if width.is_finite() && width > 0.0 {
            (score - self.least) / width
        } else {
            f64::from(u8::from(width == f64::INFINITY && score == f64::INFINITY))
        }
    }
}

fn row(vectors: ArrayView2<'_, f32>, number: i32) -> ArrayView1<'_, f32> {
    vectors.index_axis_move(Axis(0), number as usize)
}

fn length(vector: ArrayView1<'_, f32>) -> f64 {
    dot(vector, vector).sqrt()
}

fn dot(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    if let (Some(a), Some(b)) = (a.to_slice(), b.to_slice()) {
        for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += f64::from(*a) * f64::from(*b);
            }
        }
        return sums.iter().sum();
    }
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
