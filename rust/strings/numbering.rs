//! Strings as numbers: the letters of each position are the digits of a number of as many as there
//! are different letters. Such numbers are in the order of the strings, and need no hash table.

use super::Chunk;
use super::block::{BLOCK_ROWS, Block};
use super::digest::{Digest, LENGTH_BIT, SHORT};
use super::letters::{Letters, plain};
use crate::error::Error;
use crate::flags::Flags;
use crate::memory::collected;
use crate::slices::{parts, split_off};
use crate::threads::Pause;
use foldhash::fast::RandomState;
use std::ops::Range;

/// More than any number; the sum of one for each position fits an i32.
const NO_NUMBER: u32 = 1 << 27;

/// How strings that have these letters are numbered.
pub struct Numbering {
    /// Of all positions.
    digits: Vec<Digit>,
    /// Letters of the positions that all strings have alike, and of the others all bits.
    alike: [u64; 2],
    varying: [u64; 2],
    /// Of all strings, or 0 where they differ in it; then the first 8 and the last 8 letters, as
    /// `alike` and `varying` are.
    length: usize,
    ends: [u64; 2],
    varying_ends: [u64; 2],
    /// Numbers that there are.
    pub width: usize,
}

struct Digit {
    position: usize,
    /// Ascending.
    letters: Vec<u8>,
    /// What each letter adds to a number.
    worth: [u32; 256],
}

impl Numbering {
    /// By so many numbers at most, or None.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn of(letters: &Letters, most: usize) -> Result<Option<Self>, Error> {
        let most = most.min(NO_NUMBER as usize);
        let (mut width, mut digits) = (1, Vec::with_capacity(SHORT));
        let (mut alike, mut varying) = ([0; 2], [0; 2]);
        let lengths: Vec<u8> =
            collected((0..=255).filter(|length| letters.0[SHORT][usize::from(*length)]))?;
        let length = if let [length] = lengths[..] {
            alike[1] = u64::from(length) << LENGTH_BIT;
            usize::from(length) - 1
        } else {
            varying[1] = 0xFF << LENGTH_BIT;
            0
        };
        for (position, seen) in letters.0[..SHORT].iter().enumerate().rev() {
            let letters = collected((0..=255).filter(|letter| seen[usize::from(*letter)]))?;
            let (half, shift) = (position / 8, 8 * (position % 8));
            match letters[..] {
                [] => return Ok(None),
                [letter] => alike[half] |= u64::from(letter) << shift,
                _ => {
                    let mut worth = [NO_NUMBER; 256];
                    for (digit, letter) in letters.iter().enumerate() {
                        worth[usize::from(*letter)] = (digit * width) as u32;
                    }
                    varying[half] |= 0xFF << shift;
                    width *= letters.len();
                    digits.push(Digit { position, letters, worth });
                }
            }
            if width > most {
                return Ok(None);
            }
        }
        let ends = |words: [u64; 2]| [words[0], last_letters(words, length)];
        let (ends, varying_ends) = (ends(alike), ends(varying));
        Ok(Some(Self { digits, alike, varying, length, ends, varying_ends, width }))
    }

    /// Number strings, and mark the numbers that occur. Returns the letters that were not known,
    /// among others: then the numbers are not right.
    ///
    /// # Errors
    /// As [`super::encode`].
    pub fn number<'a>(
        &self,
        pieces: impl Iterator<Item = (&'a Chunk<'a>, Range<usize>)>,
        mut codes: &mut [i32],
        occurs: &Flags,
        pause: &Pause,
    ) -> Result<Outcome, Error> {
        let (mut block, state) = (Block::new(), RandomState::default());
        let mut unknown = None;
        for (chunk, rows) in pieces {
            for rows in parts(rows, BLOCK_ROWS) {
                pause.ask()?;
                let codes = split_off(&mut codes, rows.len());
                block.read(chunk, rows)?;
                // Of one length, no string holds a letter that is not known.
                if !block.short || (self.length == 0 && !plain(&block)) {
                    return Ok(Outcome::NoLetters);
                }
                if unknown.is_none() && self.number_block(&mut block, &state, codes) {
                    for &code in &*codes {
                        occurs.raise(code as usize);
                    }
                    continue;
                }
                if !plain(&block) {
                    return Ok(Outcome::NoLetters);
                }
                let unknown = unknown.get_or_insert_with(|| Box::new(Letters::new()));
                unknown.add(block.digest(&state));
            }
        }
        Ok(unknown.map_or(Outcome::Numbered, Outcome::Unknown))
    }

    /// Number the strings of a block; whether all their letters are known.
    fn number_block(&self, block: &mut Block, state: &RandomState, codes: &mut [i32]) -> bool {
        codes.fill(0);
        let text = block.text();
        let others = if self.length >= 8 && block.are_all(self.length) {
            self.add(text.chunks_exact(self.length), codes);
            let parts = text.chunks_exact(self.length).fold([0; 2], |[low, high], string| {
                let (first, last) = (string.first_chunk(), string.last_chunk());
                let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |b| u64::from_le_bytes(*b));
                [low | (word(first) ^ self.ends[0]), high | (word(last) ^ self.ends[1])]
            });
            [parts[0] & !self.varying_ends[0], parts[1] & !self.varying_ends[1]]
        } else {
            let digests = block.digest(state);
            self.add(digests.iter().map(Digest::letters), codes);
            let parts = digests.iter().fold([0; 2], |[low, high], digest| {
                let words = digest.words();
                [low | (words[0] ^ self.alike[0]), high | (words[1] ^ self.alike[1])]
            });
            [parts[0] & !self.varying[0], parts[1] & !self.varying[1]]
        };
        let all = codes.iter().fold(0, |all, &code| all | code as u32);
        all < NO_NUMBER && others == [0; 2]
    }

    /// Add what the letters of each string are worth.
    #[inline]
    fn add<'s>(&self, strings: impl Iterator<Item = &'s [u8]> + Clone, codes: &mut [i32]) {
        let (fours, rest) = self.digits.as_chunks::<4>();
        for digits in fours {
            add_digits(digits, strings.clone(), codes);
        }
        for digit in rest {
            add_digits(std::array::from_ref(digit), strings.clone(), codes);
        }
    }

    /// The string of each number, which ascend; a string has at most [`SHORT`] letters, and zeros
    /// follow to as many as 16.
    pub fn strings(&self) -> Ascending<'_> {
        let mut words = self.alike;
        for digit in &self.digits {
            set(&mut words, digit.position, digit.letters[0]);
        }
        Ascending { numbering: self, words, digits: [0; SHORT], number: 0 }
    }
}

#[inline]
fn add_digits<'s, const DIGITS: usize>(
    digits: &[Digit; DIGITS],
    strings: impl Iterator<Item = &'s [u8]>,
    codes: &mut [i32],
) {
    for (code, string) in codes.iter_mut().zip(strings) {
        let worth = |digit: &Digit| digit.worth[usize::from(string[digit.position])];
        *code += digits.iter().map(worth).sum::<u32>() as i32;
    }
}

/// Of a string of so many letters, at least 8.
fn last_letters(words: [u64; 2], length: usize) -> u64 {
    let all = u128::from(words[1]) << 64 | u128::from(words[0]);
    (all >> (8 * length.saturating_sub(8))) as u64
}

fn set(words: &mut [u64; 2], position: usize, letter: u8) {
    let (half, shift) = (position / 8, 8 * (position % 8));
    words[half] = words[half] & !(0xFF << shift) | u64::from(letter) << shift;
}

/// What came of numbering.
pub enum Outcome {
    /// All strings have a number.
    Numbered,
    /// Some had letters that were not known.
    Unknown(Box<Letters>),
    /// A string is not short, or holds the letter 0.
    NoLetters,
}

/// Strings by their numbers, which ascend.
pub struct Ascending<'a> {
    numbering: &'a Numbering,
    words: [u64; 2],
    /// Of the number, the last one first.
    digits: [usize; SHORT],
    number: usize,
}

impl Ascending<'_> {
    /// The string of a number that is no less than the one before, and zeros behind it.
    #[inline]
    pub fn string(&mut self, number: usize) -> ([u8; 16], usize) {
        let mut carry = number - self.number;
        self.number = number;
        for (value, digit) in self.digits.iter_mut().zip(&self.numbering.digits) {
            if carry == 0 {
                break;
            }
            let base = digit.letters.len();
            *value += carry;
            carry = 0;
            if *value >= base {
                (carry, *value) = (*value / base, *value % base);
            }
            set(&mut self.words, digit.position, digit.letters[*value]);
        }
        let padded = u128::from(self.words[1] << 8 >> 8) << 64 | u128::from(self.words[0]);
        (padded.to_le_bytes(), 16 - padded.leading_zeros() as usize / 8)
    }
}
