//! Ids of no dense range -> their ranks. Where few ids occur, each thread numbers those of its rows in
//! the order in which they come first, by a hash table, seeded at random so that no choice of ids
//! makes it slow; then numbers become ranks. More ids are first parted.

use crate::columns::Integers;
use crate::error::Error;
use crate::memory::{collected, enter, map, push, zeroed};
use crate::parted::{self, Ranks};
use rayon::prelude::*;

/// Rows that a thread takes, at least.
const MIN_ROWS: usize = 1 << 16;
/// Ids whose table a thread has near.
const MOST_NEAR: usize = 1 << 15;

/// The ids that occur in a non-empty column, ascending, and the rank of each row's.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn ranked(column: Integers) -> Result<Ranks, Error> {
    let few = match column {
        Integers::Wide(ids) => ranked_few(ids, i64::from),
        Integers::Narrow(ids) => ranked_few(ids, i64::from),
    }?;
    few.map_or_else(|| parted::ranked(column), Ok)
}

/// The same, or None where there are many ids.
fn ranked_few<T: Copy + Sync>(
    column: &[T],
    wide: impl Fn(T) -> i64 + Sync,
) -> Result<Option<Ranks>, Error> {
    let mut codes = zeroed(column.len())?;
    let size = column.len().div_ceil(rayon::current_num_threads()).max(MIN_ROWS);
    let parts = column.par_chunks(size).zip(codes.par_chunks_mut(size));
    let found = parts.map(|(column, codes)| first_codes(column, codes, &wide));
    let found: Vec<Option<Vec<(i64, u32)>>> = found.collect::<Result<_, Error>>()?;
    let Some(found) = found.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
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
    Ok(Some((ids, codes)))
}

/// Code ids by the order in which they come first; returns the ids, ascending, with their codes, or
/// None of many.
fn first_codes<T: Copy>(
    column: &[T],
    codes: &mut [u32],
    wide: impl Fn(T) -> i64,
) -> Result<Option<Vec<(i64, u32)>>, Error> {
    let (mut known, mut found) = (map::<i64, u32>(0)?, Vec::new());
    for (code, &id) in codes.iter_mut().zip(column) {
        let id = wide(id);
        *code = if let Some(&code) = known.get(&id) {
            code
        } else {
            if found.len() == MOST_NEAR {
                return Ok(None);
            }
            let code = found.len() as u32;
            enter(&mut known, id, code)?;
            push(&mut found, (id, code))?;
            code
        };
    }
    found.sort_unstable();
    Ok(Some(found))
}
