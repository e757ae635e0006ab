"""Saved data: equal after loading, opened without reading, refused when damaged."""

import json
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

import sasrec_fast as sf
from exactness import prepare, splits
from sasrec_fast.saving import manifest, stored
from sasrec_fast.saving.content import fingerprint
from saved_data import (
    GENERATOR,
    KINDS,
    TABLE,
    assert_same_data,
    craft,
    prepared,
    rewrite,
    stored_file,
)
from strategies import Case, valid_cases


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder of saved data with both kinds of files of ids."""
    folder = tmp_path / "data"
    prepared("strings").save(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_loaded_data_equals_saved_data(kind, tmp_path):
    data = prepared(kind)
    data.save(tmp_path / "new" / "data")
    loaded = sf.load(tmp_path / "new" / "data", verify=True)
    # min_rating may have been a number of numpy's, and is Python's own afterwards
    rating = data.options["min_rating"]
    options = {**data.options, "min_rating": getattr(rating, "item", lambda: rating)()}
    assert_same_data(loaded, replace(data, options=options))
    assert loaded.fingerprint == data.fingerprint == fingerprint(loaded)


@settings(max_examples=20)
@given(valid_cases())
def test_any_data_and_options_are_kept(case: Case) -> None:
    data = prepare(case)
    with tempfile.TemporaryDirectory() as folder:
        data.save(Path(folder, "data"))
        assert_same_data(sf.load(Path(folder, "data"), verify=True), data)


def test_loaded_data_can_be_saved_pickled_moved_and_read_only(saved, tmp_path):
    expected = prepared("strings")
    sf.load(saved).save(saved)  # onto the files it is reading
    saved = saved.rename(tmp_path / "moved")
    for path in (*saved.iterdir(), saved):
        path.chmod(0o555 if path.is_dir() else 0o444)
    loaded = sf.load(saved)
    copied = pickle.loads(pickle.dumps(loaded))
    shutil.rmtree(saved)  # what is open stays
    assert_same_data(loaded, expected)
    assert copied.fingerprint == fingerprint(copied) == expected.fingerprint
    assert (copied.test.arrays().item_ids == expected.test.arrays().item_ids).all()


def test_processes_open_one_folder_together(saved):
    code = (
        "import sys, sasrec_fast as sf; print(sf.load(sys.argv[1]).test.arrays(3).item_ids.sum())"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code, saved], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    found = {run.communicate(timeout=60)[0] for run in runs}
    assert found == {f"{sf.load(saved).test.arrays(3).item_ids.sum()}\n"}


def test_the_files_can_be_read_by_others(saved):
    import pyarrow as pa

    data = prepared("strings")
    np.testing.assert_array_equal(np.load(stored_file(saved, "items.npy")), data.sequences.items)
    table = pa.ipc.open_file(stored_file(saved, "user_ids.arrow")).read_all()
    assert table["id"].to_pylist() == data.users.ids.tolist()
    content = json.loads((saved / "manifest.json").read_text())
    assert content["package_version"] == sf.__version__
    assert content["options"]["max_sequence_length"] == 5
    assert content["report"] == data.report.to_dict()


def test_fingerprints_tell_data_apart():
    rows = GENERATOR.permutation(300)
    untied = {**TABLE, "timestamp": np.arange(300)}
    shuffled = {name: np.asarray(column)[rows] for name, column in untied.items()}
    data = sf.prepare(untied)
    assert re.fullmatch("[0-9a-f]{32}", data.fingerprint)
    assert sf.prepare(pd.DataFrame(shuffled)).fingerprint == data.fingerprint
    renamed = {"who": untied["user_id"], "what": untied["item_id"], "when": untied["timestamp"]}
    other = sf.prepare(renamed, user="who", item="what", timestamp="when")
    assert other.fingerprint == data.fingerprint
    changes = [{"seed": 1}, {"max_sequence_length": 9}, {"holdout": 1}, {"items": "identity"}]
    more = [{"num_negatives": 2}, {"negative_scope": "all"}, {"truncation": "oldest"}]
    changed = [sf.prepare(untied, **options).fingerprint for options in (*changes, *more)]
    swapped = {**untied, "item_id": untied["item_id"][::-1]}
    assert len({data.fingerprint, sf.prepare(swapped).fingerprint, *changed}) == 9


def test_digests_are_those_of_the_content():
    """Golden values: they must not change with numpy, pyarrow or the machine."""
    numbers = stored.little_endian(np.array([1, 2, 3], ">i8"))
    assert stored.digest(numbers)[:16] == "5a38beb7e8375500"
    texts = sf.Vocabulary(["a", "", "ä"]).strings
    assert stored.digest(texts)[:16] == "91fbfe0296c8061a"
    assert manifest.digest_of({"b": 0.1, "a": [None, "ä"]})[:16] == "1d046d9ea94bb161"


def test_an_option_may_be_the_item_vocabulary(tmp_path):
    data = prepared()
    replace(data, options={**data.options, "items": data.items}).save(tmp_path / "data")
    loaded = sf.load(tmp_path / "data")
    assert loaded.options["items"] is loaded.items


def test_an_option_that_cannot_be_written_is_named(tmp_path):
    data = prepared()
    with pytest.raises(TypeError, match=r"option 'other' is a set, \{1\}, which cannot"):
        replace(data, options={"other": {1}}).save(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_reports_of_other_versions(saved):
    rewrite(saved, lambda content: content["report"].update(later="1"))
    with pytest.warns(
        UserWarning, match=r"'report' has 'later', which this version does"
    ) as caught:
        assert sf.load(saved).report == prepared("strings").report
    assert caught[0].filename == __file__, "the warning points at the caller"
    rewrite(saved, lambda content: content["report"].pop("users"))
    with pytest.raises(sf.DataError, match=r"manifest.json .*'report': .* missing .*'users'"):
        sf.load(saved)


def test_load_reads_nothing_at_any_size(tmp_path):
    """32 GB in sparse files: nothing is allocated, and next to nothing mapped in."""
    prepared().save(tmp_path / "data")
    users = 2**30
    sizes = {"offsets": users + 1, "user_keys": users, "user_ids": users, "items": 2**31}

    def enlarge(content: dict[str, Any]) -> None:
        content["vocabularies"]["users"]["size"] = users
        for name, size in sizes.items():
            entry = content["files"][f"{name}.npy"]
            path = tmp_path / "data" / entry["file"]
            dtype = np.dtype(entry["dtype"])
            path.unlink()
            array = np.lib.format.open_memmap(path, "w+", dtype, (size,))
            if name == "offsets":
                array[-1] = sizes["items"]
            entry.update({"shape": [size], "bytes": path.stat().st_size})

    rewrite(tmp_path / "data", enlarge)
    tracemalloc.start()
    data = sf.load(tmp_path / "data")
    assert data.sequences.num_interactions == 2**31
    assert len(data.users) == len(data.sequences) == users
    assert "1,073,741,824 users, 58 items, 2,147,483,648 interactions" in repr(data)
    assert re.fullmatch("[0-9a-f]{32}", data.fingerprint)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
    if Path("/proc/self/smaps").exists():
        assert resident(tmp_path / "data") < 2**20


def resident(folder: Path) -> int:
    """Bytes of this process's memory that are pages of files in a folder."""
    total, inside, mapped = 0, False, 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = str(folder) in line
            mapped += inside
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1]) * 1024
    assert mapped >= 4
    return total


def test_string_and_identity_ids_are_made_when_used(tmp_path):
    for kind in ("strings", "identity"):
        prepared(kind).save(tmp_path / kind)
        data = sf.load(tmp_path / kind)
        assert len(data.items) == data.vocabulary_size - 1
        assert "ids" not in vars(data.items)
        assert data.items == prepared(kind).items
        assert not data.items.ids.flags.writeable
    assert "item_ids.npy" not in manifest.read(tmp_path / "identity")["files"]


def test_a_manifest_changed_by_hand_is_refused(saved):
    path = saved / "manifest.json"
    path.write_text(path.read_text().replace('"seed": 18', '"seed": 17'))
    with pytest.raises(sf.DataError, match="its content does not match its digest"):
        sf.load(saved)


def test_damaged_strings_are_an_error_when_used(saved):
    path, ids = stored_file(saved, "user_ids.arrow"), prepared("strings").users.ids
    ends = np.cumsum([len(text.encode()) for text in ids])[:4]
    content = path.read_bytes()
    assert content.count(ends.tobytes()) == 1
    for bad in ([1, 2, 2**40, 4], [-9, 3, 3, 3]):
        path.write_bytes(content.replace(ends.tobytes(), np.array(bad).tobytes()))
        data = sf.load(saved)
        with pytest.raises(sf.DataError, match=r"user_ids-.*\.arrow is damaged"):
            _ = data.users.ids
        with pytest.raises(sf.DataError, match=r"user_ids-.*\.arrow is damaged"):
            sf.load(saved, verify=True)


FILES = ("offsets.npy", "items.npy", "user_keys.npy", "user_ids.arrow", "manifest.json")


DAMAGES = ("missing", "empty", "cut", "longer", "zeros")
DAMAGED = [
    *((name, damage) for name in FILES for damage in DAMAGES),
    *((name, "head") for name in FILES if not name.endswith("arrow")),
    ("user_ids.arrow", "tail"),
]


@pytest.mark.parametrize(("name", "damage"), DAMAGED)
def test_a_damaged_folder_is_refused_and_the_file_named(name, damage, saved):
    path = stored_file(saved, name)
    good = path.read_bytes()
    bad = {
        "empty": b"",
        "cut": good[:-1],
        "longer": good + b"\n0",
        "head": good[:9] + bytes([good[9] ^ 1]) + good[10:],
        "tail": good[:-8] + bytes([good[-8] ^ 1]) + good[-7:],
        "zeros": bytes(len(good)),
    }
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(bad[damage])
    with pytest.raises(sf.DataError, match=re.escape(path.name)) as refusal:
        sf.load(saved)
    assert str(saved) in str(refusal.value)


@pytest.mark.parametrize("name", [name for name in FILES if name != "manifest.json"])
def test_verify_finds_a_changed_value(name, saved):
    path = stored_file(saved, name)
    content = path.read_bytes()
    text = prepared("strings").users.ids[3].encode()
    at = content.rindex(text) + 2 if name.endswith("arrow") else len(content) - 16
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    sf.load(saved)
    with pytest.raises(sf.DataError, match=f"{path.name} is damaged"):
        sf.load(saved, verify=True)


def test_what_is_no_saved_data_is_refused(saved, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such folder"):
        sf.load(tmp_path / "nowhere")
    with pytest.raises(sf.DataError, match=r"has no manifest\.json"):
        sf.load(tmp_path)
    with pytest.raises(sf.DataError, match=r"manifest\.json is a file, expected a folder"):
        sf.load(saved / "manifest.json")
    for foreign in ("[1]", '{"format": "other"}'):
        (tmp_path / "manifest.json").write_text(foreign)
        with pytest.raises(sf.DataError, match=r"manifest.json has format .*, expected 'sasrec"):
            sf.load(tmp_path)


def test_a_newer_format_is_refused(saved):
    newer = {"format_version": 6, "package_version": "7.1", "files": None}
    rewrite(saved, lambda content: content.update(newer))
    with pytest.raises(
        sf.DataError, match=r"format version 6, written by sasrec_fast 7.1.*upgrade"
    ):
        sf.load(saved)


@pytest.mark.parametrize("item", [0, -1, 10**6])
def test_an_item_that_does_not_exist_is_an_error(item, saved):
    items = np.load(stored_file(saved, "items.npy"), mmap_mode="r+")
    items[7] = item
    items.flush()
    data = sf.load(saved)
    for _, split in splits(data):
        for use in (split.arrays, lambda split=split: split.item_counts, split.negatives):
            with pytest.raises(sf.DataError, match=r"items-.*\.npy is damaged: its content does"):
                use()
    craft(saved, "items.npy", lambda items: items)
    with pytest.raises(sf.DataError, match=rf"items-.*\.npy is damaged: it holds .*{item}"):
        _ = sf.load(saved).item_counts


@pytest.mark.parametrize("value", [-1, 10**6, 2**63 - 1, -(2**63)])
def test_offsets_that_do_not_fit_are_an_error(value, saved):
    offsets = np.load(stored_file(saved, "offsets.npy"), mmap_mode="r+")
    offsets[3] = value
    offsets.flush()
    data = sf.load(saved)
    with pytest.raises(sf.DataError, match=r"offsets-.*\.npy is damaged: its content does not"):
        data.train.arrays()
    craft(saved, "offsets.npy", lambda offsets: offsets)
    with pytest.raises(sf.DataError, match=r"offsets-.*\.npy is damaged: it does not ascend"):
        sf.load(saved).train.arrays()
    offsets[-1] = 5
    with pytest.raises(sf.DataError, match=r"offsets-.*\.npy is damaged: it runs from 0 to 5"):
        sf.load(saved)


@pytest.mark.parametrize("times", [1, 2])
def test_load_finds_whole_data_while_the_folder_is_replaced(times, saved, monkeypatch):
    """Files stay for one more save; after two, the files of the manifest that was read are gone."""
    open_array = stored.open_array
    versions = [prepared(kind) for kind in ("strings", "integers", "identity")][: times + 1]

    def replaced_before(path: Path, entry: Any) -> Any:
        while path.name.startswith("items") and len(versions) > 1:
            monkeypatch.setattr(stored, "open_array", open_array)
            found.append(versions.pop(0))
            versions[0].save(saved)
        return open_array(path, entry)

    found: list[sf.Prepared] = []
    monkeypatch.setattr(stored, "open_array", replaced_before)
    assert_same_data(sf.load(saved), found[0] if times == 1 else versions[0])
