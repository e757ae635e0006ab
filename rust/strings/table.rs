//! A hash table that numbers the strings it meets. Short strings are compared as two words beside
//! their number, so that most rows touch neither the bytes of a string again nor a second line.

use super::Chunk;
use super::digest::{Digest, EMPTY, SHORT};
use crate::error::Error;
use crate::memory::{filled, push};
use crate::threads::Pause;
use foldhash::fast::RandomState;
use std::hash::BuildHasher;
use std::ops::Range;

/// Strings read together, apart from the lookups, of which the processor then overlaps many.
const BLOCK_ROWS: usize = 256;
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
    /// As many as a power of two, half of them empty or more.
    slots: Vec<Slot>,
    /// Seeded at random: no choice of strings makes a table slow, and no result depends on it.
    state: RandomState,
    seeds: [u64; 2],
    /// Each string once.
    pub strings: S,
}

/// A string of the table.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// [`EMPTY`] where there is none.
    digest: Digest,
    number: u32,
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
        let (mut block, mut missed) = (Block::new(), [0; BLOCK_ROWS]);
        for (first, codes) in rows.step_by(BLOCK_ROWS).zip(codes.chunks_mut(BLOCK_ROWS)) {
            pause.ask()?;
            self.make_room()?;
            block.read(chunk, first..first + codes.len(), &self.state)?;
            for &row in block.look_up(self, codes, &mut missed) {
                let row = usize::from(row);
                let (string, digest) = (block.string(row), block.digests[row]);
                codes[row] = match self.find(string, digest) {
                    Ok(number) => number as i32,
                    Err(empty) => self.insert(string, digest, empty)? as i32,
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
        let (mut block, mut missed) = (Block::new(), [0; BLOCK_ROWS]);
        let rows = 0..chunk.rows();
        for (first, codes) in rows.step_by(BLOCK_ROWS).zip(codes.chunks_mut(BLOCK_ROWS)) {
            pause.ask()?;
            block.read(chunk, first..first + codes.len(), &self.state)?;
            for &row in block.look_up(self, codes, &mut missed) {
                let row = usize::from(row);
                let found = self.find(block.string(row), block.digests[row]);
                codes[row] = found.map_or(-1, |number| number as i32);
            }
        }
        Ok(())
    }

    /// Where a string is, unless others took its place.
    #[inline]
    fn home(&self, digest: Digest) -> usize {
        let [low, high] = digest.words();
        let product = u128::from(low ^ self.seeds[0]) * u128::from(high ^ self.seeds[1]);
        (product as u64 ^ (product >> 64) as u64) as usize & (self.slots.len() - 1)
    }

    /// Whether a slot has a string.
    #[inline]
    fn has(&self, slot: &Slot, string: &[u8], digest: Digest) -> bool {
        slot.digest == digest
            && (string.len() <= SHORT || self.strings.get(slot.number as usize) == string)
    }

    /// The number of a string, or the empty slot it belongs in.
    fn find(&self, string: &[u8], digest: Digest) -> Result<u32, usize> {
        let mut place = self.home(digest);
        loop {
            let slot = &self.slots[place];
            if slot.digest == EMPTY {
                return Err(place);
            }
            if self.has(slot, string, digest) {
                return Ok(slot.number);
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
    }

    fn insert(&mut self, string: &'a [u8], digest: Digest, empty: usize) -> Result<u32, Error> {
        let number = self.strings.len() as u32;
        self.strings.push(string)?;
        self.slots[empty] = Slot { digest, number };
        Ok(number)
    }

    /// Make room for a block of new strings.
    fn make_room(&mut self) -> Result<(), Error> {
        if self.strings.len() + BLOCK_ROWS <= self.slots.len() / 2 {
            return Ok(());
        }
        let grown = filled(2 * self.slots.len(), Slot::default())?;
        let last = grown.len() - 1;
        for slot in std::mem::replace(&mut self.slots, grown) {
            if slot.digest != EMPTY {
                let mut place = self.home(slot.digest);
                while self.slots[place].digest != EMPTY {
                    place = (place + 1) & last;
                }
                self.slots[place] = slot;
            }
        }
        Ok(())
    }
}

/// Strings read together.
struct Block<'a> {
    bytes: &'a [u8],
    bounds: [usize; BLOCK_ROWS + 1],
    digests: [Digest; BLOCK_ROWS],
    /// Whether all strings are short.
    short: bool,
}

impl<'a> Block<'a> {
    fn new() -> Self {
        Self { bytes: &[], bounds: [0; BLOCK_ROWS + 1], digests: [EMPTY; BLOCK_ROWS], short: true }
    }

    /// Read strings of a chunk.
    fn read(
        &mut self,
        chunk: &Chunk<'a>,
        rows: Range<usize>,
        state: &RandomState,
    ) -> Result<(), Error> {
        let bounds = &mut self.bounds[..=rows.len()];
        chunk.bounds(rows, bounds).ok_or(Error::DamagedStrings)?;
        self.bytes = chunk.bytes;
        let longest = bounds.windows(2).fold(0, |longest, pair| longest.max(pair[1] - pair[0]));
        self.short = longest <= SHORT;
        let rows = self.digests.iter_mut().zip(bounds.windows(2));
        if self.short && bounds[bounds.len() - 1] + SHORT < chunk.bytes.len() {
            for (digest, bound) in rows {
                let behind = &chunk.bytes[bound[0]..=bound[0] + SHORT];
                *digest = Digest::short(behind, bound[1] - bound[0]);
            }
        } else {
            for (digest, bound) in rows {
                *digest = Digest::of(&chunk.bytes[bound[0]..bound[1]], state);
            }
        }
        Ok(())
    }

    /// Look up each string in the slot of its hash, without waiting for any. What is there becomes
    /// its code, right or not; the rows where it is not are returned.
    fn look_up<'b, 'm, S: Strings<'b>>(
        &self,
        table: &Table<S>,
        codes: &mut [i32],
        missed: &'m mut [u8; BLOCK_ROWS],
    ) -> &'m [u8] {
        let mut misses = 0;
        for (row, code) in codes.iter_mut().enumerate() {
            let digest = self.digests[row];
            let slot = &table.slots[table.home(digest)];
            *code = slot.number as i32;
            let found = if self.short {
                slot.digest == digest
            } else {
                table.has(slot, self.string(row), digest)
            };
            missed[misses] = row as u8;
            misses += usize::from(!found);
        }
        &missed[..misses]
    }

    fn string(&self, row: usize) -> &'a [u8] {
        &self.bytes[self.bounds[row]..self.bounds[row + 1]]
    }
}
