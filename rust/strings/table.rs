//! A hash table that numbers the strings it meets. Short strings are compared as two words beside
//! their number, so that most rows touch neither the bytes of a string again nor a second line.

use super::Chunk;
use crate::error::Error;
use crate::memory::{filled, push};
use crate::threads::Pause;
use foldhash::fast::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

/// Strings read together, apart from the lookups, of which the processor then overlaps many.
const BLOCK_ROWS: usize = 256;
/// Most bytes of a string that is its own digest.
const SHORT: usize = 16;
/// Slots of an empty table.
const FIRST_SLOTS: usize = 1 << 10;

/// What keeps each distinct string, numbered from 0.
pub trait Strings<'a> {
    /// Number of strings.
    fn len(&self) -> usize;
    /// A string by its number.
    fn get(&self, number: usize) -> &[u8];
    /// Keep one more.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    fn push(&mut self, string: &'a [u8]) -> Result<(), Error>;
}

/// Strings where they lie.
pub struct Borrowed<'a>(pub Vec<&'a [u8]>);

impl<'a> Strings<'a> for Borrowed<'a> {
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn get(&self, number: usize) -> &[u8] {
        self.0[number]
    }

    #[inline]
    fn push(&mut self, string: &'a [u8]) -> Result<(), Error> {
        push(&mut self.0, string)
    }
}

/// The distinct strings of some rows, numbered from 0 in the order they came. Where a string is not
/// in the slot of its hash, it is in one of the next.
pub struct Table<S> {
    /// As many as a power of two, a third of them empty or more.
    slots: Vec<Slot>,
    /// Seeded at random: no choice of strings makes a table slow, and no result depends on it.
    state: RandomState,
    seeds: [u64; 2],
    /// Each string once.
    pub strings: S,
}

/// A string of the table; an empty one where it has no number.
#[derive(Clone, Copy, Default)]
struct Slot {
    words: [u64; 2],
    length: u32,
    /// The string's number, from 1.
    number: u32,
}

impl Slot {
    #[inline]
    fn has(&self, digest: &Digest) -> bool {
        // All three at once, without a branch for each.
        let differing = (self.words[0] ^ digest.words[0]) | (self.words[1] ^ digest.words[1]);
        differing | u64::from(self.length ^ digest.length) == 0
    }
}

impl<'a, S: Strings<'a>> Table<S> {
    /// A table without strings.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(strings: S) -> Result<Self, Error> {
        let state = RandomState::default();
        let seeds = [0, 1].map(|seed: u64| state.hash_one(seed));
        Ok(Self { slots: filled(FIRST_SLOTS, Slot::default())?, state, seeds, strings })
    }

    /// Bytes of the slots.
    pub fn slot_bytes(&self) -> usize {
        size_of_val(&self.slots[..])
    }

    /// Number strings of a chunk.
    ///
    /// # Errors
    /// As [`super::encode`].
    pub fn number(
        &mut self,
        chunk: &Chunk<'a>,
        rows: Range<usize>,
        codes: &mut [i32],
        pause: &Pause,
    ) -> Result<(), Error> {
        let mut block = Block::default();
        for (first, codes) in rows.step_by(BLOCK_ROWS).zip(codes.chunks_mut(BLOCK_ROWS)) {
            pause.ask()?;
            self.make_room()?;
            block.read(chunk, first..first + codes.len(), self)?;
            for (i, code) in codes.iter_mut().enumerate() {
                let (string, digest) = block.string(chunk, i);
                let found = self.find(string, digest, block.found[i]);
                *code = match found {
                    Ok(number) => number as i32,
                    Err(empty) => self.insert(string, (digest, empty))? as i32,
                };
            }
        }
        Ok(())
    }

    /// The numbers of known strings of a chunk, -1 for others.
    ///
    /// # Errors
    /// As [`super::encode`].
    pub fn known(&self, chunk: &Chunk<'_>, codes: &mut [i32], pause: &Pause) -> Result<(), Error> {
        let mut block = Block::default();
        for (first, codes) in
            (0..chunk.rows()).step_by(BLOCK_ROWS).zip(codes.chunks_mut(BLOCK_ROWS))
        {
            pause.ask()?;
            block.read(chunk, first..first + codes.len(), self)?;
            for (i, code) in codes.iter_mut().enumerate() {
                let (string, digest) = block.string(chunk, i);
                *code =
                    self.find(string, digest, block.found[i]).map_or(-1, |number| number as i32);
            }
        }
        Ok(())
    }

    /// The number of a string, whose digest is that of the slot `found` if it is in any before;
    /// the empty slot it belongs in if it is unknown.
    #[inline]
    fn find(&self, string: &[u8], digest: &Digest, found: Found) -> Result<u32, usize> {
        let equal =
            |number: u32| string.len() <= SHORT || self.strings.get(number as usize - 1) == string;
        if found.number > 0 && equal(found.number) {
            return Ok(found.number - 1);
        }
        let mut place = found.place as usize;
        loop {
            let slot = &self.slots[place];
            if slot.number == 0 {
                return Err(place);
            }
            if slot.has(digest) && equal(slot.number) {
                return Ok(slot.number - 1);
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
    }

    fn insert(
        &mut self,
        string: &'a [u8],
        (digest, empty): (&Digest, usize),
    ) -> Result<u32, Error> {
        let number = self.strings.len() as u32;
        self.strings.push(string)?;
        let Digest { words, length, .. } = *digest;
        self.slots[empty] = Slot { words, length, number: number + 1 };
        Ok(number)
    }

    /// Make room for a block of new strings.
    fn make_room(&mut self) -> Result<(), Error> {
        let full = self.strings.len() + BLOCK_ROWS;
        if full <= self.slots.len() / 3 * 2 {
            return Ok(());
        }
        let mut slots = filled(2 * self.slots.len(), Slot::default())?;
        let last = slots.len() - 1;
        for slot in self.slots.iter().filter(|slot| slot.number > 0) {
            let mut place = hash(slot.words, self.seeds) as usize & last;
            while slots[place].number > 0 {
                place = (place + 1) & last;
            }
            slots[place] = *slot;
        }
        self.slots = slots;
        Ok(())
    }
}

/// Strings read together.
struct Block {
    bounds: [Range<usize>; BLOCK_ROWS],
    digests: [Digest; BLOCK_ROWS],
    found: [Found; BLOCK_ROWS],
}

/// The slot of a string's hash, and the number there, if the string there has the same digest.
#[derive(Clone, Copy, Default)]
struct Found {
    place: u32,
    number: u32,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            bounds: [const { 0..0 }; BLOCK_ROWS],
            digests: [Digest::default(); BLOCK_ROWS],
            found: [Found::default(); BLOCK_ROWS],
        }
    }
}

impl Block {
    /// Read strings of a chunk and look each up in the slot of its hash, without waiting for any.
    fn read<'a, S: Strings<'a>>(
        &mut self,
        chunk: &Chunk<'_>,
        rows: Range<usize>,
        table: &Table<S>,
    ) -> Result<(), Error> {
        let length = rows.len();
        let found = chunk.bounds(rows, &mut self.bounds[..length]);
        found.ok_or(Error::DamagedStrings)?;
        for (digest, bound) in self.digests[..length].iter_mut().zip(&self.bounds) {
            *digest = Digest::of(chunk.bytes, bound, &table.state);
        }
        let last = table.slots.len() - 1;
        for (found, digest) in self.found[..length].iter_mut().zip(&self.digests) {
            let place = hash(digest.words, table.seeds) as usize & last;
            let slot = &table.slots[place];
            *found = Found {
                place: place as u32,
                number: if slot.has(digest) { slot.number } else { 0 },
            };
        }
        Ok(())
    }

    fn string<'a>(&self, chunk: &Chunk<'a>, i: usize) -> (&'a [u8], &Digest) {
        (&chunk.bytes[self.bounds[i].clone()], &self.digests[i])
    }
}

/// A string of at most 16 bytes itself, or the hash of a longer one; and its length, if short.
#[derive(Clone, Copy, Default)]
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
}

#[inline]
fn hash([low, high]: [u64; 2], seeds: [u64; 2]) -> u64 {
    let [low, high] = split(u128::from(low ^ seeds[0]) * u128::from(high ^ seeds[1]));
    low ^ high
}

fn split(wide: u128) -> [u64; 2] {
    [wide as u64, (wide >> 64) as u64]
}
