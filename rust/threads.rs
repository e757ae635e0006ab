//! The crate's own threads. A process that is forked has none of its parent's, so the pool goes by
//! the process it was made in; and whoever calls waits apart, so that it can be told to stop.

use crate::error::Error;
use crate::memory;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long whoever waits does not listen.
const DEAF: Duration = Duration::from_millis(50);
/// What must be free for the small things that are allocated on the way.
const SPARE_BYTES: usize = 1 << 20;

/// The pool, and the process it was made in. The lock is held for no longer than it takes to copy
/// them: a fork copies a lock as it is. A parent's pool is left alone, its locks may be held too.
static POOL: Mutex<Option<(u32, &'static ThreadPool)>> = Mutex::new(None);

/// Whether to go on, asked now and then by a long call.
#[derive(Default)]
pub struct Pause(AtomicBool);

impl Pause {
    /// Let the call end at its next question.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Ask whether to go on.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after [`Pause::stop`].
    #[inline]
    pub fn ask(&self) -> Result<(), Error> {
        if self.0.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Ask between two passes, which also need a little memory each.
    ///
    /// # Errors
    /// As [`Pause::ask`], or [`Error::OutOfMemory`].
    pub fn between(&self) -> Result<(), Error> {
        memory::room::<u8>(SPARE_BYTES)?;
        self.ask()
    }
}

/// Why a call has no result.
#[derive(Debug)]
pub enum Failure<S> {
    /// It failed.
    Error(Error),
    /// Whoever listens was told to stop.
    Told(S),
}

/// Do some work by the threads of the pool, while this one listens whether to stop.
///
/// # Errors
/// What `work` or `listen` returns; [`Error::Fault`] where the work panics.
pub fn run<T: Send, S>(
    work: impl FnOnce(&Pause) -> Result<T, Error> + Send,
    listen: impl Fn() -> Result<(), S>,
) -> Result<T, Failure<S>> {
    let pool = pool().map_err(Failure::Error)?;
    let (pause, done, finished) = (Pause::default(), Mutex::new(None), Condvar::new());
    let mut told = None;
    pool.in_place_scope(|scope| {
        scope.spawn(|_| {
            let result = catch_unwind(AssertUnwindSafe(|| work(&pause)));
            *lock(&done) = Some(result.unwrap_or_else(|panic| Err(fault(panic.as_ref()))));
            finished.notify_one();
        });
        let mut waiting = lock(&done);
        while waiting.is_none() {
            let woken = finished.wait_timeout(waiting, DEAF);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
            if waiting.is_none() && told.is_none() {
                drop(waiting);
                told = listen().err();
                if told.is_some() {
                    pause.stop();
                }
                waiting = lock(&done);
            }
        }
    });
    let result = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    match told {
        Some(told) => Err(Failure::Told(told)),
        None => result.unwrap_or(Err(Error::Interrupted)).map_err(Failure::Error),
    }
}

/// Do a little work by this thread, which listens to nothing meanwhile.
///
/// # Errors
/// What `work` returns; [`Error::Fault`] where it panics.
pub fn run_here<T>(work: impl FnOnce(&Pause) -> Result<T, Error>) -> Result<T, Error> {
    let result = catch_unwind(AssertUnwindSafe(|| work(&Pause::default())));
    result.unwrap_or_else(|panic| Err(fault(panic.as_ref())))
}

/// The pool of this process.
fn pool() -> Result<&'static ThreadPool, Error> {
    let here = process::id();
    let own = |known: &Option<(u32, &'static ThreadPool)>| {
        known.filter(|(process, _)| *process == here).map(|(_, pool)| pool)
    };
    if let Some(pool) = own(&lock(&POOL)) {
        return Ok(pool);
    }
    // As many threads as RAYON_NUM_THREADS says. They are started without the lock; of two callers
    // that start some at once, one drops its own.
    let made = ThreadPoolBuilder::new()
        .thread_name(|number| format!("sasrec_fast.{number}"))
        .build()
        .map_err(|failure| Error::NoThreads(failure.to_string()))?;
    let mut known = lock(&POOL);
    if let Some(pool) = own(&known) {
        return Ok(pool);
    }
    let made: &'static ThreadPool = Box::leak(Box::new(made));
    *known = Some((here, made));
    Ok(made)
}

/// Lock what a panic elsewhere does not spoil.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error of a panic.
pub(crate) fn fault(panic: &(dyn Any + Send)) -> Error {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
    Error::Fault(said.unwrap_or("no message").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;

    #[test]
    fn work_runs_in_the_pool() {
        let sum = run(|_| Ok((0..1000).into_par_iter().sum::<i32>()), || Ok::<(), ()>(()));
        assert!(matches!(sum, Ok(499_500)));
    }

    #[test]
    fn a_panic_is_an_error() {
        let failed = run(|_| -> Result<(), Error> { panic!("so {}", 1) }, || Ok::<(), ()>(()));
        assert!(matches!(failed, Err(Failure::Error(Error::Fault(said))) if said == "so 1"));
    }

    #[test]
    fn little_work_runs_here() {
        let own = std::thread::current().id();
        assert!(matches!(run_here(|_| Ok(std::thread::current().id())), Ok(id) if id == own));
        let failed = run_here(|_| -> Result<(), Error> { panic!("so") });
        assert!(matches!(failed, Err(Error::Fault(said)) if said == "so"));
    }

    #[test]
    fn whoever_is_told_to_stop_stops() {
        let endless = |pause: &Pause| loop {
            pause.between()?;
            std::thread::yield_now();
        };
        let stopped: Result<(), _> = run(endless, || Err("enough"));
        assert!(matches!(stopped, Err(Failure::Told("enough"))));
    }
}
