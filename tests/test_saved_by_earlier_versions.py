"""What earlier versions saved is read, means the same, and can be saved over."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sasrec_fast as sf

SAVED = Path(__file__).parent / "data" / "v0.1.0"
EXPECTED = json.loads((SAVED / "expected.json").read_text())
HISTORIES = {"model.keras": [[10, 17, 13]], "trained.keras": [["item-10", "item-17"]]}


def table() -> dict[str, Any]:
    """What the data was prepared from."""
    rows = np.arange(48)
    return {
        "user_id": rows // 6 + 1,
        "item_id": rows * 7 % 11 + 10,
        "timestamp": rows,
    }


@pytest.mark.parametrize("kind", EXPECTED["fingerprints"])
@pytest.mark.parametrize("verify", [False, True])
def test_folders_of_data_load(kind: str, verify: bool) -> None:
    data = sf.load(SAVED / kind, verify=verify)
    assert data.fingerprint == EXPECTED["fingerprints"][kind]
    arrays = data.train.arrays(1)
    for name, values in EXPECTED["arrays"][kind].items():
        assert getattr(arrays, name).tolist() == values


@pytest.mark.parametrize("kind", EXPECTED["fingerprints"])
def test_folders_of_data_are_saved_over(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / kind
    shutil.copytree(SAVED / kind, folder)
    before = {path.name for path in folder.iterdir()}
    for times in (1, 2, 3):
        data = sf.load(folder)
        data.save(folder)
        again = sf.load(folder, verify=True)
        assert again.fingerprint == EXPECTED["fingerprints"][kind]
        assert again.options == data.options
        assert again.report == data.report
        left = {path.name for path in folder.iterdir()}
        assert (before <= left) == (times == 1), "they stay until the next save"
    assert left & before == {"manifest.json"}


def test_data_prepared_today_has_the_same_fingerprint() -> None:
    data = sf.prepare(table(), max_sequence_length=5, num_negatives=2, seed=3)
    assert data.fingerprint == EXPECTED["fingerprints"]["integers"]
    assert data.options == sf.load(SAVED / "integers").options


@pytest.mark.parametrize("file", HISTORIES)
def test_models_load_and_recommend_the_same(file: str) -> None:
    import keras

    for load in (sf.load_model, keras.saving.load_model):
        found = sf.recommend(load(SAVED / file), histories=HISTORIES[file], k=4)
        items, scores = EXPECTED["recommendations"][file]
        assert found["item_id"].tolist() == items
        np.testing.assert_allclose(found["score"], scores, atol=2e-5)


def test_a_training_run_is_resumed(tmp_path: Path) -> None:
    import keras

    shutil.copytree(SAVED / "run", tmp_path / "run")
    data = sf.load(SAVED / "integers")
    keras.utils.set_random_seed(0)
    model = sf.SASRec(
        data.vocabulary_size,
        hidden_dim=4,
        num_layers=1,
        max_sequence_length=5,
        items=data.items,
        item_counts=data.item_counts,
    )
    model.compile("adam")
    with pytest.warns(UserWarning, match="was written by an earlier version"):
        history = model.fit(
            data.train.batches(4, max_buckets=1), epochs=3, resume=tmp_path / "run", verbose=0
        )
    assert history.epoch == [2]
    weights = np.concatenate([np.ravel(weight) for weight in model.get_weights()])[:40]
    np.testing.assert_allclose(weights, EXPECTED["third_epoch"], atol=1e-4)
