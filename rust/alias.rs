//! Proposals by weight in constant time: the alias method of Walker (1977), with the table of Vose
//! (1991) in integers, so that every machine makes the same one.

use crate::error::{Error, ensure};
use crate::memory::{collected, filled, push, room};

/// Largest weight; the sum of 2^31 of them, times the number of items, fits a word.
pub const MAX_WEIGHT: u64 = u32::MAX as u64;

/// A table over the items 1..=n.
#[derive(Clone)]
pub struct AliasTable {
    /// An item's share of its own bin, in 2^-64.
    thresholds: Vec<u64>,
    /// The item that has the rest of the bin.
    aliases: Vec<i32>,
    /// Sum of the weights of the first so many items: n + 1 entries.
    pub cumulative: Vec<u64>,
}

impl AliasTable {
    /// The table of the weights of the items 1..=n.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] for a weight outside 1..=[`MAX_WEIGHT`], or more than 2^31 items;
    /// [`Error::OutOfMemory`].
    pub fn new(weights: &[u64]) -> Result<Self, Error> {
        let items = weights.len() as u64;
        for weight in weights {
            ensure!(
                (1..=MAX_WEIGHT).contains(weight),
                "weight {weight} is not in 1..={MAX_WEIGHT}"
            );
        }
        ensure!(items <= 1 << 31, "{items} weights; at most 2^31 are allowed");
        let mut cumulative = room(weights.len() + 1)?;
        cumulative.push(0);
        cumulative.extend(weights.iter().scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        }));
        let total = cumulative[weights.len()];
        // A bin holds `total` parts; `left` is what an item has beyond what is placed.
        let mut left: Vec<u64> = collected(weights.iter().map(|weight| weight * items))?;
        let mut thresholds = filled(weights.len(), u64::MAX)?;
        let mut aliases: Vec<i32> = collected(1..=weights.len() as i32)?;
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for (item, &parts) in left.iter().enumerate() {
            push(if parts < total { &mut small } else { &mut large }, item)?;
        }
        while let Some(item) = small.pop() {
            // The parts add up, so whatever lacks some has another that has too many.
            let Some(giver) = large.pop() else { break };
            thresholds[item] = ((u128::from(left[item]) << 64) / u128::from(total)) as u64;
            aliases[item] = giver as i32 + 1;
            left[giver] -= total - left[item];
            push(if left[giver] < total { &mut small } else { &mut large }, giver)?;
        }
        Ok(Self { thresholds, aliases, cumulative })
    }

    /// The item that a raw draw proposes: its upper part chooses the bin, its lower the half.
    #[inline]
    pub fn propose(&self, draw: u64) -> i32 {
        let product = u128::from(draw) * self.thresholds.len() as u128;
        let bin = (product >> 64) as usize;
        if (product as u64) < self.thresholds[bin] { bin as i32 + 1 } else { self.aliases[bin] }
    }

    /// Number of items.
    pub fn num_items(&self) -> usize {
        self.thresholds.len()
    }

    /// The weight of an item.
    pub fn weight(&self, item: i32) -> u64 {
        self.cumulative[item as usize] - self.cumulative[item as usize - 1]
    }

    /// The sum of all weights.
    pub fn total(&self) -> u64 {
        self.cumulative[self.num_items()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::philox::Philox;

    #[test]
    fn items_come_in_proportion_to_their_weights() {
        // In the second, items that give to others come to lack a part themselves.
        for weights in [[7, 1, 2, 0xFFFF], [1, 3, 5, 4]] {
            let made = AliasTable::new(&weights).unwrap();
            let mut parts = [0u128; 4];
            for (item, &threshold) in made.thresholds.iter().enumerate() {
                parts[item] += u128::from(threshold);
                parts[made.aliases[item] as usize - 1] += u128::from(u64::MAX - threshold);
            }
            let total: u64 = weights.iter().sum();
            for (part, weight) in parts.iter().zip(weights) {
                let expected = ((u128::from(weight) * 4) << 64) / u128::from(total);
                assert!(part.abs_diff(expected) < 10, "{part} for {expected}");
            }
        }
        let made = AliasTable::new(&[7, 1, 2, 0xFFFF]).unwrap();
        let mut stream = Philox::new([0; 4], [3, 4]);
        assert!((0..1000).all(|_| (1..=4).contains(&made.propose(stream.draw()))));
    }
}
