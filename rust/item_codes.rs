//! Item ids -> codes in their order, once it is known which there are.

use crate::error::{Error, ensure};
use crate::memory::{map, zeroed};
use foldhash::HashMap;

/// A bitmap of codes may have so many bits for each item.
const BITS_PER_ITEM: i128 = 256;

/// The codes 1, 2, .. of items, in the order of their ids.
pub enum Codes {
    /// Bit i of word w is id `64 * (first + w) + i`; `ranks[w]` ids are in the words before.
    Bits {
        /// Of the words.
        first: i64,
        /// Bits of the ids.
        words: Vec<(u64, u32)>,
    },
    /// Each id with its code.
    Listed(HashMap<i64, i32>),
}

impl Codes {
    /// The codes of ascending ids.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where they do not ascend, [`Error::TooMany`], [`Error::OutOfMemory`].
    pub fn of(ids: &[i64]) -> Result<Self, Error> {
        ensure!(ids.windows(2).all(|pair| pair[0] < pair[1]), "item ids do not ascend");
        let max = crate::sequences::MAX_ITEMS;
        if ids.len() > max {
            return Err(Error::TooMany { what: "items", found: ids.len(), max });
        }
        let (least, most) = (ids.first().copied().unwrap_or(0), ids.last().copied().unwrap_or(0));
        let width = i128::from(most) - i128::from(least);
        if width > BITS_PER_ITEM * ids.len() as i128 {
            let mut codes = map(ids.len())?;
            codes.extend(ids.iter().zip(1..).map(|(&id, code)| (id, code)));
            return Ok(Self::Listed(codes));
        }
        let first = least >> 6;
        let mut words: Vec<(u64, u32)> = zeroed(((most >> 6) - first) as usize + 1)?;
        for id in ids {
            words[((id >> 6) - first) as usize].0 |= 1 << (id & 63);
        }
        let mut before = 0;
        for (bits, rank) in &mut words {
            *rank = before;
            before += bits.count_ones();
        }
        Ok(Self::Bits { first, words })
    }

    /// The code of an id; 0 where it has none.
    #[inline]
    pub fn code(&self, id: i64) -> i32 {
        match self {
            Self::Listed(codes) => codes.get(&id).copied().unwrap_or(0),
            Self::Bits { first, words } => {
                let place = (id >> 6).wrapping_sub(*first) as usize;
                let Some(&(bits, rank)) = words.get(place) else { return 0 };
                let bit = 1 << (id & 63);
                if bits & bit == 0 {
                    return 0;
                }
                (rank + (bits & (bit - 1)).count_ones()) as i32 + 1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_ranks() {
        for ids in [vec![-200, -65, -64, -1, 0, 63, 64, 129], vec![i64::MIN, 0, i64::MAX], vec![]] {
            let codes = Codes::of(&ids).unwrap();
            for (id, code) in ids.iter().zip(1..) {
                assert_eq!(codes.code(*id), code);
            }
            for id in [1, -2, 130, 1 << 40, i64::MIN + 1] {
                assert_eq!(codes.code(id), 0);
            }
        }
    }
}
