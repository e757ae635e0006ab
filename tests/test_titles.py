"""Titles: what they are taken from, and that those which match nothing are said."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import sasrec_fast as sf
from groceries import HISTORIES, STRINGS, prepared
from small_models import make_model

NUMBERS = np.arange(len(STRINGS)) + 7


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return prepared()


@pytest.fixture(scope="module")
def numbers() -> sf.Prepared:
    ids = dict(zip(STRINGS, NUMBERS.tolist(), strict=True))
    return prepared({user: [ids[item] for item in items] for user, items in HISTORIES.items()})


def recommended(data: sf.Prepared, titles: Any) -> list[Any]:
    found = sf.recommend(sf.baselines.Popularity(data), data, users=["ada"], k=3, titles=titles)
    return found["title"].astype(object).where(found["title"].notna(), None).tolist()


def forms(ids: Any) -> dict[str, Any]:
    texts = [f"title of {name}" for name in STRINGS]
    columns = {"item_id": ids, "title": texts}
    return {
        "frame": pd.DataFrame({**columns, "genres": "x"}),
        "frame by id": pd.DataFrame(columns).set_index("item_id"),
        "series": pd.Series(texts, index=ids),
        "mapping": dict(zip(ids, texts, strict=True)),
        "polars": pl.DataFrame({"item_id": list(ids), "title": texts}),
        "arrow": pa.table({"item_id": list(ids), "title": texts}),
    }


@pytest.mark.parametrize("form", forms(STRINGS))
@pytest.mark.parametrize("kind", ["text", "integers"])
def test_titles_are_taken_in_any_form(data, numbers, form, kind):
    of, ids = (data, STRINGS) if kind == "text" else (numbers, NUMBERS.tolist())
    expected = [f"title of {item}" for item in ("milk", "corn", "oil")]
    assert recommended(of, forms(ids)[form]) == expected


@pytest.mark.parametrize("form", forms(STRINGS))
def test_titles_of_ids_of_the_other_kind_are_said(data, numbers, form):
    texts = [str(number) for number in NUMBERS]
    said = "0 of 10 titles .* no item is '7'; it is text, the item ids are integers, such as 7"
    with pytest.warns(UserWarning, match=said):
        assert recommended(numbers, forms(texts)[form]) == [None] * 3
    said = "0 of 10 titles .* no item is 7; it is no text, the item ids are text, such as 'corn'"
    with pytest.warns(UserWarning, match=said):
        assert recommended(data, forms(NUMBERS.tolist())[form]) == [None] * 3


def test_titles_of_no_known_item_are_said(numbers):
    with pytest.warns(
        UserWarning, match="0 of 1 titles match an item, .*; no item is 99; the items are such as 7"
    ):
        recommended(numbers, {99: "x"})


def test_few_titles_that_match_are_counted_once(numbers):
    titles = {7: "x", 8: "y", "9": "z", "10": "z", "11": "z"}
    said = (
        "2 of 5 titles match an item, and 2 of 10 items to recommend have a title; no item is '9'"
    )
    with pytest.warns(UserWarning, match=said) as caught:
        recommended(numbers, titles)
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "titles",
    [
        {7: "x", 8: "y"},  # some titles of many items
        dict.fromkeys(range(1000), "x"),  # a catalogue of many more items
        {},
    ],
)
def test_titles_that_match_as_far_as_they_go_are_fine(numbers, titles):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recommended(numbers, titles)


def test_missing_titles_are_missing(numbers):
    titles = pd.Series(["x", None, np.nan, pd.NA], index=[7, 10, 11, 12], dtype=object)
    assert recommended(numbers, titles) == [None, "x", None]


def test_float_ids_of_a_column_with_gaps_match(numbers):
    ids = [*NUMBERS.tolist(), None]
    frame = pd.DataFrame({"item_id": ids, "title": [f"t{number}" for number in ids]})
    assert frame["item_id"].dtype == np.float64
    assert recommended(numbers, frame) == ["t10", "t7", "t11"]


def test_similar_items_say_it_too(numbers):
    model = make_model(vocabulary_size=11, items=numbers.items)
    with pytest.warns(
        UserWarning, match="0 of 1 titles match an item, .* no item is '7'; it is text"
    ):
        found = sf.similar_items(model, 7, titles={"7": "x"})
    assert found["title"].isna().all()


@pytest.mark.parametrize(
    ("titles", "error", "said"),
    [
        (pd.DataFrame({"movie": [7], "title": ["x"]}), ValueError, r"without \['item_id'\]"),
        ({7: 1999}, TypeError, "the title of item 7 is 1999, a int; titles are text"),
        ({7: ["x"]}, TypeError, "the title of item 7 is .*, a list; titles are text"),
        ("movies.dat", TypeError, "titles must be a table .*, received 'movies.dat'"),
        (["x"], TypeError, "titles must be a table"),
        (pd.Series(["x", "y"], index=[7, 7]), ValueError, "items with two titles: 1, first 7"),
    ],
)
def test_titles_that_cannot_be_meant_are_refused(numbers, titles, error, said):
    with pytest.raises(error, match=said):
        recommended(numbers, titles)


def test_the_command_line_says_it_for_the_user_it_shows(numbers):
    from sasrec_fast.cli.display import first_user

    chain = sf.baselines.MarkovChain(numbers.train)
    texts = {str(number): "x" for number in NUMBERS}
    shown = first_user(chain, numbers, texts, hide_last=True)
    assert "note: none of the 10 titles is of an item here, first '7'" in shown
    assert "note" not in first_user(chain, numbers, {7: "x"}, hide_last=True)
