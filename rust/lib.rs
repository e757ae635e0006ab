//! Native data preparation for sequential recommendation; see each module's header.
#![deny(missing_docs)]

pub mod columns;
pub mod emission;
pub mod error;
pub mod filters;
pub mod negatives;
pub mod partition;
pub mod philox;
pub mod radix;
pub mod sequences;
pub mod strings;
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
    use crate::python::{GroupedInteractions, encode_strings, fill, fill_negatives, group, philox};
}
