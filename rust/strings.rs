//! Strings -> codes in ascending order of their bytes, which is that of their code points.
//! Each thread numbers the strings of its rows by a hash table of its own; what the tables hold is
//! then sorted together, which ranks the strings and brings equal ones of several tables together.

use crate::columns::MAX_ROWS;
use crate::error::Error;
use rayon::prelude::*;
use rustc_hash::FxHasher;
use std::hash::Hasher;
use std::ops::Range;

/// Below this, a table of its own costs a thread more than the rows do.
const MIN_PART_ROWS: usize = 1 << 14;
const FIRST_SLOTS: usize = 1 << 12;
/// Strings looked up together.
const BLOCK_ROWS: usize = 256;

/// Where strings start and end; one more than there are strings, or none at all.
#[derive(Clone, Copy)]
pub enum Offsets<'a> {
    /// 64-bit offsets.
    Wide(&'a [i64]),
    /// 32-bit offsets.
    Narrow(&'a [i32]),
}

/// Consecutive strings of a column; string i is `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Copy)]
pub struct Chunk<'a> {
    /// Bounds of the strings in `bytes`.
    pub offsets: Offsets<'a>,
    /// The strings, one after the other.
    pub bytes: &'a [u8],
}

impl Chunk<'_> {
    /// Number of strings.
    #[must_use]
    pub fn rows(&self) -> usize {
        let bounds = match self.offsets {
            Offsets::Wide(offsets) => offsets.len(),
            Offsets::Narrow(offsets) => offsets.len(),
        };
        bounds.saturating_sub(1)
    }

    /// The bounds of consecutive strings; None where they leave the bytes.
    fn bounds(&self, rows: Range<usize>, bounds: &mut [Range<usize>]) -> Option<()> {
        let offsets = rows.start..=rows.end;
        match self.offsets {
            Offsets::Wide(wide) => read_bounds(&wide[offsets], self.bytes.len(), bounds),
            Offsets::Narrow(narrow) => read_bounds(&narrow[offsets], self.bytes.len(), bounds),
        }
    }
}

fn read_bounds<T: Copy + TryInto<usize>>(
    offsets: &[T],
    size: usize,
    bounds: &mut [Range<usize>],
) -> Option<()> {
    let mut start = (*offsets.first()?).try_into().ok()?;
    for (bound, &offset) in bounds.iter_mut().zip(&offsets[1..]) {
        let end = offset.try_into().ok()?;
        if end < start || end > size {
            return None;
        }
        *bound = start..end;
        start = end;
    }
    Some(())
}

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
        return Err(Error::TooManyRows { rows, max: MAX_ROWS });
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
            for (block, codes) in codes.chunks_mut(BLOCK_ROWS).enumerate() {
                let local = rows.start + block * BLOCK_ROWS;
                table.number(chunk, local..local + codes.len(), start, codes)?;
            }
            rest = tail;
        }
        start = end;
    }
    Some(table)
}

/// A string of at most 16 bytes itself, or the hash of a longer one; and its length, if short.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Digest {
    words: [u64; 2],
    length: u32,
}

const SHORT: usize = 16;

impl Digest {
    #[inline]
    fn of(bytes: &[u8], bound: &Range<usize>) -> Self {
        let length = bound.len();
        let words = if length > SHORT {
            let mut hasher = FxHasher::default();
            hasher.write(&bytes[bound.clone()]);
            [hasher.finish(), 0]
        } else if let Some(&behind) = bytes[bound.start..].first_chunk::<SHORT>() {
            let mask = u128::MAX.checked_shr(128 - 8 * length as u32).unwrap_or(0);
            split(u128::from_le_bytes(behind) & mask)
        } else {
            split(u128::from_le_bytes(padded(&bytes[bound.clone()])))
        };
        Self { words, length: length.min(SHORT + 1) as u32 }
    }

    #[inline]
    fn hash(&self) -> u32 {
        let [low, high] = self.words;
        let product = u128::from(low ^ SEEDS[0]) * u128::from(high ^ SEEDS[1]);
        let [low, high] = split(product);
        (low ^ high) as u32
    }
}

/// Digits of pi.
const SEEDS: [u64; 2] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344];

#[inline]
fn split(wide: u128) -> [u64; 2] {
    [wide as u64, (wide >> 64) as u64]
}

/// The distinct strings of some rows, numbered from 0 in the order they came.
struct Table<'a> {
    /// A power of two of them, few of them full: upper half the hash, lower half number + 1.
    slots: Vec<u64>,
    /// The digest of string i at i + 1; before them one that no string has.
    digests: Vec<Digest>,
    strings: Vec<&'a [u8]>,
    /// The first row of each string.
    rows: Vec<u32>,
}

impl<'a> Table<'a> {
    fn new() -> Self {
        let none = Digest { words: [0; 2], length: u32::MAX };
        Self {
            slots: vec![0; FIRST_SLOTS],
            digests: vec![none],
            strings: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Number a block of strings, whose chunk begins with row `start`.
    fn number(
        &mut self,
        chunk: &Chunk<'a>,
        rows: Range<usize>,
        start: usize,
        codes: &mut [i32],
    ) -> Option<()> {
        if (self.strings.len() + BLOCK_ROWS) * 4 > self.slots.len() {
            self.grow();
        }
        let mut bounds = [const { 0..0 }; BLOCK_ROWS];
        chunk.bounds(rows.clone(), &mut bounds[..codes.len()])?;
        let mut digests = [Digest::default(); BLOCK_ROWS];
        let mut hashes = [0; BLOCK_ROWS];
        for ((digest, hash), bound) in
            digests.iter_mut().zip(&mut hashes).zip(&bounds[..codes.len()])
        {
            *digest = Digest::of(chunk.bytes, bound);
            *hash = digest.hash();
        }
        // Looked up without a branch, slots and digests are fetched many at a time.
        let slots = &self.slots[..];
        let mask = slots.len() - 1;
        for (code, &hash) in codes.iter_mut().zip(&hashes) {
            let slot = slots[hash as usize & mask];
            *code = if (slot >> 32) as u32 == hash { slot as i32 } else { 0 };
        }
        for (code, digest) in codes.iter_mut().zip(&digests) {
            let found = &self.digests[*code as usize];
            let differ = (found.words[0] ^ digest.words[0])
                | (found.words[1] ^ digest.words[1])
                | u64::from(found.length ^ digest.length);
            *code = if differ == 0 { *code } else { 0 } - 1;
        }
        for row in 0..codes.len() {
            let string = &chunk.bytes[bounds[row].clone()];
            let known = codes[row] >= 0
                && (string.len() <= SHORT || self.strings[codes[row] as usize] == string);
            if !known {
                let first = start + rows.start + row;
                codes[row] = self.find(string, &digests[row], hashes[row], first) as i32;
            }
        }
        Some(())
    }

    /// The number of a string; a new one if it comes for the first time, in `row`.
    fn find(&mut self, string: &'a [u8], digest: &Digest, hash: u32, row: usize) -> u32 {
        let mask = self.slots.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let slot = self.slots[place];
            if slot == 0 {
                break;
            }
            let number = slot as u32;
            if (slot >> 32) as u32 == hash
                && self.digests[number as usize] == *digest
                && (string.len() <= SHORT || self.strings[number as usize - 1] == string)
            {
                return number - 1;
            }
            place = (place + 1) & mask;
        }
        self.strings.push(string);
        self.digests.push(*digest);
        self.rows.push(row as u32);
        let number = self.strings.len() as u32;
        self.slots[place] = u64::from(hash) << 32 | u64::from(number);
        number - 1
    }

    #[cold]
    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        let mut slots = vec![0; mask + 1];
        for &slot in self.slots.iter().filter(|slot| **slot != 0) {
            let mut place = (slot >> 32) as usize & mask;
            while slots[place] != 0 {
                place = (place + 1) & mask;
            }
            slots[place] = slot;
        }
        self.slots = slots;
    }
}

/// The strings in ascending order, equal ones by number.
fn sorted(strings: &[&[u8]]) -> Vec<Place> {
    let shared = shared_prefix(strings);
    let mut order: Vec<Place> = strings
        .par_iter()
        .enumerate()
        .map(|(number, string)| Place::new(&string[shared..], number))
        .collect();
    order.par_sort_unstable();
    order.par_chunk_by_mut(Place::undecided).filter(|run| run.len() > 1).for_each(|run| {
        run.par_sort_unstable_by_key(|place| (strings[place.number()], *place));
    });
    order
}

/// Where a string goes: its first bytes that tell it from others, how many of them it has, and its
/// number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u128);

impl Place {
    /// Bytes of the strings compared first.
    const BYTES: usize = 8;

    fn new(string: &[u8], number: usize) -> Self {
        let bytes = match string.first_chunk() {
            Some(bytes) => *bytes,
            None => padded(string),
        };
        let key = u64::from_be_bytes(bytes);
        let length = string.len().min(Self::BYTES + 1);
        Self(u128::from(key) << 64 | (length as u128) << 32 | number as u128)
    }

    fn number(self) -> usize {
        self.0 as u32 as usize
    }

    /// Whether two strings may differ, but in later bytes.
    fn undecided(&self, other: &Self) -> bool {
        self.0 >> 32 == other.0 >> 32 && (self.0 >> 32) as u32 > Self::BYTES as u32
    }

    /// Whether the strings at two places are equal.
    fn same(self, other: Self, strings: &[&[u8]]) -> bool {
        self.0 >> 32 == other.0 >> 32
            && (!self.undecided(&other) || strings[self.number()] == strings[other.number()])
    }
}

/// The length of the longest prefix that all strings have.
fn shared_prefix(strings: &[&[u8]]) -> usize {
    let Some(&first) = strings.first() else { return 0 };
    let common = |string: &&[u8]| first.iter().zip(*string).take_while(|(a, b)| a == b).count();
    strings.par_iter().with_min_len(MIN_PART_ROWS).map(common).min().unwrap_or(0)
}

/// A few bytes, and zeros behind them.
fn padded<const SIZE: usize>(bytes: &[u8]) -> [u8; SIZE] {
    let mut padded = [0; SIZE];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

/// The rank of each string, and the first row of each rank.
fn rank(strings: &[&[u8]], rows: &[u32], order: &[Place]) -> (Vec<i32>, Vec<i64>) {
    let is_new: Vec<bool> = order
        .par_iter()
        .enumerate()
        .map(|(i, place)| i == 0 || !place.same(order[i - 1], strings))
        .collect();
    let mut ranks = vec![0; strings.len()];
    let mut first_rows: Vec<i64> = Vec::with_capacity(strings.len());
    for (place, is_new) in order.iter().zip(is_new) {
        if is_new {
            first_rows.push(i64::from(rows[place.number()]));
        }
        ranks[place.number()] = first_rows.len() as i32 - 1;
    }
    (ranks, first_rows)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            .map(|(offsets, bytes)| Chunk { offsets: Offsets::Wide(offsets), bytes })
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
            let chunk = Chunk { offsets: Offsets::Narrow(offsets), bytes: b"abc" };
            assert_eq!(encode(&[chunk], &|| Ok(())), Err(Error::DamagedStrings));
        }
    }
}
