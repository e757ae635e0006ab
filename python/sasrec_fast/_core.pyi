from typing import Final, Protocol, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DEBUG_BUILD",
    "GroupedInteractions",
    "alias_table",
    "encode_strings",
    "fill",
    "fill_negatives",
    "find_without_negative",
    "group",
    "order_ties",
    "philox",
    "shown_items",
    "top_k",
]

DEBUG_BUILD: Final[bool]

class _Rules(Protocol):
    @property
    def duplicates(self) -> str: ...
    @property
    def min_item_interactions(self) -> int: ...
    @property
    def min_user_interactions(self) -> int: ...
    @property
    def holdout(self) -> int: ...
    @property
    def split_at(self) -> NDArray[np.int64] | NDArray[np.float64] | None: ...
    @property
    def identity(self) -> bool: ...
    @property
    def moments(self) -> bool: ...

class _Store(Protocol):
    @property
    def offsets(self) -> NDArray[np.int64]: ...
    @property
    def items(self) -> NDArray[np.int32]: ...
    @property
    def user_keys(self) -> NDArray[np.uint64]: ...

class _Rows(Protocol):
    @property
    def users(self) -> NDArray[np.int32]: ...
    @property
    def ends(self) -> NDArray[np.int32]: ...
    @property
    def windows(self) -> NDArray[np.int32]: ...

class _AliasTable(Protocol):
    @property
    def thresholds(self) -> NDArray[np.uint64]: ...
    @property
    def aliases(self) -> NDArray[np.int32]: ...
    @property
    def cumulative(self) -> NDArray[np.uint64]: ...

class _WindowOptions(Protocol):
    @property
    def split(self) -> int: ...
    @property
    def max_sequence_length(self) -> int: ...
    @property
    def oldest(self) -> bool: ...
    @property
    def stride(self) -> int: ...
    @property
    def reject_all(self) -> bool: ...
    @property
    def num_negatives(self) -> int: ...
    @property
    def num_items(self) -> int: ...
    @property
    def seed(self) -> int: ...

@final
class GroupedInteractions:
    @property
    def offsets(self) -> NDArray[np.int64]: ...
    @property
    def items(self) -> NDArray[np.int32]: ...
    @property
    def user_ids(self) -> NDArray[np.int64]: ...
    @property
    def item_ids(self) -> NDArray[np.int64]: ...
    @property
    def before(self) -> NDArray[np.uint32]: ...
    @property
    def moments(self) -> NDArray[np.uint32]: ...
    @property
    def num_items(self) -> int: ...
    @property
    def rows_filtered(self) -> int: ...
    @property
    def rows_duplicate(self) -> int: ...
    @property
    def rows_of_rare_items(self) -> int: ...
    @property
    def rows_kept(self) -> int: ...
    @property
    def users_dropped(self) -> int: ...
    @property
    def rows_tied(self) -> int: ...
    @property
    def users_tie_dependent(self) -> int: ...

def group(
    users: NDArray[np.int64] | NDArray[np.int32],
    items: NDArray[np.int64] | NDArray[np.int32],
    timestamps: NDArray[np.int64] | NDArray[np.float64] | None,
    keep: NDArray[np.bool_] | None,
    rules: _Rules,
) -> GroupedInteractions: ...
def encode_strings(
    chunks: list[tuple[NDArray[np.int64] | NDArray[np.int32], NDArray[np.uint8]]],
) -> tuple[NDArray[np.int32], NDArray[np.int64]]: ...
def order_ties(
    offsets: NDArray[np.int64],
    items: NDArray[np.int32],
    moments: NDArray[np.uint32],
    item_keys: NDArray[np.uint64],
    seed: int,
) -> None: ...
def alias_table(
    weights: NDArray[np.uint64],
) -> tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.uint64]]: ...
def find_without_negative(store: _Store, options: _WindowOptions, rows: _Rows) -> int | None: ...
def shown_items(store: _Store, options: _WindowOptions, rows: _Rows) -> NDArray[np.bool_]: ...
def fill(
    store: _Store,
    options: _WindowOptions,
    rows: _Rows,
    popularity: _AliasTable | None,
    length: int,
    epoch: int,
) -> tuple[
    NDArray[np.int32],
    NDArray[np.bool_],
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.float32],
]: ...
def fill_negatives(
    store: _Store,
    options: _WindowOptions,
    rows: _Rows,
    popularity: _AliasTable | None,
    epoch: int,
    out: NDArray[np.int32],
) -> None: ...
def philox(
    counter: tuple[int, int, int, int] | list[int] | NDArray[np.uint64],
    key: tuple[int, int] | list[int] | NDArray[np.uint64],
    n: int,
) -> NDArray[np.uint64]: ...
def top_k(
    queries: NDArray[np.float32],
    vectors: NDArray[np.float32],
    excluded: tuple[NDArray[np.int64], NDArray[np.int32]],
    k: int,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]: ...
