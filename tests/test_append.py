"""Appended data is what preparing all rows together gives, in every array and every count."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import reference
import sasrec_fast as sf
from exactness import arguments, assert_agrees, prepare, splits
from strategies import Case, accepted, cases, valid_cases

Table = dict[str, Any]
TABLE = {
    "user_id": [3, 1, 1, 3, 3, 1, 7, 7, 7],
    "item_id": [20, 10, 30, 10, 40, 20, 20, 10, 30],
    "timestamp": [5, 1, 2, 3, 9, 4, 1, 2, 3],
}


def pieces(case: Case, cuts: list[int]) -> Iterator[Table]:
    edges = [0, *cuts, len(case.rows)]
    columns = case.columns()
    for first, end in zip(edges[:-1], edges[1:], strict=True):
        yield {name: column[first:end] for name, column in columns.items()}


@st.composite
def cut_cases(draw: st.DrawFn) -> tuple[Case, list[int]]:
    """A table, and where pieces of it end; the first can be prepared, all together may not."""
    case = draw(cases())
    rows = len(case.rows)
    assume(rows > 1)
    cuts = sorted(draw(st.lists(st.integers(1, rows - 1), min_size=1, max_size=3, unique=True)))
    while cuts and not accepted(case.with_rows(case.rows[: cuts[0]])):
        cuts = cuts[1:]
    assume(cuts)
    return case, cuts


def assert_equal(actual: sf.Prepared, expected: sf.Prepared) -> None:
    assert actual.report == expected.report
    assert actual.fingerprint == expected.fingerprint
    assert actual.options == expected.options
    assert actual.users == expected.users
    assert actual.items == expected.items


def joined(*tables: Table) -> Table:
    return {name: [value for t in tables for value in t[name]] for name in tables[0]}


@given(cut_cases())
def test_appended_data_is_that_of_all_rows(drawn: tuple[Case, list[int]]) -> None:
    case, cuts = drawn
    first, *others = pieces(case, cuts)
    data = prepare(case, first)
    rows = cuts[0]
    for piece in others:
        rows += len(piece["user_id"])
        so_far = case.with_rows(case.rows[:rows])
        if not accepted(so_far):
            with pytest.raises(sf.DataError):
                data.append(piece)
            return
        data = data.append(piece)
        assert_equal(data, prepare(so_far))
    assert_agrees(data, reference.prepare(case.rows, case.options))
