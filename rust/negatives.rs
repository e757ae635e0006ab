//! Negatives by rejection sampling that always ends: a proposal the user's rejected set contains
//! is dropped, and after 64 drops in one slot the next draw picks among the allowed items.

use crate::error::Error;
use crate::philox::Philox;

/// Drops in one slot before the exact draw.
pub const MAX_DROPS: u32 = 64;
/// Largest vocabulary kept as a bit set (512 KiB a thread); above it, a sorted list is searched.
const MAX_BITSET_ITEMS: usize = 1 << 22;

/// Draws items 1..=`vocabulary` outside a rejected set; reused from user to user.
pub struct Sampler {
    vocabulary: usize,
    bits: Vec<u64>,
    rejected: Vec<i32>,
    /// The rejected items, ascending and distinct; built when first needed.
    sorted: Vec<i32>,
}

impl Sampler {
    /// A sampler with an empty rejected set.
    #[must_use]
    pub fn new(vocabulary: usize) -> Self {
        let words = if vocabulary <= MAX_BITSET_ITEMS { vocabulary / 64 + 1 } else { 0 };
        Self { vocabulary, bits: vec![0; words], rejected: Vec::new(), sorted: Vec::new() }
    }

    /// Replace the rejected set by `items` (indices 1..=vocabulary, repeats allowed).
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where an item is no such index; the set is then unusable.
    pub fn reject(&mut self, items: &[i32]) -> Result<(), Error> {
        let out_of_range = |item: &&i32| **item < 1 || **item as usize > self.vocabulary;
        if let Some(item) = items.iter().find(out_of_range) {
            let vocabulary = self.vocabulary;
            return Err(Error::Inconsistent(format!("item {item} is not in 1..={vocabulary}")));
        }
        if self.bits.is_empty() {
            self.rejected.clear();
            self.rejected.extend_from_slice(items);
            self.sort();
            return Ok(());
        }
        for &item in &self.rejected {
            self.bits[item as usize / 64] = 0;
        }
        self.rejected.clear();
        self.rejected.extend_from_slice(items);
        self.sorted.clear();
        for &item in items {
            self.bits[item as usize / 64] |= 1 << (item % 64);
        }
        Ok(())
    }

    /// The next negative of the stream; 0 if every item is rejected.
    #[inline]
    pub fn draw(&mut self, stream: &mut Philox) -> i32 {
        for _ in 0..MAX_DROPS {
            let item = 1 + stream.draw_below(self.vocabulary as u64) as i32;
            if !self.rejects(item) {
                return item;
            }
        }
        self.draw_allowed(stream)
    }

    #[inline]
    fn rejects(&self, item: i32) -> bool {
        if self.bits.is_empty() {
            return self.sorted.binary_search(&item).is_ok();
        }
        self.bits[item as usize / 64] >> (item % 64) & 1 == 1
    }

    /// One draw among the allowed items, in ascending order.
    #[cold]
    fn draw_allowed(&mut self, stream: &mut Philox) -> i32 {
        if self.sorted.is_empty() {
            self.sort();
        }
        let allowed = self.vocabulary - self.sorted.len();
        if allowed == 0 {
            return 0;
        }
        let rank = stream.draw_below(allowed as u64) as usize;
        // The rank-th allowed item exceeds rank + 1 by the number of rejected items below it.
        let (mut low, mut high) = (0, self.sorted.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.sorted[middle] as usize - 1 - middle <= rank {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (rank + 1 + low) as i32
    }

    fn sort(&mut self) {
        self.sorted.clone_from(&self.rejected);
        self.sorted.sort_unstable();
        self.sorted.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Philox {
        Philox::new([0, 1, 0, 0], [0, 0])
    }

    #[test]
    fn one_allowed_item_of_many_is_found_in_bounded_draws() {
        for vocabulary in [100_000, MAX_BITSET_ITEMS + 9] {
            let mut sampler = Sampler::new(vocabulary);
            let rejected: Vec<i32> = (1..=vocabulary as i32).filter(|&item| item != 4321).collect();
            sampler.reject(&rejected).unwrap();
            let mut stream = stream();
            assert!((0..100).all(|_| sampler.draw(&mut stream) == 4321));
        }
    }

    #[test]
    fn nothing_allowed_gives_padding() {
        let mut sampler = Sampler::new(3);
        sampler.reject(&[3, 1, 2, 1]).unwrap();
        assert_eq!(sampler.draw(&mut stream()), 0);
    }

    #[test]
    fn the_exact_draw_reaches_every_allowed_item() {
        let mut sampler = Sampler::new(10);
        sampler.reject(&[1, 2, 5, 9, 10]).unwrap();
        let mut stream = stream();
        let mut found: Vec<i32> = (0..200).map(|_| sampler.draw_allowed(&mut stream)).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, [3, 4, 6, 7, 8]);
    }

    #[test]
    fn a_new_rejected_set_replaces_the_old_one() {
        let mut sampler = Sampler::new(2);
        sampler.reject(&[1]).unwrap();
        assert_eq!(sampler.draw(&mut stream()), 2);
        sampler.reject(&[2]).unwrap();
        assert_eq!(sampler.draw(&mut stream()), 1);
    }
}
