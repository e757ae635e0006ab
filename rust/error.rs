//! The one error type of the pure modules; `python/mod.rs` makes Python's of it.

use thiserror::Error;

/// What can be wrong with columns, or with a request for arrays.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// Columns of one table differ in length.
    #[error("column '{column}' has {rows} rows where column 'user' has {expected}")]
    UnequalLengths {
        /// Column that differs.
        column: &'static str,
        /// Its rows.
        rows: usize,
        /// Rows of the user column.
        expected: usize,
    },
    /// More rows than the 32-bit counters hold, or more items than a 32-bit index can tell apart.
    #[error("{found} {what} received; at most {max} are allowed")]
    TooMany {
        /// Rows or items.
        what: &'static str,
        /// How many there are, or the largest id under identity.
        found: usize,
        /// Most that fit.
        max: usize,
    },
    /// Offsets that descend, or leave the bytes they point into.
    #[error("offsets of strings that are not ascending or leave their bytes")]
    DamagedStrings,
    /// The compact store, or the rows asked of it, do not fit together.
    #[error("inconsistent sequences: {0}")]
    Inconsistent(String),
    /// A score is NaN.
    #[error("scores are NaN, first in row {row} of a batch of {rows}: did the training diverge?")]
    NotANumber {
        /// Row of the batch.
        row: usize,
        /// Rows of the batch.
        rows: usize,
    },
    /// The allocator refused.
    #[error("no memory for {} more", shown(*.bytes))]
    OutOfMemory {
        /// What was wanted.
        bytes: usize,
    },
    /// The threads of the pool could not be started.
    #[error("no threads could be started ({0}), most often for lack of memory")]
    NoThreads(String),
    /// A panic.
    #[error(
        "a fault in sasrec_fast itself, or its input was changed while it was read; if not, please \
         report it: {0}"
    )]
    Fault(String),
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Bytes as a person reads them, in powers of 1,000.
fn shown(bytes: usize) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    let bytes = bytes as u64;
    match UNITS.into_iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => {
            let tenths = bytes / (size / 10);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} bytes"),
    }
}

/// Return [`Error::Inconsistent`] with a message where a condition does not hold.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err($crate::error::Error::Inconsistent(format!($($message)+)));
        }
    };
}
pub(crate) use ensure;

/// Check that all items are indices of a vocabulary.
///
/// # Errors
/// [`Error::Inconsistent`] names the first that is not.
pub fn check_items(items: &[i32], num_items: usize) -> Result<(), Error> {
    match items.iter().find(|item| **item < 1 || **item as usize > num_items) {
        Some(item) => Err(Error::Inconsistent(format!("item {item} is not in 1..={num_items}"))),
        None => Ok(()),
    }
}
