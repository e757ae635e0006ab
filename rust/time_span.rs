//! Between which times rows lie, and in which steps these can be counted.

use crate::chunk::{Chunk, Times};
use crate::error::{Error, ensure};
use std::ops::Range;

/// Ticks that all times may be whole multiples of, the coarsest first.
pub const SCALES: [i64; 4] = [1_000_000_000, 1_000_000, 1000, 1];
/// Floats count the integers up to here.
const EXACT: i64 = 1 << 53;
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// Smallest and largest time, and what all of them are multiples of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TimeSpan {
    /// No rows, or no times.
    Absent,
    /// Integers, all whole multiples of the last, one of [`SCALES`].
    Int(i64, i64, i64),
    /// Floats, and whether all are whole numbers that float64 counts exactly.
    Float(f64, f64, bool),
}

impl TimeSpan {
    /// The span of both.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where integers beside floats are beyond what these count exactly.
    pub fn merge(self, other: Self) -> Result<Self, Error> {
        Ok(match (self, other) {
            (Self::Absent, span) | (span, Self::Absent) => span,
            (Self::Int(least, most, step), Self::Int(other_least, other_most, other_step)) => {
                Self::Int(least.min(other_least), most.max(other_most), step.min(other_step))
            }
            (Self::Float(least, most, whole), Self::Float(other_least, other_most, all)) => {
                Self::Float(least.min(other_least), most.max(other_most), whole && all)
            }
            (Self::Int(least, most, _), float) | (float, Self::Int(least, most, _)) => {
                let exact = least >= -EXACT && most <= EXACT;
                ensure!(exact, "times {least} to {most} beside floats, which do not hold them");
                #[allow(clippy::cast_precision_loss)] // none, as was just checked
                return Self::Float(least as f64, most as f64, true).merge(float);
            }
        })
    }
}

/// The span of the times of the kept rows.
pub fn time_span(chunk: &Chunk, rows: Range<usize>) -> TimeSpan {
    match chunk.times {
        Times::Absent => TimeSpan::Absent,
        Times::Wide(times) => whole_span(chunk.kept(rows).map(|row| times[row])),
        Times::Narrow(times) => whole_span(chunk.kept(rows).map(|row| i64::from(times[row]))),
        Times::Float(times) => {
            let kept = chunk.kept(rows).map(|row| times[row]);
            kept.fold(TimeSpan::Absent, |span, time| {
                let whole = time.fract() == 0.0 && time.abs() <= EXACT_FLOAT;
                match span {
                    TimeSpan::Float(a, b, all) => {
                        TimeSpan::Float(a.min(time), b.max(time), all && whole)
                    }
                    _ => TimeSpan::Float(time, time, whole),
                }
            })
        }
    }
}

fn whole_span(times: impl Iterator<Item = i64>) -> TimeSpan {
    let (mut least, mut most, mut scale) = (i64::MAX, i64::MIN, 0);
    for time in times {
        least = least.min(time);
        most = most.max(time);
        // The divisors are constants, so that none of these is a division.
        while !match scale {
            0 => time % SCALES[0] == 0,
            1 => time % SCALES[1] == 0,
            2 => time % SCALES[2] == 0,
            _ => true,
        } {
            scale += 1;
        }
    }
    if least > most { TimeSpan::Absent } else { TimeSpan::Int(least, most, SCALES[scale]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coarsest_tick_is_found() {
        let span = |times: &[i64]| whole_span(times.iter().copied());
        assert_eq!(
            span(&[3_000_000_000, 0, -1_000_000_000]),
            TimeSpan::Int(-1_000_000_000, 3_000_000_000, 1_000_000_000)
        );
        assert_eq!(span(&[3_000_000_000, 5000]), TimeSpan::Int(5000, 3_000_000_000, 1000));
        assert_eq!(span(&[1]), TimeSpan::Int(1, 1, 1));
    }
}
