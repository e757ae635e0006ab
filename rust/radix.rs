//! Stable least-significant-digit radix sort of records by some bits of a word of theirs. A partition fits
//! the cache, so each pass streams; equal keys keep their order, which is input order. The input is
//! only read: its lines were written by all threads, and to take them over costs more than a copy.
//! Of long keys the upper bits put nearly all records in order, and insertion the rest.

use crate::error::Error;
use crate::memory::zeroed;
use bytemuck::Zeroable;

const MAX_DIGIT_BITS: u32 = 11;
/// Passes over the upper bits of keys that take more; odd, so that they end in the first buffer.
const UPPER_PASSES: u32 = 3;
/// Digits counted in one reading.
const COUNTED: usize = 3;
/// Below this, counting all bins costs more than comparing.
const MIN_RADIX_LENGTH: usize = 128;

/// Two buffers, reused from sort to sort.
pub struct Scratch<T> {
    front: Vec<T>,
    back: Vec<T>,
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Self { front: Vec::new(), back: Vec::new() }
    }
}

/// The bits of a word that decide: `width` of them from `low` on; of a record's word none from
/// `low + width` on is set.
#[derive(Clone, Copy)]
pub struct Key {
    /// Lowest bit.
    pub low: u32,
    /// Number of bits.
    pub width: u32,
}

/// The records in the order of a key of the word that `word` gives, stably.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn sorted<'a, T: Copy + Zeroable>(
    records: &[T],
    scratch: &'a mut Scratch<T>,
    key: Key,
    word: impl Fn(&T) -> u64 + Copy,
) -> Result<&'a [T], Error> {
    let length = records.len();
    if scratch.front.len() < length {
        *scratch = Scratch::default(); // to have both at once is not needed
        *scratch = Scratch { front: zeroed(length)?, back: zeroed(length)? };
    }
    let (front, back) = (&mut scratch.front[..length], &mut scratch.back[..length]);
    if length < MIN_RADIX_LENGTH || key.width == 0 {
        front.copy_from_slice(records);
        if key.width > 0 {
            front.sort_by_key(|record| word(record) >> key.low); // so few are sorted on the stack
        }
        return Ok(front);
    }
    let upper = UPPER_PASSES * MAX_DIGIT_BITS;
    if key.width > upper {
        let shift = |pass: u32| key.low + key.width - upper + pass * MAX_DIGIT_BITS;
        let buffers = (&mut *front, &mut *back);
        sort_digits::<T, 2048>(records, buffers, UPPER_PASSES, |r, p| word(r) >> shift(p));
        if insert_few(front, |record| word(record) >> key.low) {
            return Ok(front);
        }
    }
    let passes = key.width.div_ceil(MAX_DIGIT_BITS);
    let shift = |pass: u32, bits: u32| key.low + pass * bits;
    // Bins in an array of their own size: few are cleared, and no index needs a check.
    Ok(match key.width.div_ceil(passes) {
        ..=8 => sort_digits::<T, 256>(records, (front, back), passes, |r, p| {
            word(r).unbounded_shr(shift(p, 8))
        }),
        9 => sort_digits::<T, 512>(records, (front, back), passes, |r, p| {
            word(r).unbounded_shr(shift(p, 9))
        }),
        10 => sort_digits::<T, 1024>(records, (front, back), passes, |r, p| {
            word(r).unbounded_shr(shift(p, 10))
        }),
        _ => sort_digits::<T, 2048>(records, (front, back), passes, |r, p| {
            word(r).unbounded_shr(shift(p, 11))
        }),
    })
}

/// Sort by the lowest bits of the word that `word` gives for a record and a pass.
fn sort_digits<'a, T: Copy, const BINS: usize>(
    records: &[T],
    (mut front, mut back): (&'a mut [T], &'a mut [T]),
    passes: u32,
    word: impl Fn(&T, u32) -> u64,
) -> &'a [T] {
    // All digits are counted in one reading, as far as the counts stay near.
    for first in (0..passes).step_by(COUNTED) {
        let shown: &[T] = if first == 0 { records } else { &*front };
        let mut ends = [[0u32; BINS]; COUNTED];
        if passes == 1 {
            count_apart(shown, &mut ends, |record| word(record, 0));
        } else {
            for record in shown {
                for (pass, ends) in ends.iter_mut().enumerate() {
                    ends[digit::<BINS>(word(record, first + pass as u32))] += 1;
                }
            }
        }
        for (pass, ends) in (first..passes).zip(&mut ends) {
            if pass == 0 {
                scatter::<T, BINS>(records, front, ends, |record| word(record, pass));
            } else {
                scatter::<T, BINS>(front, back, ends, |record| word(record, pass));
                std::mem::swap(&mut front, &mut back);
            }
        }
    }
    front
}

/// Count one digit into the first bins, by parts side by side: where neighbours have the same digit,
/// as rows in time order often do, each count would wait for the one before.
fn count_apart<T, const BINS: usize>(
    records: &[T],
    counts: &mut [[u32; BINS]; COUNTED],
    word: impl Fn(&T) -> u64,
) {
    let part = records.len() / COUNTED;
    let digit = |place: usize| digit::<BINS>(word(&records[place]));
    for place in 0..part {
        for (strand, counts) in counts.iter_mut().enumerate() {
            counts[digit(strand * part + place)] += 1;
        }
    }
    (COUNTED * part..records.len()).for_each(|place| counts[0][digit(place)] += 1);
    let [sums, others @ ..] = counts;
    for others in others {
        sums.iter_mut().zip(others).for_each(|(sum, count)| *sum += *count);
    }
}

/// Sort what is nearly in order, stably; returns whether it was: so few moves did it.
fn insert_few<T: Copy>(records: &mut [T], key: impl Fn(&T) -> u64) -> bool {
    let mut moves = 2 * records.len();
    for place in 1..records.len() {
        let record = records[place];
        let later = records[..place].iter().rev().take_while(|other| key(other) > key(&record));
        let later = later.take(moves + 1).count();
        if later > moves {
            return false;
        }
        if later > 0 {
            moves -= later;
            records.copy_within(place - later..place, place - later + 1);
            records[place - later] = record;
        }
    }
    true
}

/// The lowest bits of a word.
#[inline]
fn digit<const BINS: usize>(word: u64) -> usize {
    word as usize % BINS
}

/// Copy each record to the place of its digit, the lowest bits of its word, of which there are so
/// many.
fn scatter<T: Copy, const BINS: usize>(
    source: &[T],
    target: &mut [T],
    ends: &mut [u32; BINS],
    word: impl Fn(&T) -> u64,
) {
    let mut start = 0;
    for end in &mut *ends {
        start += std::mem::replace(end, start);
    }
    // Four digits ahead of their stores: one at a time costs three times as much on some processors.
    let (quads, rest) = source.as_chunks::<4>();
    for quad in quads {
        let digits = quad.each_ref().map(|record| digit::<BINS>(word(record)));
        for (&record, digit) in quad.iter().zip(digits) {
            target[ends[digit] as usize] = record;
            ends[digit] += 1;
        }
    }
    for record in rest {
        let digit = digit::<BINS>(word(record));
        target[ends[digit] as usize] = *record;
        ends[digit] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::philox::Philox;

    #[test]
    fn equals_a_stable_sort_by_key() {
        let mut stream = Philox::new([0; 4], [1, 2]);
        let mut scratch = Scratch::default();
        for (length, low, width) in
            [(1000, 5, 40), (5000, 0, 64), (300, 20, 11), (10, 3, 9), (400, 20, 0), (0, 0, 8)]
        {
            // All bits; few values of the upper ones; few values of the lower ones.
            for few in [u64::MAX, 7 << 59 | 0xffff_ffff, !0 << 40] {
                let words: Vec<u64> =
                    (0..length).map(|_| (stream.draw() & few) >> (64 - low - width)).collect();
                // Of two neighbours with one key, the first stays the first.
                let mut words = words;
                words.chunks_exact_mut(2).for_each(|pair| pair[1] = pair[0] ^ u64::from(low > 0));
                let mut expected = words.clone();
                expected.sort_by_key(|word| word >> low);
                let found = sorted(&words, &mut scratch, Key { low, width }, |word| *word);
                assert_eq!(found, Ok(&expected[..]));
            }
        }
    }
}
