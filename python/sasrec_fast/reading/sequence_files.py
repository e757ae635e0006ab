"""Files of sequences without times, as the authors of SASRec and S3-Rec publish data."""

import gzip
from contextlib import suppress
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
    rows = [_row(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    users = np.array([row[0] for row in rows], np.int64)
    counts = np.array([len(row) for row in rows], np.int64)
    items = np.concatenate([users[:0], *(row[1:] for row in rows)])
    return {
        "user_id": np.repeat(users, counts - 1),
        "item_id": items,
        "timestamp": np.arange(len(items)),
    }


def _row(path: Path, number: int, line: bytes) -> NDArray[np.int64]:
    with suppress(ValueError, OverflowError):
        row = np.array([int(word) for word in line.split()], np.int64)
        if len(row) > 1:
            return row
    raise DataError(
        f"{path}: line {number} is {line[:60].decode(errors='replace')!r}, expected a user and its "
        "items, all 64-bit integers"
    )
