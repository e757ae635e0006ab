//! Exact division by a number that is chosen once: a shift and a product, no division a value.

/// A divisor, greater than 0: a power of two times an odd number, whose inverse modulo 2^64 divides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divisor {
    value: u64,
    twos: u32,
    inverse: u64,
}

impl Divisor {
    /// The divisor of a value, 1 for 0.
    pub fn new(value: u64) -> Self {
        let value = value.max(1);
        let twos = value.trailing_zeros();
        let odd = value >> twos;
        let mut inverse = odd; // right in its lowest 3 bits, and in twice as many each time
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
        }
        Self { value, twos, inverse }
    }

    /// The divisor itself.
    pub fn value(self) -> u64 {
        self.value
    }

    /// The quotient of a multiple.
    #[inline]
    pub fn exact(self, multiple: u64) -> u64 {
        (multiple >> self.twos).wrapping_mul(self.inverse)
    }

    /// The greatest common divisor of all values; 0 of zeros alone. Whether one divides is asked as
    /// Granlund and Montgomery 1994, section 9, do.
    pub fn common(values: impl IntoIterator<Item = u64>) -> u64 {
        let mut values = values.into_iter();
        let Some(first) = values.find(|value| *value > 0) else { return 0 };
        let (mut known, mut most) = (Self::new(first), u64::MAX / first);
        while known.value > 1 {
            let divides =
                |value: &u64| value.wrapping_mul(known.inverse).rotate_right(known.twos) <= most;
            let Some(other) = values.find(|value| !divides(value)) else { break };
            known = Self::new(greatest_common(known.value, other));
            most = u64::MAX / known.value;
        }
        known.value
    }
}

fn greatest_common(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_are_divided() {
        for value in [1, 2, 3, 1_000, 86_400, 1_000_000_007, 1 << 63, u64::MAX] {
            let divisor = Divisor::new(value);
            for multiple in [0, value, u64::MAX / value * value, u64::MAX / value / 2 * value] {
                assert_eq!(divisor.exact(multiple), multiple / value);
            }
        }
    }

    #[test]
    fn common_divisors_are_those_of_euclid() {
        assert_eq!(Divisor::common([0, 12, 0, 18, 30]), 6);
        assert_eq!(Divisor::common([1 << 63, 1 << 40, 3 << 41]), 1 << 40);
        assert_eq!(Divisor::common([u64::MAX, u64::MAX]), u64::MAX);
        assert_eq!(Divisor::common([5, 7, 0]), 1);
        assert_eq!((Divisor::common([]), Divisor::common([0])), (0, 0));
    }
}
