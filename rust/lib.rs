//! Native data preparation and top-k search for sequential recommendation; see each module's header.
#![deny(missing_docs)]

pub mod account;
pub mod alias;
pub mod columns;
pub mod emission;
pub mod error;
pub mod filters;
pub mod flags;
pub mod negatives;
pub mod partition;
pub mod philox;
pub mod radix;
pub mod rows;
pub mod sequences;
pub mod slices;
pub mod strings;
pub mod ties;
pub mod top_k;
pub mod vocabulary;
pub mod windows;

#[cfg(feature = "python")]
mod python;

#[cfg(feature = "python")]
#[pyo3::pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    const DEBUG_BUILD: bool = cfg!(debug_assertions);
    #[pymodule_export]
    use crate::python::{
        GroupedInteractions, alias_table, encode_strings, fill, fill_negatives,
        find_without_negative, group, order_ties, philox, shown_items, top_k,
    };
}
