//! Columns -> CSR sequences: rows grouped by user, users ascending, each user's items stable by
//! time. Partitions are sorted independently; each row is compared only with rows of its user.

use crate::columns::{Columns, Time};
use crate::error::Error;
use crate::partition::{Layout, Partitioned, Record, bits, partition};
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
        return Ok(Sequences { offsets: vec![0], ..Sequences::default() });
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
    let partitioned: Partitioned<R> = partition(columns, users, items, layout);
    pause()?;
    let seen: Vec<AtomicBool> = if rules.identity {
        Vec::new()
    } else {
        (0..items.width()).map(|_| AtomicBool::new(false)).collect()
    };
    let mut counts = vec![0u32; users.width()];
    let mut codes = vec![0i32; partitioned.records.len()];
    let tallies = sort_partitions(&partitioned, layout, rules, &mut counts, &mut codes, &seen);
    let starts = partitioned.starts;
    drop(partitioned.records);
    pause()?;
    let tally = tallies.iter().fold(Tally::default(), |sum, tally| sum.add(*tally));
    if tally.rows_kept < codes.len() {
        compact(&mut codes, &starts, &tallies);
    }
    let mut sequences = Sequences { tally, items: codes, ..Sequences::default() };
    index_users(&mut sequences, users, &counts);
    if rules.identity {
        let largest = sequences.items.par_iter().copied().max().unwrap_or(0);
        sequences.vocabulary = largest as usize;
    } else {
        index_items(&mut sequences, items, &seen)?;
    }
    sequences.without_negative = first_without_negative(&sequences);
    Ok(sequences)
}

fn sort_partitions<R: Record>(
    partitioned: &Partitioned<R>,
    layout: &Layout,
    rules: &Rules,
    counts: &mut [u32],
    codes: &mut [i32],
    seen: &[AtomicBool],
) -> Vec<Tally> {
    let mut outputs = Vec::with_capacity(layout.partitions);
    let mut rest = codes;
    for bounds in partitioned.starts.windows(2) {
        let (output, tail) = rest.split_at_mut(bounds[1] - bounds[0]);
        outputs.push(output);
        rest = tail;
    }
    counts
        .par_chunks_mut(1 << layout.user_bits)
        .zip(outputs)
        .zip(partitioned.starts.par_windows(2))
        .map_init(Scratch::default, |scratch, ((counts, output), bounds)| {
            let records = &partitioned.records[bounds[0]..bounds[1]];
            scratch.sort_users(records, layout, rules, counts);
            scratch.emit(layout, rules, counts, output, seen)
        })
        .collect()
}

/// Buffers of one thread, reused from partition to partition.
#[derive(Default)]
struct Scratch {
    cursors: Vec<u32>,
    /// Rows of a user stand together: time, then position in the partition.
    rows: Vec<(u64, u32)>,
    keys: Vec<u64>,
    items: Vec<u32>,
    packed: bool,
    index_bits: u32,
}

impl Scratch {
    /// Count rows by user, zero the counts of dropped users, group the others and sort by time.
    fn sort_users<R: Record>(
        &mut self,
        records: &[R],
        layout: &Layout,
        rules: &Rules,
        counts: &mut [u32],
    ) {
        for record in records {
            counts[record.user(layout)] += 1;
        }
        self.cursors.clear();
        let mut start = 0;
        for &count in counts.iter() {
            self.cursors.push(if is_kept(count, rules) { start } else { u32::MAX });
            start += if is_kept(count, rules) { count } else { 0 };
        }
        let kept = start as usize;
        self.index_bits = bits(kept as u64);
        self.packed = layout.time_bits + self.index_bits <= u64::BITS;
        self.items.resize(kept, 0);
        if self.packed {
            self.keys.resize(kept, 0);
        } else {
            self.rows.resize(kept, (0, 0));
        }
        for record in records {
            let cursor = &mut self.cursors[record.user(layout)];
            if *cursor != u32::MAX {
                let position = *cursor as usize;
                *cursor += 1;
                self.items[position] = record.item(layout);
                let time = record.time(layout);
                if self.packed {
                    self.keys[position] = shl(time, self.index_bits) | position as u64;
                } else {
                    self.rows[position] = (time, position as u32);
                }
            }
        }
        let mut start = 0;
        for &count in counts.iter().filter(|&&count| is_kept(count, rules)) {
            let end = start + count as usize;
            // Positions make keys distinct, so an unstable sort is stable here.
            if self.packed {
                self.keys[start..end].sort_unstable();
            } else {
                self.rows[start..end].sort_unstable();
            }
            start = end;
        }
    }

    /// Write item codes in order, mark the items seen, and count ties.
    fn emit(
        &self,
        layout: &Layout,
        rules: &Rules,
        counts: &mut [u32],
        output: &mut [i32],
        seen: &[AtomicBool],
    ) -> Tally {
        let mut tally = Tally { rows_filtered: output.len(), ..Tally::default() };
        let mask = (1u64 << self.index_bits) - 1;
        let mut start = 0;
        for count in counts.iter_mut().filter(|count| **count > 0) {
            if !is_kept(*count, rules) {
                tally.users_dropped += 1;
                *count = 0;
                continue;
            }
            let end = start + *count as usize;
            let time = |row: usize| {
                if self.packed { shr(self.keys[row], self.index_bits) } else { self.rows[row].0 }
            };
            for (row, slot) in (start..end).zip(&mut output[start..end]) {
                let position =
                    if self.packed { self.keys[row] & mask } else { u64::from(self.rows[row].1) };
                let item = self.items[position as usize];
                *slot = item as i32;
                if let Some(seen) = seen.get(item as usize)
                    && !seen.load(Ordering::Relaxed)
                {
                    seen.store(true, Ordering::Relaxed);
                }
            }
            if layout.time_bits > 0 || *count > 1 {
                count_ties(&time, start..end, rules.holdout, &mut tally);
            }
            start = end;
        }
        tally.rows_kept = start;
        tally
    }
}

fn is_kept(count: u32, rules: &Rules) -> bool {
    count > 0 && count as usize >= rules.min_user_interactions
}

/// `value << shift`, zero for a shift by all bits.
fn shl(value: u64, shift: u32) -> u64 {
    value.checked_shl(shift).unwrap_or(0)
}

/// `value >> shift`, zero for a shift by all bits.
fn shr(value: u64, shift: u32) -> u64 {
    value.checked_shr(shift).unwrap_or(0)
}

/// Count the rows of one user that share their time with a neighbour.
fn count_ties(
    time: &impl Fn(usize) -> u64,
    rows: std::ops::Range<usize>,
    holdout: usize,
    tally: &mut Tally,
) {
    let mut before = false;
    for row in rows.clone() {
        let after = row + 1 < rows.end && time(row) == time(row + 1);
        tally.rows_tied += usize::from(before || after);
        before = after;
    }
    let first = rows.end.saturating_sub(holdout).max(rows.start + 1);
    let dependent = (first..rows.end).any(|row| time(row - 1) == time(row));
    tally.users_tie_dependent += usize::from(dependent);
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

/// Replace item codes by indices 1..=vocabulary in ascending id order.
fn index_items(
    sequences: &mut Sequences,
    items: &Coder,
    seen: &[AtomicBool],
) -> Result<(), Error> {
    let mut indices = vec![0i32; seen.len()];
    for (code, index) in indices.iter_mut().enumerate() {
        if seen[code].load(Ordering::Relaxed) {
            sequences.item_ids.push(items.id(code));
            *index = sequences.item_ids.len() as i32;
        }
    }
    let distinct = sequences.item_ids.len();
    if distinct > MAX_ITEMS {
        return Err(Error::TooManyItems { items: distinct, max: MAX_ITEMS });
    }
    sequences.vocabulary = distinct;
    sequences
        .items
        .par_iter_mut()
        .with_min_len(1 << 15)
        .for_each(|item| *item = indices[*item as u32 as usize]);
    Ok(())
}

/// The first user with a row (two items) who owns all items.
fn first_without_negative(sequences: &Sequences) -> Option<usize> {
    let vocabulary = sequences.vocabulary;
    (0..sequences.user_ids.len()).into_par_iter().with_min_len(1 << 10).find_first(|&user| {
        let (start, end) = (sequences.offsets[user] as usize, sequences.offsets[user + 1] as usize);
        end - start >= vocabulary.max(2) && {
            let mut owned = sequences.items[start..end].to_vec();
            owned.sort_unstable();
            owned.dedup();
            owned.len() == vocabulary
        }
    })
}
