//! Stable least-significant-digit radix sort of words by their upper bits. A partition fits
//! the cache, so each pass streams; equal keys keep their order, which is input order. The input is
//! only read: its lines were written by all threads, and to take them over costs more than a copy.

const MAX_DIGIT_BITS: u32 = 11;
/// Below this, counting all bins costs more than comparing.
const MIN_RADIX_LENGTH: usize = 128;

/// Two buffers, reused from sort to sort.
#[derive(Default)]
pub struct Scratch {
    front: Vec<u64>,
    back: Vec<u64>,
}

/// The words in the order of their bits from `low` on, stably; no bit from `low + width` on is set.
pub fn sorted<'a>(words: &[u64], scratch: &'a mut Scratch, low: u32, width: u32) -> &'a [u64] {
    let length = words.len();
    if scratch.front.len() < length {
        scratch.front.resize(length, 0);
        scratch.back.resize(length, 0);
    }
    let (front, back) = (&mut scratch.front[..length], &mut scratch.back[..length]);
    if length < MIN_RADIX_LENGTH || width == 0 {
        front.copy_from_slice(words);
        front.sort_by_key(|word| word >> low);
        return front;
    }
    let passes = width.div_ceil(MAX_DIGIT_BITS);
    // Bins in an array of their own size: few are cleared, and no index needs a check.
    match width.div_ceil(passes) {
        ..=8 => sort_digits::<256>(words, (front, back), low, passes),
        9 => sort_digits::<512>(words, (front, back), low, passes),
        10 => sort_digits::<1024>(words, (front, back), low, passes),
        _ => sort_digits::<2048>(words, (front, back), low, passes),
    }
}

fn sort_digits<'a, const BINS: usize>(
    words: &[u64],
    (mut front, mut back): (&'a mut [u64], &'a mut [u64]),
    low: u32,
    passes: u32,
) -> &'a [u64] {
    scatter::<BINS>(words, front, low);
    for pass in 1..passes {
        scatter::<BINS>(front, back, low + pass * BINS.ilog2());
        std::mem::swap(&mut front, &mut back);
    }
    front
}

/// Copy each word to the place of its digit, the bits from `shift` on.
fn scatter<const BINS: usize>(source: &[u64], target: &mut [u64], shift: u32) {
    let mut ends = [0u32; BINS];
    for word in source {
        ends[(word >> shift) as usize % BINS] += 1;
    }
    let mut start = 0;
    for end in &mut ends {
        start += std::mem::replace(end, start);
    }
    // Four digits ahead of their stores: one at a time costs three times as much on some processors.
    let (quads, rest) = source.as_chunks::<4>();
    for quad in quads {
        let digits = quad.map(|word| (word >> shift) as usize % BINS);
        for (&word, digit) in quad.iter().zip(digits) {
            target[ends[digit] as usize] = word;
            ends[digit] += 1;
        }
    }
    for &word in rest {
        let digit = (word >> shift) as usize % BINS;
        target[ends[digit] as usize] = word;
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
            let words: Vec<u64> =
                (0..length).map(|_| stream.draw() >> (64 - low - width)).collect();
            let mut expected = words.clone();
            expected.sort_by_key(|word| word >> low);
            assert_eq!(sorted(&words, &mut scratch, low, width), expected);
        }
    }
}
