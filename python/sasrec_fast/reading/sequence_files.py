"""Files of sequences without times, as the authors of SASRec and S3-Rec publish data."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sasrec_fast.errors import DataError, shorten
from sasrec_fast.reading.opening import UNREADABLE, first_lines, open_bytes
from sasrec_fast.reading.written import ids_as_written

_LEAST_WORDS = 2
_SAMPLED_LINES = 100


def read_sequences(path: Path) -> dict[str, NDArray[np.int64]]:
    """Every interaction of a file, in the order of its lines.

    A line holds a user and one or more of its items in time order, all integers, written as these
    are: without leading zeros or a plus sign. The file may be compressed (.gz).

    Returns:
        Columns user_id, item_id and timestamp, the number of the interaction; int64.

    Raises:
        DataError: The file cannot be read, or a line is something else; the message names it.
    """
    users, items = read_lists(path, integers=True)
    columns = {"user_id": users.to_numpy(), "item_id": items.to_numpy()}
    return {**columns, "timestamp": np.arange(len(items))}


def is_of_lists(path: Path) -> bool:
    """Whether the first lines look like users with lists: most hold several items, not as many."""
    lengths = [len(line.split()) for line in first_lines(path)[:_SAMPLED_LINES]]
    lengths = [length for length in lengths if length]
    return len({*lengths}) > 1 and sum(length > _LEAST_WORDS for length in lengths) * 2 > len(
        lengths
    )


def read_lists(path: Path, *, integers: bool = False) -> tuple[pa.Array, pa.Array]:
    """Users and items of all interactions of a file whose lines hold a user and its items.

    Args:
        path: The file.
        integers: Whether to refuse other ids.

    Returns:
        Two arrays of equal length, int64 or strings, each as its ids are written.

    Raises:
        DataError: The file cannot be read, or a line is something else; the message names it.
    """
    try:
        with open_bytes(path) as file:
            lines = file.read().splitlines()
    except UNREADABLE as failure:
        raise DataError(f"{str(path)!r} cannot be read: {failure}") from None
    wrong = _refusal(path, lines, integers)
    try:
        texts = pa.array([line for line in lines if line.strip()], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        raise next(wrong) from None
    words = pc.ascii_split_whitespace(pc.ascii_trim_whitespace(texts))
    lengths = pc.list_value_length(words).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = words.flatten()
    others = integers and not pa.types.is_integer(ids_as_written(flat).type)
    if others or (len(lengths) and lengths.min() < _LEAST_WORDS):
        raise next(wrong)
    firsts = np.cumsum(lengths) - lengths
    users = flat.take(pa.array(np.repeat(firsts, lengths - 1)))
    items = flat.take(pa.array(np.delete(np.arange(len(flat)), firsts)))
    return ids_as_written(users), ids_as_written(items)


def _refusal(path: Path, lines: list[bytes], integers: bool) -> Iterator[DataError]:
    """The errors of the lines that are wrong."""
    for number, line in enumerate(lines, start=1):
        words = line.decode(errors="replace").split()
        wrong = len(words) == 1 or "\ufffd" in line.decode(errors="replace")
        ids = ids_as_written(pa.array(words, pa.string()))
        if words and (wrong or (integers and not pa.types.is_integer(ids.type))):
            kinds = "64-bit integers" if integers else "in UTF-8"
            shown = shorten(line.decode(errors="replace"))
            yield DataError(
                f"{path}: line {number} is {shown}, expected a user and its items, all {kinds}"
            )
