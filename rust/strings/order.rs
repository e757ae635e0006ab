//! The order of strings: each goes by its first bytes, and where these are equal by all of them.
//! Many are first put into buckets, by the number that their first bytes are in a system of as many
//! digits as there are different bytes in each place, which fills the buckets about evenly.

use super::{Buffers, MIN_PART_ROWS};
use crate::error::Error;
use crate::memory::{filled, room, zeroed};
use crate::slices::split_off;
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
    if order.len() < MIN_BUCKETED {
        order.par_sort_unstable();
    } else {
        order = bucketed(order)?;
    }
    order.par_chunk_by_mut(Place::undecided).filter(|run| run.len() > 1).for_each(|run| {
        run.par_sort_unstable_by_key(|place| (strings[place.number()], *place));
    });
    Ok(order)
}

/// Below this, to sort costs less than to make buckets.
const MIN_BUCKETED: usize = 1 << 12;
/// Strings a bucket, on average.
const BUCKET_STRINGS: usize = 8;
/// Buckets that one thread sorts at a time, on average.
const BUCKETS_AT_ONCE: usize = 1 << 9;

/// The places in ascending order.
fn bucketed(places: Vec<Place>) -> Result<Vec<Place>, Error> {
    let digits = Digits::of(&places, places.len() / BUCKET_STRINGS);
    let buckets = digits.buckets;
    let mut ends: Vec<usize> = zeroed(buckets)?;
    for place in &places {
        ends[digits.bucket(*place)] += 1;
    }
    let mut start = 0;
    for end in &mut ends {
        start += std::mem::replace(end, start);
    }
    let mut order: Vec<Place> = filled(places.len(), Place(0))?;
    for place in places {
        let end = &mut ends[digits.bucket(place)];
        order[*end] = place;
        *end += 1;
    }
    let mut parts = room(buckets.div_ceil(BUCKETS_AT_ONCE))?;
    let (mut rest, mut start) = (&mut order[..], 0);
    for ends in ends.chunks(BUCKETS_AT_ONCE) {
        let end = ends[ends.len() - 1];
        parts.push((split_off(&mut rest, end - start), start, ends));
        start = end;
    }
    parts.into_par_iter().for_each(|(mut places, mut start, ends)| {
        for &end in ends {
            let bucket = split_off(&mut places, end - start);
            if bucket.len() < MIN_PART_ROWS {
                bucket.sort_unstable();
            } else {
                bucket.par_sort_unstable();
            }
            start = end;
        }
    });
    Ok(order)
}

/// What each byte in each of the first places counts.
struct Digits {
    worth: [[u64; 256]; Place::BYTES],
    buckets: usize,
    /// Buckets a number, in units of 2^-64.
    share: u64,
}

impl Digits {
    fn of(places: &[Place], buckets: usize) -> Self {
        let mut seen = [[false; 256]; Place::BYTES];
        for place in places {
            for (seen, byte) in seen.iter_mut().zip(place.bytes()) {
                seen[usize::from(byte)] = true;
            }
        }
        let (mut worth, mut largest, mut unit) = ([[0; 256]; Place::BYTES], 0u64, 1u64);
        for (worth, seen) in worth.iter_mut().zip(seen).rev() {
            let mut digits = 0;
            for (worth, seen) in worth.iter_mut().zip(seen) {
                *worth = digits * unit;
                digits += u64::from(seen);
            }
            largest += digits.saturating_sub(1) * unit;
            unit = unit.wrapping_mul(digits.max(1)); // wraps with the last place alone
        }
        let numbers = u128::from(largest) + 1;
        let buckets = numbers.min(buckets as u128);
        let share = u64::try_from((buckets << 64) / numbers).unwrap_or(u64::MAX);
        Self { worth, buckets: buckets as usize, share }
    }

    /// The bucket of a place; they ascend as the places do.
    #[inline]
    fn bucket(&self, place: Place) -> usize {
        let digits = place.bytes().into_iter().zip(&self.worth);
        let number: u64 = digits.map(|(byte, worth)| worth[usize::from(byte)]).sum();
        ((u128::from(number) * u128::from(self.share)) >> 64) as usize
    }
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

    fn bytes(self) -> [u8; Self::BYTES] {
        ((self.0 >> 64) as u64).to_be_bytes()
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
    Ok((ranks, Buffers { bytes: joined(strings, order, &is_new, end)?, offsets }))
}

/// The bytes of the strings that are new, one after the other.
fn joined(
    strings: &[&[u8]],
    order: &[Place],
    is_new: &[bool],
    end: usize,
) -> Result<Vec<u8>, Error> {
    let mut bytes = room(end)?;
    for (place, _) in order.iter().zip(is_new).filter(|(_, is_new)| **is_new) {
        bytes.extend_from_slice(strings[place.number()]);
    }
    Ok(bytes)
}
