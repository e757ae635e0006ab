"""What a saved model keeps."""

from __future__ import annotations

import zipfile
from typing import Any

import numpy as np
import pytest

import sasrec_fast as sf
from small_models import (
    ITEMS,
    WIDTH,
    Arrays,
    keras,
    make_model,
    make_rows,
)

CANDIDATES = [1, 2, 3, 5, 8, 13, 20]


@pytest.fixture(scope="module")
def model() -> Any:
    model = make_model(candidate_indices=CANDIDATES, num_layers=2, num_heads=2)
    model.build()
    return model


@pytest.fixture(scope="module")
def rows() -> Arrays:
    return make_rows([6, 4, 1, 0])[0]


VOCABULARIES = {
    "strings": sf.Vocabulary(np.array([f"é{i:02}" for i in range(ITEMS)], dtype=object)),
    "integers": sf.Vocabulary(np.arange(ITEMS) * 10 - 7),
    "identity": sf.Vocabulary.identity(ITEMS),
    "none": None,
}


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_one_file_keeps_weights_candidates_and_vocabulary(kind, rows, tmp_path):
    model = make_model(candidate_indices=CANDIDATES, items=VOCABULARIES[kind], l2=0.1)
    scores = model.score_items(rows)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.score_items(rows), scores)
    np.testing.assert_array_equal(loaded.candidate_mask, model.candidate_mask)
    assert loaded.items == VOCABULARIES[kind]
    assert loaded.get_config() == model.get_config()
    if kind == "identity":
        assert loaded.items.is_identity


def test_a_loaded_model_predicts_the_same_and_from_its_own_embeddings(model, rows, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    before = loaded.predict(rows, verbose=0)["predictions"]
    np.testing.assert_array_equal(before, model.predict(rows, verbose=0)["predictions"])
    loaded.item_embedding.embeddings.assign(-1.0 * loaded.item_embedding.embeddings)
    after = loaded.predict(rows, verbose=0)["predictions"]
    np.testing.assert_array_equal(
        after,
        np.argsort(-np.where(loaded.candidate_mask, loaded.score_items(rows), -np.inf))[:, :4],
    )
    assert (before != after).any()


def test_the_file_holds_the_embeddings_once(tmp_path):
    import h5py

    model = make_model()
    model.build()
    model.save(tmp_path / "model.keras")
    shapes = []
    with zipfile.ZipFile(tmp_path / "model.keras").open("model.weights.h5") as stream:
        h5py.File(stream).visititems(lambda _, part: shapes.append(getattr(part, "shape", None)))
    assert shapes.count((ITEMS + 1, WIDTH)) == 1


def test_a_model_of_the_config_is_equal_but_for_the_weights():
    model = make_model(candidate_indices=CANDIDATES, l2=0.1, dropout=0.3, dtype="mixed_bfloat16")
    other = sf.SASRec.from_config(model.get_config())
    assert other.get_config() == model.get_config()
    assert other.dtype_policy == model.dtype_policy
    np.testing.assert_array_equal(other.candidate_mask, model.candidate_mask)
