//! Large memory on huge pages where the system has them: rows go to many places of it at once, each
//! of which would be on a page of its own, to be found and first to be cleared.

use crate::error::Error;
use crate::memory::lack;
use bytemuck::{Pod, cast_slice, cast_slice_mut};
use memmap2::MmapMut;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// So many values, zero at first.
pub struct Pages<T> {
    map: MmapMut,
    bytes: usize,
    values: PhantomData<T>,
}

impl<T: Pod> Pages<T> {
    /// So many zeros.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(length: usize) -> Result<Self, Error> {
        let bytes = length.checked_mul(size_of::<T>()).ok_or_else(|| lack::<T>(length))?;
        let map = MmapMut::map_anon(bytes.max(1)).map_err(|_| lack::<T>(length))?;
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage); // a kernel without them says so
        Ok(Self { map, bytes, values: PhantomData })
    }
}

impl<T: Pod> Deref for Pages<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        cast_slice(&self.map[..self.bytes])
    }
}

impl<T: Pod> DerefMut for Pages<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        cast_slice_mut(&mut self.map[..self.bytes])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_what_is_written() {
        for length in [0, 1, 700_001] {
            let mut pages = Pages::<[u32; 3]>::new(length).unwrap();
            assert!(pages.len() == length && pages.iter().all(|value| *value == [0; 3]));
            pages.iter_mut().for_each(|value| *value = [1, 2, 3]);
            assert!(pages.iter().all(|value| *value == [1, 2, 3]));
        }
        assert!(Pages::<u64>::new(usize::MAX).is_err());
        assert!(Pages::<u64>::new(isize::MAX as usize / 8).is_err());
    }
}
