"""A table of strings that grows chunk by chunk gives the codes of all chunks read at once."""

import threading

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sasrec_fast import _core

ALPHABET = st.sampled_from(["a", "b", "\0", "\x7f", "é", "漢", "\U0001f600"])
TEXTS = st.text(ALPHABET, max_size=3) | st.text(ALPHABET, min_size=14, max_size=19)
WIDTHS = st.sampled_from([np.int32, np.int64])


def laid_out(
    texts: list[str], width: type[np.integer] = np.int64
) -> tuple[NDArray[np.integer], NDArray[np.uint8]]:
    """Offsets and bytes."""
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=width)
    return offsets, np.frombuffer(b"".join(encoded), np.uint8)


def ascending(table: _core.StringTable) -> list[str]:
    """The strings of a table, by way of Arrow."""
    buffers = [None, *map(pa.py_buffer, table.ranked()[1])]
    strings = pa.Array.from_buffers(pa.large_string(), len(table), buffers)
    strings.validate(full=True)
    return strings.to_pylist()


@given(st.lists(st.lists(TEXTS, max_size=12), max_size=4), WIDTHS, st.lists(TEXTS, max_size=4))
def test_chunks_give_the_codes_of_the_whole(
    chunks: list[list[str]], width: type[np.integer], others: list[str]
) -> None:
    table = _core.StringTable()
    numbers = [table.add(laid_out(chunk, width)) for chunk in chunks]
    texts = [text for chunk in chunks for text in chunk]
    arrived = list(dict.fromkeys(texts))
    assert np.concatenate([[], *numbers]).tolist() == [arrived.index(text) for text in texts]
    codes, _ = _core.encode_strings([laid_out(texts)])
    ranks, _ = table.ranked()
    assert [ranks[number] for chunk in numbers for number in chunk] == codes.tolist()
    assert ascending(table) == sorted(arrived, key=str.encode)
    expected = [arrived.index(text) if text in arrived else -1 for text in others]
    assert table.find(laid_out(others, width)).tolist() == expected
    assert len(table) == len(arrived)


@pytest.mark.parametrize("form", ["user_{:07}", "{:032x}-0000", "{}"])
def test_many_strings(form: str) -> None:
    numbers = np.random.default_rng(0).integers(0, 30_000, 60_000)
    texts = [form.format(number) for number in numbers]
    table = _core.StringTable()
    empty = table.nbytes
    found = np.concatenate(
        [table.add(laid_out(texts[i : i + 7001])) for i in range(0, 60_000, 7001)]
    )
    codes, (ends, _) = _core.encode_strings([laid_out(texts)])
    np.testing.assert_array_equal(table.ranked()[0][found], codes)
    assert ascending(table) == sorted(set(texts))
    np.testing.assert_array_equal(table.ranked()[1][0], ends)
    np.testing.assert_array_equal(table.find(laid_out(texts)), found)
    least = sum(len(text) for text in set(texts)) + 32 * len(table)
    assert least < table.nbytes - empty < 4 * least


@pytest.mark.parametrize("offsets", [[0, 2, 1], [-1, 1], [0, 9], [2**40, 2**40]])
def test_damaged_offsets_are_refused(offsets: list[int]) -> None:
    damaged = (np.array(offsets, np.int64), np.frombuffer(b"abc", np.uint8))
    table = _core.StringTable()
    for read in (table.add, table.find):
        with pytest.raises(ValueError, match="offsets of strings"):
            read(damaged)
    assert table.add(laid_out(["a"])).tolist() == [len(table) - 1]


def test_threads_share_a_table() -> None:
    texts = [str(number % 5000) for number in range(40_000)]
    table = _core.StringTable()
    found: list[NDArray[np.int32]] = []
    threads = [
        threading.Thread(target=lambda: found.append(table.add(laid_out(texts)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [numbers.tolist() for numbers in found] == [[n % 5000 for n in range(40_000)]] * 4
