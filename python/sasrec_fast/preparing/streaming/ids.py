"""Ids of a column as codes in the order of the ids, where the column comes in chunks."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.columns import (
    large_strings,
    read_ids,
    read_values,
    refuse_written_lists,
    text_buffers,
)
from sasrec_fast.errors import DataError, cut

_SIGN = np.uint64(1 << 63)


class Ids:
    """The ids of a column, of which every chunk is seen twice.

    At first codes are the ids of integers, and of text numbers in the order of arrival; after
    `settle` the second are in the order of the text.

    Args:
        column: Its name.
    """

    def __init__(self, column: object) -> None:
        self._column = cut(column)
        self._largest: int | None = None  # of uint64
        self._table: _core.StringTable | None = None
        self._ranks: NDArray[np.int32] | None = None
        self._texts: Any = None

    @property
    def are_texts(self) -> bool:
        """Whether the ids are text."""
        return self._table is not None

    def codes(self, values: Any) -> NDArray[Any]:
        """int64 or int32 codes of the values of a chunk.

        Raises:
            DataError: Missing values, floats, or any other kind of value.
        """
        array = read_values(values, self._column)
        if not isinstance(array, np.ndarray):
            return self._text_codes(array)
        if array.dtype == np.uint64:
            self._largest = max(self._largest or 0, int(array.max(initial=0)))
            return np.ascontiguousarray(array ^ _SIGN).view(np.int64)
        return read_ids(array, self._column).codes

    def settle(self) -> None:
        """All ids have been seen."""
        if self._table is not None:
            self._ranks, ascending = self._table.ranked()
            self._texts = large_strings(*ascending)
            try:
                self._texts.validate(full=True)
            except pa.ArrowInvalid as failure:  # not UTF-8
                said = f"column '{self._column}' cannot be read as text: {failure}"
                raise DataError(said) from None

    def settled(self, span: _core.Span, *, users: bool) -> _core.Span:
        """What is known of all rows, with codes as they are after `settle` for those before."""
        if self._ranks is None or not span.rows:
            return span
        bounds, (priorities, sample), items = span.users, span.sample, span.item_ids
        if users:
            bounds = 0, len(self._ranks) - 1
            sample = self._ranks[sample].astype(np.int64)
        else:
            items = np.sort(self._ranks[items]).astype(np.int64)
        return _core.Span(span.rows, bounds, (priorities, sample), items, span.times)

    def decode(self, codes: NDArray[np.int64]) -> Any:
        """The ids of codes after `settle`: int64, uint64, or an Arrow array of large strings."""
        if self._texts is not None:
            return self._texts.take(pa.array(codes))
        if self._largest is None:
            return codes
        ids = codes.view(np.uint64) ^ _SIGN
        return ids if self._largest >= _SIGN else ids.view(np.int64)

    def _text_codes(self, array: Any) -> NDArray[np.int32]:
        refuse_written_lists(array, self._column)
        if self._table is None:
            self._table = _core.StringTable()
        parts = []
        for chunk in array.chunks if isinstance(array, pa.ChunkedArray) else [array]:
            texts = text_buffers(pc.cast(chunk, pa.large_string()))
            if self._ranks is None:
                parts.append(self._table.add(texts))
            else:
                parts.append(self._ranks[self._table.find(texts)])
        return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, np.int32), *parts])
