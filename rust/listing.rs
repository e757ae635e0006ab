//! Lists of vectors by their dot products with queries: by bounds of them where that is sooner.

use crate::best::{Found, put_best, threshold};
use crate::blocks::{Halt, Products, Task};
use crate::coarse::{Bounded, Coarse, MOST_QUERIES};
use crate::error::Error;
use crate::lists::{Kept, Lists, Rules, chosen, least};
use crate::memory::{collected, room};
use crate::search::{Excluded, is_small};
use crate::threads::Pause;
use std::slice;

/// Vectors for each place of a pool, of all queries, from which on bounds are worth their while.
const AROUND: usize = 100;

/// Lists that are asked for.
pub struct Listing<'a> {
    /// Queries, and the vectors to choose from.
    pub products: Products<'a>,
    /// Vectors that are not to be in lists.
    pub excluded: Excluded<'a>,
    /// What lists must be like.
    pub rules: Rules<'a>,
    /// Vectors for each query.
    pub k: usize,
    /// Made of the vectors: by these a few queries find the same sooner.
    pub coarse: Option<&'a Coarse>,
}

impl Listing<'_> {
    /// Whether they are so few that they are made by the thread that asks.
    pub fn are_few(&self) -> bool {
        self.products.queries.nrows() <= MOST_QUERIES && is_small(&self.products, self.coarse())
    }

    /// What finds the same sooner, where pools are small beside all vectors.
    fn coarse(&self) -> Option<&Coarse> {
        let (queries, items) = (self.products.queries.nrows(), self.products.vectors.nrows());
        let places = self.rules.pool.saturating_mul(queries).saturating_mul(AROUND);
        self.coarse.filter(|_| self.rules.diversity == 0.0 || places <= items)
    }
}

impl Bounded for Listing<'_> {
    type Kept = Kept<f32>;

    fn least(&self, kept: &Kept<f32>) -> f32 {
        let of_basis = least(&kept.basis, self.k);
        if self.rules.diversity > 0.0 {
            return of_basis.min(threshold(&kept.pool, self.rules.pool));
        }
        of_basis
    }

    fn matters(&self, query: usize, upper: Found, kept: &Kept<f32>) -> bool {
        let Self { rules, excluded, .. } = self;
        let of_pool = threshold(&kept.pool, rules.pool);
        let matters = rules.diversity > 0.0 && upper.score > of_pool
            || rules.worst_alike(upper.number, &kept.basis) < upper.score;
        matters
            && !excluded.has(query, upper.number)
            && rules.always.binary_search(&upper.number).is_err()
    }

    fn keep(&self, lower: Found, kept: &mut Kept<f32>) -> Result<(), Error> {
        if self.rules.diversity > 0.0 {
            put_best(lower, self.rules.pool, &mut kept.pool)?;
        }
        self.rules.put(lower, self.k, &mut kept.basis)
    }

    fn join(&self, kept: &mut Kept<f32>, other: Kept<f32>) -> Result<(), Error> {
        self.rules.join(kept, other, self.k)
    }

    fn always(&self) -> &[i32] {
        self.rules.always
    }
}

/// The list of each query, by its products with all vectors.
///
/// # Errors
/// [`Error::Inconsistent`] where shapes do not fit together, [`Error::NotANumber`] where a score is
/// NaN, [`Error::OutOfMemory`], and what `pause` returns.
pub fn lists_of_products(listing: &Listing<'_>, pause: &Pause) -> Result<Lists<f32>, Error> {
    let Listing { products, excluded, rules, k, .. } = listing;
    let (queries, items, k) = (products.queries.nrows(), products.vectors.nrows(), *k);
    products.check()?;
    excluded.check(queries)?;
    rules.check(items, k)?;
    if let Some(coarse) = listing.coarse()
        && let Some(near) = coarse.near(products, &rules.adjustment, listing, pause)?
    {
        let mut met = room(queries)?;
        for (query, found) in near.into_iter().enumerate() {
            let mut kept = Kept::default();
            let hidden = |number| excluded.has(query, number);
            for one in found {
                let some = (one.number as usize, slice::from_ref(&one.score));
                rules.meet(some, k, hidden, &mut kept).map_err(|halt| match halt {
                    Halt::NotANumber => Error::NotANumber { row: query, rows: queries },
                    Halt::Error(error) => error,
                })?;
            }
            met.push(kept);
        }
        return chosen(met, products.vectors, rules, k, pause);
    }
    let tasks = products.meet(
        Kept::default,
        |row, kept| {
            rules.adjustment.apply(row.first, row.scores);
            let hidden = |number| excluded.has(row.query, number);
            rules.meet((row.first, &*row.scores), k, hidden, kept)
        },
        pause,
    )?;
    let mut met: Vec<Kept<f32>> = collected((0..queries).map(|_| Kept::default()))?;
    for (query, kept) in tasks.into_iter().flat_map(Task::into_kept) {
        pause.ask()?;
        rules.join(&mut met[query], kept, k)?;
    }
    chosen(met, products.vectors, rules, k, pause)
}
