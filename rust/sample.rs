//! An even sample of rows: those whose number, mixed, is lowest, whatever chunk they are in.

use crate::chunk::Chunk;
use crate::error::Error;
use crate::memory::{reserve, room};
use rayon::prelude::*;
use std::ops::Range;

/// Rows that are sampled.
pub const SAMPLE: usize = 1 << 16;

/// Leave the rows of the lowest priorities.
pub fn lowest(sample: &mut Vec<(u64, i64)>) {
    if sample.len() > SAMPLE {
        sample.select_nth_unstable(SAMPLE);
        sample.truncate(SAMPLE);
    }
}

/// Priority of a row: its number, mixed (the finaliser of `SplitMix64`, which maps no two to one).
#[inline]
fn priority(row: u64) -> u64 {
    let mut mixed = row.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Priority and user of the kept rows of the lowest priorities.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn sampled(
    chunk: &Chunk,
    ranges: &[Range<usize>],
    kept: usize,
    first_row: u64,
) -> Result<Vec<(u64, i64)>, Error> {
    // Enough rows are below this but for once in a lifetime.
    let wanted = (SAMPLE + SAMPLE / 16) as u64;
    let limit = (u64::MAX / kept as u64).saturating_mul(wanted);
    let below = |limit: u64| {
        ranges
            .par_iter()
            .map(|rows| {
                let mut found = room(rows.len().min(SAMPLE))?;
                for row in chunk.kept(rows.clone()) {
                    let priority = priority(first_row.wrapping_add(row as u64));
                    if priority <= limit {
                        found.push((priority, chunk.users.id(row)));
                    }
                }
                Ok(found)
            })
            .try_reduce(Vec::new, |mut a, b| {
                reserve(&mut a, b.len())?;
                a.extend_from_slice(&b);
                Ok::<_, Error>(a)
            })
    };
    let mut found = below(limit)?;
    if found.len() < SAMPLE.min(kept) {
        found = below(u64::MAX)?;
    }
    lowest(&mut found);
    Ok(found)
}
