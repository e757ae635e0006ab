//! The letters of short strings that differ in few positions by few letters each, as names with a
//! number in them do, or numbers as text.

use super::block::{BLOCK_ROWS, Block};
use super::digest::{Digest, SHORT};
use super::{Chunk, pieces};
use crate::error::Error;
use crate::slices::parts;
use foldhash::fast::RandomState;

/// Blocks that are looked at first, evenly spread.
const SAMPLED: usize = 16;

/// The letters that strings have in each position; 0 is behind the end. In the last position are
/// their lengths, from 1.
#[derive(Clone)]
pub struct Letters(pub [[bool; 256]; SHORT + 1]);

impl Letters {
    /// None of any.
    pub fn new() -> Self {
        Self([[false; 256]; SHORT + 1])
    }

    /// Of some of the strings, or None where a string is not short or holds the letter 0.
    ///
    /// # Errors
    /// As [`super::encode`].
    pub fn sampled(chunks: &[Chunk]) -> Result<Option<Self>, Error> {
        let (mut letters, mut block) = (Self::new(), Block::new());
        let state = RandomState::default();
        let all: usize = chunks.iter().map(Chunk::rows).sum();
        for part in parts(0..all, (all / SAMPLED).max(BLOCK_ROWS)) {
            let sample = part.start..part.end.min(part.start + BLOCK_ROWS);
            for (chunk, rows) in pieces(chunks, sample) {
                block.read(chunk, rows)?;
                if !plain(&block) {
                    return Ok(None);
                }
                letters.add(block.digest(&state));
            }
        }
        Ok(Some(letters))
    }

    /// Those of strings, by their digests, of which there is one at least.
    pub fn add(&mut self, digests: &[Digest]) {
        let differing = digests.iter().fold([0; 2], |[low, high], digest| {
            let ([low_word, high_word], [first, second]) = (digest.words(), digests[0].words());
            [low | (low_word ^ first), high | (high_word ^ second)]
        });
        for (position, seen) in self.0.iter_mut().enumerate() {
            let varies = letter(differing, position) != 0;
            for digest in &digests[..if varies { digests.len() } else { 1 }] {
                seen[letter(digest.words(), position)] = true;
            }
        }
    }

    /// The same, and all ten digits where two of them are: the largest number may be rare.
    #[must_use]
    pub fn with_all_digits(&self) -> Self {
        let mut letters = self.clone();
        for seen in &mut letters.0[..SHORT] {
            let digits = &mut seen[usize::from(b'0')..=usize::from(b'9')];
            if digits.iter().filter(|seen| **seen).count() > 1 {
                digits.fill(true);
            }
        }
        letters
    }

    /// What both have.
    pub fn merge(&mut self, other: &Self) {
        for (seen, other) in self.0.as_flattened_mut().iter_mut().zip(other.0.as_flattened()) {
            *seen |= other;
        }
    }
}

#[inline]
fn letter(words: [u64; 2], position: usize) -> usize {
    usize::from((words[position / 8] >> (8 * (position % 8))) as u8)
}

/// Whether all strings are short, and none holds the letter 0.
pub fn plain(block: &Block) -> bool {
    block.short && block.text().iter().fold(0, |nul, &byte| nul | u8::from(byte == 0)) == 0
}
