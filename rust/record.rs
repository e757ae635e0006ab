//! A row as the radix partition moves and sorts it: user, time and item, packed into one word where
//! they fit, else into one and a half, else into two.

use crate::columns::TimeSpan;
use crate::divisor::Divisor;
use crate::error::Error;
use crate::radix::{self, Key};
use bytemuck::Pod;

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
    /// Bits of a relative time.
    pub time_bits: u32,
    /// Bits of an item code.
    pub item_bits: u32,
    /// Smallest time key, whose relative time is 0.
    pub time_min: u64,
    /// Difference of time keys that is 1 in relative times.
    pub time_unit: Divisor,
    /// Whether the rows come in time order.
    pub in_order: bool,
}

impl Layout {
    /// The layout for so many rows, user and item codes, and this span of times.
    pub fn new(rows: usize, users: usize, items: usize, times: TimeSpan) -> Self {
        let wanted = (rows / PARTITION_ROWS).clamp(1, MAX_PARTITIONS);
        let user_bits = bits(users.div_ceil(wanted).max(1) as u64 - 1);
        let time_unit = Divisor::new(times.unit);
        Self {
            partitions: ((users - 1) >> user_bits) + 1,
            user_bits,
            time_bits: bits(time_unit.exact(times.max.saturating_sub(times.min))),
            item_bits: bits(items as u64 - 1),
            time_min: times.min,
            time_unit,
            in_order: times.in_order,
        }
    }

    /// The relative time of a key of the column.
    #[inline]
    pub fn time(&self, key: u64) -> u64 {
        self.time_unit.exact(key - self.time_min)
    }

    /// Whether all fields of a record fit one word.
    pub fn fits_word(&self) -> bool {
        self.user_bits + self.time_bits + self.item_bits < u64::BITS
    }

    /// Whether user and time fit one word.
    pub fn fits_word_and_half(&self) -> bool {
        self.user_bits + self.time_bits <= u64::BITS
    }

    /// The bits that sort records whose time has `time_bits` and begins at `low`, the user above.
    fn key(&self, low: u32) -> Key {
        if self.in_order {
            Key { low: low + self.time_bits, width: self.user_bits }
        } else {
            Key { low, width: self.time_bits + self.user_bits }
        }
    }
}

/// Bits needed to write `largest`.
pub fn bits(largest: u64) -> u32 {
    u64::BITS - largest.leading_zeros()
}

/// A row as it travels: user code within its partition, relative time, item code.
pub trait Record: Pod + Send + Sync {
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
        radix::sorted(records, scratch, layout.key(layout.item_bits), |word| *word)
    }
}

/// User and time in the last two halves of a word; requires [`Layout::fits_word_and_half`].
impl Record for [u32; 3] {
    #[inline]
    fn pack(layout: &Layout, user: u32, time: u64, item: u32) -> Self {
        let word = u64::from(user).unbounded_shl(layout.time_bits) | time;
        [item, word as u32, (word >> 32) as u32]
    }

    #[inline]
    fn user(self, layout: &Layout) -> usize {
        joined(self).unbounded_shr(layout.time_bits) as usize
    }

    #[inline]
    fn time(self, layout: &Layout) -> u64 {
        joined(self) & !u64::MAX.unbounded_shl(layout.time_bits)
    }

    #[inline]
    fn item(self, _: &Layout) -> u32 {
        self[0]
    }

    type Scratch = radix::Scratch<Self>;

    fn sorted<'a>(
        records: &[Self],
        scratch: &'a mut Self::Scratch,
        layout: &Layout,
    ) -> Result<&'a [Self], Error> {
        radix::sorted(records, scratch, layout.key(0), |record| joined(*record))
    }
}

#[inline]
fn joined(record: [u32; 3]) -> u64 {
    u64::from(record[2]) << 32 | u64::from(record[1])
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
        let width = if layout.in_order { 0 } else { layout.time_bits };
        let key = Key { low: 0, width };
        let records = radix::sorted(records, times, key, |record| record[0])?;
        radix::sorted(records, users, Key { low: 32, width: layout.user_bits }, |record| record[1])
    }
}
