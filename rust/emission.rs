//! Sorted partitions -> item indices of each kept user, in time order, and counts of ties.

use crate::error::Error;
use crate::filters::{Duplicates, Minima};
use crate::memory::{collected, filled};
use crate::partition::Partitioned;
use crate::record::{Layout, Record};
use crate::slices::split_off;
use crate::threads::Pause;
use rayon::prelude::*;

/// What decides which rows are kept and what is counted.
#[derive(Clone, Copy)]
pub struct Rules {
    /// Repeated items of a user.
    pub duplicates: Duplicates,
    /// Interactions that users and items must have among those kept.
    pub minima: Minima,
    /// What is held out of each user's rows.
    pub held_out: HeldOut,
    /// Item ids are indices already.
    pub identity: bool,
    /// Number the distinct times of each user's rows.
    pub moments: bool,
}

impl Rules {
    /// Whether item codes are the indices.
    pub fn keeps_codes(&self) -> bool {
        self.identity && !self.has_core()
    }

    /// Whether the k-core is more than a minimum for users.
    pub fn has_core(&self) -> bool {
        self.minima.item > 1
    }
}

/// What is held out of each user's rows.
#[derive(Clone, Copy)]
pub enum HeldOut {
    /// The last so many rows.
    Last(usize),
    /// The first row of each of two periods that begin at these time keys.
    From([u64; 2]),
}

/// Where the held-out rows of one user are.
#[derive(Clone, Copy)]
pub enum Targets {
    /// The last so many rows.
    Last(usize),
    /// The first rows of two periods: so many rows are before each.
    After([usize; 2]),
}

/// Where the sorted partitions go.
pub struct Outputs<'a> {
    /// Kept rows by user code.
    pub counts: &'a mut [u32],
    /// Kept rows before each of two periods, by user code; empty where nobody asks.
    pub before: &'a mut [[u32; 2]],
    /// Item indices, partition after partition.
    pub items: &'a mut [i32],
    /// Number of each row's distinct time among its user's, from 0; empty where nobody asks.
    pub moments: &'a mut [u32],
}

/// Counts for the report.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    /// Rows that passed the row filter.
    pub rows_filtered: usize,
    /// Rows dropped because their user has their item in another row.
    pub rows_duplicate: usize,
    /// Rows dropped because their item has too few interactions.
    pub rows_of_rare_items: usize,
    /// Kept rows.
    pub rows_kept: usize,
    /// Users dropped for too few interactions.
    pub users_dropped: usize,
    /// Kept rows that share their time with another kept row of their user.
    pub rows_tied: usize,
    /// Kept users whose held-out targets depend on the order of tied rows.
    pub users_tie_dependent: usize,
}

impl Tally {
    /// Sums of two tallies.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            rows_filtered: self.rows_filtered + other.rows_filtered,
            rows_duplicate: self.rows_duplicate + other.rows_duplicate,
            rows_of_rare_items: self.rows_of_rare_items + other.rows_of_rare_items,
            rows_kept: self.rows_kept + other.rows_kept,
            users_dropped: self.users_dropped + other.users_dropped,
            rows_tied: self.rows_tied + other.rows_tied,
            users_tie_dependent: self.users_tie_dependent + other.users_tie_dependent,
        }
    }
}

/// Sort each partition and write it at its start; returns what each counted. Of the minima, only
/// that of users is applied.
///
/// `indices` maps item codes to what is written; where it is empty, codes are written.
///
/// # Errors
/// [`Error::OutOfMemory`], or what `pause` returns.
pub fn sort_partitions<R: Record>(
    partitioned: &Partitioned<R>,
    (layout, rules): (&Layout, &Rules),
    indices: &[i32],
    mut outputs: Outputs,
    pause: &Pause,
) -> Result<Vec<Tally>, Error> {
    let partitions = partitioned.starts.windows(2).map(|bounds| {
        let records = &partitioned.records[bounds[0]..bounds[1]];
        (records, outputs.take(1 << layout.user_bits, records.len()))
    });
    let partitions = collected(partitions)?;
    let mut tallies = filled(partitions.len(), Tally::default())?;
    pause.between()?;
    partitions.into_par_iter().zip(&mut tallies).try_for_each_init(
        R::Scratch::default,
        |scratch, ((records, outputs), tally)| {
            pause.ask()?;
            let records = R::sorted(records, scratch, layout)?;
            *tally = emit(records, layout, rules, indices, outputs)?;
            Ok(())
        },
    )?;
    Ok(tallies)
}

impl<'a> Outputs<'a> {
    /// Split off the first part, or as much as there is.
    fn take(&mut self, users: usize, rows: usize) -> Outputs<'a> {
        let (counted, dated) = (users.min(self.counts.len()), users.min(self.before.len()));
        let numbered = rows.min(self.moments.len());
        Outputs {
            counts: split_off(&mut self.counts, counted),
            before: split_off(&mut self.before, dated),
            items: split_off(&mut self.items, rows),
            moments: split_off(&mut self.moments, numbered),
        }
    }
}

/// Write the rows of kept users in order, and count.
fn emit<R: Record>(
    records: &[R],
    layout: &Layout,
    rules: &Rules,
    indices: &[i32],
    outputs: Outputs,
) -> Result<Tally, Error> {
    let mut tally = Tally { rows_filtered: records.len(), ..Tally::default() };
    let (mut items, mut moments) = (outputs.items, outputs.moments);
    for rows in records.chunk_by(|a, b| a.user(layout) == b.user(layout)) {
        let distinct = rules.duplicates.kept(rows, |row| row.item(layout))?;
        tally.rows_duplicate += distinct.as_ref().map_or(0, |kept| rows.len() - kept.len());
        let rows = distinct.as_deref().unwrap_or(rows);
        if rows.len() < rules.minima.user {
            tally.users_dropped += 1;
            continue;
        }
        let user = rows[0].user(layout);
        outputs.counts[user] = rows.len() as u32;
        let targets = rules.held_out.targets(rows, layout);
        if let (Targets::After(before), Some(slot)) = (targets, outputs.before.get_mut(user)) {
            *slot = before.map(|rows| rows as u32);
        }
        for (record, slot) in rows.iter().zip(split_off(&mut items, rows.len())) {
            let code = record.item(layout);
            *slot = indices.get(code as usize).copied().unwrap_or(code as i32);
        }
        let numbered = rows.len().min(moments.len());
        number_moments(rows, layout, split_off(&mut moments, numbered));
        tally.rows_kept += rows.len();
        count_ties(rows, |row| row.time(layout), targets, &mut tally);
    }
    Ok(tally)
}

impl HeldOut {
    fn targets<R: Record>(self, rows: &[R], layout: &Layout) -> Targets {
        match self {
            Self::Last(count) => Targets::Last(count),
            Self::From(keys) => Targets::After(keys.map(|key| {
                let time = key.saturating_sub(layout.time_min);
                rows.partition_point(|row| row.time(layout) < time)
            })),
        }
    }
}

fn number_moments<R: Record>(rows: &[R], layout: &Layout, moments: &mut [u32]) {
    let mut moment = 0;
    let mut time = rows[0].time(layout);
    for (row, slot) in rows.iter().zip(moments) {
        moment += u32::from(row.time(layout) != time);
        time = row.time(layout);
        *slot = moment;
    }
}

/// Count the rows of one user that share their time, and whether their order decides what is held
/// out, or in what order.
pub fn count_ties<R: Copy, K: PartialEq>(
    rows: &[R],
    time: impl Fn(R) -> K,
    targets: Targets,
    tally: &mut Tally,
) {
    let tied = |pair: &[R]| time(pair[0]) == time(pair[1]);
    let mut before = false;
    for pair in rows.windows(2) {
        let after = tied(pair);
        tally.rows_tied += usize::from(before | after);
        before = after;
    }
    tally.rows_tied += usize::from(before);
    let dependent = match targets {
        Targets::Last(count) => rows[rows.len().saturating_sub(count + 1)..].windows(2).any(tied),
        Targets::After([validation, test]) => {
            let first_tied = |at: usize| at > 0 && rows.get(at..at + 2).is_some_and(tied);
            first_tied(validation) || first_tied(test)
        }
    };
    tally.users_tie_dependent += usize::from(dependent);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(times: &[u32], targets: Targets) -> (usize, usize) {
        let mut tally = Tally::default();
        count_ties(times, |time| time, targets, &mut tally);
        (tally.rows_tied, tally.users_tie_dependent)
    }

    #[test]
    fn the_order_of_the_last_rows_counts() {
        assert_eq!(counted(&[1, 1, 2, 3], Targets::Last(2)), (2, 0));
        assert_eq!(counted(&[1, 2, 2, 3], Targets::Last(2)), (2, 1));
        assert_eq!(counted(&[1, 2, 3, 3], Targets::Last(0)), (2, 0));
    }

    #[test]
    fn the_first_row_of_a_period_counts_where_it_is_a_target() {
        // Validation from time 2, test from time 3.
        assert_eq!(counted(&[1, 2, 2, 3], Targets::After([1, 3])), (2, 1));
        assert_eq!(counted(&[1, 2, 3, 3], Targets::After([1, 2])), (2, 1));
        assert_eq!(counted(&[1, 1, 2, 3], Targets::After([2, 3])), (2, 0));
        // Nothing before the period, so no input and no row.
        assert_eq!(counted(&[2, 2, 3], Targets::After([0, 2])), (2, 0));
        // Nothing in the validation period: the same rows are the test's.
        assert_eq!(counted(&[1, 3, 3], Targets::After([1, 1])), (2, 1));
        assert_eq!(counted(&[1, 2], Targets::After([2, 2])), (0, 0));
    }
}
