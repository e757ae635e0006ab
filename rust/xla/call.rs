//! A call by XLA: its arrays as slices, and its answer.
#![allow(unsafe_code)] // what XLA points to is taken as `c_api.h` describes it; see each `SAFETY`

use super::abi::{
    Api, Arguments, BUFFER, Buffer, CallFrame, EXECUTE, ErrorArguments, Extension, FLOAT_32,
    INTERNAL, METADATA, MetadataExtension, PREDICATE, UNSIGNED_32, VERSION, XlaError,
};
use super::threads::Threads;
use crate::error::{Error, ensure};
use crate::threads::fault;
use std::ffi::{CString, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{ptr, slice};

/// One call.
pub struct Call<'a> {
    frame: &'a CallFrame,
}

/// Answer a call by `work`, or with what is asked about its handler.
///
/// # Safety
/// The frame is as XLA makes them, and its arrays are this call's alone for as long as it lasts.
pub unsafe fn answer(
    frame: *mut CallFrame,
    work: impl FnOnce(&Call<'_>) -> Result<(), Error>,
) -> *mut XlaError {
    // SAFETY: by the caller's word.
    let frame = unsafe { &*frame };
    // SAFETY: extensions are valid for the call.
    if let Some(extension) = unsafe { frame.extension.as_mut() }
        && extension.kind == METADATA
    {
        // SAFETY: an extension of this kind is one of these.
        unsafe { describe(extension) };
        return ptr::null_mut();
    }
    if frame.stage != EXECUTE {
        return ptr::null_mut();
    }
    let done = catch_unwind(AssertUnwindSafe(|| {
        check(frame)?;
        work(&Call { frame })
    }));
    match done.unwrap_or_else(|panic| Err(fault(panic.as_ref()))) {
        Ok(()) => ptr::null_mut(),
        Err(error) => failure(frame, &error),
    }
}

unsafe fn describe(extension: *mut Extension) {
    // SAFETY: by the caller's word; XLA asks with a place for the answer.
    let metadata = unsafe { &mut *(*extension.cast::<MetadataExtension>()).metadata };
    (metadata.version.major, metadata.version.minor) = VERSION;
    metadata.traits = 0;
}

/// Structures only grow; these are not smaller than what is read of them.
fn check(frame: &CallFrame) -> Result<(), Error> {
    // SAFETY: every structure begins with its size, and a call has a table of functions.
    let sizes = [frame.struct_size, unsafe { (*frame.api).struct_size }];
    let least = [size_of::<CallFrame>(), size_of::<Api>()];
    ensure!(
        sizes[0] >= least[0] && sizes[1] >= least[1],
        "an XLA of {sizes:?}, not {least:?} bytes"
    );
    Ok(())
}

fn failure(frame: &CallFrame, error: &Error) -> *mut XlaError {
    let message = CString::new(error.to_string().replace('\0', " ")).unwrap_or_default();
    let mut arguments = ErrorArguments {
        struct_size: size_of::<ErrorArguments>(),
        extension: ptr::null_mut(),
        message: message.as_ptr(),
        code: INTERNAL,
    };
    // SAFETY: XLA copies the message.
    unsafe { ((*frame.api).error_create)(&raw mut arguments) }
}

impl<'a> Call<'a> {
    /// Threads of the program that calls.
    pub fn threads(&self) -> Threads<'a> {
        // SAFETY: XLA's table of functions outlives the call.
        Threads::new(unsafe { &*self.frame.api }, self.frame.context)
    }

    /// The sizes of an argument.
    pub fn shape<const RANK: usize>(&self, number: usize) -> Result<[usize; RANK], Error> {
        let buffer = buffer(&self.frame.arguments, number)?;
        ensure!(buffer.rank == RANK as i64, "argument {number} of {} axes", buffer.rank);
        Ok(sizes(buffer)
            .map(|size| size as usize)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap_or([0; RANK]))
    }

    /// An argument of single precision.
    pub fn floats(&self, number: usize) -> Result<&'a [f32], Error> {
        self.argument(number, FLOAT_32)
    }

    /// An argument of unsigned words.
    pub fn words(&self, number: usize) -> Result<&'a [u32], Error> {
        self.argument(number, UNSIGNED_32)
    }

    /// An argument of bytes 0 and 1.
    pub fn predicates(&self, number: usize) -> Result<&'a [u8], Error> {
        self.argument(number, PREDICATE)
    }

    fn argument<T>(&self, number: usize, kind: c_int) -> Result<&'a [T], Error> {
        let (data, length) = place(&self.frame.arguments, number, kind)?;
        // SAFETY: XLA's arrays are whole, aligned to more than these types ask, and not written to
        // while a handler reads them; `T` is private, and that of the kind.
        Ok(unsafe { slice::from_raw_parts(data, length) })
    }

    /// The place of a result of single precision. Each may be asked for once.
    ///
    /// # Safety
    /// No other place of this number is alive.
    pub unsafe fn result(&self, number: usize) -> Result<&'a mut [f32], Error> {
        let (data, length) = place(&self.frame.results, number, FLOAT_32)?;
        // SAFETY: as of arguments; results overlap with nothing, and this is the only view of it by
        // the caller's word.
        Ok(unsafe { slice::from_raw_parts_mut(data, length) })
    }
}

fn buffer(arguments: &Arguments, number: usize) -> Result<&Buffer, Error> {
    let count = arguments.size;
    ensure!((number as i64) < count, "array {number} of {count}");
    // SAFETY: there are so many kinds and values, and a value of this kind is a buffer.
    unsafe {
        let kind = *arguments.kinds.add(number);
        ensure!(kind == BUFFER, "array {number} is of kind {kind}");
        Ok(&**arguments.values.add(number))
    }
}

fn sizes(buffer: &Buffer) -> impl Iterator<Item = i64> + '_ {
    // SAFETY: there are as many sizes as axes.
    (0..buffer.rank as usize).map(|axis| unsafe { *buffer.sizes.add(axis) })
}

/// Where an array lies, never null, and its length.
fn place<T>(arguments: &Arguments, number: usize, kind: c_int) -> Result<(*mut T, usize), Error> {
    let buffer = buffer(arguments, number)?;
    ensure!(buffer.kind == kind, "array {number} of type {}, not {kind}", buffer.kind);
    let length = sizes(buffer).product::<i64>() as usize;
    if length == 0 {
        return Ok((ptr::dangling_mut(), 0));
    }
    Ok((buffer.data.cast(), length))
}
