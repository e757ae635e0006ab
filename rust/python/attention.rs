//! The handlers of attention, for JAX to register.
#![allow(unsafe_code)] // a capsule of a function; see `SAFETY`

use crate::attention::Processor;
use crate::xla::{Handler, attention_backward, attention_forward};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::ffi::c_void;
use std::ptr::NonNull;

type Handlers<'py> = (Bound<'py, PyCapsule>, Bound<'py, PyCapsule>);

/// The handlers of causal attention and of its gradients; None where XLA's own programs are as fast.
#[pyfunction]
pub fn attention_handlers(py: Python<'_>) -> PyResult<Option<Handlers<'_>>> {
    if !Processor::best().is_fast() {
        return Ok(None);
    }
    Ok(Some((capsule(py, attention_forward)?, capsule(py, attention_backward)?)))
}

fn capsule(py: Python<'_>, handler: Handler) -> PyResult<Bound<'_, PyCapsule>> {
    let pointer = NonNull::new(handler as *mut c_void);
    let pointer = pointer.unwrap_or_else(|| unreachable!("functions are nowhere at 0"));
    // SAFETY: XLA takes from a capsule of this name a function of this type, and functions stay.
    unsafe { PyCapsule::new_with_pointer(py, pointer, c"xla._CUSTOM_CALL_TARGET") }
}
