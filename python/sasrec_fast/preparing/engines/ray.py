"""prepare() of a Ray Dataset; what it calls is in `engines`."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

import pyarrow as pa

from sasrec_fast.errors import DataError
from sasrec_fast.preparing.engines.driver import Function, prepare_on
from sasrec_fast.preparing.engines.partitions import VALUE, value_of
from sasrec_fast.preparing.options import Options
from sasrec_fast.preparing.prepared import Prepared
from sasrec_fast.reading import ColumnNames, require_columns

_ROWS = 1 << 22
"""Rows of a block, on average, once they are sorted."""


def prepare_ray(
    dataset: Any, names: ColumnNames, options: Options, output: str | os.PathLike[str] | None
) -> Prepared:
    """Prepare a Ray Dataset into a folder; see `prepare`."""
    schema = dataset.schema()
    if schema is None:
        raise DataError("the table has no rows")
    wanted = [names.user, names.item, *names.numbers]
    wanted += [] if options.order is None else [options.order]
    require_columns(schema.names, wanted)
    kinds = dict(zip(schema.names, schema.types, strict=True))
    text = not pa.types.is_integer(kinds[names.user])
    chosen = dataset.select_columns(list(dict.fromkeys(wanted)))
    return prepare_on(RayTable(chosen, names.user, text), names, options, output)


@dataclass(frozen=True)
class RayTable:
    """Rows of a Dataset, or the binary values made of its blocks.

    Attributes:
        dataset: The Dataset.
        user: The column of user ids.
        text_users: Whether these are strings.
    """

    dataset: Any
    user: str
    text_users: bool

    def gather(self, function: Function, merge: Callable[[Any, Any], Any]) -> Any:
        """See `EngineTable`."""
        values = [value_of(row[VALUE]) for row in self._mapped(function).iter_rows()]
        return reduce(merge, values) if values else None

    def sorted(self, function: Function, rows: int) -> "RayTable":
        """See `EngineTable`; a block is a range of users."""
        blocks = self.dataset.repartition(max(-(-rows // _ROWS), 1)).sort(self.user)
        return replace(self, dataset=replace(self, dataset=blocks)._mapped(function).materialize())

    def write(self, function: Function, url: str) -> None:
        """See `EngineTable`."""
        self._mapped(function).write_parquet(url)

    def release(self) -> None:
        """See `EngineTable`; Ray lets go of what nothing refers to."""

    def _mapped(self, function: Function) -> Any:
        whole = {"batch_format": "pyarrow", "batch_size": None, "zero_copy_batch": True}
        return self.dataset.map_batches(partial(_of_block, function=function), **whole)


def _of_block(block: Any, function: Function) -> Iterator[Any]:
    for batch in function(block.to_batches()):
        yield pa.Table.from_batches([batch])
