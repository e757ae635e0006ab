"""Folders of data from elsewhere: refused or equal, whatever they say and wherever bits flipped."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import sasrec_fast as sf
from exactness import FIELDS, splits
from saved_data import craft, prepared, rewrite, stored_file

DATED = {"holdout": 2, "split_at": (50, 70), "min_user_interactions": 1}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders with every kind of file."""
    folder = tmp_path_factory.mktemp("whole")
    prepared("strings").save(folder / "strings")
    prepared("integers", **DATED).save(folder / "integers")
    prepared("integers", negatives="popularity").save(folder / "popularity")
    return folder


@pytest.fixture
def saved(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole / "integers", tmp_path / "data"))


def used(data: sf.Prepared) -> list[Any]:
    """Everything that is made of saved data, and its parts themselves."""
    found: list[Any] = [data.users.ids, data.items.ids, data.item_counts, *data.inputs().values()]
    found += [getattr(data.sequences, name) for name in ("offsets", "items", "user_keys")]
    for _, split in splits(data):
        arrays = split.arrays(1)
        found += [getattr(arrays, name) for name in FIELDS]
        found += [split.item_counts, split.users, split.ends, split.user_ids]
    return [*found, np.array(json.dumps(data.report.to_dict())), np.array(data.fingerprint)]


def refused_or_equal(folder: Path, expected: list[Any], damage: str) -> bool:
    """Whether it was refused."""
    try:
        found = used(sf.load(folder))
    except sf.DataError as failure:
        return str(folder) in str(failure)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs, damage)
    return False


@pytest.mark.parametrize("kind", ["strings", "integers", "popularity"])
def test_a_flipped_bit_anywhere_is_found_when_its_file_is_used(
    kind: str, whole: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(whole / kind, tmp_path / kind))
    expected, refused, tried = used(sf.load(folder)), 0, 0
    generator = np.random.default_rng(3)
    for path in sorted(folder.iterdir()):
        good = bytearray(path.read_bytes())
        for bit in generator.integers(0, len(good) * 8, 40).tolist():
            bad = good.copy()
            bad[bit // 8] ^= 1 << bit % 8
            path.write_bytes(bad)
            refused += refused_or_equal(folder, expected, f"bit {bit} of {path.name}")
            tried += 1
        path.write_bytes(good)
    assert not refused_or_equal(folder, expected, "none")
    assert refused > tried // 2


OBJECTS = np.dtype("O")
OTHERS: list[Any] = [
    *("<i4", "<u4", ">i8", "<f8", "<i2", "|S8", "|V8", "<U2", "<c16", "|b1"),
    [("a", "<i4"), ("b", "<i4")],
]


@pytest.mark.parametrize("name", ["offsets.npy", "user_keys.npy", "user_ids.npy"])
@pytest.mark.parametrize("dtype", OTHERS, ids=str)
def test_values_of_another_type_are_refused(name: str, dtype: Any, saved: Path) -> None:
    craft(saved, name, lambda values: np.zeros(len(values), dtype))
    with pytest.raises(sf.DataError, match=rf"dtype of '{name}' must be one of"):
        sf.load(saved, verify=True)


@pytest.mark.parametrize("said", ["|O", "<i8", "O", "object", "<f8", ["<i8"], None, 5, {}])
@pytest.mark.parametrize("held", ["|O", "<i8"])
def test_bytes_of_a_file_are_never_taken_for_pointers(said: Any, held: str, saved: Path) -> None:
    if said == held == "<i8":
        return
    path = stored_file(saved, "user_ids.npy")
    path.write_bytes(path.read_bytes().replace(b"'<i8'", f"'{held}'".ljust(5).encode()))

    def describe(content: Any) -> None:
        content["files"]["user_ids.npy"]["dtype"] = said

    rewrite(saved, describe)
    for verify in (True, False):
        with pytest.raises(sf.DataError, match=r"must be one of|must be text|its header is not"):
            _ = sf.load(saved, verify=verify).users.ids


def in_file(name: str, **changes: Any) -> Any:
    return lambda content: content["files"][name].update(changes)


def in_split(**changes: Any) -> Any:
    return lambda content: content["splits"]["train"].update(changes)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


MANIFESTS = {
    "outside": in_file("items.npy", file="../../secret.npy"),
    "absolute": in_file("items.npy", file="/etc/passwd"),
    "other file": in_file("items.npy", file="offsets.npy"),
    "no text": in_file("items.npy", file=5),
    "huge length": in_file("items.npy", shape=[2**62 + 1]),
    "negative length": in_file("items.npy", shape=[-1]),
    "real length": in_file("items.npy", shape=[3.0]),
    "endless length": in_file("items.npy", shape=[float("inf")]),
    "two axes": in_file("items.npy", shape=[10, 10]),
    "no axes": in_file("items.npy", shape=[]),
    "truth as length": in_file("items.npy", shape=[True]),
    "huge size": in_file("items.npy", bytes=10**30),
    "no size": in_file("items.npy", bytes=None),
    "no digest": lambda content: content["files"]["items.npy"].pop("digest"),
    "other digest": in_file("items.npy", digest="x"),
    "no entry": lambda content: content["files"].update({"items.npy": 3}),
    "unknown file": lambda content: content["files"].update(
        {"x.npy": content["files"]["items.npy"]}
    ),
    "no files": lambda content: content.update(files=[]),
    "no splits": lambda content: content.update(splits=None),
    "unknown split": lambda content: content["splits"].update(later={}),
    "swapped split": in_split(split=1),
    "huge row": in_split(max_sequence_length=2**31),
    "huge integer": in_split(max_sequence_length=10**400),
    "no length": in_split(max_sequence_length=None),
    "other length": in_split(max_sequence_length=6),
    "negative stride": in_split(stride=-1),
    "prefixes of no kind": in_split(stride=1, prefixes="yes"),
    "prefixes far apart": in_split(stride=2, prefixes=True),
    "endless exponent": in_split(exponent=float("nan")),
    "text seed": in_split(seed="1"),
    "negative seed": in_split(seed=-1),
    "odd holdout": in_split(holdout=7),
    "no truth": in_split(oldest=1),
    "more items": in_split(num_items=10**6),
    "huge vocabulary": lambda content: content["vocabularies"]["items"].update(size=2**31),
    "identity of more": lambda content: content["vocabularies"]["items"].update(
        size=10, is_identity=True
    ),
    "wrong size": lambda content: content["vocabularies"]["users"].update(size=3),
    "no size of ids": lambda content: content["vocabularies"].update(users=[]),
    "deep": lambda content: content["options"].update(other=nested(200)),
    "deeper": lambda content: content["options"].update(other=nested(900)),
    "option of no kind": lambda content: content["options"].update(other={"$": ["tuple"]}),
    "no time": lambda content: content["options"].update(other={"$": "Timestamp", "value": "x"}),
    "no datetime64": lambda content: content["options"].update(
        other={"$": "datetime64", "value": [1, "q", 1]}
    ),
    "no value": lambda content: content["options"].update(other={"$": "date"}),
    "other option": lambda content: content["options"].update(seed=99),
    "text in report": lambda content: content["report"].update(rows_in="9"),
    "endless report": lambda content: content["report"].update(fill_rate=float("inf")),
    "list in report": lambda content: content["report"].update(rows_by_split=[1]),
    "no version": lambda content: content.update(format_version="2"),
    "version 0": lambda content: content.update(format_version=0),
    "number as version": lambda content: content.update(package_version=1),
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_a_manifest_made_by_hand_is_refused(kind: str, saved: Path, tmp_path: Path) -> None:
    shutil.copy(stored_file(saved, "items.npy"), tmp_path / "secret.npy")
    rewrite(saved, MANIFESTS[kind])
    with pytest.raises(sf.DataError, match=r"manifest|is missing|-[0-9a-f]{8}\.npy") as refusal:
        used(sf.load(saved))
    assert len(str(refusal.value)) < 600
    with pytest.raises((sf.DataError, FileExistsError)):
        sf.load(saved, verify=True).save(saved)


def test_a_fingerprint_of_other_data_is_refused(saved: Path) -> None:
    content = json.loads((saved / "manifest.json").read_text())
    del content["digest"]
    sf.saving.manifest.write(saved, {**content, "fingerprint": "0" * 32})
    with pytest.raises(sf.DataError, match="its fingerprint is not that of its files"):
        sf.load(saved)


CRAFTED = {
    "users beyond": ("train_users.npy", lambda users: users + 1000),
    "users twice": ("train_users.npy", lambda users: np.zeros_like(users)),
    "rows that end late": ("test_ends.npy", lambda ends: ends + 1000),
    "rows that end early": ("train_ends.npy", lambda ends: np.ones_like(ends)),
    "rows without end": ("test_ends.npy", lambda ends: ends[:-1]),
    "items of zero": ("items.npy", lambda items: items * 0),
    "items beyond": ("items.npy", lambda items: items + 2**30),
    "offsets down": ("offsets.npy", lambda offsets: np.r_[0, offsets[-1], offsets[2:]]),
    "ids twice": ("item_ids.npy", lambda ids: np.ones_like(ids)),
    "two axes": ("items.npy", lambda items: items[:, None]),
}


@pytest.mark.parametrize("kind", CRAFTED)
def test_parts_that_cannot_be_are_refused(kind: str, saved: Path) -> None:
    craft(saved, *CRAFTED[kind])
    with pytest.raises(sf.DataError):
        used(sf.load(saved))
    with pytest.raises(sf.DataError):
        sf.load(saved, verify=True)


def test_files_out_of_the_folder_and_no_files_are_not_opened(saved: Path, tmp_path: Path) -> None:
    path = stored_file(saved, "items.npy")
    path.rename(tmp_path / "elsewhere.npy")
    path.symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(sf.DataError, match="is no file of this folder; copy what it links to"):
        sf.load(saved)
    path.unlink()
    os.mkfifo(path)
    rewrite(saved, in_file("items.npy", bytes=0))
    with pytest.raises(sf.DataError, match="is no file of this folder"):
        sf.load(saved)
    (saved / "manifest.json").unlink()
    os.mkfifo(saved / "manifest.json")
    with pytest.raises(sf.DataError, match="it is no file"):
        sf.load(saved)
    (saved / "manifest.json").unlink()
    with (saved / "manifest.json").open("wb") as file:
        file.truncate(2**34)
    with pytest.raises(sf.DataError, match="it has more than"):
        sf.load(saved)


def arrow_file(path: Path, column: Any, **options: Any) -> None:
    schema = pa.schema([pa.field("id", column.type, nullable=options.pop("nullable", False))])
    with pa.OSFile(str(path), "wb") as sink:
        write = pa.ipc.IpcWriteOptions(**options)
        with pa.ipc.new_file(sink, schema, options=write) as writer:
            writer.write_batch(pa.record_batch([column], schema=schema))


def test_strings_of_another_kind_are_refused(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole / "strings", tmp_path / "data"))
    path, ids = stored_file(folder, "user_ids.arrow"), prepared("strings").users.strings
    columns = [
        pa.array(ids, pa.string()),
        pa.array(range(len(ids)), pa.int64()),
        ids.cast(pa.large_binary()),
        ids.dictionary_encode(),
        ids[:-1],
        pa.array([*ids.to_pylist()[:-1], None], pa.large_string()),
    ]
    for column, nullable in itertools.product(columns, (False, True)):
        arrow_file(path, column, nullable=nullable)
        rewrite(folder, in_file("user_ids.arrow", bytes=path.stat().st_size))
        with pytest.raises(sf.DataError, match=r"user_ids-.*\.arrow"):
            _ = sf.load(folder).users.ids


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_strings_are_not_decompressed(codec: str, whole: Path, tmp_path: Path) -> None:
    """A small file could take any memory."""
    if not pa.Codec.is_available(codec):
        pytest.skip(f"no {codec}")
    folder = Path(shutil.copytree(whole / "strings", tmp_path / "data"))
    path, ids = stored_file(folder, "user_ids.arrow"), prepared("strings").users.strings
    bomb = pa.array(["a" * 10**8, *ids.to_pylist()[1:]], pa.large_string())
    for column in (ids, bomb):
        arrow_file(path, column, compression=codec)
        rewrite(folder, in_file("user_ids.arrow", bytes=path.stat().st_size))
        before = pa.total_allocated_bytes()
        with pytest.raises(sf.DataError, match=r"user_ids-.*\.arrow is damaged: it is compressed"):
            sf.load(folder)
        assert pa.total_allocated_bytes() - before < 10**6
