//! The structures of XLA's foreign function interface, as `xla/ffi/api/c_api.h` lays them out: those
//! that are read here, up to the last field that is. Versions 0.1 (jaxlib 0.8) to 0.5 (jaxlib 0.12)
//! agree on them.

use std::ffi::{c_char, c_int, c_void};

/// The version that handlers are written for.
pub const VERSION: (c_int, c_int) = (0, 1);
/// Of `Extension`: the caller asks for `Metadata`.
pub const METADATA: c_int = 1;
/// Of `CallFrame`: the handler is to do its work.
pub const EXECUTE: c_int = 3;
/// Of `Arguments`: each is a `Buffer`.
pub const BUFFER: c_int = 1;
/// Of `Buffer`.
pub const PREDICATE: c_int = 1;
/// Of `Buffer`.
pub const UNSIGNED_32: c_int = 8;
/// Of `Buffer`.
pub const FLOAT_32: c_int = 11;
/// Of `ErrorArguments`.
pub const INTERNAL: c_int = 13;

/// An error that belongs to XLA.
#[repr(C)]
pub struct XlaError {
    _opaque: [u8; 0],
}

/// What is known of a call.
#[repr(C)]
pub struct Context {
    _opaque: [u8; 0],
}

/// What XLA calls.
pub type Handler = unsafe extern "C" fn(frame: *mut CallFrame) -> *mut XlaError;

/// What a handler is told.
#[repr(C)]
pub struct CallFrame {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub api: *const Api,
    pub context: *mut Context,
    pub stage: c_int,
    pub arguments: Arguments,
    pub results: Arguments,
}

/// More that is asked of a handler.
#[repr(C)]
pub struct Extension {
    pub struct_size: usize,
    pub kind: c_int,
    pub next: *mut Extension,
}

/// The extension of kind `METADATA`.
#[repr(C)]
pub struct MetadataExtension {
    pub extension: Extension,
    pub metadata: *mut Metadata,
}

/// What a handler says of itself.
#[repr(C)]
pub struct Metadata {
    pub struct_size: usize,
    pub version: Version,
    pub traits: u32,
}

/// Of the interface.
#[repr(C)]
pub struct Version {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub major: c_int,
    pub minor: c_int,
}

/// Arguments or results.
#[repr(C)]
pub struct Arguments {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub size: i64,
    pub kinds: *const c_int,
    pub values: *const *mut Buffer,
}

/// An array.
#[repr(C)]
pub struct Buffer {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub kind: c_int,
    pub data: *mut c_void,
    pub rank: i64,
    pub sizes: *const i64,
}

/// What XLA does for handlers; functions that are not called here are only places.
#[repr(C)]
pub struct Api {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub version: Version,
    pub internal: *const c_void,
    pub error_create: unsafe extern "C" fn(*mut ErrorArguments) -> *mut XlaError,
    pub error_message: *const c_void,
    pub error_destroy: unsafe extern "C" fn(*mut DestroyArguments),
    pub others: [*const c_void; 8],
    pub schedule: unsafe extern "C" fn(*mut ScheduleArguments) -> *mut XlaError,
    pub threads: unsafe extern "C" fn(*mut ThreadsArguments) -> *mut XlaError,
}

/// Of `Api::error_create`.
#[repr(C)]
pub struct ErrorArguments {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub message: *const c_char,
    pub code: c_int,
}

/// Of `Api::error_destroy`.
#[repr(C)]
pub struct DestroyArguments {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub error: *mut XlaError,
}

/// Of `Api::schedule`.
#[repr(C)]
pub struct ScheduleArguments {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub context: *mut Context,
    pub task: unsafe extern "C" fn(*mut c_void),
    pub data: *mut c_void,
}

/// Of `Api::threads`.
#[repr(C)]
pub struct ThreadsArguments {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub context: *mut Context,
    pub threads: *mut i64,
}
