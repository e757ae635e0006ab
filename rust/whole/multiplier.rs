//! What processors add up of products of whole numbers.
// The intrinsics are unsafe, see each `SAFETY`. Each processor's form is compiled whole, so everything
// below it is inlined there.
#![allow(unsafe_code, clippy::inline_always)]

use super::{Bytes, SIDE, STEP, Sums};
use crate::machine::Portable;
#[cfg(target_arch = "x86_64")]
use crate::machine::{Avx2, Avx512Whole};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as x86;

/// A processor that multiplies whole numbers. A value of it is the proof that this is one.
pub trait Multiplier: Copy {
    /// Sums of the vectors that lie side by side.
    type Lanes: Copy;

    /// One number for all.
    fn splat(self, start: i32) -> Self::Lanes;
    /// Add the products of each vector's next numbers with those of a query.
    fn add(self, bytes: &Bytes, numbers: [i8; STEP], sums: Self::Lanes) -> Self::Lanes;
    /// Out of registers.
    fn store(self, sums: Self::Lanes, to: &mut Sums);
}

impl Multiplier for Portable {
    type Lanes = Sums;

    #[inline(always)]
    fn splat(self, start: i32) -> Sums {
        [start; SIDE]
    }

    #[inline(always)]
    fn add(self, bytes: &Bytes, numbers: [i8; STEP], mut sums: Sums) -> Sums {
        for (sum, bytes) in sums.iter_mut().zip(bytes.as_chunks::<STEP>().0) {
            for (byte, number) in bytes.iter().zip(numbers) {
                *sum += i32::from(*byte) * i32::from(number);
            }
        }
        sums
    }

    #[inline(always)]
    fn store(self, sums: Sums, to: &mut Sums) {
        *to = sums;
    }
}

#[cfg(target_arch = "x86_64")]
impl Multiplier for Avx512Whole {
    type Lanes = x86::__m512i;

    #[inline(always)]
    fn splat(self, start: i32) -> Self::Lanes {
        // SAFETY: `self` is proof of the processor, here and below.
        unsafe { x86::_mm512_set1_epi32(start) }
    }

    #[inline(always)]
    fn add(self, bytes: &Bytes, numbers: [i8; STEP], sums: Self::Lanes) -> Self::Lanes {
        let numbers = i32::from_ne_bytes(numbers.map(i8::cast_unsigned));
        // SAFETY: the bytes are as many as the processor's vector has.
        unsafe {
            let bytes = x86::_mm512_loadu_si512(bytes.as_ptr().cast());
            x86::_mm512_dpbusd_epi32(sums, bytes, x86::_mm512_set1_epi32(numbers))
        }
    }

    #[inline(always)]
    fn store(self, sums: Self::Lanes, to: &mut Sums) {
        // SAFETY: there are as many numbers.
        unsafe { x86::_mm512_storeu_si512(to.as_mut_ptr().cast(), sums) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Multiplier for Avx2 {
    type Lanes = [x86::__m256i; 2];

    #[inline(always)]
    fn splat(self, start: i32) -> Self::Lanes {
        // SAFETY: `self` is proof of the processor, here and below.
        unsafe { [x86::_mm256_set1_epi32(start); 2] }
    }

    /// In numbers of sixteen bits, of which the even ones are one vector and the odd ones another:
    /// sums of bytes' products would not fit into what this processor adds them up in.
    #[inline(always)]
    fn add(self, bytes: &Bytes, numbers: [i8; STEP], mut sums: Self::Lanes) -> Self::Lanes {
        let pair = |low: i8, high: i8| {
            i32::from(i16::from(low)) & 0xFFFF | i32::from(i16::from(high)) << 16
        };
        // SAFETY: the bytes are as many as two of the processor's vectors have.
        unsafe {
            let even = x86::_mm256_set1_epi32(pair(numbers[0], numbers[2]));
            let odd = x86::_mm256_set1_epi32(pair(numbers[1], numbers[3]));
            let low = x86::_mm256_set1_epi16(0xFF);
            for (half, sums) in sums.iter_mut().enumerate() {
                let bytes = x86::_mm256_loadu_si256(bytes.as_ptr().add(32 * half).cast());
                let evens = x86::_mm256_madd_epi16(x86::_mm256_and_si256(bytes, low), even);
                let odds = x86::_mm256_madd_epi16(x86::_mm256_srli_epi16::<8>(bytes), odd);
                *sums = x86::_mm256_add_epi32(*sums, x86::_mm256_add_epi32(evens, odds));
            }
        }
        sums
    }

    #[inline(always)]
    fn store(self, sums: Self::Lanes, to: &mut Sums) {
        // SAFETY: there are twice as many numbers as a vector has.
        unsafe {
            x86::_mm256_storeu_si256(to.as_mut_ptr().cast(), sums[0]);
            x86::_mm256_storeu_si256(to.as_mut_ptr().add(8).cast(), sums[1]);
        }
    }
}
