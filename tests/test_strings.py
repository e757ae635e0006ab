"""Codes of string ids equal those of a sorted set, however Arrow holds the strings."""

import hashlib
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasrec_fast import _core
from sasrec_fast.columns import ids_and_times as columns

ALPHABET = st.sampled_from(["a", "b", "\0", "\x7f", "é", "漢", "\U0001f600"])
TEXTS = st.text(ALPHABET, max_size=3) | st.text(ALPHABET, min_size=14, max_size=19)
TYPES = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]


def ranks(texts: list[str]) -> list[int]:
    """The obvious way."""
    order = sorted(set(texts), key=lambda text: text.encode())
    return [order.index(text) for text in texts]


@st.composite
def held(draw: st.DrawFn) -> tuple[list[str], Any]:
    """Texts, and Arrow arrays of them: whole, sliced, in chunks, of every type."""
    kind = draw(st.sampled_from(TYPES))
    chunks, texts = [], []
    for _ in range(draw(st.integers(1, 3))):
        part = draw(st.lists(TEXTS, max_size=12))
        first = draw(st.integers(0, len(part)))
        chunks.append(pa.array(part, pa.string()).cast(kind)[first:])
        texts += part[first:]
    whole = chunks[0] if len(chunks) == 1 and draw(st.booleans()) else pa.chunked_array(chunks)
    return texts, whole


@given(held())
def test_codes_are_ranks(case: tuple[list[str], Any]) -> None:
    texts, strings = case
    found = columns.read_ids(strings, "x")
    assert not found.are_integers
    # A dictionary may have strings that no row has.
    assert np.unique(found.codes, return_inverse=True)[1].tolist() == ranks(texts)
    assert found.decode(found.codes.astype(np.int64)).tolist() == texts
    if not pa.types.is_dictionary(strings.type):
        assert found.codes.tolist() == ranks(texts)


@pytest.mark.parametrize("form", ["user_{:07}", "{:032x}-0000", "{}"])
def test_many_strings(form: str) -> None:
    numbers = np.random.default_rng(0).integers(0, 30_000, 100_000)
    texts = [form.format(number) for number in numbers]
    categories = pd.Categorical(texts)
    found = columns.read_ids(pa.array(texts), "x")
    np.testing.assert_array_equal(found.codes, categories.codes)
    np.testing.assert_array_equal(found.decode(np.arange(9)), categories.categories[:9])


@pytest.mark.parametrize("form", ["user_{:05}", "{:05}", "{}", "{:x}"])
@pytest.mark.parametrize(
    "odd",
    [
        "",
        "0",
        "x",
        "7\0",
        "\0",
        "99999",
        "user_9",
        "user_9\0234",
        "user_99999",
        "uses_00001",
        "é" * 5,
    ]
    + ["user_00001 and more"],
)
def test_a_few_strings_that_are_unlike_the_others(form: str, odd: str) -> None:
    """Between those that are looked at first, and in the part of every thread."""
    numbers = np.random.default_rng(0).integers(0, 3000, 40_000)
    texts = [form.format(number) for number in numbers]
    texts[1000] = texts[21_000] = texts[-1] = odd
    found = columns.read_ids(pa.chunked_array([texts[:999], texts[999:]]), "x")
    decoded = found.decode(found.codes.astype(np.int64))
    assert decoded.to_pylist() == texts
    names = sorted(set(texts), key=str.encode)
    assert found.decode(np.arange(len(names))).to_pylist() == names


@pytest.mark.parametrize("prefix", ["", "shared and the same for long"])
def test_strings_that_differ_late_or_in_zeros_are_told_apart(prefix: str) -> None:
    """In several tables: more rows than one thread takes alone."""
    ends = ["", "\0", "\0\0", "abcdefg", "abcdefg\0", "abcdefgh", "abcdefgh\0", "abcdefghi"]
    texts = [prefix + end for end in reversed(ends)] * 5000
    found = columns.read_ids(pa.chunked_array([texts[:20_001], texts[20_001:]]), "x")
    assert found.codes.tolist() == [7, 6, 5, 4, 3, 2, 1, 0] * 5000
    assert found.decode(np.arange(8)).tolist() == texts[7::-1]


@st.composite
def coded(draw: st.DrawFn) -> tuple[list[str], pa.ChunkedArray]:
    """Texts, and chunks of dictionaries: some shared, some with a string twice or a null."""
    texts, chunks = [], []
    dictionaries = draw(st.lists(st.lists(TEXTS, min_size=1, max_size=5), min_size=1, max_size=3))
    held = [pa.array([*each, None]) for each in dictionaries]
    for _ in range(draw(st.integers(1, 4))):
        which = draw(st.integers(0, len(held) - 1))
        last = len(dictionaries[which]) - 1
        places = draw(st.lists(st.integers(0, last), max_size=6))
        kind = draw(st.sampled_from([pa.int8(), pa.uint64()]))
        indices = pa.array(places, kind).cast(pa.int32())
        chunks.append(pa.DictionaryArray.from_arrays(indices, held[which]))
        texts += [dictionaries[which][place] for place in places]
    return texts, pa.chunked_array(chunks)


@given(coded())
def test_dictionaries_are_coded_together(case: tuple[list[str], pa.ChunkedArray]) -> None:
    texts, chunks = case
    found = columns.read_ids(chunks, "x")
    assert found.decode(found.codes.astype(np.int64)).tolist() == texts
    assert np.unique(found.codes, return_inverse=True)[1].tolist() == ranks(texts)


@given(held())
def test_keys_are_those_of_pandas(case: tuple[list[str], Any]) -> None:
    texts, _ = case
    strings = pa.array([*texts, "x" * 100], pa.large_string())
    expected = pd.util.hash_array(strings.to_numpy(False).astype(object), categorize=False)
    np.testing.assert_array_equal(_core.string_keys(columns.text_buffers(strings)), expected)
    part = columns.text_buffers(strings[1:])
    np.testing.assert_array_equal(_core.string_keys(part), expected[1:])


def test_text_that_is_not_utf8_is_refused() -> None:
    offsets, text = pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"a\xff")
    damaged = pa.StringArray.from_buffers(2, offsets, text)
    with pytest.raises(ValueError, match=r"column 'x' cannot be read as text: .*UTF8"):
        columns.read_ids(damaged, "x")


@pytest.mark.parametrize("offsets", [[0, 2, 1], [-1, 1], [0, 9], [2**40, 2**40]])
def test_damaged_offsets_are_refused(offsets: list[int]) -> None:
    letters = np.frombuffer(b"abc", np.uint8)
    chunk = (np.array(offsets, np.int64), letters)
    with pytest.raises(ValueError, match="offsets of strings"):
        _core.encode_strings([chunk])
    with pytest.raises(ValueError, match="offsets of strings"):
        _core.string_keys(chunk)


DAMAGED = """
import numpy as np, pyarrow as pa
from sasrec_fast.columns import read_ids, read_ratings, read_timestamps

def buffer(*values, kind=np.int32):
    return pa.py_buffer(np.array(values, kind))

def text(*offsets):
    made = [None, buffer(*offsets), pa.py_buffer(b"abc")]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, made)

def view(*header):
    buffers = [None, buffer(*header), pa.py_buffer(b"a" * 30)]
    return pa.Array.from_buffers(pa.string_view(), 1, buffers)

wide = [None, buffer(0, 1 << 40, 2, 3, kind=np.int64), pa.py_buffer(b"abc")]
texts = pa.array(["a"]).dictionary_encode()
far = pa.DictionaryArray.from_arrays(pa.array([0, 1 << 30], pa.int32()), ["a"], safe=False)
COLUMNS = [
    text(0, 1 << 30, 1, 3),
    text(0, 3, 1, 3),
    pa.Array.from_buffers(pa.large_string(), 3, wide),
    view(20, 0, 99, 0),
    view(20, 0, 0, 1 << 30),
    view(1 << 30, 0, 0, 0),
    view(-1, 0, 0, 0),
    far,
]
COLUMNS += [pa.chunked_array([column.slice(0, 0), column]) for column in COLUMNS[:-1]]
COLUMNS += [pa.chunked_array([texts, far])]
for read in (read_ids, read_timestamps, read_ratings):
    for column in COLUMNS:
        try:
            read(column, "x")
        except ValueError as refusal:
            assert "column 'x'" in str(refusal), refusal
        else:
            raise AssertionError(column.type)
print("refused")
"""


EMPTY = """
import pyarrow as pa
from sasrec_fast.columns import read_ids

for kind in (pa.string(), pa.large_string()):
    empty = pa.Array.from_buffers(kind, 0, [None, None, pa.py_buffer(b"")])
    full = pa.array(["b", "a"], kind)
    assert read_ids(empty, "x").codes.tolist() == []
    for chunks in ([empty], [empty, full], [full, empty], [empty, empty, full, empty]):
        found = read_ids(pa.chunked_array(chunks), "x")
        assert found.codes.tolist() == [1, 0] * (len(chunks) > 1)
    none = pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), empty)
    coded = pa.chunked_array([none, full.dictionary_encode()])
    assert read_ids(coded, "x").codes.tolist() == [1, 0]
    assert read_ids(none, "x").codes.tolist() == []
print("read")
"""


def test_a_chunk_without_strings_need_have_no_offsets() -> None:
    """In a process of its own: Arrow computes the size of such an array from its offsets."""
    command = [sys.executable, "-c", EMPTY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "read"), done.stderr[-2000:]


def test_buffers_that_do_not_fit_together_are_refused() -> None:
    """In a process of its own, which a read beyond a buffer ends."""
    command = [sys.executable, "-c", DAMAGED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "refused"), done.stderr[-2000:]


def test_buffers_may_lie_anywhere_and_hold_more() -> None:
    offsets = np.array([0, 2, 2, 5], np.int32).tobytes()
    letters = pa.py_buffer(b"baabcbehind")
    for buffer in (
        pa.py_buffer(b"x" + offsets).slice(1),
        pa.py_buffer(offsets + b"odd"),
        pa.py_buffer(bytearray(offsets + offsets)),
    ):
        found = columns.read_ids(pa.StringArray.from_buffers(3, buffer, letters), "x")
        assert found.decode(found.codes.astype(np.int64)).tolist() == ["ba", "", "abc"]


def test_time_is_linear_on_text_that_is_alike() -> None:
    """Long shared beginnings, shared ends, and shared hashes of the usual unseeded functions."""
    shared = "x" * 300
    for form in (shared + "{:06}", "{:06}" + shared, "{:06}" + "\0" * 20):
        texts = pa.array([form.format(number) for number in range(20_000)])
        began = time.process_time()
        assert columns.read_ids(texts, "x").codes.tolist() == list(range(20_000))
        assert time.process_time() - began < 2


def digest() -> str:
    numbers = np.random.default_rng(1).integers(0, 50_000, 200_000)
    found = columns.read_ids(pa.array([f"{number:x}" for number in numbers]), "x")
    names = "\n".join(found.decode(np.arange(found.codes.max() + 1)).tolist())
    return hashlib.sha256(found.codes.tobytes() + names.encode()).hexdigest()


def test_thread_count_changes_nothing() -> None:
    here = digest()
    for threads in (1, 2, 5):
        environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
        run = subprocess.run(
            [sys.executable, __file__], env=environment, capture_output=True, text=True, check=True
        )
        assert run.stdout.strip() == here


if __name__ == "__main__":
    print(digest())
