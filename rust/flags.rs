//! Flags that many threads raise at once, and nobody lowers.

use crate::error::Error;
use crate::memory::zeroed;
use std::sync::atomic::{AtomicBool, Ordering};

/// A number of flags, all down at first.
pub struct Flags(Vec<AtomicBool>);

impl Flags {
    /// So many flags.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(length: usize) -> Result<Self, Error> {
        Ok(Self(zeroed(length)?))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Raise a flag.
    ///
    /// # Panics
    /// If there is no such flag.
    #[inline]
    pub fn raise(&self, flag: usize) {
        // A line that is only read is shared by all threads; most flags are up soon.
        if !self.0[flag].load(Ordering::Relaxed) {
            self.0[flag].store(true, Ordering::Relaxed);
        }
    }

    /// Which flags are up.
    pub fn into_vec(self) -> Vec<bool> {
        self.0.into_iter().map(AtomicBool::into_inner).collect()
    }
}
