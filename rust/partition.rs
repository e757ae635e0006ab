//! The one pass that moves rows: a stable radix partition by user code, so that each partition
//! holds the rows of neighbouring users, in input order, and fits the second-level cache.

use crate::columns::{Columns, Time};
use crate::vocabulary::Coder;
use rayon::prelude::*;
use std::ops::Range;

/// Rows a partition should hold: 16 Ki records of 8 bytes are a quarter of a 512 KiB cache.
const PARTITION_ROWS: usize = 1 << 14;
/// Most partitions: more write streams than this cost more than the larger partitions do.
const MAX_PARTITIONS: usize = 1 << 11;
const MIN_CHUNK_ROWS: usize = 1 << 15;

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
            partitions: (users - 1 >> user_bits) + 1,
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
}

/// Records, partition after partition.
pub struct Partitioned<R> {
    /// All kept rows.
    pub records: Vec<R>,
    /// Partition p is `records[starts[p]..starts[p + 1]]`.
    pub starts: Vec<usize>,
}

/// Partition the kept rows of `columns`.
pub fn partition<R: Record, T: Time>(
    columns: &Columns<T>,
    users: &Coder,
    items: &Coder,
    layout: &Layout,
) -> Partitioned<R> {
    let chunks = chunks(columns.rows());
    let histograms: Vec<Vec<u32>> = chunks
        .par_iter()
        .map(|chunk| histogram(columns, users, layout, chunk.clone()))
        .collect();
    let mut starts = vec![0; layout.partitions + 1];
    for partition in 0..layout.partitions {
        let size: usize = histograms.iter().map(|counts| counts[partition] as usize).sum();
        starts[partition + 1] = starts[partition] + size;
    }
    let mut records = vec![R::ZERO; starts[layout.partitions]];
    let cells = cells(&mut records, &histograms, layout.partitions);
    chunks.into_par_iter().zip(cells).for_each(|(chunk, mut cells)| {
        for row in chunk {
            if columns.keeps(row) {
                let user = users.code(columns.users.at(row));
                let local = user & ((1u32 << layout.user_bits) - 1);
                let time = columns.times[row].key() - layout.time_min;
                let item = items.code(columns.items.at(row));
                let cell = &mut cells[(user >> layout.user_bits) as usize];
                // The histogram counted exactly these rows, so the cell always has room.
                if let Some(slot) = cell.next() {
                    *slot = R::pack(layout, local, time, item);
                }
            }
        }
    });
    Partitioned { records, starts }
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
    for row in chunk {
        if columns.keeps(row) {
            counts[(users.code(columns.users.at(row)) >> layout.user_bits) as usize] += 1;
        }
    }
    counts
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
        let coder = Coder::of(columns.users);
        let codes = Coder::of(columns.items);
        let layout = Layout::new(columns.rows(), coder.width(), codes.width(), (0, 0));
        assert!(layout.partitions > 1);
        let done: Partitioned<u64> = partition(&columns, &coder, &codes, &layout);
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
