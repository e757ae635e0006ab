//! The border to Python: check, detach, call, wrap. Nothing else in the crate knows pyo3 or numpy.

mod columns;
mod draws;
mod errors;
mod search;
mod sequences;
mod store;
mod windows;

pub use columns::encode_strings;
pub use draws::{AliasTable, philox};
pub use search::top_k;
pub use sequences::{GroupedInteractions, Rules, group, order_ties};
pub use windows::{fill, fill_negatives, find_without_negative, shown_items};
