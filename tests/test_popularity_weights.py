"""Weights of popular negatives are the same on any machine."""

import decimal

import numpy as np
import pytest

from sasrec_fast.store.popularity import PopularityDistribution


def weight(count: int, most: int, exponent: str) -> int:
    """With as many digits as tell all weights apart from halves."""
    with decimal.localcontext(prec=60):
        power = (decimal.Decimal(count) / most) ** decimal.Decimal(exponent)
        return max(1, int((power * (2**32 - 1)).to_integral_value(decimal.ROUND_HALF_EVEN)))


@pytest.mark.parametrize("exponent", ["0", "0.0625", "0.25", "0.5", "0.75", "1", "1.5", "2", "40"])
@pytest.mark.parametrize("most", [1, 2, 16, 977, 123_456])
def test_weights_of_popularity_are_exact(exponent: str, most: int) -> None:
    counts = np.unique(np.linspace(1, most, 300).astype(np.int64))
    made = PopularityDistribution(lambda: np.concatenate([[0], counts]), float(exponent))
    assert made.weights.tolist() == [weight(count, most, exponent) for count in counts.tolist()]


@pytest.mark.parametrize("exponent", [0.1, 0.33, 0.9, 1.1, 100.0, 1e300])
def test_weights_of_other_exponents_need_no_power_of_floats(exponent: float) -> None:
    counts = np.arange(1, 500)
    made = PopularityDistribution(lambda: np.concatenate([[0], counts]), exponent)
    floats = np.maximum((counts / 499) ** exponent * (2.0**32 - 1), 1)
    np.testing.assert_allclose(made.weights, floats, rtol=0, atol=0.501)
