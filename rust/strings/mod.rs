//! Strings -> codes in ascending order of their bytes, which is that of their code points. Those
//! that say a number are coded by it. Of others, each thread numbers the strings of its rows by a
//! hash table of its own; what the tables hold is then sorted together, which ranks the strings and
//! brings equal ones of several tables together.

mod block;
mod digest;
pub mod growing;
pub mod keys;
mod letters;
mod numbered;
mod numbering;
mod order;
mod table;

use crate::columns::{Integers, MAX_ROWS};
use crate::error::Error;
use crate::memory::{collected, zeroed};
use crate::slices::split_off;
use crate::threads::Pause;
use order::{rank, sorted};
use rayon::prelude::*;
use std::ops::Range;
use table::{Borrowed, Strings, Table};

/// Below this, a table of its own costs a thread more than the rows do.
const MIN_PART_ROWS: usize = 1 << 14;

/// Consecutive strings of a column; string i is `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Copy)]
pub struct Chunk<'a> {
    /// Where strings start and end; one more than there are strings, or none at all.
    pub offsets: Integers<'a>,
    /// The strings, one after the other.
    pub bytes: &'a [u8],
}

impl Chunk<'_> {
    /// Number of strings.
    pub fn rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Where consecutive strings start, and the last one ends: one more than there are rows. None
    /// where they leave the bytes.
    pub fn bounds(&self, rows: Range<usize>, bounds: &mut [usize]) -> Option<()> {
        let offsets = rows.start..=rows.end;
        match self.offsets {
            Integers::Wide(wide) => read_bounds(&wide[offsets], self.bytes.len(), bounds),
            Integers::Narrow(narrow) => read_bounds(&narrow[offsets], self.bytes.len(), bounds),
        }
    }
}

fn read_bounds<T: Copy + TryInto<usize>>(
    offsets: &[T],
    size: usize,
    bounds: &mut [usize],
) -> Option<()> {
    for (bound, &offset) in bounds.iter_mut().zip(offsets) {
        *bound = offset.try_into().unwrap_or(usize::MAX);
    }
    let falls = bounds.windows(2).map(|pair| usize::from(pair[0] > pair[1])).sum::<usize>();
    (falls == 0 && *bounds.last()? <= size).then_some(())
}

/// A column of strings as numbers.
#[derive(Debug, PartialEq, Eq)]
pub struct Encoded {
    /// For each row, the rank of its string among the distinct ones.
    pub codes: Vec<i32>,
    /// The distinct strings, ascending.
    pub distinct: Buffers,
}

/// Strings as Arrow lays them out: string i is `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, PartialEq, Eq)]
pub struct Buffers {
    /// Where strings start and end, one more than there are strings.
    pub offsets: Vec<i64>,
    /// The strings, one after the other.
    pub bytes: Vec<u8>,
}

/// Encode the strings of all chunks; `pause` is asked now and then whether to go on.
///
/// # Errors
/// Too many rows, offsets that descend or leave their bytes, [`Error::OutOfMemory`], or what `pause`
/// returns.
pub fn encode(chunks: &[Chunk], pause: &Pause) -> Result<Encoded, Error> {
    let rows: usize = chunks.iter().map(Chunk::rows).sum();
    if rows > MAX_ROWS {
        return Err(Error::TooMany { what: "rows", found: rows, max: MAX_ROWS });
    }
    if let Some(encoded) = numbered::encode(chunks, rows, pause)? {
        return Ok(encoded);
    }
    let mut codes: Vec<i32> = zeroed(rows)?;
    pause.between()?;
    let size = part_rows(rows);
    let tables: Vec<Table<Borrowed>> = codes
        .par_chunks_mut(size)
        .enumerate()
        .map(|(part, codes)| number(chunks, part * size, codes, pause))
        .collect::<Result<_, Error>>()?;
    pause.between()?;
    let strings = collected(tables.iter().flat_map(|table| &table.strings.0).copied())?;
    let starts = tables.iter().scan(0, |start, table| {
        *start += table.strings.len();
        Some(*start - table.strings.len())
    });
    let starts: Vec<usize> = starts.collect(); // one for each thread
    drop(tables);
    let order = sorted(&strings)?;
    pause.between()?;
    let (ranks, distinct) = rank(&strings, &order)?;
    codes.par_chunks_mut(size).zip(starts).for_each(|(codes, start)| {
        let ranks = &ranks[start..];
        for code in codes {
            *code = ranks[*code as usize];
        }
    });
    Ok(Encoded { codes, distinct })
}

/// Rows that each thread takes.
fn part_rows(rows: usize) -> usize {
    rows.div_ceil(rayon::current_num_threads()).max(MIN_PART_ROWS)
}

/// Number the strings of the rows from `first` on, as many as `codes` are.
fn number<'a>(
    chunks: &[Chunk<'a>],
    first: usize,
    codes: &mut [i32],
    pause: &Pause,
) -> Result<Table<Borrowed<'a>>, Error> {
    let mut table = Table::new(Borrowed(Vec::new()))?;
    let rows = first..first + codes.len();
    let mut rest = codes;
    for (chunk, rows) in pieces(chunks, rows) {
        let codes = split_off(&mut rest, rows.len());
        table.number(chunk, rows, codes, pause)?;
    }
    Ok(table)
}

/// The rows of each chunk that are among some of all rows.
fn pieces<'c, 'a>(
    chunks: &'c [Chunk<'a>],
    rows: Range<usize>,
) -> impl Iterator<Item = (&'c Chunk<'a>, Range<usize>)> {
    chunks
        .iter()
        .scan(0, |end, chunk| {
            let start = std::mem::replace(end, *end + chunk.rows());
            Some((chunk, start))
        })
        .filter_map(move |(chunk, start)| {
            let end = rows.end.min(start + chunk.rows());
            (start.max(rows.start) < end)
                .then(|| (chunk, rows.start.saturating_sub(start)..end - start))
        })
}

/// A few bytes, and zeros behind them.
fn padded<const SIZE: usize>(bytes: &[u8]) -> [u8; SIZE] {
    let mut padded = [0; SIZE];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}
