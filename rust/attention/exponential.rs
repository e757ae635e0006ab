//! e^x of all lanes.

use crate::machine::Machine;

/// Below it e^x is no normal number.
const LEAST: f32 = -87.3;
/// Adding it leaves the nearest integer in the last bits.
const ROUNDING: f32 = 12_582_912.0;
/// ln 2 in two parts, the first of few bits.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// Of (e^x - 1 - x) / x^2, highest power first; Cephes, `expf`.
const COEFFICIENTS: [f32; 6] =
    [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// e^x for x <= 0, within two units of the last place; 0 where that is no normal number.
#[inline(always)]
pub fn exponential<M: Machine<L>, const L: usize>(x: &[f32; L]) -> [f32; L] {
    let mut result = [0.0; L];
    for (result, x) in result.iter_mut().zip(x) {
        // NaN is not below, and stays.
        let inside = if *x < LEAST { LEAST } else { *x };
        let shifted = M::fused(inside, std::f32::consts::LOG2_E, ROUNDING);
        let whole = shifted - ROUNDING;
        let rest = M::fused(whole, -LN_2[1], M::fused(whole, -LN_2[0], inside));
        let mut sum = COEFFICIENTS[0];
        for coefficient in &COEFFICIENTS[1..] {
            sum = M::fused(sum, rest, *coefficient);
        }
        let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
        let value = (M::fused(sum * rest, rest, rest) + 1.0) * power;
        *result = if *x < LEAST { 0.0 } else { value };
    }
    result
}
