//! Columns -> CSR sequences: rows grouped by user, users ascending, each user's items stable by
//! time. Partitions are sorted independently; each row is compared only with rows of its user.

use crate::coder::Coder;
use crate::columns::{Columns, Time};
use crate::emission::{HeldOut, Outputs, Rules, Tally, Targets, count_ties, sort_partitions};
use crate::error::Error;
use crate::filters::{Minima, k_core};
use crate::flags::Flags;
use crate::memory::{filled, room, zeroed};
use crate::partition::{Partitioned, partition};
use crate::record::{Layout, Record};
use crate::threads::Pause;
use rayon::prelude::*;

/// Largest item index: 0 is padding and `vocabulary_size` itself must fit an int32.
pub const MAX_ITEMS: usize = i32::MAX as usize - 1;

/// The compact store and how it came about.
#[derive(Default)]
pub struct Sequences {
    /// User u owns `items[offsets[u]..offsets[u + 1]]`.
    pub offsets: Vec<i64>,
    /// Item indices `1..=num_items`, in time order.
    pub items: Vec<i32>,
    /// Raw user ids, ascending.
    pub user_ids: Vec<i64>,
    /// Raw item ids, ascending; empty under identity.
    pub item_ids: Vec<i64>,
    /// Number of items.
    pub num_items: usize,
    /// With [`HeldOut::From`]: each user's rows before each of the two periods.
    pub before: Vec<[u32; 2]>,
    /// Where asked for: the number of each row's distinct time among its user's, ascending.
    pub moments: Vec<u32>,
    /// Counts for the report.
    pub tally: Tally,
}

/// Group the rows of `columns`; `pause` is asked between passes whether to go on.
///
/// # Errors
/// Columns of unequal length, too many rows or items, [`Error::OutOfMemory`], or what `pause` returns.
pub fn group<T: Time>(
    columns: &Columns<T>,
    rules: &Rules,
    pause: &Pause,
) -> Result<Sequences, Error> {
    columns.check()?;
    pause.between()?;
    if columns.rows() == 0 {
        return Ok(Sequences { offsets: vec![0], ..Sequences::default() });
    }
    let users = Coder::of(columns.users)?;
    pause.between()?;
    let items = if rules.keeps_codes() {
        Coder::identity(columns.items)
    } else {
        Coder::of(columns.items)?
    };
    let times = columns.time_span();
    let layout = Layout::new(columns.rows(), users.width(), items.width(), times);
    pause.between()?;
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
    pause: &Pause,
) -> Result<Sequences, Error> {
    let seen = Flags::new(if rules.keeps_codes() { 0 } else { items.width() })?;
    let partitioned: Partitioned<R> = partition(columns, (users, items), layout, &seen, pause)?;
    pause.between()?;
    let (item_ids, indices) = index_items(&seen.into_vec(), |code| items.id(code))?;
    let rows = partitioned.records.len();
    let mut counts = zeroed(users.width())?;
    let mut codes = zeroed(rows)?;
    let mut moments = zeroed(if rules.has_core() || rules.moments { rows } else { 0 })?;
    let dated = matches!(rules.held_out, HeldOut::From(_));
    let mut before = zeroed(if dated { users.width() } else { 0 })?;
    let outputs = Outputs {
        counts: &mut counts,
        before: &mut before,
        items: &mut codes,
        moments: &mut moments,
    };
    // The k-core finds rare users itself.
    let user = if rules.has_core() { 1 } else { rules.minima.user };
    let emitted = Rules { minima: Minima { user, ..rules.minima }, ..*rules };
    let tallies = sort_partitions(&partitioned, (layout, &emitted), &indices, outputs, pause)?;
    let starts = partitioned.starts;
    drop(partitioned.records);
    pause.between()?;
    let tally = tallies.iter().fold(Tally::default(), |sum, tally| sum.plus(*tally));
    compact(&mut codes, &starts, &tallies);
    compact(&mut moments, &starts, &tallies);
    let num_items = item_ids.len();
    let mut sequences =
        Sequences { tally, items: codes, item_ids, num_items, moments, ..Sequences::default() };
    index_users(&mut sequences, users, &counts, &before)?;
    if rules.has_core() {
        keep_core(&mut sequences, rules, pause)?;
    }
    finish_items(&mut sequences, rules)?;
    Ok(sequences)
}

/// Drop what is outside the k-core, and count ties among what is left.
fn keep_core(sequences: &mut Sequences, rules: &Rules, pause: &Pause) -> Result<(), Error> {
    let mut keep = filled(sequences.items.len(), true)?;
    let items = (&sequences.items[..], sequences.num_items);
    let rows_of_rare_items = k_core(&sequences.offsets, items, rules.minima, &mut keep, pause)?;
    let mut tally =
        Tally { rows_of_rare_items, rows_tied: 0, users_tie_dependent: 0, ..sequences.tally };
    let mut kept = room_for_kept(sequences, &keep, rules)?;
    let moments = &sequences.moments;
    let longest = sequences.offsets.windows(2).map(|bounds| (bounds[1] - bounds[0]) as usize).max();
    let mut rows = room(longest.unwrap_or(0))?;
    for (user, bounds) in sequences.offsets.windows(2).enumerate() {
        let start = bounds[0] as usize;
        rows.clear();
        rows.extend((start..bounds[1] as usize).filter(|&row| keep[row]));
        if rows.is_empty() {
            continue;
        }
        let kept_before = |count: u32| rows.partition_point(|&row| row < start + count as usize);
        let targets = match (rules.held_out, sequences.before.get(user)) {
            (HeldOut::Last(count), _) => Targets::Last(count),
            (HeldOut::From(_), before) => {
                Targets::After(before.unwrap_or(&[0; 2]).map(kept_before))
            }
        };
        if let Targets::After(before) = targets {
            kept.before.push(before.map(|rows| rows as u32));
        }
        count_ties(&rows, |row| moments[row], targets, &mut tally);
        kept.items.extend(rows.iter().map(|&row| sequences.items[row]));
        if rules.moments {
            kept.moments.extend(rows.iter().map(|&row| moments[row]));
        }
        kept.offsets.push(kept.items.len() as i64);
        kept.user_ids.push(sequences.user_ids[user]);
    }
    tally.rows_kept = kept.items.len();
    tally.users_dropped += sequences.user_ids.len() - kept.user_ids.len();
    kept.item_ids = std::mem::take(&mut sequences.item_ids);
    *sequences = Sequences { tally, num_items: sequences.num_items, ..kept };
    Ok(())
}

/// Nothing yet, but room for the rows that are kept and for the users who have some.
fn room_for_kept(sequences: &Sequences, keep: &[bool], rules: &Rules) -> Result<Sequences, Error> {
    let rows = keep.iter().filter(|keep| **keep).count();
    let has_kept = |bounds: &&[i64]| keep[bounds[0] as usize..bounds[1] as usize].contains(&true);
    let users = sequences.offsets.windows(2).filter(has_kept).count();
    let mut offsets = room(users + 1)?;
    offsets.push(0);
    Ok(Sequences {
        offsets,
        items: room(rows)?,
        user_ids: room(users)?,
        before: room(if sequences.before.is_empty() { 0 } else { users })?,
        moments: room(if rules.moments { rows } else { 0 })?,
        ..Sequences::default()
    })
}

/// Settle the vocabulary: no gaps, or under identity, ids for indices.
fn finish_items(sequences: &mut Sequences, rules: &Rules) -> Result<(), Error> {
    if !rules.keeps_codes() && sequences.tally.rows_kept < sequences.tally.rows_filtered {
        drop_unseen_items(sequences)?;
    }
    if !rules.identity {
        return Ok(());
    }
    let ids = std::mem::take(&mut sequences.item_ids);
    let items = sequences.items.par_iter_mut().with_min_len(1 << 15);
    let largest = items.map(|item| {
        *item = ids.get((*item - 1) as usize).map_or(*item, |&id| id as i32);
        *item
    });
    sequences.num_items = largest.max().unwrap_or(0) as usize;
    Ok(())
}

/// Close the gaps that dropped rows left at the end of each partition.
fn compact<T: Copy>(values: &mut Vec<T>, starts: &[usize], tallies: &[Tally]) {
    let total = tallies.iter().map(|tally| tally.rows_kept).sum();
    if values.len() <= total {
        return;
    }
    let mut end = 0;
    for (start, tally) in starts.iter().zip(tallies) {
        values.copy_within(*start..start + tally.rows_kept, end);
        end += tally.rows_kept;
    }
    values.truncate(end);
    values.shrink_to_fit();
}

/// Offsets and raw ids of the users that are left.
fn index_users(
    sequences: &mut Sequences,
    users: &Coder,
    counts: &[u32],
    before: &[[u32; 2]],
) -> Result<(), Error> {
    let kept = counts.iter().filter(|count| **count > 0).count();
    sequences.offsets = room(kept + 1)?;
    sequences.user_ids = room(kept)?;
    sequences.before = room(if before.is_empty() { 0 } else { kept })?;
    sequences.offsets.push(0);
    let mut end = 0;
    for (code, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        end += i64::from(count);
        sequences.offsets.push(end);
        sequences.user_ids.push(users.id(code));
        sequences.before.extend(before.get(code));
    }
    Ok(())
}

/// Ids of the seen codes, ascending, and the index 1.. of each.
fn index_items(seen: &[bool], id: impl Fn(usize) -> i64) -> Result<(Vec<i64>, Vec<i32>), Error> {
    let found = seen.iter().filter(|seen| **seen).count();
    if found > MAX_ITEMS {
        return Err(Error::TooMany { what: "items", found, max: MAX_ITEMS });
    }
    let mut item_ids = room(found)?;
    let mut indices: Vec<i32> = zeroed(seen.len())?;
    for (code, index) in indices.iter_mut().enumerate() {
        if seen[code] {
            item_ids.push(id(code));
            *index = item_ids.len() as i32;
        }
    }
    Ok((item_ids, indices))
}

/// Close the gaps in the vocabulary that dropped rows left.
fn drop_unseen_items(sequences: &mut Sequences) -> Result<(), Error> {
    let seen = Flags::new(sequences.num_items + 1)?;
    sequences.items.par_iter().with_min_len(1 << 15).for_each(|&item| seen.raise(item as usize));
    let (ids, indices) = index_items(&seen.into_vec(), |index| sequences.item_ids[index - 1])?;
    if ids.len() < sequences.num_items {
        sequences.num_items = ids.len();
        sequences.item_ids = ids;
        let items = sequences.items.par_iter_mut().with_min_len(1 << 15);
        items.for_each(|item| *item = indices[*item as usize]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Integers;
    use crate::filters::Duplicates;

    #[test]
    fn rows_before_a_period_are_counted_among_those_kept() {
        // User 1 has item 9, which nobody else has, as the last before the first period.
        let users = [1, 1, 1, 1, 2, 2, 2];
        let items = [5, 6, 9, 7, 5, 6, 7];
        let times = [1i64, 2, 3, 4, 1, 2, 5];
        let columns = Columns {
            users: Integers::Wide(&users),
            items: Integers::Wide(&items),
            times: &times[..],
            keep: None,
        };
        for (least, before, kept) in [(1, [[3, 4], [2, 2]], 7), (2, [[2, 3], [2, 2]], 6)] {
            let rules = Rules {
                duplicates: Duplicates::Keep,
                minima: Minima { user: 1, item: least },
                held_out: HeldOut::From([4i64.key(), 5i64.key()]),
                identity: false,
                moments: false,
            };
            let found = group(&columns, &rules, &Pause::default()).unwrap();
            assert_eq!(found.before, before);
            assert_eq!(found.items.len(), kept);
        }
    }
}
