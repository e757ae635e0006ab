"""Data of every kind that is saved, and its comparison with what is loaded."""

import json
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

import sasrec_fast as sf
from exactness import FIELDS, splits
from sasrec_fast.saving import manifest, stored
from sasrec_fast.saving.content import fingerprint_of
from sasrec_fast.store import Sequences

GENERATOR = np.random.default_rng(0)
TABLE = {
    "user_id": GENERATOR.integers(-5, 20, 300),
    "item_id": GENERATOR.integers(1, 60, 300),
    "timestamp": GENERATOR.integers(0, 90, 300),
    "rating": GENERATOR.integers(1, 6, 300),
}
NAMES = {**TABLE, "user_id": [f"ü{i}" for i in TABLE["user_id"]]}
NAMES["item_id"] = ["" if i == 1 else f"\U0001f600{i}" for i in TABLE["item_id"]]
KINDS = {
    "integers": (TABLE, {}),
    "strings": (NAMES, {"num_negatives": 3, "seed": 2**64 - 1}),
    "uint64": ({**TABLE, "user_id": TABLE["user_id"].astype(np.uint64)}, {"holdout": 0}),
    "identity": (TABLE, {**sf.KERAS_EXAMPLE, "rating": "rating"}),
    "without time": (TABLE, {"timestamp": None, "min_rating": np.float32(1.5), "holdout": 1}),
}


def prepared(kind: str = "integers", **options: Any) -> sf.Prepared:
    table, given_options = KINDS[kind]
    return sf.prepare(table, **{"max_sequence_length": 5, **given_options, **options})


def assert_same_vocabulary(actual: sf.Vocabulary, expected: sf.Vocabulary) -> None:
    assert len(actual) == len(expected)
    assert actual.is_identity == expected.is_identity
    np.testing.assert_array_equal(actual.ids, expected.ids, strict=True)
    assert repr(actual) == repr(expected)
    assert actual.index(expected.ids).tolist() == [*range(1, len(expected) + 1)]


def assert_same_data(actual: sf.Prepared, expected: sf.Prepared) -> None:
    assert repr(actual) == repr(expected)
    assert actual.options == expected.options
    assert list(map(type, actual.options.values())) == list(map(type, expected.options.values()))
    assert actual.report == expected.report
    assert_same_vocabulary(actual.users, expected.users)
    assert_same_vocabulary(actual.items, expected.items)
    for field in fields(Sequences):
        ours, theirs = (getattr(data.sequences, field.name) for data in (actual, expected))
        np.testing.assert_array_equal(ours, theirs, strict=True)
        assert type(ours) is np.ndarray
        assert not ours.flags.writeable
    np.testing.assert_array_equal(actual.item_counts, expected.item_counts, strict=True)
    assert [name for name, _ in splits(actual)] == [name for name, _ in splits(expected)]
    for (_, ours), (_, theirs) in zip(splits(actual), splits(expected), strict=True):
        assert repr(ours) == repr(theirs)
        assert len(ours) == len(theirs)
        for name in ("user_ids", "users", "starts", "ends", "lengths", "item_counts"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), strict=True)
        for epoch in (0, 1, 2**40):
            mine, other = ours.arrays(epoch), theirs.arrays(epoch)
            for name in FIELDS:
                np.testing.assert_array_equal(getattr(mine, name), getattr(other, name))
    for name, inputs in expected.inputs().items():
        np.testing.assert_array_equal(actual.inputs()[name], inputs, strict=True)
    histories = [expected.items.ids[:3].tolist(), []]
    for name, inputs in expected.encode(histories).items():
        np.testing.assert_array_equal(actual.encode(histories)[name], inputs, strict=True)


def stored_file(folder: Path, name: str) -> Path:
    """The file of a part, which has a name of its own."""
    content = json.loads((folder / "manifest.json").read_text())
    return folder / content["files"].get(name, {"file": name})["file"]


def rewrite(folder: Path, change: Any) -> None:
    """Change a manifest so that its digest and fingerprint are right."""
    content = json.loads((folder / "manifest.json").read_text())
    content.pop("digest")
    change(content)
    with suppress(AttributeError, KeyError, TypeError):  # what is damaged has no fingerprint
        content["fingerprint"] = fingerprint_of(content)
    manifest.write(folder, content)


def craft(folder: Path, name: str, change: Any) -> None:
    """Change a file and all that is said of it, as whoever makes a folder by hand can."""
    path = stored_file(folder, name)
    found = change(np.load(path))
    np.save(path, found)

    def describe(content: Any) -> None:
        entry = content["files"][name]
        entry.update(bytes=path.stat().st_size, shape=list(found.shape), dtype=found.dtype.str)
        entry.update(digest=stored.digest(found), file=path.name)

    rewrite(folder, describe)
