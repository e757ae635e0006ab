//! Flags that many threads raise at once, and nobody lowers.

use std::sync::atomic::{AtomicBool, Ordering};

/// A number of flags, all down at first.
pub struct Flags(Vec<AtomicBool>);

impl Flags {
    /// So many flags.
    pub fn new(length: usize) -> Self {
        Self((0..length).map(|_| AtomicBool::new(false)).collect())
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
