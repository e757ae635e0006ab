//! Lists of k by rules: at most so many vectors of a group, some that are always there, and not all
//! alike. Exact, in one pass over the scores: those of which each group has at most so many are the
//! independent sets of a matroid, and its best basis is that of what the best bases of parts hold.

use crate::adjustment::Adjustment;
use crate::best::{Found, Score, above, keep_best};
use crate::blocks::{Halt, TILE};
use crate::coarse::MOST_QUERIES;
use crate::diversity::{Choice, diverse};
use crate::error::{Error, ensure};
use crate::memory::{filled, lack, reserve};
use crate::threads::Pause;
use ndarray::ArrayView2;
use rayon::prelude::*;
use std::collections::BinaryHeap;

/// What lists must be like.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Of the scores of dot products.
    pub adjustment: Adjustment<'a>,
    /// The group of each vector, -1 for none; empty where there are no groups.
    pub groups: &'a [i32],
    /// Most vectors of a group in a list.
    pub most_per_group: usize,
    /// Vectors in every list but of queries that must not get them, ascending.
    pub always: &'a [i32],
    /// How much vectors must differ, from 0 to below 1.
    pub diversity: f64,
    /// Best vectors that a list is chosen from where they must differ.
    pub pool: usize,
}

/// Scores and numbers of vectors [queries, k] in their order; minus infinity and -1 where there are
/// fewer.
pub struct Lists<S> {
    /// Row after row.
    pub scores: Vec<S>,
    /// Row after row.
    pub numbers: Vec<i32>,
}

/// What was met of a query's vectors.
pub struct Kept<S> {
    /// The best k, of each group at most so many, best first, without those that are always there.
    pub basis: Vec<Found<S>>,
    /// The best of all of these, where lists must differ.
    pub pool: BinaryHeap<Found<S>>,
    /// Those that are always there.
    pub always: Vec<Found<S>>,
}

impl<S: Score> Default for Kept<S> {
    fn default() -> Self {
        Self { basis: Vec::new(), pool: BinaryHeap::new(), always: Vec::new() }
    }
}

impl Rules<'_> {
    /// Check that they are of so many vectors, and for lists so long.
    ///
    /// # Errors
    /// [`Error::Inconsistent`].
    pub fn check(&self, items: usize, k: usize) -> Result<(), Error> {
        self.adjustment.check(items)?;
        ensure!((1..=items).contains(&k), "k is {k}, of {items} vectors");
        let (groups, always) = (self.groups.len(), self.always.len());
        ensure!(groups == 0 || groups == items, "groups of {groups} vectors, of {items}");
        ensure!(self.most_per_group > 0, "most_per_group is 0");
        ensure!(always <= k, "{always} vectors that are always there, in lists of {k}");
        let ascending = self.always.windows(2).all(|pair| pair[0] < pair[1]);
        let inside = self.always.iter().all(|number| (0..items as i64).contains(&(*number).into()));
        ensure!(ascending && inside, "vectors that are always there not ascending in 0..{items}");
        let known = (0.0..1.0).contains(&self.diversity);
        ensure!(known, "diversity is {}, not in [0, 1)", self.diversity);
        Ok(())
    }

    /// The group of a vector.
    pub fn group(&self, number: i32) -> Option<i32> {
        self.groups.get(number as usize).copied().filter(|group| *group >= 0)
    }

    /// Whether a list may have one more vector of this one's group.
    pub fn allows<S: Score>(&self, number: i32, list: &[Found<S>]) -> bool {
        self.group(number).is_none_or(|group| {
            let alike = list.iter().filter(|one| self.group(one.number) == Some(group));
            alike.count() < self.most_per_group
        })
    }

    /// What a score must be above to make a list better: that of the worst of its group, where the
    /// list has no room for one more of these.
    pub fn worst_alike<S: Score>(&self, number: i32, list: &[Found<S>]) -> S {
        let none = f32::NEG_INFINITY.into();
        if self.allows(number, list) {
            return none;
        }
        let group = self.group(number);
        let worst = list.iter().rfind(|one| self.group(one.number) == group);
        worst.map_or(none, |worst| worst.score)
    }

    /// Look at a query's scores of consecutive vectors from the number `first` on.
    ///
    /// # Errors
    /// [`Halt::NotANumber`], and [`Error::OutOfMemory`].
    pub fn meet<S: Score>(
        &self,
        (first, scores): (usize, &[S]),
        k: usize,
        hidden: impl Fn(i32) -> bool,
        kept: &mut Kept<S>,
    ) -> Result<(), Halt> {
        let start = self.always.partition_point(|number| (*number as usize) < first);
        for &number in &self.always[start..] {
            let Some(&score) = scores.get(number as usize - first) else { break };
            if score > f32::NEG_INFINITY.into() && !hidden(number) {
                reserve(&mut kept.always, 1).map_err(Halt::Error)?;
                kept.always.push(Found { score, number });
            }
        }
        let hidden = |number| hidden(number) || self.always.binary_search(&number).is_ok();
        if self.diversity > 0.0 {
            keep_best((first, scores), hidden, self.pool, &mut kept.pool)?;
        }
        let basis = &mut kept.basis;
        above(first, scores, least(basis, k), |found| {
            if !hidden(found.number) {
                self.put(found, k, basis).map_err(Halt::Error)?;
            }
            Ok(least(basis, k))
        })
    }

    /// Make a list the best of what is in it and of one more; one that is left out is the worst of
    /// those that cannot all be there.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn put<S: Score>(
        &self,
        found: Found<S>,
        k: usize,
        basis: &mut Vec<Found<S>>,
    ) -> Result<(), Error> {
        let place = basis.partition_point(|one| *one < found);
        if !self.allows(found.number, basis) {
            let group = self.group(found.number);
            match basis.iter().rposition(|one| self.group(one.number) == group) {
                Some(worst) if worst >= place => drop(basis.remove(worst)),
                _ => return Ok(()),
            }
        } else if basis.len() == k {
            if place == k {
                return Ok(());
            }
            basis.pop();
        }
        if basis.len() == basis.capacity() {
            let more = basis.len().clamp(1, k - basis.len());
            let grown = basis.try_reserve_exact(more);
            grown.map_err(|_| lack::<Found<S>>(basis.len() + more))?;
        }
        basis.insert(place, found);
        Ok(())
    }

    /// One of what was met in several places.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn join<S: Score>(
        &self,
        kept: &mut Kept<S>,
        other: Kept<S>,
        k: usize,
    ) -> Result<(), Error> {
        for found in other.basis {
            self.put(found, k, &mut kept.basis)?;
        }
        reserve(&mut kept.always, other.always.len())?;
        kept.always.extend(other.always);
        let more = other.pool.len();
        kept.pool.try_reserve(more).map_err(|_| lack::<Found<S>>(kept.pool.len() + more))?;
        kept.pool.extend(other.pool);
        Ok(())
    }

    /// The list of a query, in its order.
    fn list<S: Score>(
        &self,
        kept: Kept<S>,
        vectors: ArrayView2<'_, f32>,
        k: usize,
    ) -> Result<Vec<Found<S>>, Error> {
        if self.diversity > 0.0 {
            let mut pool = kept.pool.into_sorted_vec();
            pool.truncate(self.pool);
            reserve(&mut pool, kept.basis.len())?;
            pool.extend(kept.basis);
            pool.sort_unstable_by_key(|one| one.number);
            pool.dedup_by_key(|one| one.number);
            return diverse(&Choice { rules: self, vectors, k }, pool, kept.always);
        }
        let mut list = kept.always;
        reserve(&mut list, kept.basis.len())?;
        for found in kept.basis {
            if list.len() < k && self.allows(found.number, &list) {
                list.push(found);
            }
        }
        list.sort_unstable();
        Ok(list)
    }
}

/// What a score must be above to be in a list of k, whose scores came in the order of numbers.
pub fn least<S: Score>(basis: &[Found<S>], k: usize) -> S {
    basis.get(k - 1).map_or(f32::NEG_INFINITY.into(), |worst| worst.score)
}

/// The list of each row of scores [queries, items] that are adjusted; those that a query must not
/// get are minus infinity. Vectors [items, width] say how alike items are, where lists must differ.
///
/// # Errors
/// As [`lists_of_products`].
pub fn lists_of_scores(
    scores: ArrayView2<'_, f64>,
    vectors: ArrayView2<'_, f32>,
    rules: &Rules<'_>,
    k: usize,
    pause: &Pause,
) -> Result<Lists<f64>, Error> {
    let (queries, items) = scores.dim();
    rules.check(items, k)?;
    let (rows, known) = (scores.to_slice(), vectors.nrows());
    ensure!(known == items || rules.diversity == 0.0, "{known} vectors of {items} items");
    let rows = rows.ok_or_else(|| Error::Inconsistent("scores are not row after row".into()))?;
    let met: Result<Vec<_>, Error> = rows
        .par_chunks(items)
        .with_min_len(TILE)
        .enumerate()
        .map(|(row, scores)| {
            pause.ask()?;
            let mut kept = Kept::default();
            match rules.meet((0, scores), k, |_| false, &mut kept) {
                Ok(()) => Ok(kept),
                Err(Halt::NotANumber) => Err(Error::NotANumber { row, rows: queries }),
                Err(Halt::Error(error)) => Err(error),
            }
        })
        .collect();
    chosen(met?, vectors, rules, k, pause)
}

/// The lists of what was met of each query.
///
/// # Errors
/// [`Error::OutOfMemory`], and what `pause` returns.
pub fn chosen<S: Score>(
    met: Vec<Kept<S>>,
    vectors: ArrayView2<'_, f32>,
    rules: &Rules<'_>,
    k: usize,
    pause: &Pause,
) -> Result<Lists<S>, Error> {
    let cells = met.len().saturating_mul(k);
    let mut lists =
        Lists { scores: filled(cells, f32::NEG_INFINITY.into())?, numbers: filled(cells, -1)? };
    let choose = |((scores, numbers), kept): ((&mut [S], &mut [i32]), _)| {
        pause.ask()?;
        for (place, one) in rules.list(kept, vectors, k)?.into_iter().enumerate() {
            scores[place] = one.score;
            numbers[place] = one.number;
        }
        Ok(())
    };
    if met.len() <= MOST_QUERIES {
        let rows = lists.scores.chunks_mut(k).zip(lists.numbers.chunks_mut(k));
        rows.zip(met).try_for_each(choose)?;
    } else {
        let rows = lists.scores.par_chunks_mut(k).zip(lists.numbers.par_chunks_mut(k));
        rows.zip(met).try_for_each(choose)?;
    }
    Ok(lists)
}
