//! The one pass that moves rows: a stable radix partition by user code, so that each partition
//! holds the rows of neighbouring users, in input order, and fits the second-level cache.

use crate::columns::{Columns, Time};
use crate::flags::Flags;
use crate::radix;
use crate::vocabulary::Coder;
use rayon::prelude::*;
use std::ops::Range;

/// Rows a partition should hold: with as much scratch, 128 KiB of a second-level cache.
const PARTITION_ROWS: usize = 1 << 13;
/// Most partitions: more write streams than this cost more than the larger partitions do.
const MAX_PARTITIONS: usize = 1 << 11;
const MIN_CHUNK_ROWS: usize = 1 << 15;
/// Rows coded and packed together, in loops the compiler can vectorise.
const BLOCK_ROWS: usize = 512;

/// Where the fields of a record stand.
pub struct Layout {
    /// Partitions there are.
    pub partitions: usize,
    /// A user's partition is its code shifted right by this.
    pub user_bits: u32,
    /// Bits of a time relative to `time_min`.
    pub time_bits: u32,
    /// Bits of an item code.
    pub item_bits: u32,
    /// Smallest time key.
    pub time_min: u64,
}

impl Layout {
    /// The layout for so many rows, user and item codes, and this span of time keys.
    #[must_use]
    pub fn new(rows: usize, users: usize, items: usize, times: (u64, u64)) -> Self {
        let wanted = (rows / PARTITION_ROWS).clamp(1, MAX_PARTITIONS);
        let user_bits = bits(users.div_ceil(wanted).max(1) as u64 - 1);
        Self {
            partitions: ((users - 1) >> user_bits) + 1,
            user_bits,
            time_bits: bits(times.1.saturating_sub(times.0)),
            item_bits: bits(items as u64 - 1),
            time_min: times.0,
        }
    }

    /// Whether all fields of a record fit one word.
    #[must_use]
    pub fn fits_word(&self) -> bool {
        self.user_bits + self.time_bits + self.item_bits < u64::BITS
    }
}

/// Bits needed to write `largest`.
#[must_use]
pub fn bits(largest: u64) -> u32 {
    u64::BITS - largest.leading_zeros()
}

/// A row as it travels: user code within its partition, relative time, item code.
pub trait Record: Copy + Send + Sync {
    /// The all-zero record.
    const ZERO: Self;
    /// Pack the fields.
    fn pack(layout: &Layout, user: u32, time: u64, item: u32) -> Self;
    /// User code within the partition.
    fn user(self, layout: &Layout) -> usize;
    /// Time relative to the smallest.
    fn time(self, layout: &Layout) -> u64;
    /// Item code.
    fn item(self, layout: &Layout) -> u32;
    /// Buffers of one thread for sorting.
    type Scratch: Default;
    /// One partition in the order of user, then time; stable.
    fn sorted<'a>(records: &[Self], scratch: &'a mut Self::Scratch, layout: &Layout) -> &'a [Self];
}

/// All fields in one word; requires [`Layout::fits_word`].
impl Record for u64 {
    const ZERO: Self = 0;

    #[inline]
    fn pack(layout: &Layout, user: u32, time: u64, item: u32) -> Self {
        (u64::from(user) << layout.time_bits | time) << layout.item_bits | u64::from(item)
    }

    #[inline]
    fn user(self, layout: &Layout) -> usize {
        (self >> (layout.time_bits + layout.item_bits)) as usize
    }

    #[inline]
    fn time(self, layout: &Layout) -> u64 {
        self >> layout.item_bits & ((1 << layout.time_bits) - 1)
    }

    #[inline]
    fn item(self, layout: &Layout) -> u32 {
        (self & ((1 << layout.item_bits) - 1)) as u32
    }

    type Scratch = radix::Scratch;

    fn sorted<'a>(records: &[Self], scratch: &'a mut Self::Scratch, layout: &Layout) -> &'a [Self] {
        let width = layout.time_bits + layout.user_bits;
        radix::sorted(records, scratch, layout.item_bits, width)
    }
}

/// Time in one word, user and item in the other.
impl Record for [u64; 2] {
    const ZERO: Self = [0, 0];

    #[inline]
    fn pack(_: &Layout, user: u32, time: u64, item: u32) -> Self {
        [time, u64::from(user) << 32 | u64::from(item)]
    }

    #[inline]
    fn user(self, _: &Layout) -> usize {
        (self[1] >> 32) as usize
    }

    #[inline]
    fn time(self, _: &Layout) -> u64 {
        self[0]
    }

    #[inline]
    fn item(self, _: &Layout) -> u32 {
        self[1] as u32
    }

    type Scratch = Vec<Self>;

    fn sorted<'a>(records: &[Self], scratch: &'a mut Self::Scratch, _: &Layout) -> &'a [Self] {
        scratch.clear();
        scratch.extend_from_slice(records);
        scratch.sort_by_key(|record| (record[1] >> 32, record[0]));
        scratch
    }
}

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
    let mut records = vec![R::ZERO; starts[layout.partitions]];
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
    let mut records = [R::ZERO; BLOCK_ROWS];
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
    let mut codes = [0; BLOCK_ROWS];
    for rows in blocks(chunk) {
        let codes = &mut codes[..rows.len()];
        users.encode(columns.users, rows.clone(), codes);
        for (row, &code) in rows.zip(&*codes) {
            counts[(code >> layout.user_bits) as usize] += u32::from(columns.keeps(row));
        }
    }
    counts
}

/// Set `seen` at the item codes of the kept rows of a chunk.
fn mark_seen<T: Time>(columns: &Columns<T>, items: &Coder, chunk: Range<usize>, seen: &Flags) {
    if seen.is_empty() {
        return;
    }
    let mut codes = [0; BLOCK_ROWS];
    for rows in blocks(chunk) {
        let codes = &mut codes[..rows.len()];
        items.encode(columns.items, rows.clone(), codes);
        for (row, &code) in rows.zip(&*codes) {
            if columns.keeps(row) {
                seen.raise(code as usize);
            }
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
    use crate::columns::Ids;

    fn fields<R: Record>(layout: &Layout) -> (usize, u64, u32) {
        let record = R::pack(layout, 3, 1 << 20, 77);
        (record.user(layout), record.time(layout), record.item(layout))
    }

    #[test]
    fn both_records_return_what_was_packed() {
        let layout = Layout::new(10, 4, 100, (5, 5 + (1 << 20)));
        assert!(layout.fits_word());
        assert_eq!(fields::<u64>(&layout), (3, 1 << 20, 77));
        assert_eq!(fields::<[u64; 2]>(&layout), (3, 1 << 20, 77));
    }

    #[test]
    fn partitioning_is_stable_and_complete() {
        let rows = 200_000i64;
        let users: Vec<i64> = (0..rows).map(|row| row * 7919 % 1000).collect();
        let items: Vec<i64> = (0..rows).collect();
        let times = vec![(); rows as usize];
        let columns = Columns {
            users: Ids::Wide(&users),
            items: Ids::Wide(&items),
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
