//! Ids of no dense range -> their ranks. Each thread numbers the ids of its rows in the order in which
//! they come first, by a hash table, seeded at random so that no choice of ids makes it slow; then
//! numbers become ranks. Each row is looked up once.

use crate::error::Error;
use crate::memory::{collected, enter, map, push, zeroed};
use rayon::prelude::*;

/// Rows that a thread takes, at least.
const MIN_ROWS: usize = 1 << 16;

/// The ids that occur, ascending, and the rank of each row's.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn ranked<T: Copy + Sync>(
    column: &[T],
    wide: impl Fn(T) -> i64 + Sync,
) -> Result<(Vec<i64>, Vec<u32>), Error> {
    let mut codes = zeroed(column.len())?;
    let size = column.len().div_ceil(rayon::current_num_threads()).max(MIN_ROWS);
    let parts = column.par_chunks(size).zip(codes.par_chunks_mut(size));
    let found = parts.map(|(column, codes)| first_codes(column, codes, &wide));
    let found: Vec<Vec<(i64, u32)>> = found.collect::<Result<_, Error>>()?;
    let mut ids = collected(found.iter().flatten().map(|(id, _)| *id))?;
    ids.par_sort_unstable();
    ids.dedup();
    codes.par_chunks_mut(size).zip(found).try_for_each(|(codes, found)| {
        let mut ranks: Vec<u32> = zeroed(found.len())?;
        let mut rank = 0;
        for (id, code) in found {
            rank += ids[rank..].partition_point(|&other| other < id);
            ranks[code as usize] = rank as u32;
        }
        for code in codes {
            *code = ranks[*code as usize];
        }
        Ok(())
    })?;
    Ok((ids, codes))
}

/// Code ids by the order in which they come first; returns the ids, ascending, with their codes.
fn first_codes<T: Copy>(
    column: &[T],
    codes: &mut [u32],
    wide: impl Fn(T) -> i64,
) -> Result<Vec<(i64, u32)>, Error> {
    let (mut known, mut found) = (map::<i64, u32>(0)?, Vec::new());
    for (code, &id) in codes.iter_mut().zip(column) {
        let id = wide(id);
        *code = if let Some(&code) = known.get(&id) {
            code
        } else {
            let code = found.len() as u32;
            enter(&mut known, id, code)?;
            push(&mut found, (id, code))?;
            code
        };
    }
    found.sort_unstable();
    Ok(found)
}
