//! Work shared with the threads of the program that calls: XLA's own, so that no others compete.
#![allow(unsafe_code)] // calls into XLA, and work lent to its threads; see each `SAFETY`

use super::abi::{Api, Context, DestroyArguments, ScheduleArguments, ThreadsArguments, XlaError};
use crate::error::Error;
use crate::threads::{fault, lock};
use std::ffi::c_void;
use std::mem::transmute;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The threads.
pub struct Threads<'a> {
    api: &'a Api,
    context: *mut Context,
}

/// What a thread that comes to help is told.
type Work<'a> = dyn Fn() -> Result<(), Error> + Sync + 'a;

/// Work that others may help with as long as it is open.
struct Shared {
    work: &'static Work<'static>,
    state: Mutex<State>,
    left: Condvar,
}

struct State {
    open: bool,
    helping: usize,
    failed: Option<Error>,
}

impl<'a> Threads<'a> {
    /// Those of a call.
    pub(super) fn new(api: &'a Api, context: *mut Context) -> Self {
        Self { api, context }
    }

    /// Let some threads, this one among them, each take from the tasks until there are no more.
    ///
    /// # Errors
    /// The first that `work` returns, [`Error::Fault`] where it panics.
    pub fn share<T: Send>(
        &self,
        tasks: Vec<T>,
        work: impl Fn(&mut dyn Iterator<Item = T>) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let helpers = self.number().min(tasks.len()).saturating_sub(1);
        let tasks = Mutex::new(tasks.into_iter());
        let work = || work(&mut std::iter::from_fn(|| lock(&tasks).next()));
        let work: &Work<'_> = &work;
        // SAFETY: it is called only by threads that are counted as helping, which begin while it is
        // open; this function closes it and returns after the last of them has left.
        let work = unsafe { transmute::<&Work<'_>, &'static Work<'static>>(work) };
        let state = Mutex::new(State { open: true, helping: 0, failed: None });
        let shared = Arc::new(Shared { work, state, left: Condvar::new() });
        for _ in 0..helpers {
            self.schedule(&shared);
        }
        let done = caught(work);
        shared.close();
        let failed = lock(&shared.state).failed.take();
        failed.map_or(done, Err)
    }

    fn number(&self) -> usize {
        let mut threads = 1;
        let mut arguments = ThreadsArguments {
            struct_size: size_of::<ThreadsArguments>(),
            extension: ptr::null_mut(),
            context: self.context,
            threads: &raw mut threads,
        };
        // SAFETY: XLA's function, with what it asks for.
        let error = unsafe { (self.api.threads)(&raw mut arguments) };
        if self.failed(error) { 1 } else { threads.max(1) as usize }
    }

    fn schedule(&self, shared: &Arc<Shared>) {
        let data = Arc::into_raw(Arc::clone(shared));
        let mut arguments = ScheduleArguments {
            struct_size: size_of::<ScheduleArguments>(),
            extension: ptr::null_mut(),
            context: self.context,
            task: help,
            data: data.cast_mut().cast(),
        };
        // SAFETY: XLA's function, with what it asks for.
        let error = unsafe { (self.api.schedule)(&raw mut arguments) };
        if self.failed(error) {
            // SAFETY: made of an `Arc` above, and nobody has taken it.
            drop(unsafe { Arc::from_raw(data) });
        }
    }

    /// Whether there is an error, which is then forgotten: without threads this one does the work.
    fn failed(&self, error: *mut XlaError) -> bool {
        if error.is_null() {
            return false;
        }
        let mut arguments = DestroyArguments {
            struct_size: size_of::<DestroyArguments>(),
            extension: ptr::null_mut(),
            error,
        };
        // SAFETY: errors that XLA returns are the caller's to destroy.
        unsafe { (self.api.error_destroy)(&raw mut arguments) };
        true
    }
}

unsafe extern "C" fn help(data: *mut c_void) {
    // SAFETY: made of an `Arc` in `schedule`, for this call alone.
    let shared = unsafe { Arc::from_raw(data.cast::<Shared>()) };
    shared.help();
}

impl Shared {
    fn help(&self) {
        {
            let mut state = lock(&self.state);
            if !state.open {
                return;
            }
            state.helping += 1;
        }
        let done = caught(self.work);
        let mut state = lock(&self.state);
        state.helping -= 1;
        if let Err(error) = done {
            state.failed.get_or_insert(error);
        }
        drop(state);
        self.left.notify_one();
    }

    /// Let nobody begin any more, and wait for those who have.
    fn close(&self) {
        let mut state = lock(&self.state);
        state.open = false;
        while state.helping > 0 {
            state = self.left.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn caught(work: &Work<'_>) -> Result<(), Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(fault(panic.as_ref())))
}
