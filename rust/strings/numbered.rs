//! Codes of strings that are numbers in disguise: what occurs is marked in a table of all numbers.

use super::letters::Letters;
use super::numbering::{Numbering, Outcome};
use super::{Buffers, Chunk, Encoded, part_rows, pieces};
use crate::error::Error;
use crate::flags::Flags;
use crate::memory::{room, zeroed};
use crate::threads::Pause;
use rayon::prelude::*;

/// Numbers there may be for each string, and in any case; a table of them then costs less than one
/// of the strings.
const NUMBERS_A_ROW: usize = 2;
const NUMBERS_AT_LEAST: usize = 1 << 10;
/// Letters of the first look may not be all, those of the second are.
const TRIES: usize = 2;

/// Codes and distinct strings, or None where the strings are no such numbers.
///
/// # Errors
/// As [`super::encode`].
pub fn encode(chunks: &[Chunk], rows: usize, pause: &Pause) -> Result<Option<Encoded>, Error> {
    if cfg!(target_endian = "big") {
        return Ok(None); // letters are read where they lie in words
    }
    let Some(mut letters) = Letters::sampled(chunks)? else { return Ok(None) };
    let most = NUMBERS_A_ROW * rows + NUMBERS_AT_LEAST;
    let mut codes = Vec::new();
    for _ in 0..TRIES {
        let mut numbering = Numbering::of(&letters.with_all_digits(), most)?;
        if numbering.is_none() {
            numbering = Numbering::of(&letters, most)?;
        }
        let Some(numbering) = numbering else { return Ok(None) };
        let occurs = Flags::new(numbering.width)?;
        if codes.is_empty() {
            codes = zeroed(rows)?;
        }
        pause.between()?;
        let size = part_rows(rows);
        let outcomes = codes.par_chunks_mut(size).enumerate().map(|(part, codes)| {
            let first = part * size;
            let rows = first..first + codes.len();
            numbering.number(pieces(chunks, rows), codes, &occurs, pause)
        });
        let outcomes: Vec<Outcome> = outcomes.collect::<Result<_, Error>>()?;
        let mut all = true;
        for outcome in outcomes {
            match outcome {
                Outcome::Numbered => {}
                Outcome::Unknown(others) => {
                    letters.merge(&others);
                    all = false;
                }
                Outcome::NoLetters => return Ok(None),
            }
        }
        if all {
            let distinct = ranked(&numbering, &occurs.into_vec(), &mut codes)?;
            return Ok(Some(Encoded { codes, distinct }));
        }
    }
    Ok(None)
}

/// Numbers become ranks; returns the strings.
fn ranked(numbering: &Numbering, occurs: &[bool], codes: &mut [i32]) -> Result<Buffers, Error> {
    let occurring = || (0..).zip(occurs).filter(|(_, occurs)| **occurs);
    let distinct = occurring().count();
    let mut ranks: Vec<i32> = zeroed(occurs.len())?;
    let mut offsets = room(distinct + 1)?;
    let mut bytes: Vec<u8> = room((distinct + 1) * 16)?;
    offsets.push(0);
    let mut strings = numbering.strings();
    for (number, _) in occurring() {
        let (padded, length) = strings.string(number);
        ranks[number] = offsets.len() as i32 - 1;
        let end = bytes.len() + length;
        bytes.extend_from_slice(&padded);
        bytes.truncate(end);
        offsets.push(end as i64);
    }
    codes.par_chunks_mut(part_rows(codes.len())).for_each(|codes| {
        for code in codes {
            *code = ranks[*code as usize];
        }
    });
    Ok(Buffers { offsets, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Integers;

    /// Codes and strings of many such texts, where they are numbers.
    fn encoded(text: impl Fn(usize) -> String) -> Option<(Vec<i32>, usize)> {
        let (mut bytes, mut offsets) = (Vec::new(), vec![0]);
        for row in 0..10_000 {
            bytes.extend_from_slice(text(row).as_bytes());
            offsets.push(bytes.len() as i32);
        }
        let chunk = Chunk { offsets: Integers::Narrow(&offsets), bytes: &bytes };
        let found = encode(&[chunk], 10_000, &Pause::default()).unwrap()?;
        Some((found.codes, found.distinct.offsets.len() - 1))
    }

    #[test]
    fn names_with_numbers_need_no_table() {
        let expected: Vec<i32> = (0..10_000).map(|row| row * 7 % 2000).collect();
        let padded = encoded(|row| format!("user_{:07}", 1000 + row * 7 % 2000));
        assert_eq!(padded, Some((expected.clone(), 2000)));
        assert_eq!(encoded(|row| format!("{:04}", row * 7 % 2000)), Some((expected, 2000)));
        let plain = encoded(|row| (row * 7 % 2000).to_string()).unwrap();
        assert_eq!((plain.1, plain.0[0], plain.0[2]), (2000, 0, 446)); // "14"
        // A letter that is rare, behind those looked at first.
        let rare = encoded(|row| format!("{}{:04}", if row == 9999 { 'b' } else { 'a' }, row % 9));
        assert_eq!(
            rare.map(|(codes, distinct)| (codes[9998], codes[9999], distinct)),
            Some((8, 9, 10))
        );
    }

    #[test]
    fn others_do() {
        assert_eq!(encoded(|row| format!("{:08x}", (row as u32).wrapping_mul(0x9E37_79B9))), None);
        assert_eq!(encoded(|row| format!("more than 15 bytes {row}")), None);
        assert_eq!(encoded(|row| if row == 9999 { "\0".into() } else { row.to_string() }), None);
    }
}
