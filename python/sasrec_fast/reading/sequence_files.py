"""Files of sequences without times, as the authors of SASRec and S3-Rec publish data."""

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.errors import DataError


def read_sequences(path: Path) -> dict[str, NDArray[np.int64]]:
    """Every interaction of a file, in the order of its lines.

    A line holds a user and one or more of its items in time order, all integers. The file may be
    compressed (.gz).

    Returns:
        Columns user_id, item_id and timestamp, the number of the interaction; int64.

    Raises:
        DataError: A line is something else; the message names it.
    """
    content = path.read_bytes()
    lines = (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
    numbers = [line.split() for line in lines]
    counts = np.array([len(words) for words in numbers], np.int64)
    try:
        flat = np.array([int(word) for words in numbers for word in words], np.int64)
        short = np.flatnonzero(counts == 1)
        bad = int(short[0]) if short.size else None
    except (ValueError, OverflowError):
        bad = next(i for i, words in enumerate(numbers) if not all(map(_is_integer, words)))
    if bad is not None:
        raise DataError(
            f"{path}: line {bad + 1} is {lines[bad][:60].decode(errors='replace')!r}, expected a "
            "user and its items, all 64-bit integers"
        )
    counts = counts[counts > 0]
    firsts = np.cumsum(counts) - counts
    items = np.delete(flat, firsts)
    return {
        "user_id": np.repeat(flat[firsts], counts - 1),
        "item_id": items,
        "timestamp": np.arange(len(items)),
    }


def _is_integer(word: bytes) -> bool:
    try:
        np.int64(int(word))
    except (ValueError, OverflowError):
        return False
    return True
