"""Rows that came later, put among those that data was prepared of."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast import _core, checks
from sasrec_fast.columns import TimeColumn, read_ids
from sasrec_fast.errors import DataError, cut, shorten
from sasrec_fast.preparing.grouping import (
    Grouped,
    finish_group,
    item_codes,
    kept_rows,
    starts_of,
)
from sasrec_fast.preparing.options import Options
from sasrec_fast.preparing.shards import rules
from sasrec_fast.reading import ColumnNames, Interactions
from sasrec_fast.store import Log, Vocabulary

_ALL = _core.Rules(
    duplicates="keep",
    min_user_interactions=1,
    min_item_interactions=1,
    holdout=0,
    identity=False,
)
"""Rules that keep every row."""


def append(log: Log, table: Interactions, options: Options, names: ColumnNames) -> Grouped:
    """Group the rows of a log and of a table below it, at the cost of the table's and of copies.

    Raises:
        DataError: Ids or times of another kind than those of the log, or what `group` raises.
    """
    codes, known = item_codes(table.items, options, names.item)
    rows_unknown = 0 if known is None else int(np.count_nonzero(~known))
    keep = kept_rows(table.ratings, known, options)
    log, times = _in_one_kind(log, table.timestamps, names.timestamp)
    later = _core.group(
        table.users.codes, codes, None if times is None else (times.values, None), keep, _ALL
    )
    users = Vocabulary.trusted(table.users.decode(later.shard.user_ids))
    all_users = united(log.users, users, names.user)
    items = _items(log, later, table, options, names.item)
    found = _core.append(
        (
            _with_users(log.shard, all_users.old),
            _with_users(later.shard, all_users.new),
        ),
        (items.codes(items.old), items.codes(items.new)),
        items.code_ids,
        rules(options),
        starts_of(times, options, names),
    )
    ...


def _with_users(shard: _core.Shard, places: NDArray[np.int64]) -> _core.Shard:
    return _core.Shard(
        places, shard.offsets, shard.items, shard.times, shard.time_min, shard.kept
    )
