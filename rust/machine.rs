//! What a processor multiplies at once. Compilers find the vectors of simple loops by themselves; the
//! sums of products are held in registers by name, which they do not.
// The intrinsics are unsafe, see each `SAFETY`. Each processor's form is compiled whole, so everything
// below it is inlined there.
#![allow(unsafe_code, clippy::inline_always)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as x86;

/// A processor that takes so many queries at once. A value of it is the proof that this is one.
pub trait Machine<const L: usize>: Copy {
    /// As many numbers in registers.
    type Lanes: Copy;

    /// a * b + c of single numbers.
    fn fused(a: f32, b: f32, c: f32) -> f32;
    /// Into registers.
    fn load(self, from: &[f32; L]) -> Self::Lanes;
    /// Out of registers.
    fn store(self, lanes: Self::Lanes, to: &mut [f32; L]);
    /// a * b + c.
    fn add(self, a: f32, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes;
    /// a * b + c of each lane.
    #[inline(always)]
    fn add_lanes(self, a: Self::Lanes, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes {
        let mut numbers = [[0.0; L]; 3];
        let [first, second, third] = &mut numbers;
        self.store(a, first);
        self.store(b, second);
        self.store(c, third);
        for ((c, a), b) in third.iter_mut().zip(first).zip(second) {
            *c += *a * *b;
        }
        self.load(third)
    }
    /// Whole numbers into registers.
    #[inline(always)]
    fn load_whole(self, from: &[i8; L]) -> Self::Lanes {
        self.load(&from.map(f32::from))
    }
    /// The sum of all lanes, in any order.
    #[inline(always)]
    fn sum(self, lanes: Self::Lanes) -> f32 {
        let mut numbers = [0.0; L];
        self.store(lanes, &mut numbers);
        numbers.iter().sum()
    }
    /// Say that numbers will be read soon.
    #[inline(always)]
    fn foresee<T>(self, numbers: &[T]) {
        let _ = numbers;
    }
}

/// Bytes of a line of the cache.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// Any processor: vectors of four numbers.
#[derive(Clone, Copy)]
pub struct Portable;

impl Machine<8> for Portable {
    type Lanes = [[f32; 4]; 2];

    #[inline(always)]
    fn fused(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }

    #[inline(always)]
    fn load(self, from: &[f32; 8]) -> Self::Lanes {
        let mut lanes = [[0.0; 4]; 2];
        lanes.as_flattened_mut().copy_from_slice(from);
        lanes
    }

    #[inline(always)]
    fn store(self, lanes: Self::Lanes, to: &mut [f32; 8]) {
        to.copy_from_slice(lanes.as_flattened());
    }

    #[inline(always)]
    fn add(self, a: f32, b: Self::Lanes, mut c: Self::Lanes) -> Self::Lanes {
        for (c, b) in c.iter_mut().flatten().zip(b.iter().flatten()) {
            *c += a * b;
        }
        c
    }
}

/// Define a processor of x86 that takes one or two of its vectors at once.
macro_rules! machine {
    ($name:ident, $vector:ident, $width:literal, $($feature:tt),+;
     $splat:ident, $load:ident, $store:ident, $add:ident; $whole:ident, $sum:ident) => {
        /// A processor with the vectors of this name.
        #[cfg(target_arch = "x86_64")]
        #[derive(Clone, Copy)]
        pub struct $name(());

        #[cfg(target_arch = "x86_64")]
        impl $name {
            /// Whether this is one.
            pub fn here() -> Option<Self> {
                let here = $(std::arch::is_x86_feature_detected!($feature))&&+;
                here.then_some(Self(()))
            }
        }

        #[cfg(target_arch = "x86_64")]
        impl Machine<{ 2 * $width }> for $name {
            type Lanes = [x86::$vector; 2];

            #[inline(always)]
            fn foresee<T>(self, numbers: &[T]) {
                <Self as Machine<$width>>::foresee(self, numbers);
            }

            #[inline(always)]
            fn fused(a: f32, b: f32, c: f32) -> f32 {
                a.mul_add(b, c)
            }

            #[inline(always)]
            fn load(self, from: &[f32; 2 * $width]) -> Self::Lanes {
                let from = from.as_ptr();
                // SAFETY: the array is two vectors long, and `self` is proof of the processor.
                unsafe { [x86::$load(from), x86::$load(from.add($width))] }
            }

            #[inline(always)]
            fn store(self, lanes: Self::Lanes, to: &mut [f32; 2 * $width]) {
                let to = to.as_mut_ptr();
                // SAFETY: the array is two vectors long, and `self` is proof of the processor.
                unsafe {
                    x86::$store(to, lanes[0]);
                    x86::$store(to.add($width), lanes[1]);
                }
            }

            #[inline(always)]
            fn add(self, a: f32, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes {
                // SAFETY: `self` is proof of the processor.
                unsafe {
                    let a = x86::$splat(a);
                    [x86::$add(a, b[0], c[0]), x86::$add(a, b[1], c[1])]
                }
            }
        }

        #[cfg(target_arch = "x86_64")]
        impl Machine<$width> for $name {
            type Lanes = x86::$vector;

            #[inline(always)]
            fn foresee<T>(self, numbers: &[T]) {
                for line in numbers.chunks(LINE / size_of::<T>()) {
                    // SAFETY: a hint, of what may be read.
                    unsafe { x86::_mm_prefetch::<{ x86::_MM_HINT_T0 }>(line.as_ptr().cast()) };
                }
            }

            #[inline(always)]
            fn fused(a: f32, b: f32, c: f32) -> f32 {
                a.mul_add(b, c)
            }

            #[inline(always)]
            fn load(self, from: &[f32; $width]) -> Self::Lanes {
                // SAFETY: the array is a vector long, and `self` is proof of the processor.
                unsafe { x86::$load(from.as_ptr()) }
            }

            #[inline(always)]
            fn store(self, lanes: Self::Lanes, to: &mut [f32; $width]) {
                // SAFETY: the array is a vector long, and `self` is proof of the processor.
                unsafe { x86::$store(to.as_mut_ptr(), lanes) }
            }

            #[inline(always)]
            fn add(self, a: f32, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes {
                // SAFETY: `self` is proof of the processor.
                unsafe { x86::$add(x86::$splat(a), b, c) }
            }

            #[inline(always)]
            fn add_lanes(self, a: Self::Lanes, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes {
                // SAFETY: `self` is proof of the processor.
                unsafe { x86::$add(a, b, c) }
            }

            #[inline(always)]
            fn load_whole(self, from: &[i8; $width]) -> Self::Lanes {
                // SAFETY: the array is a vector long, and `self` is proof of the processor.
                unsafe { $whole(from.as_ptr()) }
            }

            #[inline(always)]
            fn sum(self, lanes: Self::Lanes) -> f32 {
                // SAFETY: `self` is proof of the processor.
                unsafe { $sum(lanes) }
            }
        }
    };
}

machine!(Avx2, __m256, 8, "avx2", "fma";
    _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps; whole_of_8, sum_of_8);
machine!(Avx512, __m512, 16, "avx512f", "avx512bw", "avx512dq", "avx512vl", "fma";
    _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps; whole_of_16, sum_of_16);

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn whole_of_8(from: *const i8) -> x86::__m256 {
    // SAFETY: there are eight.
    x86::_mm256_cvtepi32_ps(x86::_mm256_cvtepi8_epi32(unsafe { x86::_mm_loadl_epi64(from.cast()) }))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn sum_of_8(lanes: x86::__m256) -> f32 {
    let four =
        x86::_mm_add_ps(x86::_mm256_castps256_ps128(lanes), x86::_mm256_extractf128_ps::<1>(lanes));
    let two = x86::_mm_add_ps(four, x86::_mm_movehl_ps(four, four));
    x86::_mm_cvtss_f32(x86::_mm_add_ss(two, x86::_mm_movehdup_ps(two)))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn whole_of_16(from: *const i8) -> x86::__m512 {
    // SAFETY: there are sixteen.
    x86::_mm512_cvtepi32_ps(x86::_mm512_cvtepi8_epi32(unsafe { x86::_mm_loadu_si128(from.cast()) }))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn sum_of_16(lanes: x86::__m512) -> f32 {
    x86::_mm512_reduce_add_ps(lanes)
}
