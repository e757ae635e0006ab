"""Tables and options that shrink: few ids, tied timestamps, and every option drawn together."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from hypothesis import assume
from hypothesis import strategies as st

import reference
from reference import Id, Interaction, Options

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

SMALL_IDS = st.integers(1, 8)
EXTREMES = [-1, 2**31, 2**53, 2**53 + 1, INT64_MIN, INT64_MAX]
WIDE_IDS = st.integers(-9, 9) | st.sampled_from(EXTREMES)
TEXTS = [*"abcdefg", "B", "ab", "9", "10", "", "é", "e\u0301", "漢", "\uffff", "\U0001f600"]
STRING_IDS = st.sampled_from(TEXTS)

TIMESTAMPS: dict[str, st.SearchStrategy[int] | st.SearchStrategy[float]] = {
    "int64": st.integers(0, 3) | st.sampled_from(EXTREMES),
    "int32": st.integers(-2, 2),
    "float64": st.sampled_from(
        [0.0, -0.0, 1.5, -1.5, 5e-324, 1e300, -1e300, 2.0**53, 0.1 + 0.2, 0.3]
    ),
    "float32": st.sampled_from([0.0, -0.0, 1.5, 2.0**24, 2.0**24 + 2]),
    "datetime64[ns]": st.integers(0, 3) | st.sampled_from([-1, 2**53, 2**53 + 1, INT64_MAX]),
    "datetime64[s]": st.integers(-2, 2),
}


@dataclass(frozen=True)
class Case:
    """A table, how its timestamps are stored, and the options it is prepared with."""

    rows: list[Interaction]
    options: Options
    timestamp_dtype: str = "int64"

    def columns(self) -> dict[str, npt.NDArray[np.generic]]:
        timestamps = [row.timestamp for row in self.rows]
        stored_as_int = self.timestamp_dtype.startswith("datetime64")
        stored = np.array(timestamps, dtype="int64" if stored_as_int else self.timestamp_dtype)
        return {
            "user_id": id_column([row.user for row in self.rows]),
            "item_id": id_column([row.item for row in self.rows]),
            "timestamp": stored.view(self.timestamp_dtype),
            "rating": np.array([row.rating for row in self.rows], dtype=np.float64),
        }

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self.columns())

    def with_rows(self, rows: list[Interaction]) -> "Case":
        return replace(self, rows=rows)

    def with_options(self, **changes: object) -> "Case":
        return replace(self, options=replace(self.options, **changes))  # type: ignore[arg-type]


def id_column(ids: list[Id]) -> npt.NDArray[np.generic]:
    return np.array(ids, dtype=object if isinstance(ids[0], str) else np.int64)


@st.composite
def options(draw: st.DrawFn, items: str | None = None) -> Options:
    length = draw(st.integers(1, 6))
    strides = st.tuples(st.just("stride"), st.integers(1, length))
    exponents = st.sampled_from([0.0, 0.75, 1, 3.5])
    windows = draw(st.sampled_from(["last", "prefixes"]) | strides)
    return Options(
        min_rating=draw(st.sampled_from([None, 2, 3.5])),
        min_user_interactions=draw(st.integers(1, 4)),
        min_item_interactions=draw(st.integers(1, 3)),
        duplicates=draw(st.sampled_from(["keep", "first", "last"])),
        ties=draw(st.sampled_from(["input", "hash"])),
        holdout=draw(st.integers(0, 2)),
        max_sequence_length=length,
        truncation=draw(st.sampled_from(["recent", "oldest"][: 1 if windows == "prefixes" else 2])),
        windows=windows,
        num_negatives=draw(st.integers(1, 3)),
        negatives=draw(
            st.sampled_from(["uniform", "popularity"]) | st.tuples(st.just("popularity"), exponents)
        ),
        negative_scope=draw(st.sampled_from(["past", "all"])),
        items=items,
        seed=draw(st.integers(0, 3) | st.sampled_from([2**53 + 1, 2**63, 2**64 - 1])),
    )


@st.composite
def scattered(draw: st.DrawFn, items: str | None = None) -> Case:
    """A few users and items met at random, with many ties."""
    ids = draw(st.sampled_from([SMALL_IDS, WIDE_IDS, STRING_IDS]))
    users = st.sampled_from(draw(st.lists(ids, min_size=1, max_size=4, unique=True)))
    item_ids = st.integers(1, 20)
    if items is None:
        item_ids = draw(st.sampled_from([item_ids, WIDE_IDS, STRING_IDS]))
    dtype = draw(st.sampled_from(list(TIMESTAMPS)))
    ratings = st.sampled_from([5.0, 4.0, 3.5, 3.0, 2.0, 1.0])
    row = st.builds(Interaction, users, item_ids, TIMESTAMPS[dtype], ratings)
    size = draw(st.integers(1, 40))
    rows = draw(st.lists(row, min_size=size, max_size=size))
    return Case(rows, draw(options(items)), dtype)


@st.composite
def crowded(draw: st.DrawFn, items: str | None = None) -> Case:
    """User 1 has nearly every item, so that many of their slots reach the fallback."""
    num_items = draw(st.integers(4, 120))
    everything = range(1, num_items + 1)
    missing = draw(st.sets(st.sampled_from(everything), min_size=1, max_size=3))
    times = draw(st.sampled_from([lambda i: i, lambda i: -i, lambda i: i // 3]))
    nearly_all = [Interaction(1, i, times(i), 5.0) for i in everything if i not in missing]
    others = [Interaction(2, i, times(i), 5.0) for i in [*missing, 1, 2, 3]]
    return Case([*nearly_all, *others], draw(options(items)))


@st.composite
def dated(draw: st.DrawFn, tables: st.SearchStrategy[Case]) -> Case:
    """Tables with validation and test periods that begin at, or between, times of theirs."""
    case = draw(tables)
    times = sorted({row.timestamp for row in case.rows})
    assume(len(times) > 1)
    first, last = draw(st.lists(st.sampled_from(times), min_size=2, max_size=2, unique=True))
    return case.with_options(split_at=(min(first, last), max(first, last)), holdout=2)


@st.composite
def reusing(draw: st.DrawFn, tables: st.SearchStrategy[Case]) -> Case:
    """Tables prepared with a vocabulary that may lack some items and have others."""
    case = draw(tables)
    items = draw(st.permutations(sorted({row.item for row in case.rows})))
    others = ["other"] if isinstance(items[0], str) else [1000, -1000]
    known = [*items[draw(st.integers(0, min(2, len(items) - 1))) :], *others]
    return case.with_options(items=tuple(known))


def cases() -> st.SearchStrategy[Case]:
    """Any table; the reference may refuse it."""
    vocabularies = st.sampled_from([None, "identity"])
    tables = vocabularies.flatmap(lambda items: scattered(items) | crowded(items))
    return tables | dated(tables) | reusing(tables) | dated(reusing(tables))


def accepted(case: Case) -> bool:
    try:
        reference.prepare(case.rows, case.options)
    except reference.RefusedError:
        return False
    return True


def valid_cases() -> st.SearchStrategy[Case]:
    """Tables that can be prepared."""
    return cases().filter(accepted)


@st.composite
def distinct_times(draw: st.DrawFn) -> Case:
    """A valid table without ties."""
    case = draw(valid_cases())
    times = draw(st.permutations(range(len(case.rows))))
    rows = [replace(row, timestamp=time) for row, time in zip(case.rows, times, strict=True)]
    untied = replace(case, rows=rows, timestamp_dtype="int64")
    assume(accepted(untied))
    return untied


@st.composite
def closed_vocabularies(draw: st.DrawFn) -> Case:
    """A valid identity table in which user 99 alone has item 150: changing the rows of others
    cannot change the number of items."""
    tables = scattered("identity") | crowded("identity")
    case = draw(tables.filter(accepted))
    options = replace(
        case.options,
        min_item_interactions=1,
        duplicates="keep",
        ties="input",
        split_at=None,
    )
    anchor = [Interaction(99, item, 0, 5.0) for item in (150, 149, 150, 149)]
    assume(not isinstance(case.rows[0].user, str))
    return replace(case.with_rows([*case.rows, *anchor]), options=options)


def permuted_keeping_ties(rows: list[Interaction], order: list[int]) -> list[Interaction]:
    """`rows` in `order`, except that rows tied with each other stay in their order."""
    tie = [(row.user, row.timestamp) for row in rows]
    waiting = {
        key: iter([row for row, k in zip(rows, tie, strict=True) if k == key]) for key in tie
    }
    return [next(waiting[tie[position]]) for position in order]
