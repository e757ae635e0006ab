//! The k best of a query's scores, which come block after block in ascending order of their number.

use crate::blocks::Halt;
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
    for (place, group) in scores.chunks(GROUP).enumerate() {
        // NaN is not at most the threshold, so it does not pass unseen.
        if group.iter().filter(|&&score| score <= least).count() == group.len() {
            continue;
        }
        let start = (first + place * GROUP) as i32;
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

/// Put those of consecutive scores that are among the k best into the heap, unless hidden.
pub fn keep_best<S: Score>(
    (first, scores): (usize, &[S]),
    hidden: impl Fn(i32) -> bool,
    k: usize,
    heap: &mut BinaryHeap<Found<S>>,
) -> Result<(), Halt> {
    above(first, scores, threshold(heap, k), |found| {
        if !hidden(found.number) {
            if heap.len() == k {
                heap.pop();
            } else if heap.len() == heap.capacity() {
                let more = heap.len().clamp(1, k - heap.len());
                let wanted = heap.len() + more;
                let grown = heap.try_reserve_exact(more);
                grown.map_err(|_| Halt::Error(lack::<Found<S>>(wanted)))?;
            }
            heap.push(found);
        }
        Ok(threshold(heap, k))
    })
}

/// What a score must be above; numbers ascend, so an equal one comes later.
pub fn threshold<S: Score>(heap: &BinaryHeap<Found<S>>, k: usize) -> S {
    let worst = heap.peek().filter(|_| heap.len() == k);
    worst.map_or(f32::NEG_INFINITY.into(), |worst| worst.score)
}
