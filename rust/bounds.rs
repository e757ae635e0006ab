//! Which shard a user is in, where shards are ranges of user ids.

use crate::error::{Error, ensure};

/// Bits of a user's distance to the first that say in which shard to begin to look.
const PLACE_BITS: u32 = 12;

/// Where shards begin.
pub struct Shards<'a> {
    /// The first user id of each shard, ascending, the first the smallest of all; of several that are
    /// equal, all but the last are empty.
    pub firsts: &'a [i64],
    /// The largest user id.
    pub last: i64,
}

impl Shards<'_> {
    /// Check that they ascend.
    ///
    /// # Errors
    /// [`Error::Inconsistent`].
    pub fn check(&self) -> Result<(), Error> {
        let ascend = self.firsts.windows(2).all(|pair| pair[0] <= pair[1]);
        let below = self.firsts.last().is_some_and(|&first| first <= self.last);
        ensure!(ascend && below, "the first users of shards do not ascend to the last user");
        Ok(())
    }

    /// Whether users relative to the first of their shard fit 31 bits.
    pub fn are_narrow(&self) -> bool {
        let ends = self.firsts[1..].iter().copied().chain([self.last]);
        self.firsts
            .iter()
            .zip(ends)
            .all(|(&first, end)| i128::from(end) - i128::from(first) < 1 << 31)
    }
}

/// Finds the shard of a user: a table by the upper bits, then a few steps.
pub struct Finder<'a> {
    /// The first user of each shard.
    pub firsts: &'a [i64],
    shift: u32,
    begin: Vec<u32>,
}

impl<'a> Finder<'a> {
    /// Of these shards, which ascend.
    pub fn of(shards: &Shards<'a>) -> Self {
        let firsts = shards.firsts;
        let width = shards.last.wrapping_sub(firsts[0]) as u64;
        let shift = (u64::BITS - width.leading_zeros()).saturating_sub(PLACE_BITS);
        let begin = (0..=width >> shift).map(|place| {
            let least = firsts[0].wrapping_add((place << shift) as i64);
            firsts.partition_point(|&first| first <= least) as u32 - 1
        });
        Self { firsts, shift, begin: begin.collect() }
    }

    /// The shard of a user; none where it is before the first or after the last.
    #[inline]
    pub fn shard(&self, user: i64) -> Option<usize> {
        let place = (user.wrapping_sub(self.firsts[0]) as u64 >> self.shift) as usize;
        let mut shard = *self.begin.get(place)? as usize;
        while self.firsts.get(shard + 1).is_some_and(|&first| first <= user) {
            shard += 1;
        }
        Some(shard)
    }
}
