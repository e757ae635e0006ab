//! The order of strings: each goes by its first bytes, and where these are equal by all of them.

use super::MIN_PART_ROWS;
use rayon::prelude::*;

/// The strings in ascending order, equal ones by number.
pub fn sorted(strings: &[&[u8]]) -> Vec<Place> {
    let shared = shared_prefix(strings);
    let mut order: Vec<Place> = strings
        .par_iter()
        .enumerate()
        .map(|(number, string)| Place::new(&string[shared..], number))
        .collect();
    order.par_sort_unstable();
    order.par_chunk_by_mut(Place::undecided).filter(|run| run.len() > 1).for_each(|run| {
        run.par_sort_unstable_by_key(|place| (strings[place.number()], *place));
    });
    order
}

/// Where a string goes: its first bytes that tell it from others, how many of them it has, and its
/// number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u128);

impl Place {
    /// Bytes of the strings compared first.
    const BYTES: usize = 8;

    fn new(string: &[u8], number: usize) -> Self {
        let bytes = match string.first_chunk() {
            Some(bytes) => *bytes,
            None => super::padded(string),
        };
        let key = u64::from_be_bytes(bytes);
        let length = string.len().min(Self::BYTES + 1);
        Self(u128::from(key) << 64 | (length as u128) << 32 | number as u128)
    }

    fn number(self) -> usize {
        self.0 as u32 as usize
    }

    /// Whether two strings may differ, but in later bytes.
    fn undecided(&self, other: &Self) -> bool {
        self.0 >> 32 == other.0 >> 32 && (self.0 >> 32) as u32 > Self::BYTES as u32
    }

    /// Whether the strings at two places are equal.
    fn same(self, other: Self, strings: &[&[u8]]) -> bool {
        self.0 >> 32 == other.0 >> 32
            && (!self.undecided(&other) || strings[self.number()] == strings[other.number()])
    }
}

/// The length of the longest prefix that all strings have.
fn shared_prefix(strings: &[&[u8]]) -> usize {
    let Some(&first) = strings.first() else { return 0 };
    let common = |string: &&[u8]| first.iter().zip(*string).take_while(|(a, b)| a == b).count();
    strings.par_iter().with_min_len(MIN_PART_ROWS).map(common).min().unwrap_or(0)
}

/// The rank of each string, and the first row of each rank.
pub fn rank(strings: &[&[u8]], rows: &[u32], order: &[Place]) -> (Vec<i32>, Vec<i64>) {
    let is_new: Vec<bool> = order
        .par_iter()
        .enumerate()
        .map(|(i, place)| i == 0 || !place.same(order[i - 1], strings))
        .collect();
    let mut ranks = vec![0; strings.len()];
    let mut first_rows: Vec<i64> = Vec::with_capacity(strings.len());
    for (place, is_new) in order.iter().zip(is_new) {
        if is_new {
            first_rows.push(i64::from(rows[place.number()]));
        }
        ranks[place.number()] = first_rows.len() as i32 - 1;
    }
    (ranks, first_rows)
}
