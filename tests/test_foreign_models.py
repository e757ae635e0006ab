"""Model files from elsewhere: refused by sizes and kinds, before anything is built of them."""

from __future__ import annotations

import base64
import io
import json
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from groceries import HISTORIES, prepared
from sasrec_fast.model import read_preparation, save_model
from small_models import keras, make_model

CONFIG, WEIGHTS, ITEMS = "config.json", "model.weights.h5", "assets/items.json"
COUNTS, BINDING, PREPARATION = "assets/item_counts.npy", "assets/binding.json", "sasrec_fast.json"


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return prepared()


def saved(data: sf.Prepared, file: Path, more: int = 0) -> Path:
    model = make_model(
        vocabulary_size=data.vocabulary_size,
        items=data.items,
        item_counts=data.item_counts + more,
        candidate_indices=[1, 2, 3, 4],
    )
    model.build()
    for weight in model.trainable_weights:
        weight.assign(weight + more)
    model.compile("adam", loss=sf.losses.SampledSoftmax(4, item_counts=data.item_counts))
    save_model(model, file, data)
    return file


@pytest.fixture(scope="module")
def file(data: sf.Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(data, tmp_path_factory.mktemp("models") / "good.keras")


@pytest.fixture
def quick() -> Iterator[None]:
    """What is refused is refused at once."""
    start = time.process_time()
    yield
    assert time.process_time() - start < 20


Change = Callable[[bytes], bytes]


def repacked(
    file: Path, changes: dict[str, Any], more: dict[str, bytes] | None = None, deflate: bool = False
) -> Path:
    """A copy of a file with members changed, left out (None) or added."""
    target = file.parent / "other.keras"
    kind = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(file) as good, zipfile.ZipFile(target, "w", kind) as bad:
        for name in good.namelist():
            change = changes.get(name, bytes)
            if change is not None:
                bad.writestr(name, change(good.read(name)))
        for name, content in (more or {}).items():
            bad.writestr(name, content)
    return target


def in_json(change: Callable[[Any], Any]) -> Change:
    def changed(content: bytes) -> bytes:
        value = json.loads(content)
        return json.dumps(change(value) or value).encode()

    return changed


def in_config(**values: Any) -> dict[str, Any]:
    return {CONFIG: in_json(lambda content: content["config"].update(values))}


ABSURD = [
    {"num_layers": 10**6},
    {"num_layers": 2},
    {"hidden_dim": 10**9},
    {"hidden_dim": 16},
    {"hidden_dim": 2**24, "num_heads": 1},
    {"vocabulary_size": 10**12},
    {"vocabulary_size": 10**9},
    {"vocabulary_size": 12, "candidates": None},
    {"vocabulary_size": 1},
    {"max_sequence_length": 10**9},
    {"max_sequence_length": 10**9, "positions": "rotary"},
    {"max_sequence_length": 7},
    {"feed_forward_dim": 10**9},
    {"feed_forward_dim": 9},
    {"num_heads": 10**9},
    {"num_layers": -1},
    {"num_layers": 1e308},
    {"num_layers": float("inf")},
    {"hidden_dim": float("nan")},
    {"hidden_dim": "8"},
    {"hidden_dim": None},
    {"vocabulary_size": True},
    {"vocabulary_size": [11]},
    {"max_sequence_length": 10**400},
    {"tie_embeddings": False},
    {"candidates": base64.b64encode(zlib.compress(bytes(10**8))).decode()},
    {"candidates": base64.b64encode(zlib.compress(b"\xff\xff")).decode()},
    {"candidates": base64.b64encode(zlib.compress(b"\0\0")).decode()},
    {"candidates": "x"},
    {"candidates": 5},
]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("values", ABSURD, ids=str)
def test_a_config_that_is_not_of_the_weights_is_refused(values: dict[str, Any], file: Path) -> None:
    bad = repacked(file, in_config(**values))
    with pytest.raises(sf.DataError, match=r"other\.keras cannot be loaded by Keras: ") as refusal:
        sf.load_model(bad)
    assert len(str(refusal.value)) < 600


def hdf5(change: Callable[[Any], None]) -> Change:
    def changed(content: bytes) -> bytes:
        stream = io.BytesIO(content)
        with h5py.File(stream, "r+") as opened:
            change(opened)
        return stream.getvalue()

    return changed


def replaced(**options: Any) -> Change:
    """The item embedding as another kind of array."""

    def change(opened: Any) -> None:
        values = opened["item_embedding/vars"]["0"][()]
        del opened["item_embedding/vars"]["0"]
        opened["item_embedding/vars"].create_dataset("0", **({"data": values} | options))

    return hdf5(change)


def endless(opened: Any) -> None:
    opened.create_dataset("item_embedding/vars/1", (10**6, 10**6), "f4")


WEIGHTS_OF_NO_MODEL = {
    "zeros": lambda content: bytes(len(content)),
    "many zeros": lambda content: bytes(2 * 10**8),
    "half": lambda content: content[: len(content) // 2],
    "nothing": lambda content: b"",
    "head": lambda content: content[:8],
    "more": lambda content: content + bytes(10**8),
    "unallocated": hdf5(endless),
    "other shape": replaced(data=np.zeros((11, 9), "f4")),
    "packed": replaced(chunks=(11, 8), compression="gzip"),
    "texts": replaced(data=np.full((11, 8), b"12345678")),
    "elsewhere": replaced(
        data=None, shape=(11, 8), dtype="f4", external=[(os.devnull, 0, 11 * 8 * 4)]
    ),
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("kind", WEIGHTS_OF_NO_MODEL)
def test_weights_of_no_such_model_are_refused(kind: str, deflate: bool, file: Path) -> None:
    bad = repacked(file, {WEIGHTS: WEIGHTS_OF_NO_MODEL[kind]}, deflate=deflate)
    with pytest.raises(sf.DataError, match=r"other\.keras cannot be loaded by Keras: "):
        sf.load_model(bad)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", [CONFIG, "metadata.json", ITEMS, COUNTS, PREPARATION, "x"])
def test_members_that_are_bombs_are_not_opened(name: str, file: Path) -> None:
    bomb = b" " * 10**8
    more = {name: bomb} if name == "x" else {}
    bad = repacked(file, {name: lambda content: content + bomb}, more, deflate=True)
    with pytest.raises(sf.DataError, match=r"would take 100,00.* bytes, of"):
        sf.load_model(bad)
    with pytest.raises(sf.DataError, match=r"would take 100,00.* bytes, of"):
        read_preparation(bad)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_missing_repeated_and_strange_members_are_refused(file: Path) -> None:
    for changes, more, said in (
        ({CONFIG: None}, {}, "it has no config.json"),
        ({WEIGHTS: None}, {}, "it has no model.weights.h5"),
        ({}, {CONFIG: b"{}"}, "it has 'config.json' twice"),
        ({}, {"assets/../../x": b""}, "it has members named"),
        ({}, {"/x": b""}, "it has members named"),
        ({CONFIG: lambda _: b"[" * 10**5}, {}, ""),
        ({CONFIG: lambda _: b"[]"}, {}, "is of no model"),
        ({CONFIG: lambda _: b"{"}, {}, ""),
    ):
        with pytest.raises(
            sf.DataError, match=rf"other\.keras cannot be loaded by Keras: .*{said}"
        ):
            sf.load_model(repacked(file, changes, more))


def test_a_file_that_was_packed_anew_loads(file: Path) -> None:
    loaded, again = sf.load_model(file), sf.load_model(repacked(file, {}, deflate=True))
    for ours, theirs in zip(loaded.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    bare = {BINDING: None, PREPARATION: None}  # as earlier versions wrote it
    assert sf.load_model(repacked(file, bare)).items == loaded.items


def in_items(change: Callable[[list[Any]], Any]) -> Change:
    return in_json(lambda content: {**content, "ids": change(content["ids"])})


def array(values: Any) -> Change:
    def changed(_: bytes) -> bytes:
        stream = io.BytesIO()
        np.save(stream, values)
        return stream.getvalue()

    return changed


NO_ASSETS = {
    "doubled": {ITEMS: in_items(lambda ids: [ids[0], *ids[:-1]])},
    "floats": {ITEMS: in_items(lambda ids: [1.5] * len(ids))},
    "numbers for text": {ITEMS: in_items(lambda ids: [*range(len(ids))])},
    "nested": {ITEMS: in_items(lambda ids: [[i] for i in ids])},
    "other order": {ITEMS: in_items(lambda ids: ids[::-1])},
    "fewer": {ITEMS: in_items(lambda ids: ids[:-1])},
    "none": {ITEMS: in_items(lambda ids: [*ids[:-1], None])},
    "no list": {ITEMS: in_items(lambda ids: "".join(ids))},
    "other dtype": {ITEMS: in_json(lambda content: {**content, "dtype": "float64"})},
    "objects": {ITEMS: in_json(lambda content: {**content, "dtype": "object"})},
    "integers of text": {ITEMS: in_json(lambda content: {**content, "dtype": "int64"})},
    "beyond int64": {ITEMS: in_json(lambda c: {"dtype": "int64", "ids": [2**63, *range(9)]})},
    "truths": {ITEMS: in_json(lambda c: {"dtype": "int64", "ids": [True, *range(2, 11)]})},
    "huge identity": {ITEMS: in_json(lambda content: {"identity": 10**12})},
    "identity of 9": {ITEMS: in_json(lambda content: {"identity": 9})},
    "real identity": {ITEMS: in_json(lambda content: {"identity": 10.0})},
    "no mapping": {ITEMS: in_json(lambda content: [1])},
    "deep": {ITEMS: lambda _: b"[" * 10**5},
    "fewer counts": {COUNTS: array(np.zeros(10, np.int64))},
    "real counts": {COUNTS: array(np.zeros(11))},
    "negative counts": {COUNTS: array(-np.ones(11, np.int64))},
    "counts of another order": {COUNTS: array(np.arange(11)[::-1].copy())},
    "table of counts": {COUNTS: array(np.zeros((11, 1), np.int64))},
    "swapped counts": {COUNTS: array(np.zeros(11, ">i8"))},
    "pickled counts": {COUNTS: array(np.array([{}] * 11, object))},
    "endless counts": {COUNTS: lambda content: content.replace(b"(11,),", b"(9**9,),")},
    "cut counts": {COUNTS: lambda content: content[:-1]},
    "no counts": {COUNTS: lambda content: b""},
    "zip as counts": {COUNTS: lambda content: b"PK\3\4" + content},
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", NO_ASSETS)
def test_assets_that_the_model_cannot_have_are_refused(kind: str, file: Path) -> None:
    # Of a file without a binding, as earlier versions wrote it, nothing tells another order.
    bad = repacked(file, {**NO_ASSETS[kind], BINDING: bytes if "order" in kind else None})
    with pytest.raises(sf.DataError, match="cannot be loaded by Keras"):
        sf.load_model(bad, compiled=False)


def test_assets_of_another_model_are_refused(data: sf.Prepared, file: Path) -> None:
    shuffled = {user: [*items][::-1] for user, items in HISTORIES.items()}
    other = saved(prepared(shuffled), file.parent / "second.keras", more=1)
    with zipfile.ZipFile(other) as archive:
        of_other = {name: archive.read(name) for name in archive.namelist()}

    def taken(*names: str) -> dict[str, Any]:
        return {name: lambda _, name=name: of_other[name] for name in names}

    assert sf.load_model(other).items == data.items
    with pytest.raises(ValueError, match=r"item_counts\.npy is not the one"):
        keras.saving.load_model(repacked(file, taken(COUNTS)))
    for names in ([COUNTS], [BINDING], [ITEMS, COUNTS, BINDING], [WEIGHTS]):
        with pytest.raises(sf.DataError, match=r"another model|is not the one"):
            sf.load_model(repacked(file, taken(*names)))
    with pytest.raises(sf.DataError, match=r"sasrec_fast\.json is of another model"):
        read_preparation(repacked(file, taken(PREPARATION)))


def lambda_layer() -> dict[str, Any]:
    layer = keras.layers.Lambda(lambda x: os.abort())
    return dict(keras.saving.serialize_keras_object(layer))


RUN: dict[str, Any] = {
    "lambda": {"class_name": "__lambda__", "config": {"value": "eJw="}},
    "system": {
        "class_name": "function",
        "module": "os",
        "config": "system",
        "registered_name": "function",
    },
    "download": {
        "class_name": "function",
        "module": "keras.utils",
        "config": "get_file",
        "registered_name": "get_file",
    },
    "own": {
        "class_name": "function",
        "module": "sasrec_fast",
        "config": "load",
        "registered_name": "load",
    },
    "class": {"class_name": "Popen", "module": "subprocess", "config": {"args": ["true"]}},
    "model": {"class_name": "Sequential", "module": "keras", "config": {"layers": []}},
}


@pytest.mark.parametrize("where", ["activation", "dtype", "optimizer", "loss", "model"])
@pytest.mark.parametrize("kind", [*RUN, "layer"])
def test_nothing_in_a_file_is_run(kind: str, where: str, file: Path) -> None:
    what = lambda_layer() if kind == "layer" else RUN[kind]

    def change(content: Any) -> Any:
        if where == "model":
            return {**content, "registered_name": None, **what}
        part = "config" if where in ("activation", "dtype") else "compile_config"
        content[part][where] = what
        return content

    bad = repacked(file, {CONFIG: in_json(change)})
    with (
        keras.src.saving.serialization_lib.SafeModeScope(safe_mode=False),
        pytest.raises(sf.DataError, match=r"which is no part of a SASRec|expected a SASRec"),
    ):
        sf.load_model(bad)


def test_what_this_process_registered_is_the_users_own(data: sf.Prepared, tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable(package="shop")
    def softly(x: Any) -> Any:
        return keras.ops.softplus(x)

    @keras.saving.register_keras_serializable(package="shop")
    class Shop(sf.SASRec):
        pass

    model = Shop(data.vocabulary_size, 1, activation=softly, items=data.items)
    model.save(tmp_path / "own.keras")
    loaded = sf.load_model(tmp_path / "own.keras")
    assert isinstance(loaded, Shop)
    pd.testing.assert_frame_equal(loaded.recommend(data, k=2), model.recommend(data, k=2))


def test_flipped_bits_are_refused_or_change_nothing(data: sf.Prepared, file: Path) -> None:
    good = bytearray(file.read_bytes())
    expected = sf.load_model(file).get_weights()
    bad, refused = file.parent / "flipped.keras", 0
    positions = np.random.default_rng(5).integers(0, len(good) * 8, 60).tolist()
    for bit in [*positions, *range(0, 64 * 8, 37)]:
        flipped = good.copy()
        flipped[bit // 8] ^= 1 << bit % 8
        bad.write_bytes(flipped)
        try:
            loaded = sf.load_model(bad)
        except sf.DataError:
            refused += 1
            continue
        assert loaded.items == data.items
        np.testing.assert_array_equal(loaded.item_counts, data.item_counts)
        for ours, theirs in zip(loaded.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert refused > 40


def test_options_of_prepare_of_another_kind_are_refused(file: Path) -> None:
    for content in ([1], {"prepare": 5}, {"prepare": [], "fingerprint": 1}, {}):
        bad = repacked(file, {PREPARATION: lambda _, c=content: json.dumps(c).encode()})
        with pytest.raises(sf.DataError, match=r"other\.keras is no \.keras file: "):
            read_preparation(bad)
    options, fingerprint = read_preparation(file)
    assert options is not None
    assert (options["seed"], len(str(fingerprint))) == (0, 32)
