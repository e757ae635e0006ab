//! The k best of a query's scores, which come block after block in ascending order of their number.
#![allow(unsafe_code)] // what is compiled for a processor is called by its proof; see each `SAFETY`
#![allow(clippy::inline_always)] // each processor's form is compiled whole

use crate::blocks::Halt;
use crate::error::Error;
#[cfg(target_arch = "x86_64")]
use crate::machine::{Avx2, Avx512};
use crate::memory::lack;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Scores compared with the threshold at once.
const GROUP: usize = 32;

/// A float.
pub trait Score: Copy + PartialOrd + From<f32> + Into<f64> + Send + Sync {}

impl Score for f32 {}
impl Score for f64 {}

/// A score and the number of its vector; the greatest is the worst.
#[derive(Clone, Copy, Debug)]
pub struct Found<S = f32> {
    /// The score.
    pub score: S,
    /// Number of the vector.
    pub number: i32,
}

impl<S: Score> Ord for Found<S> {
    fn cmp(&self, other: &Self) -> Ordering {
        let scores = other.score.partial_cmp(&self.score); // none is NaN
        scores.unwrap_or(Ordering::Equal).then(self.number.cmp(&other.number))
    }
}

impl<S: Score> PartialOrd for Found<S> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<S: Score> PartialEq for Found<S> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<S: Score> Eq for Found<S> {}

/// Whatever beats the least score that counts is put somewhere, which says what counts then.
///
/// # Arguments
/// `first`: number of the first score.
pub fn above<S: Score>(
    first: usize,
    scores: &[S],
    mut least: S,
    mut put: impl FnMut(Found<S>) -> Result<S, Halt>,
) -> Result<(), Halt> {
    let mut place = 0;
    while let Some(next) = scores.get(place * GROUP..).and_then(|rest| next_above(rest, least)) {
        place += next;
        let group = &scores[place * GROUP..scores.len().min((place + 1) * GROUP)];
        let start = (first + place * GROUP) as i32;
        place += 1;
        for (number, &score) in (start..).zip(group) {
            if score <= least {
                continue;
            }
            if score.partial_cmp(&score).is_none() {
                return Err(Halt::NotANumber);
            }
            least = put(Found { score, number })?;
        }
    }
    Ok(())
}

/// Number of the first group of scores that are not all at most the threshold, as NaN is not.
fn next_above<S: Score>(scores: &[S], least: S) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    {
        if Avx512::here().is_some() {
            // SAFETY: the processor is one.
            return unsafe { next_above_avx512(scores, least) };
        }
        if Avx2::here().is_some() {
            // SAFETY: likewise.
            return unsafe { next_above_avx2(scores, least) };
        }
    }
    next_above_here(scores, least)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
fn next_above_avx512<S: Score>(scores: &[S], least: S) -> Option<usize> {
    next_above_here(scores, least)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn next_above_avx2<S: Score>(scores: &[S], least: S) -> Option<usize> {
    next_above_here(scores, least)
}

#[inline(always)]
fn next_above_here<S: Score>(scores: &[S], least: S) -> Option<usize> {
    let above =
        |score: &S| !matches!(score.partial_cmp(&least), Some(Ordering::Less | Ordering::Equal));
    let (groups, rest) = scores.as_chunks::<GROUP>();
    let is_above = |group: &[S]| group.iter().fold(false, |any, score| any | above(score));
    let found = groups.iter().position(|group| is_above(group));
    found.or_else(|| is_above(rest).then_some(groups.len()))
}

/// Put those of consecutive scores that are among the k best into the heap, unless hidden.
pub fn keep_best<S: Score>(
    (first, scores): (usize, &[S]),
    hidden: impl Fn(i32) -> bool,
    k: usize,
    heap: &mut BinaryHeap<Found<S>>,
) -> Result<(), Halt> {
    above(first, scores, threshold(heap, k), |found| {
        if !hidden(found.number) {
            put_best(found, k, heap).map_err(Halt::Error)?;
        }
        Ok(threshold(heap, k))
    })
}

/// Put one into the heap of the k best, where it is among them.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn put_best<S: Score>(
    found: Found<S>,
    k: usize,
    heap: &mut BinaryHeap<Found<S>>,
) -> Result<(), Error> {
    if heap.len() == k {
        if heap.peek().is_some_and(|worst| *worst <= found) {
            return Ok(());
        }
        heap.pop();
    } else if heap.len() == heap.capacity() {
        let more = heap.len().clamp(1, k - heap.len());
        let grown = heap.try_reserve_exact(more);
        grown.map_err(|_| lack::<Found<S>>(heap.len() + more))?;
    }
    heap.push(found);
    Ok(())
}

/// What a score must be above; numbers ascend, so an equal one comes later.
pub fn threshold<S: Score>(heap: &BinaryHeap<Found<S>>, k: usize) -> S {
    let worst = heap.peek().filter(|_| heap.len() == k);
    worst.map_or(f32::NEG_INFINITY.into(), |worst| worst.score)
}
