//! A row as the radix partition moves and sorts it: user, time and item, packed into one word where
//! they fit.

use crate::error::Error;
use crate::radix::{self, Key};
use bytemuck::Zeroable;

/// Rows a partition should hold: with as much scratch, 128 KiB of a second-level cache.
const PARTITION_ROWS: usize = 1 << 13;
/// Most partitions: more write streams than this cost more than the larger partitions do.
const MAX_PARTITIONS: usize = 1 << 11;

/// Where the fields of a record stand.
pub struct Layout {
    /// Partitions there are.
    pub partitions: usize,
    /// A user's partition is its code shifted right by this.
    pub user_bits: u32,
    /// Bits of a time relative to `time_min`.
    pub time_bits: u32,
    /// Bits of an item code.
    pub item_bits: u32,
    /// Smallest time key.
    pub time_min: u64,
}

impl Layout {
    /// The layout for so many rows, user and item codes, and this span of time keys.
    pub fn new(rows: usize, users: usize, items: usize, times: (u64, u64)) -> Self {
        let wanted = (rows / PARTITION_ROWS).clamp(1, MAX_PARTITIONS);
        let user_bits = bits(users.div_ceil(wanted).max(1) as u64 - 1);
        Self {
            partitions: ((users - 1) >> user_bits) + 1,
            user_bits,
            time_bits: bits(times.1.saturating_sub(times.0)),
            item_bits: bits(items as u64 - 1),
            time_min: times.0,
        }
    }

    /// Whether all fields of a record fit one word.
    pub fn fits_word(&self) -> bool {
        self.user_bits + self.time_bits + self.item_bits < u64::BITS
    }
}

/// Bits needed to write `largest`.
pub fn bits(largest: u64) -> u32 {
    u64::BITS - largest.leading_zeros()
}

/// A row as it travels: user code within its partition, relative time, item code.
pub trait Record: Copy + Zeroable + Send + Sync {
    /// Pack the fields.
    fn pack(layout: &Layout, user: u32, time: u64, item: u32) -> Self;
    /// User code within the partition.
    fn user(self, layout: &Layout) -> usize;
    /// Time relative to the smallest.
    fn time(self, layout: &Layout) -> u64;
    /// Item code.
    fn item(self, layout: &Layout) -> u32;
    /// Buffers of one thread for sorting.
    type Scratch: Default;
    /// One partition in the order of user, then time; stable.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    fn sorted<'a>(
        records: &[Self],
        scratch: &'a mut Self::Scratch,
        layout: &Layout,
    ) -> Result<&'a [Self], Error>;
}

/// All fields in one word; requires [`Layout::fits_word`].
impl Record for u64 {
    #[inline]
    fn pack(layout: &Layout, user: u32, time: u64, item: u32) -> Self {
        (u64::from(user) << layout.time_bits | time) << layout.item_bits | u64::from(item)
    }

    #[inline]
    fn user(self, layout: &Layout) -> usize {
        (self >> (layout.time_bits + layout.item_bits)) as usize
    }

    #[inline]
    fn time(self, layout: &Layout) -> u64 {
        self >> layout.item_bits & ((1 << layout.time_bits) - 1)
    }

    #[inline]
    fn item(self, layout: &Layout) -> u32 {
        (self & ((1 << layout.item_bits) - 1)) as u32
    }

    type Scratch = radix::Scratch<Self>;

    fn sorted<'a>(
        records: &[Self],
        scratch: &'a mut Self::Scratch,
        layout: &Layout,
    ) -> Result<&'a [Self], Error> {
        let key = Key { low: layout.item_bits, width: layout.time_bits + layout.user_bits };
        radix::sorted(records, scratch, key, |word| *word)
    }
}

/// Time in one word, user and item in the other.
impl Record for [u64; 2] {
    #[inline]
    fn pack(_: &Layout, user: u32, time: u64, item: u32) -> Self {
        [time, u64::from(user) << 32 | u64::from(item)]
    }

    #[inline]
    fn user(self, _: &Layout) -> usize {
        (self[1] >> 32) as usize
    }

    #[inline]
    fn time(self, _: &Layout) -> u64 {
        self[0]
    }

    #[inline]
    fn item(self, _: &Layout) -> u32 {
        self[1] as u32
    }

    type Scratch = [radix::Scratch<Self>; 2];

    fn sorted<'a>(
        records: &[Self],
        [times, users]: &'a mut Self::Scratch,
        layout: &Layout,
    ) -> Result<&'a [Self], Error> {
        let key = Key { low: 0, width: layout.time_bits };
        let records = radix::sorted(records, times, key, |record| record[0])?;
        radix::sorted(records, users, Key { low: 32, width: layout.user_bits }, |record| record[1])
    }
}
