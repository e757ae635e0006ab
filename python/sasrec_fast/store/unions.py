"""Ids of two tables -> ids of both, and where those of each are among them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast.columns import IdColumn, read_ids
from sasrec_fast.errors import DataError, cut, shorten
from sasrec_fast.store.log import ids_at
from sasrec_fast.store.vocabulary import Vocabulary


@dataclass(frozen=True)
class Union:
    """Ids of two tables.

    Attributes:
        ids: All of them, ascending.
        old: int64, place in `ids` of each id of the first, from 0; ascending.
        new: The same, of the second.
    """

    ids: Vocabulary
    old: NDArray[np.int64]
    new: NDArray[np.int64]

    @property
    def column(self) -> IdColumn:
        """What places stand for."""
        return IdColumn(self.new[:0], lambda places: ids_at(self.ids, places))

    @property
    def codes(self) -> tuple[NDArray[np.int32] | None, NDArray[np.int32] | None]:
        """By code of each table, from 1 on, that of the union; None where they are the same."""
        return _codes(self.old), _codes(self.new)


def union(old: Vocabulary, new: Vocabulary, column: object) -> Union:
    """The ids of both, each of which are ascending.

    Raises:
        DataError: They are of different kinds, or integers that neither int64 nor uint64 hold.
    """
    require_one_kind(old, new, column)
    return _of_strings(old, new) if old.are_strings else _of_integers(old, new, column)


def require_one_kind(old: Vocabulary, new: Vocabulary, column: object) -> None:
    """Refuse integers beside strings.

    Raises:
        DataError: Those of one are integers, those of the other strings.
    """
    if old.are_strings != new.are_strings:
        kinds = {True: "string", False: "integer"}
        raise DataError(
            f"column '{cut(column)}' has {kinds[new.are_strings]} ids, such as "
            f"{_first(new)}; those of the data are {kinds[old.are_strings]} ids, such as "
            f"{_first(old)}"
        )


def _of_strings(old: Vocabulary, new: Vocabulary) -> Union:
    both = read_ids(pa.chunked_array([old.strings, new.strings], pa.large_string()), "")
    places = both.codes.astype(np.int64)
    count = int(places.max(initial=-1)) + 1
    ids = old if count == len(old) else Vocabulary.trusted(both.decode(np.arange(count)))
    return Union(ids, places[: len(old)], places[len(old) :])


def _of_integers(old: Vocabulary, new: Vocabulary, column: object) -> Union:
    known, later = _in_one_type(old.ids, new.ids, column)
    places = np.searchsorted(known, later)
    is_new = known[np.minimum(places, len(known) - 1)] != later
    if not is_new.any():
        ids = old if known is old.ids else Vocabulary.trusted(known)
        return Union(ids, np.arange(len(known)), places)
    fresh = later[is_new]
    ids = Vocabulary.trusted(np.insert(known, places[is_new], fresh))
    return Union(
        ids,
        np.arange(len(known)) + np.searchsorted(fresh, known),
        np.searchsorted(ids.ids, later),
    )


def _in_one_type(
    old: NDArray[Any], new: NDArray[Any], column: object
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both as int64, or as uint64 where one is."""
    if old.dtype == new.dtype:
        return old, new
    if min(old.min(initial=0), new.min(initial=0)) < 0:
        raise DataError(
            f"column '{cut(column)}' has ids from {min(old.min(), new.min())} to "
            f"{max(int(old.max()), int(new.max()))} with those of the data, which neither int64 "
            "nor uint64 holds"
        )
    return old.astype(np.uint64, copy=False), new.astype(np.uint64, copy=False)


def _codes(places: NDArray[np.int64]) -> NDArray[np.int32] | None:
    if not len(places) or places[-1] == len(places) - 1:
        return None
    return np.concatenate([[0], places + 1]).astype(np.int32)


def _first(ids: Vocabulary) -> str:
    return shorten(ids.lookup([1]).tolist()[0])
