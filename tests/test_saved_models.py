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


def test_files_of_a_model_that_was_never_called(rows, tmp_path):
    """The shapes of the weights depend on no input."""
    model = make_model(num_layers=2, num_heads=2)
    model.save_weights(tmp_path / "m.weights.h5")
    other = make_model(num_layers=2, num_heads=2)
    other.load_weights(tmp_path / "m.weights.h5")
    for ours, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    fresh = make_model(num_layers=2, num_heads=2, items=sf.Vocabulary.identity(ITEMS))
    fresh.compile("adam")
    fresh.save(tmp_path / "fresh.keras")  # without a warning, compiled or not
    loaded = sf.load_model(tmp_path / "fresh.keras")
    np.testing.assert_array_equal(loaded.score_items(rows), fresh.score_items(rows))
    again = make_model(num_layers=2, num_heads=2)
    again.load_weights(tmp_path / "fresh.keras")
    np.testing.assert_array_equal(again.item_vectors(), fresh.item_vectors())


def test_a_save_that_fails_leaves_the_file_before(tmp_path, monkeypatch):
    model = make_model()
    model.save(tmp_path / "m.keras")
    before = (tmp_path / "m.keras").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sf.SASRec, "save_assets", full)
    with pytest.raises(OSError, match="No space left"):
        model.save(tmp_path / "m.keras")
    assert (tmp_path / "m.keras").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]
    with pytest.raises(FileNotFoundError, match=r"m\.keras: there is no folder .*none"):
        model.save(tmp_path / "none" / "m.keras")


def test_what_is_exported_takes_every_length_the_model_takes(model, rows, tmp_path, monkeypatch):
    """Whatever it was called with, and if it never was."""
    asked: list[Any] = []

    def export(self: Any, path: Any, *, format: str, input_signature: Any) -> None:  # noqa: A002
        asked.append((format, input_signature))

    monkeypatch.setattr(keras.Model, "export", export)
    model.predict({name: values[:, :3] for name, values in rows.items()}, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    for exported in (model, loaded, make_model()):
        exported.export(tmp_path / "out")
    for kind, (signature,) in asked:
        assert kind == "tf_saved_model"
        assert {name: (spec.shape, spec.dtype) for name, spec in signature.items()} == {
            "item_ids": ((None, 6), "int32"),
            "padding_mask": ((None, 6), "bool"),
        }
    assert len(asked) == 3
    make_model().export(tmp_path / "out", input_signature=[1])
    assert asked[-1][1] == [1]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs the package tensorflow, .* model\.save"):
        model.export(tmp_path / "out")
