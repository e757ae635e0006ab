//! Columns -> CSR sequences: rows grouped by user, users ascending, each user's items stable by
//! time. Partitions are sorted independently; each row is compared only with rows of its user.

use crate::columns::{Columns, Time};
use crate::error::Error;
use crate::partition::{Layout, Partitioned, Record, partition};
use crate::vocabulary::Coder;
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// Largest item index: 0 is padding and `vocabulary_size` itself must fit an int32.
pub const MAX_ITEMS: usize = i32::MAX as usize - 1;

/// What decides which rows are kept and what is counted.
pub struct Rules {
    /// Users with fewer kept rows are dropped.
    pub min_user_interactions: usize,
    /// Last interactions of each user that are held out.
    pub holdout: usize,
    /// Item ids are indices already.
    pub identity: bool,
}

/// The compact store and how it came about.
#[derive(Default)]
pub struct Sequences {
    /// User u owns `items[offsets[u]..offsets[u + 1]]`.
    pub offsets: Vec<i64>,
    /// Item indices 1..=`vocabulary`, in time order.
    pub items: Vec<i32>,
    /// Raw user ids, ascending.
    pub user_ids: Vec<i64>,
    /// Raw item ids, ascending; empty under identity.
    pub item_ids: Vec<i64>,
    /// Number of items.
    pub vocabulary: usize,
    /// Counts for the report.
    pub tally: Tally,
    /// Position of the first user who owns every item, so that no negative exists.
    pub without_negative: Option<usize>,
}

/// Counts for the report.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    /// Rows that passed the row filter.
    pub rows_filtered: usize,
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
    fn add(self, other: Self) -> Self {
        Self {
            rows_filtered: self.rows_filtered + other.rows_filtered,
            rows_kept: self.rows_kept + other.rows_kept,
            users_dropped: self.users_dropped + other.users_dropped,
            rows_tied: self.rows_tied + other.rows_tied,
            users_tie_dependent: self.users_tie_dependent + other.users_tie_dependent,
        }
    }
}

/// Group the rows of `columns`; `pause` is asked between passes whether to go on.
///
/// # Errors
/// Columns of unequal length, too many rows or items, or whatever `pause` returns.
pub fn group<T: Time>(
    columns: &Columns<T>,
    rules: &Rules,
    pause: &dyn Fn() -> Result<(), Error>,
) -> Result<Sequences, Error> {
    columns.check()?;
    if columns.rows() == 0 {
        return Ok(Sequences {
            offsets: vec![0],
            ..Sequences::default()
        });
    }
    let users = Coder::of(columns.users);
    let items = if rules.identity {
        Coder::identity(columns.items)
    } else {
        Coder::of(columns.items)
    };
    let times = columns.time_span();
    let layout = Layout::new(columns.rows(), users.width(), items.width(), times);
    pause()?;
    let coders = (&users, &items);
    if layout.fits_word() {
        assemble::<u64, T>(columns, rules, coders, &layout, pause)
    } else {
        assemble::<[u64; 2], T>(columns, rules, coders, &layout, pause)
    }
}

fn assemble<R: Record, T: Time>(
    columns: &Columns<T>,
    rules: &Rules,
    (users, items): (&Coder, &Coder),
    layout: &Layout,
    pause: &dyn Fn() -> Result<(), Error>,
) -> Result<Sequences, Error> {
    let seen = unseen(if rules.identity { 0 } else { items.width() });
    let partitioned: Partitioned<R> = partition(columns, users, items, layout, &seen);
    pause()?;
    let (item_ids, indices) = index_items(items, &seen)?;
    let mut counts = vec![0u32; users.width()];
    let mut codes = vec![0i32; partitioned.records.len()];
    let outputs = Outputs {
        counts: &mut counts,
        items: &mut codes,
    };
    let tallies = sort_partitions(&partitioned, layout, rules, &indices, outputs);
    let starts = partitioned.starts;
    drop(partitioned.records);
    pause()?;
    let tally = tallies
        .iter()
        .fold(Tally::default(), |sum, tally| sum.add(*tally));
    if tally.rows_kept < codes.len() {
        compact(&mut codes, &starts, &tallies);
    }
    let vocabulary = item_ids.len();
    let mut sequences = Sequences {
        tally,
        items: codes,
        item_ids,
        vocabulary,
        ..Sequences::default()
    };
    index_users(&mut sequences, users, &counts);
    if rules.identity {
        let largest = sequences.items.par_iter().copied().max().unwrap_or(0);
        sequences.vocabulary = largest as usize;
    } else if tally.users_dropped > 0 {
        drop_unseen_items(&mut sequences);
    }
    sequences.without_negative = first_without_negative(&sequences);
    Ok(sequences)
}

/// Where the sorted partitions go.
struct Outputs<'a> {
    /// Kept rows by user code.
    counts: &'a mut [u32],
    /// Item indices, partition after partition.
    items: &'a mut [i32],
}

/// Sort each partition and write its item indices at its start; returns what each counted.
fn sort_partitions<R: Record>(
    partitioned: &Partitioned<R>,
    layout: &Layout,
    rules: &Rules,
    indices: &[i32],
    outputs: Outputs,
) -> Vec<Tally> {
    let mut jobs = Vec::with_capacity(layout.partitions);
    let (mut records, mut codes) = (&partitioned.records[..], outputs.items);
    for bounds in partitioned.starts.windows(2) {
        let (partition, rest) = records.split_at(bounds[1] - bounds[0]);
        let (output, tail) = codes.split_at_mut(bounds[1] - bounds[0]);
        jobs.push((partition, output));
        (records, codes) = (rest, tail);
    }
    outputs
        .counts
        .par_chunks_mut(1 << layout.user_bits)
        .zip(jobs)
        .map_init(
            R::Scratch::default,
            |scratch, (counts, (records, output))| {
                let records = R::sorted(records, scratch, layout);
                emit(records, layout, rules, indices, (counts, output))
            },
        )
        .collect()
}

/// Write the item indices of kept users in order, and count.
fn emit<R: Record>(
    records: &[R],
    layout: &Layout,
    rules: &Rules,
    indices: &[i32],
    (counts, mut output): (&mut [u32], &mut [i32]),
) -> Tally {
    let mut tally = Tally {
        rows_filtered: records.len(),
        ..Tally::default()
    };
    for rows in records.chunk_by(|a, b| a.user(layout) == b.user(layout)) {
        if rows.len() < rules.min_user_interactions {
            tally.users_dropped += 1;
            continue;
        }
        counts[rows[0].user(layout)] = rows.len() as u32;
        let (slots, tail) = output.split_at_mut(rows.len());
        output = tail;
        for (record, slot) in rows.iter().zip(slots) {
            let code = record.item(layout);
            *slot = indices.get(code as usize).copied().unwrap_or(code as i32);
        }
        tally.rows_kept += rows.len();
        tally.rows_tied += count_tied(rows, layout);
        tally.users_tie_dependent += usize::from(is_tie_dependent(rows, layout, rules.holdout));
    }
    tally
}

/// How many rows of one user share their time with a neighbour.
fn count_tied<R: Record>(rows: &[R], layout: &Layout) -> usize {
    let mut tied = 0;
    let mut before = false;
    for pair in rows.windows(2) {
        let after = pair[0].time(layout) == pair[1].time(layout);
        tied += usize::from(before | after);
        before = after;
    }
    tied + usize::from(before)
}

/// Whether the order of tied rows decides which items of one user are held out, or in what order.
fn is_tie_dependent<R: Record>(rows: &[R], layout: &Layout, holdout: usize) -> bool {
    let first = rows.len().saturating_sub(holdout + 1);
    rows[first..]
        .windows(2)
        .any(|pair| pair[0].time(layout) == pair[1].time(layout))
}

/// Close the gaps that dropped users left at the end of each partition.
fn compact(codes: &mut Vec<i32>, starts: &[usize], tallies: &[Tally]) {
    let mut end = 0;
    for (start, tally) in starts.iter().zip(tallies) {
        codes.copy_within(*start..start + tally.rows_kept, end);
        end += tally.rows_kept;
    }
    codes.truncate(end);
    codes.shrink_to_fit();
}

/// Offsets and raw ids of the users that are left.
fn index_users(sequences: &mut Sequences, users: &Coder, counts: &[u32]) {
    sequences.offsets.push(0);
    let mut end = 0;
    for (code, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        end += i64::from(count);
        sequences.offsets.push(end);
        sequences.user_ids.push(users.id(code));
    }
}

/// Flags that are all false.
fn unseen(length: usize) -> Vec<AtomicBool> {
    (0..length).map(|_| AtomicBool::new(false)).collect()
}

/// Ids of the seen items, ascending, and the index 1.. of each item code.
fn index_items(items: &Coder, seen: &[AtomicBool]) -> Result<(Vec<i64>, Vec<i32>), Error> {
    let mut item_ids = Vec::new();
    let mut indices = vec![0i32; seen.len()];
    for (code, index) in indices.iter_mut().enumerate() {
        if seen[code].load(Ordering::Relaxed) {
            item_ids.push(items.id(code));
            *index = item_ids.len() as i32;
        }
    }
    if item_ids.len() > MAX_ITEMS {
        return Err(Error::TooManyItems {
            items: item_ids.len(),
            max: MAX_ITEMS,
        });
    }
    Ok((item_ids, indices))
}

/// Close the gaps in the vocabulary that dropped users left.
fn drop_unseen_items(sequences: &mut Sequences) {
    let seen = unseen(sequences.vocabulary + 1);
    sequences
        .items
        .par_iter()
        .with_min_len(1 << 15)
        .for_each(|&item| {
            if !seen[item as usize].load(Ordering::Relaxed) {
                seen[item as usize].store(true, Ordering::Relaxed);
            }
        });
    let mut kept = 0;
    let mut indices = vec![0i32; seen.len()];
    for index in 1..seen.len() {
        if seen[index].load(Ordering::Relaxed) {
            sequences.item_ids[kept] = sequences.item_ids[index - 1];
            kept += 1;
            indices[index] = kept as i32;
        }
    }
    if kept < sequences.vocabulary {
        sequences.item_ids.truncate(kept);
        sequences.vocabulary = kept;
        let items = sequences.items.par_iter_mut().with_min_len(1 << 15);
        items.for_each(|item| *item = indices[*item as usize]);
    }
}

/// The first user with a row (two items) who owns all items.
fn first_without_negative(sequences: &Sequences) -> Option<usize> {
    let vocabulary = sequences.vocabulary;
    (0..sequences.user_ids.len())
        .into_par_iter()
        .with_min_len(1 << 10)
        .find_first(|&user| {
            let (start, end) = (
                sequences.offsets[user] as usize,
                sequences.offsets[user + 1] as usize,
            );
            end - start >= vocabulary.max(2) && {
                let mut owned = sequences.items[start..end].to_vec();
                owned.sort_unstable();
                owned.dedup();
                owned.len() == vocabulary
            }
        })
}
