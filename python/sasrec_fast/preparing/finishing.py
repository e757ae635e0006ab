"""Shards -> parts of the store as rows of a table, one a user, and what was counted of them."""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.preparing.grouping import rules_of, stream_keys
from sasrec_fast.preparing.options import Options
from sasrec_fast.preparing.partitions import Batches, Piece, unpacked
from sasrec_fast.preparing.splitting import split_store
from sasrec_fast.preparing.tally import Tally
from sasrec_fast.store import Sequences, Vocabulary


@dataclass(frozen=True)
class Finish:
    """Finishes the pieces of a partition.

    Attributes:
        options: The options.
        rare: The round in which each item code was found rare, see `core_round`.
        indices: The index of each code; None where codes are indices.
        starts: The times of `split_at`.
        num_items: Items in the vocabulary.
        item_keys: Of the random stream of each item, where these order ties.
    """

    options: Options
    rare: NDArray[np.int32]
    indices: NDArray[np.int32] | None
    starts: NDArray[Any] | None
    num_items: int
    item_keys: NDArray[np.uint64] | None

    def __call__(self, batches: Batches) -> Iterator[Any]:
        """Rows of user, key, items and before, and a last one of the tally of all alone.

        They are `saving.parted`'s rows; users whose rows were all dropped have none.
        """
        tally = Tally()
        kind = None
        for piece in unpacked(batches):
            users, kept = self._finished(piece)
            sequences = Sequences(kept.offsets, kept.items, stream_keys(users))
            before = None if self.starts is None else kept.before.reshape(-1, 2)
            vocabularies = users, Vocabulary.identity(self.num_items)
            splits = split_store(sequences, vocabularies, before, self.options)
            tally = tally.merge(Tally.of(kept, splits, self.options))
            rows = _rows(users, sequences, before)
            kind = rows.schema.field("user").type
            yield rows
        yield _last_row(kind or pa.int64(), tally)

    def _finished(self, piece: Piece) -> tuple[Vocabulary, _core.Finished]:
        shard = piece.shard
        kept = _core.finish(shard, rules_of(self.options), self.rare, self.indices, self.starts)
        if self.item_keys is not None:
            seed = self.options.seed
            _core.order_ties(kept.offsets, kept.items, kept.times, self.item_keys, seed)
        places = np.searchsorted(shard.user_ids, kept.user_ids)
        users = piece.users
        chosen = users[places] if isinstance(users, np.ndarray) else users.take(pa.array(places))
        return Vocabulary.trusted(chosen), kept


def _rows(users: Vocabulary, sequences: Sequences, before: NDArray[Any] | None) -> Any:
    ids = users.strings.cast(pa.string()) if users.are_strings else pa.array(users.ids)
    edges = np.zeros((len(users), 2)) if before is None else before
    mask = None if before is not None else np.ones(len(users), np.bool_)
    return pa.record_batch(
        {
            "user": ids,
            "key": pa.array(sequences.user_keys.view(np.int64)),
            "items": pa.ListArray.from_arrays(sequences.offsets.astype(np.int32), sequences.items),
            "before_validation": pa.array(edges[:, 0].astype(np.int32), mask=mask),
            "before_test": pa.array(edges[:, 1].astype(np.int32), mask=mask),
            "tally": pa.nulls(len(users), pa.binary()),
        }
    )


def _last_row(kind: Any, tally: Tally) -> Any:
    columns = {"user": kind, "key": pa.int64(), "items": pa.list_(pa.int32())}
    columns |= {"before_validation": pa.int32(), "before_test": pa.int32()}
    empty = {name: pa.nulls(1, of) for name, of in columns.items()}
    packed = pa.array([pickle.dumps(tally, protocol=5)], pa.binary())
    return pa.record_batch({**empty, "tally": packed})
