"""load_model(): one file answers for external ids, and says why another does not."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from groceries import LENGTH, prepared
from small_models import keras, make_model


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return prepared()


@pytest.fixture(scope="module")
def model(data: sf.Prepared) -> Any:
    model = make_model(
        vocabulary_size=data.vocabulary_size, items=data.items, item_counts=data.item_counts
    )
    model.compile(keras.optimizers.Adam(0.01), loss="softmax")
    model.fit(data.train.batches(batch_size=2, max_buckets=1), epochs=1, verbose=0)
    return model


@pytest.fixture(scope="module")
def file(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("models") / "m.keras"
    model.save(file)
    return file


def test_it_answers_as_before_saving_without_data(model: Any, data: Any, file: Path) -> None:
    loaded = sf.load_model(file)
    assert loaded.items == data.items
    np.testing.assert_array_equal(loaded.item_counts, data.item_counts)
    histories: list[list[str]] = [["tea"], [], ["milk", "rice"], ["wine"] * 9]
    answers = []
    for scorer, known in ((model, data), (model, None), (loaded, None), (loaded, data)):
        with pytest.warns(UserWarning, match="histories without a known item: 1"):
            answers.append(sf.recommend(scorer, known, histories=histories, k=6))
    for answer in answers[1:]:
        pd.testing.assert_frame_equal(answer, answers[0], check_exact=True)
    pd.testing.assert_frame_equal(sf.similar_items(loaded, "tea"), sf.similar_items(model, "tea"))


def test_it_goes_on_training_unless_told_not_to(data: sf.Prepared, file: Path) -> None:
    loaded = sf.load_model(file)
    steps = int(loaded.optimizer.iterations)
    assert steps > 0
    loaded.fit(data.train.batches(batch_size=2, max_buckets=1), epochs=1, verbose=0)
    assert int(loaded.optimizer.iterations) > steps
    assert not sf.load_model(str(file), compiled=False).compiled


def test_data_of_other_items_is_refused_everywhere(file: Path) -> None:
    loaded = sf.load_model(file)
    other = prepared({"a": list("abcdefgh"), "b": list("ijab"), "c": list("dcba")})
    said = "index 1 is 'corn' in the model and 'a' in the "
    with pytest.raises(ValueError, match=said + "data"):
        sf.recommend(loaded, other)
    with pytest.raises(ValueError, match=said + "data"):
        sf.similar_items(loaded, "tea", data=other)
    with pytest.raises(ValueError, match=said + "test split"):
        sf.evaluate(loaded, other.test)
    batches = other.train.batches(batch_size=2, max_buckets=1)
    with pytest.raises(ValueError, match=said + "train split"):
        loaded.fit(batches)
    with pytest.raises(ValueError, match=said + "train split"):
        loaded.evaluate(batches)
    with pytest.raises(ValueError, match=said + "validation split"):
        loaded.fit(
            prepared().train.batches(batch_size=2, max_buckets=1),
            validation_data=other.validation.batches(batch_size=2, max_buckets=1),
        )


def test_saved_and_loaded_data_has_its_items_in_every_split(
    data: sf.Prepared, file: Path, tmp_path: Path
) -> None:
    data.save(tmp_path / "data")
    assert sf.load(tmp_path / "data").test.items == data.items
    assert len(sf.recommend(sf.load_model(file), sf.load(tmp_path / "data"), k=1)) == 3


def test_a_file_without_ids_takes_those_given(data: sf.Prepared, tmp_path: Path) -> None:
    model = make_model(vocabulary_size=11)
    model.build()
    model.save(tmp_path / "bare.keras")
    with pytest.raises(sf.DataError, match=r"bare.keras holds a model without item ids: .* items="):
        sf.load_model(tmp_path / "bare.keras")
    loaded = sf.load_model(tmp_path / "bare.keras", items=data.items)
    expected = sf.recommend(model, data, histories=[["tea"]])
    pd.testing.assert_frame_equal(sf.recommend(loaded, histories=[["tea"]]), expected)
    with pytest.raises(sf.DataError, match=r"items holds 4 ids, the model in .* knows 10"):
        sf.load_model(tmp_path / "bare.keras", items=sf.Vocabulary(np.arange(4)))


def test_other_items_than_the_files_are_refused(file: Path) -> None:
    with pytest.raises(sf.DataError, match="holds a model of other items than those given"):
        sf.load_model(file, items=sf.Vocabulary(np.arange(10)))


def damaged(file: Path, folder: Path) -> Path:
    path = folder / "damaged.keras"
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(path, "w") as part:
        for name in ("config.json", "metadata.json"):
            part.writestr(name, whole.read(name))
    return path


def test_what_is_no_saved_sasrec_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "text.keras").write_text("no archive")
    (tmp_path / "m.zip").write_bytes(file.read_bytes())
    other = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    other.save(tmp_path / "other.keras")
    half = tmp_path / "half.keras"
    half.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    for path, said in {
        tmp_path: "is a folder, expected a .keras file; sasrec_fast.load opens prepared data",
        tmp_path / "text.keras": "text.keras is no .keras file",
        tmp_path / "m.zip": "m.zip is no .keras file",
        half: "half.keras is no .keras file",
        damaged(file, tmp_path): "damaged.keras cannot be loaded by Keras: ",
        tmp_path / "other.keras": "other.keras holds a Sequential, expected a SASRec",
    }.items():
        with pytest.raises(sf.DataError, match=said):
            sf.load_model(path)
    with pytest.raises(FileNotFoundError, match=r"none.keras: there is no such file"):
        sf.load_model(tmp_path / "none.keras")
    with pytest.raises(TypeError, match="path must be a path, received 5"):
        sf.load_model(5)


def test_the_histories_of_a_saved_model_are_as_long_as_it_takes(model: Any, file: Path) -> None:
    assert sf.load_model(file).max_sequence_length == model.max_sequence_length == LENGTH
