//! A hash table that numbers the strings it meets. Short strings are compared as two words beside
//! their number, so that most rows touch neither the bytes of a string again nor a second line.

use super::Chunk;
use crate::error::Error;
use crate::memory::{lack, reserve};
use crate::threads::Pause;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

/// Strings read together, apart from the lookups, of which the processor then overlaps many.
const BLOCK_ROWS: usize = 256;
/// Most bytes of a string that is its own digest.
const SHORT: usize = 16;

/// The distinct strings of some rows, numbered from 0 in the order they came.
pub struct Table<'a> {
    known: HashTable<Known>,
    /// Seeded at random: no choice of strings makes a table slow, and no result depends on it.
    state: RandomState,
    seeds: [u64; 2],
    /// Each string once.
    pub strings: Vec<&'a [u8]>,
    /// The first row of each string.
    pub rows: Vec<u32>,
}

struct Known {
    digest: Digest,
    number: u32,
}

impl<'a> Table<'a> {
    /// An empty table.
    pub fn new() -> Self {
        let state = RandomState::default();
        let seeds = [0, 1].map(|seed: u64| state.hash_one(seed));
        Self { known: HashTable::new(), state, seeds, strings: Vec::new(), rows: Vec::new() }
    }

    /// Number strings of a chunk that begins with row `start`.
    pub fn number(
        &mut self,
        chunk: &Chunk<'a>,
        (rows, start): (Range<usize>, usize),
        codes: &mut [i32],
        pause: &Pause,
    ) -> Result<(), Error> {
        let mut bounds = [const { 0..0 }; BLOCK_ROWS];
        let mut digests = [Digest::default(); BLOCK_ROWS];
        for (first, codes) in rows.step_by(BLOCK_ROWS).zip(codes.chunks_mut(BLOCK_ROWS)) {
            pause.ask()?;
            self.make_room(codes.len())?;
            let bounds = &mut bounds[..codes.len()];
            let found = chunk.bounds(first..first + codes.len(), bounds);
            found.ok_or(Error::DamagedStrings)?;
            for (digest, bound) in digests.iter_mut().zip(&*bounds) {
                *digest = Digest::of(chunk.bytes, bound, &self.state);
            }
            for (row, ((code, bound), digest)) in
                (start + first..).zip(codes.iter_mut().zip(&*bounds).zip(digests))
            {
                *code = self.find(&chunk.bytes[bound.clone()], digest, row) as i32;
            }
        }
        Ok(())
    }

    /// Make room for so many new strings, so that to find them needs none.
    fn make_room(&mut self, more: usize) -> Result<(), Error> {
        let seeds = self.seeds;
        let grown = self.known.try_reserve(more, |known| known.digest.hash(seeds));
        grown.map_err(|_| lack::<Known>(2 * self.known.len()))?;
        reserve(&mut self.strings, more)?;
        reserve(&mut self.rows, more)
    }

    /// The number of a string; a new one if it comes for the first time, in `row`.
    #[inline]
    fn find(&mut self, string: &'a [u8], digest: Digest, row: usize) -> u32 {
        let (strings, seeds) = (&self.strings, self.seeds);
        let equal = |known: &Known| {
            known.digest == digest
                && (string.len() <= SHORT || strings[known.number as usize] == string)
        };
        match self.known.entry(digest.hash(seeds), equal, |known| known.digest.hash(seeds)) {
            Entry::Occupied(known) => known.get().number,
            Entry::Vacant(place) => {
                let number = self.strings.len() as u32;
                place.insert(Known { digest, number });
                self.strings.push(string);
                self.rows.push(row as u32);
                number
            }
        }
    }
}

/// A string of at most 16 bytes itself, or the hash of a longer one; and its length, if short.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Digest {
    words: [u64; 2],
    length: u32,
}

impl Digest {
    #[inline]
    fn of(bytes: &[u8], bound: &Range<usize>, state: &RandomState) -> Self {
        let length = bound.len();
        let words = if length > SHORT {
            let mut hasher = state.build_hasher();
            hasher.write(&bytes[bound.clone()]);
            [hasher.finish(), 0]
        } else if let Some(&behind) = bytes[bound.start..].first_chunk::<SHORT>() {
            let mask = u128::MAX.checked_shr(128 - 8 * length as u32).unwrap_or(0);
            split(u128::from_le_bytes(behind) & mask)
        } else {
            split(u128::from_le_bytes(super::padded(&bytes[bound.clone()])))
        };
        Self { words, length: length.min(SHORT + 1) as u32 }
    }

    #[inline]
    fn hash(&self, seeds: [u64; 2]) -> u64 {
        let [low, high] = self.words;
        let [low, high] = split(u128::from(low ^ seeds[0]) * u128::from(high ^ seeds[1]));
        low ^ high
    }
}

fn split(wide: u128) -> [u64; 2] {
    [wide as u64, (wide >> 64) as u64]
}
