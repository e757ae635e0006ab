//! Native data preparation and top-k search for sequential recommendation; see each module's header.
#![deny(missing_docs)]

pub mod accounting;
pub mod adjustment;
pub mod alias;
pub mod attention;
mod best;
pub mod blocks;
pub mod bounds;
pub mod chunk;
pub mod coarse;
pub mod coder;
pub mod columns;
pub mod distinct;
pub mod diversity;
pub mod divisor;
mod dots;
pub mod edits;
pub mod emission;
pub mod error;
pub mod filters;
pub mod finish;
pub mod flags;
pub mod item_codes;
pub mod listing;
pub mod lists;
mod machine;
pub mod memory;
pub mod merge;
pub mod negatives;
pub mod outliers;
pub mod pages;
pub mod parted;
pub mod partition;
pub mod philox;
pub mod radix;
pub mod ranks;
pub mod record;
mod rounded;
pub mod rounds;
pub mod route;
pub mod rows;
pub mod sample;
pub mod scale;
pub mod scan;
pub mod search;
pub mod sequences;
pub mod shard;
pub mod slices;
pub mod sparse;
pub mod strings;
pub mod tally;
pub mod threads;
pub mod ties;
pub mod time_span;
mod whole;
pub mod windows;
pub mod xla;

#[cfg(feature = "python")]
mod python;

#[cfg(feature = "python")]
#[pyo3::pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    const DEBUG_BUILD: bool = cfg!(debug_assertions);
    #[pymodule_export]
    const MAX_ITEMS: usize = crate::sequences::MAX_ITEMS;
    #[pymodule_export]
    use crate::python::{
        AliasTable, CoarseVectors, Finished, GroupedInteractions, ItemCodes, Rules, Shard, Span,
        StringTable, append, apply_edit, attention_handlers, core_round, count_above, count_among,
        count_items, count_items_of_rows, encode_strings, fill, fill_negatives, find_edit,
        find_without_negative, finish, first_draws, group, lists_of_products, lists_of_scores,
        order_ties, philox, repeated_targets, route, scan, shown_items, sort_shard, string_keys,
        top_k,
    };
}
