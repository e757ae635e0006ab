"""Real data, run by `make test-slow`: the package equals the reference on MovieLens-100K."""

from pathlib import Path

import pytest

import reference
import sasrec_fast as sf
from exactness import assert_same_arrays, splits

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("options", [{}, sf.KERAS_EXAMPLE], ids=["defaults", "Keras example"])
def test_movielens_100k_equals_the_reference(real_data: Path, options: dict[str, object]) -> None:
    path = real_data / "ml-100k" / "ratings.dat"
    rows = [
        reference.Interaction(user, item, time, float(rating))
        for user, item, rating, time in (
            map(int, line.split("::")) for line in path.read_text().splitlines()
        )
    ]
    expected = reference.prepare(rows, reference.Options(**options))
    data = sf.prepare(path, **options)
    assert data.report.rows_tied == expected.report().rows_tied
    for name, split in splits(data):
        assert_same_arrays(split.arrays(epoch=3), expected.arrays(name, 3))
