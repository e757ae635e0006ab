//! The processors that this is written for, each compiled for by itself.
#![allow(unsafe_code)] // what is compiled for a processor is called by its proof; see each `SAFETY`

use super::backward::{Slopes, backward};
use super::forward::{View, forward};
use super::{Given, Inputs};
use crate::error::Error;
use crate::machine::Portable;
#[cfg(target_arch = "x86_64")]
use crate::machine::{Avx2, Avx512};

/// A processor that is here.
#[derive(Clone, Copy)]
pub enum Processor {
    /// Vectors of 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// Vectors of 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// Whatever there is.
    Portable,
}

impl Processor {
    /// The fastest.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(machine) = Avx512::here() {
                return Self::Avx512(machine);
            }
            if let Some(machine) = Avx2::here() {
                return Self::Avx2(machine);
            }
        }
        Self::Portable
    }

    /// Whether it was seen to be faster than XLA.
    pub fn is_fast(self) -> bool {
        !matches!(self, Self::Portable)
    }

    /// Fill the views of some rows.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn forward(
        self,
        inputs: &Inputs<'_>,
        views: &mut dyn Iterator<Item = View<'_>>,
    ) -> Result<(), Error> {
        match self {
            // SAFETY: the value is the proof of the processor.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(machine) => unsafe { forward_avx512(machine, inputs, views) },
            // SAFETY: likewise.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(machine) => unsafe { forward_avx2(machine, inputs, views) },
            Self::Portable => forward::<_, 8, 4>(Portable, inputs, views),
        }
    }

    /// Fill the gradients of some rows.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn backward(
        self,
        inputs: &Inputs<'_>,
        given: &Given<'_>,
        slopes: &mut dyn Iterator<Item = Slopes<'_>>,
    ) -> Result<(), Error> {
        let inputs = (inputs, given);
        match self {
            // SAFETY: the value is the proof of the processor.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(machine) => unsafe { backward_avx512(machine, inputs, slopes) },
            // SAFETY: likewise.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(machine) => unsafe { backward_avx2(machine, inputs, slopes) },
            Self::Portable => backward::<_, 8, 4>(Portable, inputs, slopes),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
fn forward_avx512(
    machine: Avx512,
    inputs: &Inputs<'_>,
    views: &mut dyn Iterator<Item = View<'_>>,
) -> Result<(), Error> {
    forward::<_, 32, 8>(machine, inputs, views)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn forward_avx2(
    machine: Avx2,
    inputs: &Inputs<'_>,
    views: &mut dyn Iterator<Item = View<'_>>,
) -> Result<(), Error> {
    forward::<_, 16, 4>(machine, inputs, views)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
fn backward_avx512(
    machine: Avx512,
    inputs: (&Inputs<'_>, &Given<'_>),
    slopes: &mut dyn Iterator<Item = Slopes<'_>>,
) -> Result<(), Error> {
    backward::<_, 32, 8>(machine, inputs, slopes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn backward_avx2(
    machine: Avx2,
    inputs: (&Inputs<'_>, &Given<'_>),
    slopes: &mut dyn Iterator<Item = Slopes<'_>>,
) -> Result<(), Error> {
    backward::<_, 16, 4>(machine, inputs, slopes)
}
