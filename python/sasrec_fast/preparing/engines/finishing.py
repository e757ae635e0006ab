"""Shards -> parts of the store as rows of a table, one a user, and what was counted of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.preparing.accounting import Counts, count, sums_of
from sasrec_fast.preparing.engines.partitions import Batches, Piece, packed, unpacked
from sasrec_fast.preparing.grouping import stream_keys
from sasrec_fast.preparing.options import Options
from sasrec_fast.preparing.shards import dated_rows, rules, splits_of
from sasrec_fast.store import Sequences, Vocabulary


@dataclass(frozen=True)
class Finish:
    """Finishes the pieces of a partition.

    Attributes:
        options: The options.
        text_users: Whether user ids are strings.
        rare: The round in which each item code was found rare, see `core_round`.
        indices: The index of each code; None where codes are indices.
        starts: The times of `split_at`.
        num_items: Items in the vocabulary.
        item_keys: Of the random stream of each item, where these order ties.
    """

    options: Options
    text_users: bool
    rare: NDArray[np.int32]
    indices: NDArray[np.int32] | None
    starts: NDArray[Any] | None
    num_items: int
    item_keys: NDArray[np.uint64] | None

    def __call__(self, batches: Batches) -> Iterator[Any]:
        """Rows of a part, see `saving.parts`, the last of which has the counts of all alone.

        Users whose rows were all dropped have none.
        """
        counts: Counts | None = None
        first: Any = None
        for piece in unpacked(batches):
            users, kept = self._finished(piece)
            sequences = Sequences(kept.offsets, kept.items, stream_keys(users))
            before = None if self.starts is None else kept.before.reshape(-1, 2)
            vocabularies = users, Vocabulary.identity(self.num_items)
            rows = dated_rows(kept.offsets, before)
            splits = splits_of(sequences, vocabularies, self.options, rows)
            found = count(sums_of(kept), splits, timed=True)
            counts = found if counts is None else counts.merge(found)
            if first is None and len(users):
                first = users.lookup([1]).tolist()[0]
            yield self._rows(users, sequences, before)
        yield self._last_row(first, counts)

    def _finished(self, piece: Piece) -> tuple[Vocabulary, _core.Finished]:
        shard = piece.shard
        kept = _core.finish(shard, rules(self.options), self.rare, self.indices, self.starts)
        if self.item_keys is not None:
            seed = self.options.seed
            _core.order_ties(kept.offsets, kept.items, kept.times, self.item_keys, seed)
        places = np.searchsorted(shard.user_ids, kept.user_ids)
        users = piece.users
        chosen = users[places] if isinstance(users, np.ndarray) else users.take(pa.array(places))
        return Vocabulary.trusted(chosen), kept

    def _rows(
        self, users: Vocabulary, sequences: Sequences, before: NDArray[np.uint32] | None
    ) -> Any:
        ids = users.strings.cast(pa.string()) if self.text_users else pa.array(users.ids)
        columns = {
            "user": ids,
            "key": pa.array(sequences.user_keys.view(np.int64)),
            "items": pa.ListArray.from_arrays(sequences.offsets.astype(np.int32), sequences.items),
        }
        for place, name in enumerate(("before_validation", "before_test")):
            edges = np.zeros((len(users), 2), np.uint32) if before is None else before
            columns[name] = pa.array(edges[:, place].astype(np.int32))
        return pa.record_batch({**columns, "counts": pa.nulls(len(users), pa.binary())})

    def _last_row(self, first: Any, counts: Counts | None) -> Any:
        """The first user, by which parts are put in order, and the counts."""
        columns = {
            "user": pa.string() if self.text_users else pa.int64(),
            "key": pa.int64(),
            "items": pa.list_(pa.int32()),
            "before_validation": pa.int32(),
            "before_test": pa.int32(),
        }
        empty = {name: pa.nulls(1, kind) for name, kind in columns.items()}
        value = pa.array([packed((first, counts))], pa.binary())
        return pa.record_batch({**empty, "counts": value})
