//! The k best of a query's scores, which come block after block in ascending order of their number.

use crate::blocks::{Halt, Row};
use crate::memory::lack;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Scores compared with the threshold at once.
const GROUP: usize = 32;

/// A score and the number of its vector; the greatest is the worst.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The score.
    pub score: f32,
    /// Number of the vector.
    pub number: i32,
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> Ordering {
        let scores = other.score.partial_cmp(&self.score); // none is NaN
        scores.unwrap_or(Ordering::Equal).then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Found {}

/// Put those of a row of scores that are among the k best into the heap.
pub fn keep_best(
    row: &Row<'_>,
    excluded: &[i32],
    k: usize,
    heap: &mut BinaryHeap<Found>,
) -> Result<(), Halt> {
    let mut least = threshold(heap, k);
    for (place, group) in row.scores.chunks(GROUP).enumerate() {
        // NaN is not at most the threshold, so it does not pass unseen.
        if group.iter().filter(|&&score| score <= least).count() == group.len() {
            continue;
        }
        let start = (row.first + place * GROUP) as i32;
        for (number, &score) in (start..).zip(group) {
            if score <= least {
                continue;
            }
            if score.is_nan() {
                return Err(Halt::NotANumber);
            }
            if excluded.binary_search(&number).is_ok() {
                continue;
            }
            if heap.len() == k {
                heap.pop();
            } else if heap.len() == heap.capacity() {
                let more = heap.len().clamp(1, k - heap.len());
                let wanted = heap.len() + more;
                let grown = heap.try_reserve_exact(more);
                grown.map_err(|_| Halt::Error(lack::<Found>(wanted)))?;
            }
            heap.push(Found { score, number });
            least = threshold(heap, k);
        }
    }
    Ok(())
}

/// What a score must be above; numbers ascend, so an equal one comes later.
fn threshold(heap: &BinaryHeap<Found>, k: usize) -> f32 {
    heap.peek().filter(|_| heap.len() == k).map_or(f32::NEG_INFINITY, |worst| worst.score)
}
