//! Sorted partitions -> item indices of each kept user, in time order, and counts of ties.

use crate::filters::Duplicates;
use crate::partition::{Layout, Partitioned, Record};
use rayon::prelude::*;

/// Which rows of the sorted partitions are written.
#[derive(Clone, Copy)]
pub struct Selection {
    /// Repeated items of a user.
    pub duplicates: Duplicates,
    /// Users with fewer rows are dropped.
    pub min_user_interactions: usize,
    /// Last interactions of each user that are held out.
    pub holdout: usize,
}

/// Where the sorted partitions go.
pub struct Outputs<'a> {
    /// Kept rows by user code.
    pub counts: &'a mut [u32],
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

/// Sort each partition and write it at its start; returns what each counted.
///
/// `indices` maps item codes to what is written; where it is empty, codes are written.
pub fn sort_partitions<R: Record>(
    partitioned: &Partitioned<R>,
    layout: &Layout,
    selection: Selection,
    indices: &[i32],
    outputs: Outputs,
) -> Vec<Tally> {
    let mut jobs = Vec::with_capacity(layout.partitions);
    let (mut records, mut items) = (&partitioned.records[..], outputs.items);
    let mut moments = outputs.moments;
    for bounds in partitioned.starts.windows(2) {
        let rows = bounds[1] - bounds[0];
        let (partition, records_left) = records.split_at(rows);
        let (part, items_left) = items.split_at_mut(rows);
        let (part_moments, moments_left) = moments.split_at_mut(rows.min(moments.len()));
        jobs.push((partition, part, part_moments));
        (records, items, moments) = (records_left, items_left, moments_left);
    }
    outputs
        .counts
        .par_chunks_mut(1 << layout.user_bits)
        .zip(jobs)
        .map_init(R::Scratch::default, |scratch, (counts, (records, items, moments))| {
            let records = R::sorted(records, scratch, layout);
            emit(records, layout, selection, indices, Outputs { counts, items, moments })
        })
        .collect()
}

/// Write the rows of kept users in order, and count.
fn emit<R: Record>(
    records: &[R],
    layout: &Layout,
    selection: Selection,
    indices: &[i32],
    outputs: Outputs,
) -> Tally {
    let mut tally = Tally { rows_filtered: records.len(), ..Tally::default() };
    let (mut items, mut moments) = (outputs.items, outputs.moments);
    for rows in records.chunk_by(|a, b| a.user(layout) == b.user(layout)) {
        let distinct = selection.duplicates.kept(rows, |row| row.item(layout));
        tally.rows_duplicate += distinct.as_ref().map_or(0, |kept| rows.len() - kept.len());
        let rows = distinct.as_deref().unwrap_or(rows);
        if rows.len() < selection.min_user_interactions {
            tally.users_dropped += 1;
            continue;
        }
        outputs.counts[rows[0].user(layout)] = rows.len() as u32;
        let (slots, rest) = items.split_at_mut(rows.len());
        items = rest;
        for (record, slot) in rows.iter().zip(slots) {
            let code = record.item(layout);
            *slot = indices.get(code as usize).copied().unwrap_or(code as i32);
        }
        let (slots, rest) = moments.split_at_mut(rows.len().min(moments.len()));
        moments = rest;
        number_moments(rows, layout, slots);
        tally.rows_kept += rows.len();
        count_ties(rows, |row| row.time(layout), selection.holdout, &mut tally);
    }
    tally
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
    holdout: usize,
    tally: &mut Tally,
) {
    let mut before = false;
    for pair in rows.windows(2) {
        let after = time(pair[0]) == time(pair[1]);
        tally.rows_tied += usize::from(before | after);
        before = after;
    }
    tally.rows_tied += usize::from(before);
    let mut last = rows[rows.len().saturating_sub(holdout + 1)..].windows(2);
    tally.users_tie_dependent += usize::from(last.any(|pair| time(pair[0]) == time(pair[1])));
}
