//! The order of strings: each goes by its first bytes, and where these are equal by all of them.

use super::{Buffers, MIN_PART_ROWS};
use crate::error::Error;
use crate::memory::{room, zeroed};
use rayon::prelude::*;

/// The strings in ascending order, equal ones by number.
pub fn sorted(strings: &[&[u8]]) -> Result<Vec<Place>, Error> {
    let shared = shared_prefix(strings);
    let mut order = room(strings.len())?; // so that the collection has nothing to allocate
    strings
        .par_iter()
        .enumerate()
        .map(|(number, string)| Place::new(&string[shared..], number))
        .collect_into_vec(&mut order);
    order.par_sort_unstable();
    order.par_chunk_by_mut(Place::undecided).filter(|run| run.len() > 1).for_each(|run| {
        run.par_sort_unstable_by_key(|place| (strings[place.number()], *place));
    });
    Ok(order)
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

    /// The string's number.
    pub fn number(self) -> usize {
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

/// The rank of each string, and the distinct ones in ascending order.
pub fn rank(strings: &[&[u8]], order: &[Place]) -> Result<(Vec<i32>, Buffers), Error> {
    let mut is_new: Vec<bool> = zeroed(order.len())?;
    is_new.par_iter_mut().zip(order).enumerate().for_each(|(i, (is_new, place))| {
        *is_new = i == 0 || !place.same(order[i - 1], strings);
    });
    let mut ranks: Vec<i32> = zeroed(strings.len())?;
    let mut offsets = room(is_new.iter().filter(|is_new| **is_new).count() + 1)?;
    let mut end = 0;
    offsets.push(0);
    for (place, is_new) in order.iter().zip(&is_new) {
        if *is_new {
            end += strings[place.number()].len();
            offsets.push(end as i64);
        }
        ranks[place.number()] = offsets.len() as i32 - 2;
    }
    let mut bytes = room(end)?;
    for (place, _) in order.iter().zip(is_new).filter(|(_, is_new)| *is_new) {
        bytes.extend_from_slice(strings[place.number()]);
    }
    Ok((ranks, Buffers { offsets, bytes }))
}
