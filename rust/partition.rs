//! The one pass that moves rows: a stable radix partition by user code, so that each partition
//! holds the rows of neighbouring users, in input order, and fits the second-level cache.

use crate::coder::Coder;
use crate::columns::{Columns, Time};
use crate::error::Error;
use crate::flags::Flags;
use crate::memory::{room, zeroed};
use crate::pages::Pages;
use crate::record::{Layout, Record};
use crate::slices::{parts, split_off};
use crate::threads::Pause;
use rayon::prelude::*;
use std::ops::Range;

const MIN_CHUNK_ROWS: usize = 1 << 15;
/// Rows coded and packed together, in loops the compiler can vectorise.
const BLOCK_ROWS: usize = 512;
/// Parts of a block that are counted side by side.
const STRANDS: usize = 4;

/// Records, partition after partition.
pub struct Partitioned<R> {
    /// All kept rows.
    pub records: Pages<R>,
    /// Partition p is `records[starts[p]..starts[p + 1]]`.
    pub starts: Vec<usize>,
}

/// Partition the kept rows of `columns`; sets `seen` at their item codes, unless it is empty.
///
/// # Errors
/// [`Error::OutOfMemory`], or what `pause` returns.
pub fn partition<R: Record, T: Time>(
    columns: &Columns<T>,
    (users, items): (&Coder, &Coder),
    layout: &Layout,
    seen: &Flags,
    pause: &Pause,
) -> Result<Partitioned<R>, Error> {
    let rows = columns.rows();
    let size = rows.div_ceil(4 * rayon::current_num_threads()).max(MIN_CHUNK_ROWS);
    let chunks: Vec<Range<usize>> = parts(0..rows, size).collect();
    let histograms: Vec<Vec<u32>> = chunks
        .par_iter()
        .map(|chunk| {
            pause.ask()?;
            histogram(columns, users, layout, chunk.clone())
        })
        .collect::<Result<_, Error>>()?;
    let starts = starts(&histograms, layout.partitions)?;
    let mut records = Pages::new(starts[layout.partitions])?;
    let cells = cells(&mut records, &histograms, layout.partitions)?;
    pause.between()?;
    chunks.into_par_iter().zip(cells).try_for_each(|(chunk, cells)| {
        scatter(columns, (users, items), layout, (chunk, cells), seen);
        pause.ask()
    })?;
    Ok(Partitioned { records, starts })
}

/// Move the kept rows of a chunk to their cells, packing a block of them at a time.
fn scatter<R: Record, T: Time>(
    columns: &Columns<T>,
    (users, items): (&Coder, &Coder),
    layout: &Layout,
    (chunk, mut cells): (Range<usize>, Vec<std::slice::IterMut<R>>),
    seen: &Flags,
) {
    let mut places = [0u32; BLOCK_ROWS];
    let mut item_codes = [0; BLOCK_ROWS];
    let mut records = [R::zeroed(); BLOCK_ROWS];
    let local = (1u64 << layout.user_bits) as u32 - 1;
    for rows in parts(chunk, BLOCK_ROWS) {
        let length = rows.len();
        users.encode(columns.users, rows.clone(), &mut places[..length]);
        items.encode(columns.items, rows.clone(), &mut item_codes[..length]);
        let fields = places.iter_mut().zip(&item_codes).zip(&columns.times[rows.clone()]);
        for (record, ((place, &item), time)) in records.iter_mut().zip(fields) {
            *record = R::pack(layout, *place & local, layout.time(time.key()), item);
            *place >>= layout.user_bits;
        }
        let kept = match columns.keep {
            Some(keep) => {
                move_kept_first(&keep[rows.clone()], &mut places);
                move_kept_first(&keep[rows.clone()], &mut item_codes);
                move_kept_first(&keep[rows], &mut records)
            }
            None => length,
        };
        if !seen.is_empty() {
            item_codes[..kept].iter().for_each(|&code| seen.raise(code as usize));
        }
        for (&place, &record) in places.iter().zip(&records).take(kept) {
            // The histogram counted exactly these rows, so the cell always has room.
            if let Some(slot) = cells[place as usize].next() {
                *slot = record;
            }
        }
    }
}

/// Close the gaps of the rows that are not kept; returns how many are.
fn move_kept_first<T: Copy>(keep: &[bool], values: &mut [T]) -> usize {
    let mut kept = 0;
    for (row, &keeps) in keep.iter().enumerate() {
        values[kept] = values[row];
        kept += usize::from(keeps);
    }
    kept
}

/// Kept rows of a chunk, by partition.
fn histogram<T: Time>(
    columns: &Columns<T>,
    users: &Coder,
    layout: &Layout,
    chunk: Range<usize>,
) -> Result<Vec<u32>, Error> {
    let mut counts = zeroed(layout.partitions)?;
    let mut block = [0; BLOCK_ROWS];
    for rows in parts(chunk, BLOCK_ROWS) {
        let codes = &mut block[..rows.len()];
        users.encode(columns.users, rows.clone(), codes);
        let mut count = |row: usize| {
            let partition = codes[row] >> layout.user_bits;
            counts[partition as usize] += u32::from(columns.keeps(rows.start + row));
        };
        // Rows apart in turn: where neighbours are of one user, each count waits for the one before.
        let part = codes.len() / STRANDS;
        for row in 0..part {
            (0..STRANDS).for_each(|strand| count(strand * part + row));
        }
        (STRANDS * part..codes.len()).for_each(count);
    }
    Ok(counts)
}

/// Where each partition begins, and the last one ends.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn starts(histograms: &[Vec<u32>], partitions: usize) -> Result<Vec<usize>, Error> {
    let mut starts = zeroed(partitions + 1)?;
    for partition in 0..partitions {
        let size: usize = histograms.iter().map(|counts| counts[partition] as usize).sum();
        starts[partition + 1] = starts[partition] + size;
    }
    Ok(starts)
}

/// For each chunk, the place of its rows in each partition.
///
/// # Errors
/// [`Error::OutOfMemory`].
///
/// # Panics
/// If there are fewer records than the histograms say.
pub fn cells<'a, R>(
    records: &'a mut [R],
    histograms: &[Vec<u32>],
    partitions: usize,
) -> Result<Vec<Vec<std::slice::IterMut<'a, R>>>, Error> {
    let mut cells: Vec<Vec<_>> =
        histograms.iter().map(|_| room(partitions)).collect::<Result<_, Error>>()?;
    let mut rest = records;
    for partition in 0..partitions {
        for (cells, counts) in cells.iter_mut().zip(histograms) {
            cells.push(split_off(&mut rest, counts[partition] as usize).iter_mut());
        }
    }
    Ok(cells)
}
