//! Handlers that programs of XLA call on a CPU, and the border to it: nothing else in the crate knows
//! its interface.
#![allow(missing_docs)] // fields are named as in c_api.h, or nearly

mod abi;
mod attention;
mod call;
mod threads;

pub use abi::Handler;
pub use attention::{attention_backward, attention_forward};
