//! A hash table that numbers the strings it meets. Short strings are compared as two words beside
//! their number, so that most rows touch neither the bytes of a string again nor a second line.

use super::Chunk;
use super::block::{BLOCK_ROWS, Block};
use super::digest::{Digest, EMPTY, SHORT};
use crate::error::Error;
use crate::memory::{filled, push};
use crate::threads::Pause;
use foldhash::fast::RandomState;
use std::hash::BuildHasher;
use std::ops::Range;

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
            block.read(chunk, first..first + codes.len())?;
            block.digest(&self.state);
            for &row in self.look_up(&block, codes, &mut missed) {
                let row = usize::from(row);
                let (string, digest) = (block.string(row), block.digests()[row]);
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
            block.read(chunk, first..first + codes.len())?;
            block.digest(&self.state);
            for &row in self.look_up(&block, codes, &mut missed) {
                let row = usize::from(row);
                let found = self.find(block.string(row), block.digests()[row]);
                codes[row] = found.map_or(-1, |number| number as i32);
            }
        }
        Ok(())
    }

    /// Look up each string in the slot of its hash, without waiting for any. What is there becomes
    /// its code, right or not; the rows where it is not are returned.
    fn look_up<'m>(
        &self,
        block: &Block,
        codes: &mut [i32],
        missed: &'m mut [u8; BLOCK_ROWS],
    ) -> &'m [u8] {
        let mut misses = 0;
        for (row, (code, &digest)) in codes.iter_mut().zip(block.digests()).enumerate() {
            let slot = &self.slots[self.home(digest)];
            *code = slot.number as i32;
            let found = if block.short {
                slot.digest == digest
            } else {
                self.has(slot, block.string(row), digest)
            };
            missed[misses] = row as u8;
            misses += usize::from(!found);
        }
        &missed[..misses]
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
