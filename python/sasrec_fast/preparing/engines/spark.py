"""prepare() of a Spark DataFrame; what it calls is in `engines`.

Only the DataFrame API is used, which Spark Connect has too.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

from sasrec_fast.errors import DataError
from sasrec_fast.preparing.engines.driver import Function, prepare_on
from sasrec_fast.preparing.engines.partitions import VALUE, merged, value_of
from sasrec_fast.preparing.options import Options
from sasrec_fast.preparing.prepared import Prepared
from sasrec_fast.reading import ColumnNames, require_columns

_VALUES = f"{VALUE} binary"
_MOST_VALUES = 4
"""Values of partitions that are merged in one place."""
_MOST_ROWS = 1 << 25
"""Rows of a partition, on average, that a process of Python is given."""


def prepare_spark(
    frame: Any, names: ColumnNames, options: Options, output: str | os.PathLike[str] | None
) -> Prepared:
    """Prepare a Spark DataFrame into a folder; see `prepare`."""
    wanted = [names.user, names.item, *names.numbers]
    wanted += [] if options.order is None else [options.order]
    require_columns(frame.columns, wanted)
    chosen = frame.select(*(f"`{name}`" for name in dict.fromkeys(wanted)))
    kinds = dict(chosen.dtypes)
    if kinds[names.user] not in ("tinyint", "smallint", "int", "bigint", "string"):
        raise DataError(
            f"column '{names.user}' has {kinds[names.user]} ids; ids are integers or strings"
        )
    table = SparkTable(chosen, names.user, kinds[names.user] == "string")
    return prepare_on(table, names, options, output)


@dataclass(frozen=True)
class SparkTable:
    """Rows of a DataFrame, or the binary values made of its partitions.

    Attributes:
        frame: The DataFrame.
        user: The column of user ids.
        text_users: Whether these are strings.
        partitions: How many there are, where it is known.
    """

    frame: Any
    user: str
    text_users: bool
    partitions: int | None = None

    def gather(self, function: Function, merge: Callable[[Any, Any], Any]) -> Any:
        """See `EngineTable`."""
        found = self.frame.mapInArrow(function, _VALUES)
        if self.partitions is None or self.partitions > _MOST_VALUES:
            found = found.repartition(_MOST_VALUES)
            found = found.mapInArrow(partial(merged, merge=merge), _VALUES)
        values = [value_of(bytes(row[0])) for row in found.collect()]
        return reduce(merge, values) if values else None

    def sorted(self, function: Function, rows: int) -> "SparkTable":
        """See `EngineTable`; there are spark.sql.shuffle.partitions, or more where rows are."""
        from pyspark import StorageLevel

        shuffled = int(self.frame.sparkSession.conf.get("spark.sql.shuffle.partitions"))
        partitions = max(shuffled, -(-rows // _MOST_ROWS))
        found = self.frame.repartitionByRange(partitions, f"`{self.user}`")
        found = found.mapInArrow(function, _VALUES).persist(StorageLevel.DISK_ONLY)
        return replace(self, frame=found, partitions=partitions)

    def write(self, function: Function, url: str) -> None:
        """See `EngineTable`."""
        kind = "string" if self.text_users else "bigint"
        columns = (
            f"user {kind}, key bigint, items array<int>, before_validation int, before_test int, "
            "counts binary"
        )
        found = self.frame.mapInArrow(function, columns)
        found.write.option("maxRecordsPerFile", 0).parquet(url)

    def release(self) -> None:
        """See `EngineTable`."""
        self.frame.unpersist()
