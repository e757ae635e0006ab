//! Strings -> codes in ascending order of their bytes, which is that of their code points.
//! Each thread numbers the strings of its rows by a hash table of its own; what the tables hold is
//! then sorted together, which ranks the strings and brings equal ones of several tables together.

mod chunk;
mod order;
mod table;

pub use chunk::Chunk;

use crate::columns::MAX_ROWS;
use crate::error::Error;
use order::{rank, sorted};
use rayon::prelude::*;
use table::Table;

/// Below this, a table of its own costs a thread more than the rows do.
const MIN_PART_ROWS: usize = 1 << 14;

/// A column of strings as numbers.
#[derive(Debug, PartialEq, Eq)]
pub struct Encoded {
    /// For each row, the rank of its string among the distinct ones.
    pub codes: Vec<i32>,
    /// For each distinct string, ascending, the first row that holds it.
    pub first_rows: Vec<i64>,
}

/// Encode the strings of all chunks; `pause` is asked between passes whether to go on.
///
/// # Errors
/// Too many rows, offsets that descend or leave their bytes, or whatever `pause` returns.
pub fn encode(chunks: &[Chunk], pause: &dyn Fn() -> Result<(), Error>) -> Result<Encoded, Error> {
    let rows: usize = chunks.iter().map(Chunk::rows).sum();
    if rows > MAX_ROWS {
        return Err(Error::TooMany { what: "rows", found: rows, max: MAX_ROWS });
    }
    let mut codes = vec![0; rows];
    let size = rows.div_ceil(rayon::current_num_threads()).max(MIN_PART_ROWS);
    let tables: Option<Vec<Table>> = codes
        .par_chunks_mut(size)
        .enumerate()
        .map(|(part, codes)| number(chunks, part * size, codes))
        .collect();
    let tables = tables.ok_or(Error::DamagedStrings)?;
    pause()?;
    let strings: Vec<&[u8]> = tables.iter().flat_map(|table| &table.strings).copied().collect();
    let rows: Vec<u32> = tables.iter().flat_map(|table| &table.rows).copied().collect();
    let order = sorted(&strings);
    pause()?;
    let (ranks, first_rows) = rank(&strings, &rows, &order);
    let starts = tables.iter().scan(0, |start, table| {
        *start += table.strings.len();
        Some(*start - table.strings.len())
    });
    let starts: Vec<usize> = starts.collect();
    codes.par_chunks_mut(size).zip(starts).for_each(|(codes, start)| {
        let ranks = &ranks[start..];
        for code in codes {
            *code = ranks[*code as usize];
        }
    });
    Ok(Encoded { codes, first_rows })
}

/// Number the strings of the rows from `first` on, as many as `codes` are.
fn number<'a>(chunks: &[Chunk<'a>], first: usize, codes: &mut [i32]) -> Option<Table<'a>> {
    let mut table = Table::new();
    let last = first + codes.len();
    let mut rest = codes;
    let mut start = 0;
    for chunk in chunks {
        let end = start + chunk.rows();
        if start < last && first < end {
            let rows = first.saturating_sub(start)..last.min(end) - start;
            let (codes, tail) = rest.split_at_mut(rows.len());
            table.number(chunk, rows, start, codes)?;
            rest = tail;
        }
        start = end;
    }
    Some(table)
}

/// A few bytes, and zeros behind them.
fn padded<const SIZE: usize>(bytes: &[u8]) -> [u8; SIZE] {
    let mut padded = [0; SIZE];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Integers;

    fn encoded(chunks: &[&[&str]]) -> (Vec<i32>, Vec<i64>) {
        let parts: Vec<(Vec<i64>, Vec<u8>)> = chunks
            .iter()
            .map(|strings| {
                let mut offsets = vec![0];
                offsets.extend(strings.iter().scan(0, |end, string| {
                    *end += string.len() as i64;
                    Some(*end)
                }));
                (offsets, strings.concat().into_bytes())
            })
            .collect();
        let chunks: Vec<Chunk> = parts
            .iter()
            .map(|(offsets, bytes)| Chunk { offsets: Integers::Wide(offsets), bytes })
            .collect();
        let done = encode(&chunks, &|| Ok(())).unwrap();
        (done.codes, done.first_rows)
    }

    #[test]
    fn codes_are_ranks_in_the_order_of_bytes() {
        let long = "a string of more than sixteen bytes";
        let found = encoded(&[&["b", "", "ab"], &[], &[long, "ab", "b", "\0", "é"]]);
        assert_eq!(found, (vec![4, 0, 3, 2, 3, 4, 1, 5], vec![1, 6, 3, 2, 0, 7]));
        assert_eq!(encoded(&[&[]]), (vec![], vec![]));
    }

    #[test]
    fn a_table_grows_with_its_strings() {
        let strings: Vec<String> =
            (0..100_000).map(|row| format!("{:05}", row * 7 % 50_000)).collect();
        let borrowed: Vec<&str> = strings.iter().map(String::as_str).collect();
        let (codes, first_rows) = encoded(&[&borrowed]);
        assert_eq!(first_rows.len(), 50_000);
        assert!(codes.iter().zip(&strings).all(|(code, string)| format!("{code:05}") == *string));
    }

    #[test]
    fn strings_that_differ_late_or_in_zeros_are_told_apart() {
        let long = |end: &str| format!("shared and the same for long{end}");
        let ends =
            ["", "\0", "\0\0", "abcdefg", "abcdefg\0", "abcdefgh", "abcdefgh\0", "abcdefghi"];
        let strings: Vec<String> = ends.map(long).into_iter().rev().cycle().take(40_000).collect();
        let borrowed: Vec<&str> = strings.iter().map(String::as_str).collect();
        let (codes, first_rows) = encoded(&[&borrowed[..20_001], &borrowed[20_001..]]);
        assert_eq!(first_rows, [7, 6, 5, 4, 3, 2, 1, 0]);
        assert!(codes.iter().enumerate().all(|(row, &code)| code == 7 - row as i32 % 8));
    }

    #[test]
    fn damaged_offsets_are_an_error() {
        for offsets in [&[0, 2, 1][..], &[-1, 1], &[0, 4]] {
            let chunk = Chunk { offsets: Integers::Narrow(offsets), bytes: b"abc" };
            assert_eq!(encode(&[chunk], &|| Ok(())), Err(Error::DamagedStrings));
        }
    }
}
