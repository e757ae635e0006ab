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
     $splat:ident, $load:ident, $store:ident, $add:ident) => {
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
        }
    };
}

machine!(Avx2, __m256, 8, "avx2", "fma";
    _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps);
machine!(Avx512, __m512, 16, "avx512f", "avx512bw", "avx512dq", "avx512vl", "fma";
    _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps);

/// A processor with the instructions for products of whole numbers of eight bits.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub struct Avx512Whole(());

#[cfg(target_arch = "x86_64")]
impl Avx512Whole {
    /// Whether this is one.
    pub fn here() -> Option<Self> {
        let here = Avx512::here().is_some() && std::arch::is_x86_feature_detected!("avx512vnni");
        here.then_some(Self(()))
    }
}
