from typing import Any, Final, Protocol, Self, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DEBUG_BUILD",
    "MAX_ITEMS",
    "AliasTable",
    "CoarseVectors",
    "Finished",
    "GroupedInteractions",
    "ItemCodes",
    "Rules",
    "Shard",
    "Span",
    "StringTable",
    "append",
    "apply_edit",
    "attention_handlers",
    "core_round",
    "count_above",
    "count_among",
    "count_items",
    "count_items_of_rows",
    "encode_strings",
    "fill",
    "fill_negatives",
    "find_edit",
    "find_without_negative",
    "finish",
    "first_draws",
    "group",
    "lists_of_products",
    "lists_of_scores",
    "order_ties",
    "philox",
    "repeated_targets",
    "route",
    "scan",
    "shown_items",
    "sort_shard",
    "string_keys",
    "top_k",
]

DEBUG_BUILD: Final[bool]
MAX_ITEMS: Final[int]

_Values: TypeAlias = NDArray[np.int32] | NDArray[np.uint32] | NDArray[np.uint64]

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

class _ListRules(Protocol):
    @property
    def factors(self) -> NDArray[np.float32]: ...
    @property
    def boosts(self) -> NDArray[np.float32]: ...
    @property
    def groups(self) -> NDArray[np.int32]: ...
    @property
    def most_per_group(self) -> int: ...
    @property
    def always(self) -> NDArray[np.int32]: ...
    @property
    def diversity(self) -> float: ...
    @property
    def pool(self) -> int: ...

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
    def prefixes(self) -> bool: ...
    @property
    def reject_all(self) -> bool: ...
    @property
    def num_negatives(self) -> int: ...
    @property
    def num_items(self) -> int: ...
    @property
    def seed(self) -> int: ...

@final
class Rules:
    def __new__(
        cls,
        *,
        duplicates: str,
        min_user_interactions: int,
        min_item_interactions: int,
        holdout: int,
        identity: bool,
    ) -> Self: ...

@final
class Shard:
    user_ids: Final[NDArray[np.int64]]
    offsets: Final[NDArray[np.int64]]
    items: Final[NDArray[np.int32]]
    times: Final[NDArray[np.uint32] | NDArray[np.uint64]]
    time_min: Final[int]
    time_unit: Final[int]
    kept: Final[NDArray[np.bool_]]
    def __new__(
        cls,
        user_ids: NDArray[np.int64],
        offsets: NDArray[np.int64],
        items: NDArray[np.int32],
        times: NDArray[np.uint32] | NDArray[np.uint64],
        time_min: int,
        time_unit: int,
        kept: NDArray[np.bool_],
    ) -> Self: ...
    def __getnewargs__(self) -> tuple[Any, ...]: ...

@final
class Finished:
    user_ids: Final[NDArray[np.int64]]
    offsets: Final[NDArray[np.int64]]
    items: Final[NDArray[np.int32]]
    times: Final[NDArray[np.uint32] | NDArray[np.uint64]]
    before: Final[NDArray[np.uint32]]
    rows_filtered: Final[int]
    rows_duplicate: Final[int]
    rows_of_rare_items: Final[int]
    rows_kept: Final[int]
    users_dropped: Final[int]
    rows_tied: Final[int]
    users_tie_dependent: Final[int]

@final
class GroupedInteractions:
    shard: Final[Shard]
    code_ids: Final[NDArray[np.int64]]
    kept: Final[Finished]
    item_ids: Final[NDArray[np.int64]]
    num_items: Final[int]

_Chunk: TypeAlias = tuple[
    NDArray[np.int64] | NDArray[np.int32],
    NDArray[np.int64] | NDArray[np.int32],
    NDArray[np.int64] | NDArray[np.int32] | NDArray[np.float64] | None,
    NDArray[np.bool_] | None,
]
_TimeRange: TypeAlias = tuple[int, int, int] | tuple[float, float, bool]

@final
class Span:
    def __new__(
        cls,
        rows: int,
        users: tuple[int, int] | None,
        sample: tuple[NDArray[np.uint64], NDArray[np.int64]],
        item_ids: NDArray[np.int64],
        times: _TimeRange | None,
    ) -> Self: ...
    @property
    def rows(self) -> int: ...
    @property
    def users(self) -> tuple[int, int] | None: ...
    @property
    def sample(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]: ...
    @property
    def item_ids(self) -> NDArray[np.int64]: ...
    @property
    def times(self) -> _TimeRange | None: ...
    def merge(self, other: Span) -> Span: ...
    def bounds(self, shards: int) -> NDArray[np.int64]: ...
    def __getnewargs__(self) -> tuple[Any, ...]: ...

@final
class ItemCodes:
    def __new__(cls, item_ids: NDArray[np.int64]) -> Self: ...

@final
class AliasTable:
    def __new__(cls, weights: NDArray[np.uint64]) -> Self: ...

@final
class CoarseVectors:
    def __new__(cls, vectors: NDArray[np.float32]) -> Self: ...

@final
class StringTable:
    def __new__(cls) -> Self: ...
    def __len__(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def add(
        self, chunk: tuple[NDArray[np.int64] | NDArray[np.int32], NDArray[np.uint8]]
    ) -> NDArray[np.int32]: ...
    def find(
        self, chunk: tuple[NDArray[np.int64] | NDArray[np.int32], NDArray[np.uint8]]
    ) -> NDArray[np.int32]: ...
    def ranked(self) -> tuple[NDArray[np.int32], tuple[NDArray[np.int64], NDArray[np.uint8]]]: ...

def group(
    users: NDArray[np.int64] | NDArray[np.int32],
    items: NDArray[np.int64] | NDArray[np.int32],
    times: tuple[NDArray[np.int64] | NDArray[np.int32], NDArray[np.int64] | None]
    | tuple[NDArray[np.float64], NDArray[np.float64] | None]
    | None,
    keep: NDArray[np.bool_] | None,
    rules: Rules,
) -> GroupedInteractions: ...
def sort_shard(
    users: NDArray[np.int64] | NDArray[np.int32],
    items: NDArray[np.int64] | NDArray[np.int32],
    times: NDArray[np.int64] | NDArray[np.int32] | NDArray[np.float64] | None,
    keep: NDArray[np.bool_] | None,
    rules: Rules,
) -> Shard: ...
def core_round(shard: Shard, rules: Rules, rare: NDArray[np.int32]) -> NDArray[np.int64]: ...
def append(
    shards: tuple[Shard, Shard],
    codes: tuple[NDArray[np.int32] | None, NDArray[np.int32] | None],
    code_ids: NDArray[np.int64] | None,
    rules: Rules,
    starts: NDArray[np.int64] | NDArray[np.float64] | None,
) -> GroupedInteractions: ...
def finish(
    shard: Shard,
    rules: Rules,
    rare: NDArray[np.int32] | None,
    indices: NDArray[np.int32] | None,
    starts: NDArray[np.int64] | NDArray[np.float64] | None,
) -> Finished: ...
def scan(chunk: _Chunk, first_row: int) -> Span: ...
def route(
    chunk: _Chunk,
    shards: tuple[NDArray[np.int64], int],
    codes: ItemCodes,
    ticks: tuple[int, int] | None,
) -> tuple[
    NDArray[np.int64] | NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.int64] | NDArray[np.int32] | NDArray[np.float64] | None,
    NDArray[np.int64],
]: ...
def find_edit(
    old: tuple[NDArray[np.int64], _Values],
    new: tuple[NDArray[np.int64], _Values],
    users: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
def apply_edit(
    old: _Values,
    edit: tuple[NDArray[np.int64], NDArray[np.int64]],
    values: _Values,
) -> NDArray[Any]: ...
def attention_handlers() -> tuple[Any, Any] | None: ...
def encode_strings(
    chunks: list[tuple[NDArray[np.int64] | NDArray[np.int32], NDArray[np.uint8]]],
) -> tuple[NDArray[np.int32], tuple[NDArray[np.int64], NDArray[np.uint8]]]: ...
def string_keys(
    chunk: tuple[NDArray[np.int64] | NDArray[np.int32], NDArray[np.uint8]],
) -> NDArray[np.uint64]: ...
def order_ties(
    offsets: NDArray[np.int64],
    items: NDArray[np.int32],
    times: NDArray[np.uint32] | NDArray[np.uint64],
    item_keys: NDArray[np.uint64],
    seed: int,
) -> None: ...
def find_without_negative(store: _Store, options: _WindowOptions, rows: _Rows) -> int | None: ...
def shown_items(store: _Store, options: _WindowOptions, rows: _Rows) -> NDArray[np.bool_]: ...
def repeated_targets(store: _Store, rows: _Rows) -> NDArray[np.bool_]: ...
def count_items(items: NDArray[np.int32], size: int) -> NDArray[np.int64]: ...
def count_items_of_rows(
    store: _Store, rows: _Rows, size: int, last_alone: bool
) -> NDArray[np.int64]: ...
def fill(
    store: _Store,
    options: _WindowOptions,
    rows: _Rows,
    popularity: AliasTable | None,
    width: int,
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
    popularity: AliasTable | None,
    epoch: int,
    out: NDArray[np.int32],
) -> None: ...
def philox(
    counter: tuple[int, int, int, int] | list[int] | NDArray[np.uint64],
    key: tuple[int, int] | list[int] | NDArray[np.uint64],
    n: int,
) -> NDArray[np.uint64]: ...
def first_draws(keys: NDArray[np.uint64], purpose: int, seed: int) -> NDArray[np.uint64]: ...
def top_k(
    queries: NDArray[np.float32],
    vectors: NDArray[np.float32],
    excluded: tuple[NDArray[np.int64], NDArray[np.int32]],
    k: int,
    adjustment: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
    coarse: CoarseVectors | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]: ...
def lists_of_products(
    queries: NDArray[np.float32],
    vectors: NDArray[np.float32],
    excluded: tuple[NDArray[np.int64], NDArray[np.int32]],
    k: int,
    rules: _ListRules,
    coarse: CoarseVectors | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]: ...
def lists_of_scores(
    scores: NDArray[np.float64],
    vectors: NDArray[np.float32],
    k: int,
    rules: _ListRules,
) -> tuple[NDArray[np.float64], NDArray[np.int32]]: ...
def count_above(
    queries: NDArray[np.float32],
    vectors: NDArray[np.float32],
    excluded: tuple[NDArray[np.int64], NDArray[np.int32]],
    targets: NDArray[np.int32],
    k: int,
    adjustment: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> tuple[tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]], NDArray[np.int32]]: ...
def count_among(
    queries: NDArray[np.float32],
    vectors: NDArray[np.float32],
    targets: NDArray[np.int32],
    others: NDArray[np.int32],
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]: ...
