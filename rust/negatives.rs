//! Negatives by rejection sampling that always ends: a proposal the user's rejected set contains
//! is dropped, and after 64 drops in one slot the next draw picks among the allowed items.

use crate::alias::AliasTable;
use crate::error::{Error, check_items};
use crate::memory::{reserve, zeroed};
use crate::philox::Philox;

/// Drops in one slot before the exact draw.
pub const MAX_DROPS: u32 = 64;
/// Largest vocabulary kept as a bit set (512 KiB a thread); above it, a sorted list is searched.
const MAX_BITSET_ITEMS: usize = 1 << 22;

/// Draws items 1..=`num_items` outside a rejected set; reused from row to row.
pub struct Sampler<'a> {
    num_items: usize,
    /// Items are proposed uniformly where absent.
    popularity: Option<&'a AliasTable>,
    bits: Vec<u64>,
    rejected: Vec<i32>,
    /// The rejected items, ascending and distinct; built when first needed.
    sorted: Vec<i32>,
    /// With popularity: the weight of the first so many of `sorted`.
    rejected_weights: Vec<u64>,
}

impl<'a> Sampler<'a> {
    /// A sampler with an empty rejected set.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(num_items: usize, popularity: Option<&'a AliasTable>) -> Result<Self, Error> {
        let words = if num_items <= MAX_BITSET_ITEMS { num_items / 64 + 1 } else { 0 };
        Ok(Self {
            num_items,
            popularity,
            bits: zeroed(words)?,
            rejected: Vec::new(),
            sorted: Vec::new(),
            rejected_weights: Vec::new(),
        })
    }

    /// Replace the rejected set by `items` (indices `1..=num_items`, repeats allowed).
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where an item is no such index, or [`Error::OutOfMemory`]; the set is
    /// then unusable.
    pub fn reject(&mut self, items: &[i32]) -> Result<(), Error> {
        check_items(items, self.num_items)?;
        if !self.bits.is_empty() {
            for &item in &self.rejected {
                self.bits[item as usize / 64] = 0;
            }
            for &item in items {
                self.bits[item as usize / 64] |= 1 << (item % 64);
            }
        }
        self.make_room(items.len())?;
        self.rejected.extend_from_slice(items);
        if self.bits.is_empty() {
            self.sort();
        }
        Ok(())
    }

    /// Make room for all that is kept of so many rejected items, so that no draw lacks any.
    fn make_room(&mut self, items: usize) -> Result<(), Error> {
        for kept in [&mut self.rejected, &mut self.sorted] {
            kept.clear();
            reserve(kept, items)?;
        }
        self.rejected_weights.clear();
        reserve(&mut self.rejected_weights, if self.popularity.is_some() { items + 1 } else { 0 })
    }

    /// The next negative of the stream; 0 if every item is rejected.
    #[inline]
    pub fn draw(&mut self, stream: &mut Philox) -> i32 {
        for _ in 0..MAX_DROPS {
            let item = self.propose(stream);
            if !self.rejects(item) {
                return item;
            }
        }
        self.draw_allowed(stream)
    }

    #[inline]
    fn propose(&self, stream: &mut Philox) -> i32 {
        match self.popularity {
            None => 1 + stream.draw_below(self.num_items as u64) as i32,
            Some(table) => table.propose(stream.draw()),
        }
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
        if self.sorted.len() == self.num_items {
            return 0;
        }
        match self.popularity {
            None => self.draw_allowed_uniformly(stream),
            Some(table) => self.draw_allowed_by_weight(table, stream),
        }
    }

    fn draw_allowed_uniformly(&self, stream: &mut Philox) -> i32 {
        let allowed = self.num_items - self.sorted.len();
        let rank = stream.draw_below(allowed as u64) as usize;
        // The rank-th allowed item exceeds rank + 1 by the number of rejected items below it.
        let below = first_after(self.sorted.len(), |number| {
            self.sorted[number] as usize - 1 - number <= rank
        });
        (rank + 1 + below) as i32
    }

    fn draw_allowed_by_weight(&self, table: &AliasTable, stream: &mut Philox) -> i32 {
        let weight_below = |item: i32| table.cumulative[item as usize - 1];
        let rejected = self.rejected_weights[self.sorted.len()];
        let place = stream.draw_below(table.total() - rejected);
        let below = first_after(self.sorted.len(), |number| {
            weight_below(self.sorted[number]) - self.rejected_weights[number] <= place
        });
        let place = place + self.rejected_weights[below];
        table.cumulative.partition_point(|&weight| weight <= place) as i32
    }

    fn sort(&mut self) {
        self.sorted.clone_from(&self.rejected);
        self.sorted.sort_unstable();
        self.sorted.dedup();
        let Some(table) = self.popularity else { return };
        self.rejected_weights.clear();
        self.rejected_weights.push(0);
        let mut sum = 0;
        for &item in &self.sorted {
            sum += table.weight(item);
            self.rejected_weights.push(sum);
        }
    }
}

/// The first number of `0..length` for which an ascending condition no longer holds.
fn first_after(length: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, length);
    while low < high {
        let middle = usize::midpoint(low, high);
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Philox {
        Philox::new([0, 1, 0, 0], [0, 0])
    }

    #[test]
    fn one_allowed_item_of_many_is_found_in_bounded_draws() {
        for num_items in [100_000, MAX_BITSET_ITEMS + 9] {
            let mut sampler = Sampler::new(num_items, None).unwrap();
            let rejected: Vec<i32> = (1..=num_items as i32).filter(|&item| item != 4321).collect();
            sampler.reject(&rejected).unwrap();
            let mut stream = stream();
            assert!((0..100).all(|_| sampler.draw(&mut stream) == 4321));
        }
    }

    #[test]
    fn nothing_allowed_gives_padding() {
        let mut sampler = Sampler::new(3, None).unwrap();
        sampler.reject(&[3, 1, 2, 1]).unwrap();
        assert_eq!(sampler.draw(&mut stream()), 0);
    }

    #[test]
    fn popular_items_are_picked_by_their_weight() {
        let weights = [5, 1, 4, 2];
        let made = AliasTable::new(&weights).unwrap();
        let mut sampler = Sampler::new(4, Some(&made)).unwrap();
        sampler.reject(&[3]).unwrap();
        let mut stream = stream();
        let mut counts = [0; 5];
        for _ in 0..8000 {
            counts[sampler.draw_allowed(&mut stream) as usize] += 1;
        }
        assert_eq!(counts[0] + counts[3], 0);
        for (count, expected) in [(counts[1], 5000), (counts[2], 1000), (counts[4], 2000)] {
            assert!(i32::abs(count - expected) < 150, "{counts:?}");
        }
    }
}
