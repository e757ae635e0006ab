"""Codes of string ids equal those of a sorted set, however Arrow holds the strings."""

import hashlib
import os
import subprocess
import sys
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


@pytest.mark.parametrize("prefix", ["", "shared and the same for long"])
def test_strings_that_differ_late_or_in_zeros_are_told_apart(prefix: str) -> None:
    """In several tables: more rows than one thread takes alone."""
    ends = ["", "\0", "\0\0", "abcdefg", "abcdefg\0", "abcdefgh", "abcdefgh\0", "abcdefghi"]
    texts = [prefix + end for end in reversed(ends)] * 5000
    found = columns.read_ids(pa.chunked_array([texts[:20_001], texts[20_001:]]), "x")
    assert found.codes.tolist() == [7, 6, 5, 4, 3, 2, 1, 0] * 5000
    assert found.decode(np.arange(8)).tolist() == texts[7::-1]


def test_text_that_is_not_utf8_is_refused() -> None:
    offsets, text = pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"a\xff")
    damaged = pa.StringArray.from_buffers(2, offsets, text)
    with pytest.raises(ValueError, match=r"column 'x' cannot be read as text: .*UTF8"):
        columns.read_ids(damaged, "x")


@pytest.mark.parametrize("offsets", [[0, 2, 1], [-1, 1], [0, 9], [2**40, 2**40]])
def test_damaged_offsets_are_refused(offsets: list[int]) -> None:
    letters = np.frombuffer(b"abc", np.uint8)
    with pytest.raises(ValueError, match="offsets of strings"):
        _core.encode_strings([(np.array(offsets, np.int64), letters)])


def digest() -> str:
    numbers = np.random.default_rng(1).integers(0, 50_000, 200_000)
    found = columns.read_ids(pa.array([f"{number:x}" for number in numbers]), "x")
    names = "\n".join(found.decode(np.arange(found.codes.max() + 1)))
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
