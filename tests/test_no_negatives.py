"""`num_negatives=0`: nothing is drawn, so nobody need lack an item."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sasrec_fast as sf
from sasrec_fast.recipes import Recipe, Training
from sasrec_fast.recipes.run import prepare_for


def table() -> dict[str, Any]:
    """User 9 has every item."""
    rng = np.random.default_rng(0)
    items = [rng.permutation(12)[:5] for _ in range(8)] + [np.arange(12)]
    users = np.repeat(np.arange(1, 10), [len(row) for row in items])
    return {"user_id": users, "item_id": np.concatenate(items), "timestamp": np.arange(len(users))}


def test_a_user_with_every_item_is_in_the_way_of_negatives_alone() -> None:
    with pytest.raises(sf.DataError, match=r"user 9 .* all 12 items.*num_negatives=0 .*softmax"):
        sf.prepare(table(), max_sequence_length=6)
    data = sf.prepare(table(), max_sequence_length=6, num_negatives=0)
    assert data.train.user_ids.tolist() == list(range(1, 10))


@pytest.mark.parametrize("options", [{}, {"negatives": "popularity"}, {"windows": ("stride", 2)}])
def test_arrays_without_negatives_have_all_else(options: dict[str, Any]) -> None:
    few = {name: column[:-12] for name, column in table().items()}
    data = sf.prepare(few, max_sequence_length=6, num_negatives=0, **options)
    drawn = sf.prepare(few, max_sequence_length=6, **options)
    for split, other in ((data.train, drawn.train), (data.test, drawn.test)):
        found, expected = split.arrays(2), other.arrays(2)
        for name in ("item_ids", "padding_mask", "positive_sequence", "sample_weight"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert found.negative_sequence.shape == (len(split), 6, 0)
        assert found.negative_sequence.dtype == np.int32
        assert split.negatives(3).shape == (len(split), 6, 0)
        assert split.nbytes == sum(column.nbytes for column in vars(found).values())
        x, y, weights = found.xyw()
        assert (list(x), list(y), list(weights)) == (
            ["item_ids", "padding_mask"],
            ["positive_sequence"],
            ["positive_sequence"],
        )
    assert list(data.train.fill([]).xyw()[1]) == ["positive_sequence"]
    assert data.train.num_negatives == 0


def test_what_is_saved_has_none_either(tmp_path: Path) -> None:
    data = sf.prepare(table(), max_sequence_length=6, num_negatives=0)
    data.save(tmp_path / "data")
    loaded = sf.load(tmp_path / "data", verify=True)
    assert loaded.options["num_negatives"] == loaded.train.num_negatives == 0
    assert loaded.train.arrays().negative_sequence.shape == (9, 6, 0)
    assert loaded.fingerprint == data.fingerprint


def test_softmax_needs_none_and_binary_cross_entropy_asks_for_them() -> None:
    data = sf.prepare(table(), max_sequence_length=6, num_negatives=0)
    batches = data.train.batches(batch_size=4, max_buckets=1)
    assert list(batches[0][1]) == ["positive_sequence"]
    size = {"num_layers": 1, "hidden_dim": 8, "max_sequence_length": 6}
    model = sf.SASRec(data.vocabulary_size, items=data.items, **size)
    model.compile("adam", loss="softmax")
    assert np.isfinite(model.test_on_batch(*batches[0]))
    model.compile("adam")
    with pytest.raises(ValueError, match="negative"):
        model.test_on_batch(*batches[0])


@pytest.mark.parametrize(
    ("loss", "negatives"),
    [
        ({"name": "softmax"}, 0),
        ({"name": "sampled_softmax", "num_negatives": 5}, 0),
        ({"name": "sampled_softmax", "num_negatives": None}, 1),
        ({"name": "bce"}, 1),
    ],
)
def test_a_recipe_draws_negatives_for_losses_that_take_them(
    loss: dict[str, Any], negatives: int
) -> None:
    few = {name: column[:-12] for name, column in table().items()}
    recipe = Recipe(training=Training(loss=loss), prepare={"max_sequence_length": 6})
    assert prepare_for(recipe, few).train.num_negatives == negatives
