//! Sorted partitions -> item codes and times of each user's rows, in time order.

use crate::error::Error;
use crate::memory::collected;
use crate::partition::Partitioned;
use crate::record::{Layout, Record};
use crate::slices::split_off;
use crate::threads::Pause;
use bytemuck::Zeroable;
use rayon::prelude::*;

/// A time relative to the smallest, in as many bits as the largest needs.
pub trait Instant: Zeroable + Copy + Ord + Send + Sync {
    /// Of a time that fits.
    fn of(time: u64) -> Self;
    /// The time.
    fn wide(self) -> u64;
}

impl Instant for u32 {
    #[inline]
    fn of(time: u64) -> Self {
        time as Self
    }

    #[inline]
    fn wide(self) -> u64 {
        u64::from(self)
    }
}

impl Instant for u64 {
    #[inline]
    fn of(time: u64) -> Self {
        time
    }

    #[inline]
    fn wide(self) -> u64 {
        self
    }
}

/// Where the sorted partitions go.
pub struct Outputs<'a, I> {
    /// Rows by user code.
    pub counts: &'a mut [u32],
    /// Items, partition after partition.
    pub items: &'a mut [i32],
    /// Relative times, likewise; empty where there are none.
    pub times: &'a mut [I],
}

impl<'a, I> Outputs<'a, I> {
    /// Split off the first part, or as much as there is.
    fn take(&mut self, users: usize, rows: usize) -> Outputs<'a, I> {
        let (counted, timed) = (users.min(self.counts.len()), rows.min(self.times.len()));
        Outputs {
            counts: split_off(&mut self.counts, counted),
            items: split_off(&mut self.items, rows),
            times: split_off(&mut self.times, timed),
        }
    }
}

/// Sort each partition and write it at its start.
///
/// `indices` maps item codes to what is written; where it is empty, codes are written.
///
/// # Errors
/// [`Error::OutOfMemory`], or what `pause` returns.
pub fn sort_partitions<R: Record, I: Instant>(
    partitioned: &Partitioned<R>,
    layout: &Layout,
    indices: &[i32],
    mut outputs: Outputs<I>,
    pause: &Pause,
) -> Result<(), Error> {
    let partitions = partitioned.starts.windows(2).map(|bounds| {
        let records = &partitioned.records[bounds[0]..bounds[1]];
        (records, outputs.take(1 << layout.user_bits, records.len()))
    });
    let partitions = collected(partitions)?;
    pause.between()?;
    partitions.into_par_iter().try_for_each_init(
        R::Scratch::default,
        |scratch, (records, outputs)| {
            pause.ask()?;
            emit(R::sorted(records, scratch, layout)?, layout, indices, outputs);
            Ok(())
        },
    )
}

fn emit<R: Record, I: Instant>(
    records: &[R],
    layout: &Layout,
    indices: &[i32],
    outputs: Outputs<I>,
) {
    // Not one by one: each count would wait for the one before.
    for rows in records.chunk_by(|a, b| a.user(layout) == b.user(layout)) {
        outputs.counts[rows[0].user(layout)] = rows.len() as u32;
    }
    for (record, slot) in records.iter().zip(outputs.items) {
        let code = record.item(layout);
        *slot = indices.get(code as usize).copied().unwrap_or(code as i32);
    }
    for (record, slot) in records.iter().zip(outputs.times) {
        *slot = I::of(record.time(layout));
    }
}
