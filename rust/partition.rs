//! The one pass that moves rows: a stable radix partition by user code, so that each partition
//! holds the rows of neighbouring users, in input order, and fits the second-level cache.

use crate::coder::Coder;
use crate::columns::{Columns, Integers, Time};
use crate::flags::Flags;
use crate::record::{Layout, Record};
use rayon::prelude::*;
use std::ops::Range;

const MIN_CHUNK_ROWS: usize = 1 << 15;
/// Rows coded and packed together, in loops the compiler can vectorise.
const BLOCK_ROWS: usize = 512;

/// Records, partition after partition.
pub struct Partitioned<R> {
    /// All kept rows.
    pub records: Vec<R>,
    /// Partition p is `records[starts[p]..starts[p + 1]]`.
    pub starts: Vec<usize>,
}

/// Partition the kept rows of `columns`; sets `seen` at their item codes, unless it is empty.
pub fn partition<R: Record, T: Time>(
    columns: &Columns<T>,
    users: &Coder,
    items: &Coder,
    layout: &Layout,
    seen: &Flags,
) -> Partitioned<R> {
    let chunks = chunks(columns.rows());
    let histograms: Vec<Vec<u32>> = chunks
        .par_iter()
        .map(|chunk| {
            mark_seen(columns, items, chunk.clone(), seen);
            histogram(columns, users, layout, chunk.clone())
        })
        .collect();
    let mut starts = vec![0; layout.partitions + 1];
    for partition in 0..layout.partitions {
        let size: usize = histograms.iter().map(|counts| counts[partition] as usize).sum();
        starts[partition + 1] = starts[partition] + size;
    }
    let mut records = vec![R::default(); starts[layout.partitions]];
    let cells = cells(&mut records, &histograms, layout.partitions);
    chunks.into_par_iter().zip(cells).for_each(|(chunk, cells)| {
        scatter(columns, (users, items), layout, chunk, cells);
    });
    Partitioned { records, starts }
}

/// Move the kept rows of a chunk to their cells, packing a block of them at a time.
fn scatter<R: Record, T: Time>(
    columns: &Columns<T>,
    (users, items): (&Coder, &Coder),
    layout: &Layout,
    chunk: Range<usize>,
    mut cells: Vec<std::slice::IterMut<R>>,
) {
    let mut parts = [0u32; BLOCK_ROWS];
    let mut item_codes = [0; BLOCK_ROWS];
    let mut records = [R::default(); BLOCK_ROWS];
    let local = (1u64 << layout.user_bits) as u32 - 1;
    for rows in blocks(chunk) {
        let length = rows.len();
        users.encode(columns.users, rows.clone(), &mut parts[..length]);
        items.encode(columns.items, rows.clone(), &mut item_codes[..length]);
        let fields = parts.iter_mut().zip(&item_codes).zip(&columns.times[rows.clone()]);
        for (record, ((part, &item), time)) in records.iter_mut().zip(fields) {
            *record = R::pack(layout, *part & local, time.key() - layout.time_min, item);
            *part >>= layout.user_bits;
        }
        let kept = match columns.keep {
            Some(keep) => move_kept_first(&keep[rows], &mut parts, &mut records),
            None => length,
        };
        for (&part, &record) in parts.iter().zip(&records).take(kept) {
            // The histogram counted exactly these rows, so the cell always has room.
            if let Some(slot) = cells[part as usize].next() {
                *slot = record;
            }
        }
    }
}

/// Close the gaps of the rows that are not kept; returns how many are.
fn move_kept_first<R: Record>(keep: &[bool], parts: &mut [u32], records: &mut [R]) -> usize {
    let mut kept = 0;
    for (row, &keeps) in keep.iter().enumerate() {
        parts[kept] = parts[row];
        records[kept] = records[row];
        kept += usize::from(keeps);
    }
    kept
}

/// Consecutive blocks of a range of rows.
fn blocks(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = rows.end;
    rows.step_by(BLOCK_ROWS).map(move |start| start..end.min(start + BLOCK_ROWS))
}

/// Ranges of rows to be worked on in parallel.
fn chunks(rows: usize) -> Vec<Range<usize>> {
    let size = rows.div_ceil(4 * rayon::current_num_threads()).max(MIN_CHUNK_ROWS);
    (0..rows).step_by(size).map(|start| start..rows.min(start + size)).collect()
}

/// Kept rows of a chunk, by partition.
fn histogram<T: Time>(
    columns: &Columns<T>,
    users: &Coder,
    layout: &Layout,
    chunk: Range<usize>,
) -> Vec<u32> {
    let mut counts = vec![0; layout.partitions];
    each_code(users, columns.users, chunk, |row, code| {
        counts[(code >> layout.user_bits) as usize] += u32::from(columns.keeps(row));
    });
    counts
}

/// Set `seen` at the item codes of the kept rows of a chunk.
fn mark_seen<T: Time>(columns: &Columns<T>, items: &Coder, chunk: Range<usize>, seen: &Flags) {
    if !seen.is_empty() {
        each_code(items, columns.items, chunk, |row, code| {
            if columns.keeps(row) {
                seen.raise(code as usize);
            }
        });
    }
}

/// Each row of a chunk and its code, coded a block at a time.
#[inline]
fn each_code(
    coder: &Coder,
    column: Integers,
    chunk: Range<usize>,
    mut act: impl FnMut(usize, u32),
) {
    let mut block = [0; BLOCK_ROWS];
    for rows in blocks(chunk) {
        let block = &mut block[..rows.len()];
        coder.encode(column, rows.clone(), block);
        for (row, &code) in rows.zip(&*block) {
            act(row, code);
        }
    }
}

/// For each chunk, the place of its rows in each partition.
fn cells<'a, R>(
    records: &'a mut [R],
    histograms: &[Vec<u32>],
    partitions: usize,
) -> Vec<Vec<std::slice::IterMut<'a, R>>> {
    let mut cells: Vec<Vec<_>> =
        histograms.iter().map(|_| Vec::with_capacity(partitions)).collect();
    let mut rest = records;
    for partition in 0..partitions {
        for (cells, counts) in cells.iter_mut().zip(histograms) {
            let (cell, tail) = rest.split_at_mut(counts[partition] as usize);
            cells.push(cell.iter_mut());
            rest = tail;
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitioning_is_stable_and_complete() {
        let rows = 200_000i64;
        let users: Vec<i64> = (0..rows).map(|row| row * 7919 % 1000).collect();
        let items: Vec<i64> = (0..rows).collect();
        let times = vec![(); rows as usize];
        let columns = Columns {
            users: Integers::Wide(&users),
            items: Integers::Wide(&items),
            times: &times[..],
            keep: None,
        };
        let user_coder = Coder::of(columns.users);
        let item_coder = Coder::of(columns.items);
        let layout = Layout::new(columns.rows(), user_coder.width(), item_coder.width(), (0, 0));
        assert!(layout.partitions > 1);
        let done: Partitioned<u64> =
            partition(&columns, &user_coder, &item_coder, &layout, &Flags::new(0));
        for part in 0..layout.partitions {
            let records = &done.records[done.starts[part]..done.starts[part + 1]];
            assert!(records.windows(2).all(|pair| pair[0].item(&layout) < pair[1].item(&layout)));
            for record in records {
                let user = (part << layout.user_bits) + record.user(&layout);
                assert_eq!(users[record.item(&layout) as usize], user as i64);
            }
        }
    }
}
