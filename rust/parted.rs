//! Many ids of no dense range -> their ranks. Rows are parted by ranges of ids, so that the ids of a
//! part are few enough for a near hash table, and no id is in two tables.

use crate::columns::Integers;
use crate::error::Error;
use crate::memory::{collected, enter, push, reserve, zeroed};
use crate::outliers::{Span, sample};
use crate::pages::Pages;
use crate::partition::{cells, starts};
use crate::record::bits;
use crate::slices::{parts, split_off};
use foldhash::HashMap;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

/// Rows that a part should have.
const PART_ROWS: usize = 1 << 12;
/// Most parts, as a power of two.
const MAX_PART_BITS: u32 = 9;
/// Rows that a thread takes at once, at least.
const MIN_CHUNK_ROWS: usize = 1 << 15;

/// The ids that occur, ascending, and the rank of each row's.
pub type Ranks = (Vec<i64>, Vec<u32>);

/// The ids that occur in a non-empty column, ascending, and the rank of each row's.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn ranked(column: Integers) -> Result<Ranks, Error> {
    let ranges = Ranges::of(column);
    let (mut records, starts) = parted(column, &ranges)?;
    let mut rest = &mut records[..];
    let parts = starts.windows(2).map(|bounds| split_off(&mut rest, bounds[1] - bounds[0]));
    let mut parts = collected(parts)?;
    let found = parts.par_iter_mut().map_init(HashMap::default, |known, part| rank(part, known));
    let found: Vec<Vec<i64>> = found.collect::<Result<_, Error>>()?;
    let codes: Vec<AtomicU32> = zeroed(column.len())?;
    let mut ids = Vec::new();
    let mut firsts: Vec<u32> = zeroed(found.len())?;
    for (first, found) in firsts.iter_mut().zip(found) {
        *first = ids.len() as u32;
        reserve(&mut ids, found.len())?;
        ids.extend(found);
    }
    parts.into_par_iter().zip(firsts).for_each(|(part, first)| {
        for &[_, rank, row] in &*part {
            codes[row as usize].store(first + rank, Ordering::Relaxed);
        }
    });
    Ok((ids, codes.into_iter().map(AtomicU32::into_inner).collect()))
}

/// Ranges of ids, equally long but for the first and the last, which reach as far as there are ids.
struct Ranges {
    span: Span,
    shift: u32,
}

impl Ranges {
    fn of(column: Integers) -> Self {
        let sample = sample(column);
        let cut = sample.len() / 32;
        let span = (sample[cut], sample[sample.len() - 1 - cut]);
        let wanted = bits((column.len() / PART_ROWS) as u64).min(MAX_PART_BITS);
        let length = span.1.wrapping_sub(span.0) as u64;
        Self { span, shift: bits(length).saturating_sub(wanted) }
    }

    #[inline]
    fn part(&self, id: i64) -> usize {
        let id = id.clamp(self.span.0, self.span.1);
        (id.wrapping_sub(self.span.0) as u64).unbounded_shr(self.shift) as usize
    }

    fn number(&self) -> usize {
        self.part(i64::MAX) + 1
    }
}

/// Both halves of the id of each row, and the row, range after range; and where each begins.
type Parted = (Pages<[u32; 3]>, Vec<usize>);

fn parted(column: Integers, ranges: &Ranges) -> Result<Parted, Error> {
    let rows = column.len();
    let size = rows.div_ceil(4 * rayon::current_num_threads()).max(MIN_CHUNK_ROWS);
    let chunks: Vec<Range<usize>> = parts(0..rows, size).collect();
    let histograms = chunks.par_iter().map(|chunk| {
        let mut counts: Vec<u32> = zeroed(ranges.number())?;
        each_id(column, chunk.clone(), |_, id| counts[ranges.part(id)] += 1);
        Ok(counts)
    });
    let histograms: Vec<Vec<u32>> = histograms.collect::<Result<_, Error>>()?;
    let starts = starts(&histograms, ranges.number())?;
    let mut records = Pages::new(rows)?;
    let cells = cells(&mut records, &histograms, ranges.number())?;
    chunks.into_par_iter().zip(cells).for_each(|(chunk, mut cells)| {
        each_id(column, chunk, |row, id| {
            // The histogram counted exactly these rows, so there is always room.
            if let Some(slot) = cells[ranges.part(id)].next() {
                *slot = [id as u32, (id >> 32) as u32, row as u32];
            }
        });
    });
    Ok((records, starts))
}

#[inline]
fn each_id(column: Integers, chunk: Range<usize>, mut act: impl FnMut(usize, i64)) {
    match column {
        Integers::Wide(ids) => {
            chunk.clone().zip(&ids[chunk]).for_each(|(row, &id)| act(row, id));
        }
        Integers::Narrow(ids) => {
            chunk.clone().zip(&ids[chunk]).for_each(|(row, &id)| act(row, i64::from(id)));
        }
    }
}

/// Put the rank of each id of a part into its middle; returns the ids, ascending.
fn rank(part: &mut [[u32; 3]], known: &mut HashMap<i64, u32>) -> Result<Vec<i64>, Error> {
    known.clear();
    let mut found = Vec::new();
    for [low, high, _] in &mut *part {
        let id = i64::from(*high as i32) << 32 | i64::from(*low);
        *high = if let Some(&number) = known.get(&id) {
            number
        } else {
            let number = found.len() as u32;
            enter(known, id, number)?;
            push(&mut found, (id, number))?;
            number
        };
    }
    found.sort_unstable();
    let mut ranks: Vec<u32> = zeroed(found.len())?;
    for (rank, (_, number)) in found.iter().enumerate() {
        ranks[*number as usize] = rank as u32;
    }
    for [_, number, _] in part {
        *number = ranks[*number as usize];
    }
    collected(found.into_iter().map(|(id, _)| id))
}
