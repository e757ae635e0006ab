//! Times relative to the smallest, in some unit, and the same times in another.

use crate::divisor::Divisor;
use crate::emission::Instant;
use crate::error::Error;
use crate::memory::zeroed;
use crate::shard::Times;
use rayon::prelude::*;
use std::borrow::Cow;

/// Times handed to a thread at once.
const CHUNK: usize = 1 << 16;

/// Relative times, and what they are relative to.
#[derive(Clone, Copy)]
pub struct Relative<'a> {
    /// The times; none where there are none.
    pub ticks: Ticks<'a>,
    /// What they are relative to.
    pub scale: Scale,
}

/// Relative times, borrowed.
#[derive(Clone, Copy)]
pub enum Ticks<'a> {
    /// Of 32 bits each.
    Narrow(&'a [u32]),
    /// Of 64 bits each.
    Wide(&'a [u64]),
}

/// How time keys are written as relative times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The key that is 0.
    pub min: u64,
    /// How far that of 1 is from it.
    pub unit: u64,
}

impl Scale {
    fn key(self, tick: u64) -> u64 {
        self.min + tick * self.unit
    }

    /// The scale that writes the keys of both.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        let apart = self.min.abs_diff(other.min);
        let unit = Divisor::common([self.unit, other.unit, apart]);
        Self { min: self.min.min(other.min), unit }
    }
}

/// A width of relative times.
pub trait Width: Instant {
    /// The times, where they are of this width.
    fn of_ticks(ticks: Ticks<'_>) -> Option<&[Self]>;
    /// The times of a shard.
    fn into_times(times: Vec<Self>) -> Times;
}

impl Width for u32 {
    fn of_ticks(ticks: Ticks<'_>) -> Option<&[Self]> {
        if let Ticks::Narrow(times) = ticks { Some(times) } else { None }
    }

    fn into_times(times: Vec<Self>) -> Times {
        Times::Narrow(times)
    }
}

impl Width for u64 {
    fn of_ticks(ticks: Ticks<'_>) -> Option<&[Self]> {
        if let Ticks::Wide(times) = ticks { Some(times) } else { None }
    }

    fn into_times(times: Vec<Self>) -> Times {
        Times::Wide(times)
    }
}

impl<'a> Relative<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self.ticks {
            Ticks::Narrow(times) => times.len(),
            Ticks::Wide(times) => times.len(),
        }
    }

    /// The scale; without a unit where all times are equal, which any unit writes.
    pub fn own_scale(&self) -> Scale {
        let unit = if self.last(self.scale) > 0 { self.scale.unit } else { 0 };
        Scale { unit, ..self.scale }
    }

    /// The largest time, in another scale.
    pub fn last(&self, scale: Scale) -> u64 {
        let most = match self.ticks {
            Ticks::Narrow(times) => times.par_iter().with_min_len(CHUNK).map(|t| t.wide()).max(),
            Ticks::Wide(times) => times.par_iter().with_min_len(CHUNK).map(|t| t.wide()).max(),
        };
        let most = most.map_or(scale.min, |most| self.scale.key(most));
        Divisor::new(scale.unit).exact(most - scale.min)
    }

    /// The times in another scale.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn in_scale<I: Width>(&self, scale: Scale) -> Result<Cow<'a, [I]>, Error> {
        match (self.ticks, I::of_ticks(self.ticks)) {
            (_, Some(times)) if scale == self.scale || times.is_empty() => Ok(Cow::Borrowed(times)),
            (Ticks::Narrow(times), _) => rewritten(times, self.scale, scale),
            (Ticks::Wide(times), _) => rewritten(times, self.scale, scale),
        }
    }
}

fn rewritten<'a, I: Instant, O: Instant>(
    times: &[I],
    from: Scale,
    to: Scale,
) -> Result<Cow<'a, [O]>, Error> {
    let mut written: Vec<O> = zeroed(times.len())?;
    let unit = Divisor::new(to.unit);
    written.par_chunks_mut(CHUNK).zip(times.par_chunks(CHUNK)).for_each(|(written, times)| {
        for (written, time) in written.iter_mut().zip(times) {
            *written = O::of(unit.exact(from.key(time.wide()) - to.min));
        }
    });
    Ok(Cow::Owned(written))
}
