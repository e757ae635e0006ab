"""An engine in one process: partitions are lists of record batches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sasrec_fast.preparing.engines.driver import Function
from sasrec_fast.preparing.engines.partitions import value_of


@dataclass(frozen=True)
class LocalTable:
    """Partitions, whose rows come in the order that a seed says, as an engine has none."""

    partitions: list[list[Any]]
    user: str
    text_users: bool
    ranges: int = 3
    batch_rows: int = 5
    seed: int = 0
    released: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, table: Any, user: str, **options: Any) -> "LocalTable":
        text = not pa.types.is_integer(table.schema.field(user).type)
        made = cls([], user, text, **options)
        rows = list(range(len(table)))
        Random(made.seed).shuffle(rows)
        halves = [rows[: len(rows) // 2], [], rows[len(rows) // 2 :]]
        made.partitions.extend(
            made.batches(table.take(pa.array(half, pa.int64()))) for half in halves
        )
        return made

    def batches(self, table: Any) -> list[Any]:
        return list(table.combine_chunks().to_batches(max_chunksize=self.batch_rows))

    def mapped(self, function: Function) -> Iterator[list[Any]]:
        for partition in self.partitions:
            yield list(function(iter(partition)))

    def gather(self, function: Function, merge: Callable[[Any, Any], Any]) -> Any:
        batches = [batch for partition in self.mapped(function) for batch in partition]
        values = [value_of(value.as_buffer()) for batch in batches for value in batch.column(0)]
        Random(self.seed).shuffle(values)
        return reduce(merge, values) if values else None

    def sorted(self, function: Function, rows: int) -> "LocalTable":
        table = pa.Table.from_batches([b for partition in self.partitions for b in partition])
        users = table.column(self.user)
        order = sorted(
            users.unique().to_pylist(), key=lambda u: u.encode() if self.text_users else u
        )
        size = -(-len(order) // self.ranges)
        parts = [order[size * part : size * (part + 1)] for part in range(self.ranges)]
        chosen = [table.filter(pc.is_in(users, pa.array(part, users.type))) for part in parts]
        shuffled = [self.batches(part) for part in chosen]
        done = [list(function(iter(part))) for part in shuffled]
        return LocalTable(done, self.user, self.text_users, seed=self.seed, released=self.released)

    def write(self, function: Function, url: str) -> None:
        folder = Path(urlsplit(url).path)
        folder.mkdir(parents=True)
        for number, batches in enumerate(self.mapped(function)):
            table = pa.Table.from_batches(batches)
            pq.write_table(table, folder / f"part-{99 - number}.parquet", row_group_size=3)

    def release(self) -> None:
        self.released.append("shards")
