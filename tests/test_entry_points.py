"""What people pass by mistake is taken for what it can only mean, or refused in a sentence."""

from __future__ import annotations

import traceback
import warnings
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import sasrec_fast as sf
from groceries import HISTORIES, STRINGS, prepared, table
from small_models import keras, make_model

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = str(Path(sf.__file__).parent)
FRAME = table(HISTORIES)
TWO = ["tea", "rice"]


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return prepared()


@pytest.fixture(scope="module")
def model(data) -> Any:
    return make_model(
        vocabulary_size=data.vocabulary_size, items=data.items, item_counts=data.item_counts
    )


@pytest.fixture(scope="module")
def chain(data) -> Any:
    return sf.baselines.MarkovChain(data.train)


def things(data: sf.Prepared, model: Any) -> dict[str, Any]:
    """Plausible arguments, most of them wrong at each place."""
    return {
        "None": None,
        "prepared": data,
        "split": data.test,
        "arrays": data.test.arrays(),
        "batches": data.train.batches(2),
        "vocabulary": data.items,
        "model": model,
        "class": sf.SASRec,
        "another keras model": keras.Sequential([keras.layers.Dense(2)]),
        "function": len,
        "frame": FRAME,
        "frame of one column": FRAME[["item_id"]][:3],
        "series": FRAME.item_id[:3],
        "groups": FRAME.groupby("user_id").item_id,
        "groups of rows": FRAME.groupby("user_id"),
        "categories": pd.Series(TWO, dtype="category"),
        "index": pd.Index(TWO),
        "two indices": pd.MultiIndex.from_tuples([("tea", 1)]),
        "polars column": pl.Series(TWO),
        "polars frame": pl.DataFrame({"a": TWO, "b": [1, 2]}),
        "lazy frame": pl.DataFrame({"a": TWO}).lazy(),
        "arrow column": pa.array(TWO),
        "arrow table": pa.table({"a": TWO, "b": [1, 2]}),
        "array": np.array(TWO),
        "array of 2": np.array([TWO]),
        "array of 0": np.array(5),
        "text array of 0": np.array("tea"),
        "structured": np.zeros(2, [("a", int)]),
        "masked": np.ma.array([1, 2]),
        "mapping": {"ada": TWO},
        "numbers by id": {"tea": 1},
        "generator": (item for item in TWO),
        "set": set(TWO),
        "deque": deque(TWO),
        "text": "tea",
        "bytes": b"tea",
        "path": Path("tea.csv"),
        "number": 5,
        "fraction": 2.5,
        "nan": float("nan"),
        "time": pd.Timestamp("2020-01-01"),
        "integers": [1, 2],
        "bools": [True, False],
        "nested": [["tea"], ["rice"]],
        "partly nested": ["tea", ["rice"]],
        "list of none": [None, "tea"],
        "list of mappings": [{"a": 1}],
        "list of frames": [FRAME],
        "list of columns": [FRAME.item_id[:2]],
        "empty": [],
    }


CALLS: dict[str, Any] = {
    "evaluate model": lambda x, data, model, chain: sf.evaluate(x, data.test),
    "evaluate split": lambda x, data, model, chain: sf.evaluate(chain, x),
    "evaluate k": lambda x, data, model, chain: sf.evaluate(chain, data.test, k=x),
    "evaluate candidates": lambda x, data, model, chain: sf.evaluate(
        chain, data.test, candidates=x
    ),
    "evaluate exclude": lambda x, data, model, chain: sf.evaluate(chain, data.test, exclude=x),
    "evaluate exclude_seen": lambda x, data, model, chain: sf.evaluate(
        chain, data.test, exclude_seen=x
    ),
    "evaluate batch_size": lambda x, data, model, chain: sf.evaluate(
        chain, data.test, batch_size=x
    ),
    "recommend model": lambda x, data, model, chain: sf.recommend(x, data),
    "recommend data": lambda x, data, model, chain: sf.recommend(model, x),
    "recommend users": lambda x, data, model, chain: sf.recommend(chain, data, users=x),
    "recommend histories": lambda x, data, model, chain: sf.recommend(model, data, histories=x),
    "recommend candidates": lambda x, data, model, chain: sf.recommend(chain, data, candidates=x),
    "recommend exclude": lambda x, data, model, chain: sf.recommend(chain, data, exclude=x),
    "recommend titles": lambda x, data, model, chain: sf.recommend(chain, data, titles=x),
    "recommend k": lambda x, data, model, chain: sf.recommend(chain, data, k=x),
    "recommend output": lambda x, data, model, chain: sf.recommend(
        chain, data, output=None if isinstance(x, str | Path) else x
    ),
    "similar_items model": lambda x, data, model, chain: sf.similar_items(x, "tea"),
    "similar_items item": lambda x, data, model, chain: sf.similar_items(model, x),
    "similar_items data": lambda x, data, model, chain: sf.similar_items(model, "tea", data=x),
    "similar_items titles": lambda x, data, model, chain: sf.similar_items(model, "tea", titles=x),
    "Popularity": lambda x, data, model, chain: sf.baselines.Popularity(x),
    "Popularity items": lambda x, data, model, chain: sf.baselines.Popularity(
        data.item_counts, items=x
    ),
    "MarkovChain": lambda x, data, model, chain: sf.baselines.MarkovChain(x),
    "ItemNeighbours": lambda x, data, model, chain: sf.baselines.ItemNeighbours(x),
    "compare": lambda x, data, model, chain: sf.compare(sf.evaluate(chain, data), x),
    "RankingMetrics": lambda x, data, model, chain: sf.RankingMetrics(x),
    "RankingMetrics k": lambda x, data, model, chain: sf.RankingMetrics(data.validation, k=x),
    "RankingMetrics candidates": lambda x, data, model, chain: sf.RankingMetrics(
        data.validation, candidates=x
    ),
    "RankingMetrics prefix": lambda x, data, model, chain: sf.RankingMetrics(
        data.validation, prefix=x
    ),
    "SASRec candidates": lambda x, data, model, chain: make_model(
        vocabulary_size=11, num_layers=0, items=data.items, candidates=x
    ),
    "SASRec candidate_indices": lambda x, data, model, chain: make_model(
        vocabulary_size=11, num_layers=0, candidate_indices=x
    ),
    "SASRec items": lambda x, data, model, chain: make_model(
        vocabulary_size=11, num_layers=0, items=x
    ),
    "SASRec for data": lambda x, data, model, chain: sf.SASRec.for_data(x),
    "inputs": lambda x, data, model, chain: data.inputs(x),
    "encode": lambda x, data, model, chain: data.encode(x),
    "history_lengths": lambda x, data, model, chain: sf.plots.history_lengths(x),
    "item_popularity": lambda x, data, model, chain: sf.plots.item_popularity(x),
    "ndcg metrics": lambda x, data, model, chain: sf.plots.ndcg_by_popularity(x, data),
    "ndcg data": lambda x, data, model, chain: sf.plots.ndcg_by_history_length(
        sf.evaluate(chain, data.test), x
    ),
    "plot ax": lambda x, data, model, chain: sf.plots.history_lengths(data, ax=x),
    "plot data_name": lambda x, data, model, chain: sf.plots.item_popularity(data, data_name=x),
    "ndcg k": lambda x, data, model, chain: sf.plots.ndcg_by_popularity(
        sf.evaluate(chain, data.test), data, k=x
    ),
    "learning_curves metrics": lambda x, data, model, chain: sf.plots.learning_curves(
        {"loss": [2.0, 1.0]}, metrics=x
    ),
    "learning_curves": lambda x, data, model, chain: sf.plots.learning_curves(x),
}
TAKEN = {
    "evaluate split": {"prepared", "split"},
    "evaluate exclude_seen": set(),
    "recommend data": {"prepared"},
    "evaluate batch_size": {"None", "number"},
    "recommend users": {"None", "empty"},
    "similar_items model": {"model"},
    "RankingMetrics": {"split"},
    "MarkovChain": {"prepared", "split"},
    "ItemNeighbours": {"prepared", "split"},
    "compare": set(),
    "Popularity items": {"None", "vocabulary"},
    "SASRec items": {"None", "vocabulary"},
    "SASRec for data": {"prepared"},
    "inputs": {"None", "empty"},
    "history_lengths": {"prepared"},
    "item_popularity": {"prepared"},
    "ndcg metrics": set(),
    "ndcg k": {"number"},
    "plot ax": {"None"},
    "plot data_name": {"text"},
    "learning_curves metrics": {"None", "empty"},
    "ndcg data": {"prepared"},
}
"""The things that are taken, where it can be said in one line; elsewhere any may be."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def faults_of(refused: Exception, name: str) -> list[str]:
    """What is wrong with an error: raised by somebody else, or more than a sentence."""
    origin = traceback.extract_tb(refused.__traceback__)[-1]
    text = str(refused.args[0])
    ours = origin.filename.startswith(PACKAGE) and (origin.line or "").lstrip().startswith("raise")
    brief = 10 < len(text) < 500 and "\n" not in text
    return [] if ours and brief else [f"{name}: {text} ({origin.filename}:{origin.lineno})"]


@pytest.mark.parametrize("call", CALLS)
def test_each_is_taken_or_refused_in_one_sentence_of_ours(data, model, chain, call):
    taken, faults = set(), []
    for name, thing in things(data, model).items():
        try:
            CALLS[call](thing, data, model, chain)
            taken.add(name)
        except (TypeError, ValueError, KeyError, FileNotFoundError) as refused:
            faults += faults_of(refused, name)
    assert faults == []
    if call in TAKEN:
        assert taken == TAKEN[call]


ITEM_LISTS: dict[str, Any] = {
    "tuple": tuple(TWO),
    "set": set(TWO),
    "keys": dict.fromkeys(TWO),
    "generator": iter(TWO),
    "series": pd.Series(TWO, index=[5, 6]),
    "categories": pd.Series(TWO, dtype="category"),
    "index": pd.Index(TWO),
    "array": np.array(TWO),
    "objects": np.array(TWO, object),
    "frame of one column": pd.DataFrame({"item_id": TWO}),
    "polars": pl.Series(TWO),
    "polars frame": pl.DataFrame({"item_id": TWO}),
    "arrow": pa.chunked_array([TWO]),
    "arrow table": pa.table({"item_id": TWO}),
    "vocabulary": sf.Vocabulary(TWO),
    "deque": deque(TWO),
}


@pytest.mark.parametrize("form", ITEM_LISTS)
def test_item_ids_are_taken_in_any_form(data, chain, model, form):
    def given() -> Any:
        ids = ITEM_LISTS[form]
        return iter(TWO) if form == "generator" else ids.keys() if form == "keys" else ids

    for options in ("candidates", "exclude"):
        expected = sf.recommend(chain, data, exclude_seen=False, **{options: TWO})
        found = sf.recommend(chain, data, exclude_seen=False, **{options: given()})
        pd.testing.assert_frame_equal(found, expected)
        measured = sf.evaluate(chain, data.test, exclude_seen=False, **{options: given()})
        assert dict(measured) == dict(
            sf.evaluate(chain, data.test, exclude_seen=False, **{options: TWO})
        )
    mask = np.isin(np.arange(11), data.items.index(TWO))
    one = make_model(vocabulary_size=11, num_layers=0, items=data.items, candidates=given())
    np.testing.assert_array_equal(one.candidate_mask, mask)
    metrics = sf.RankingMetrics(data.validation, candidates=given())
    np.testing.assert_array_equal(metrics._options["candidates"], mask)
    if form != "set":  # similar items come in the order asked for
        pd.testing.assert_frame_equal(
            sf.similar_items(model, given()), sf.similar_items(model, TWO)
        )


@pytest.mark.parametrize(
    "users",
    [
        pd.DataFrame({"user_id": ["bob", "zoe"]}),
        pd.Series(["bob", "zoe"], index=[8, 9]),
        pd.Index(["bob", "zoe"]),
        pl.DataFrame({"user_id": ["bob", "zoe"]}),
        pa.table({"user_id": ["bob", "zoe"]}),
        np.array(["bob", "zoe"]),
        sf.Vocabulary(["bob", "zoe"]),
    ],
    ids=["frame", "series", "index", "polars", "arrow", "array", "vocabulary"],
)
def test_users_are_taken_in_any_form(data, chain, users):
    expected = sf.recommend(chain, data, users=["bob", "zoe"])
    pd.testing.assert_frame_equal(sf.recommend(chain, data, users=users), expected)
    np.testing.assert_array_equal(data.inputs(users)["item_ids"], data.inputs()["item_ids"][1:])


def test_grouped_histories_are_called_by_their_keys(data, chain):
    expected = sf.recommend(chain, data, users=["ada", "bob", "zoe"])
    forms = {
        "groups": FRAME.groupby("user_id").item_id,
        "groups by a list": FRAME.groupby(["user_id"])["item_id"],
        "series of lists": FRAME.groupby("user_id").item_id.apply(list),
        "mapping": {user: HISTORIES[user] for user in ("ada", "bob", "zoe")},
    }
    for histories in forms.values():
        found = sf.recommend(chain, data, histories=histories)
        assert found.columns[0] == "history"
        pd.testing.assert_frame_equal(found.rename(columns={"history": "user_id"}), expected)
        encoded = data.encode(histories)["item_ids"]
        np.testing.assert_array_equal(encoded, data.inputs()["item_ids"])


def test_integer_and_time_keys_stay_what_they_are(data, chain):
    found = sf.recommend(chain, data, histories={30: ["tea"], 10: ["rice"]}, k=1)
    assert found["history"].tolist() == [30, 10]
    days = pd.Series([["tea"], ["rice"]], index=pd.to_datetime(["2024-01-02", "2024-01-01"]))
    found = sf.recommend(chain, data, histories=days, k=1)
    assert found["history"].tolist() == days.index.tolist()
    numbered = sf.recommend(chain, data, histories=pd.Series([["tea"], ["rice"]]), k=1)
    assert numbered["history"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("histories", "error", "said"),
    [
        (FRAME, TypeError, r"is a table with columns \['user_id', 'item_id'\]: pass frame.groupby"),
        (FRAME.groupby("user_id"), TypeError, r"grouped table; pick the column .*\['item_id'\]"),
        (FRAME.groupby(["user_id", "item_id"]).item_id, TypeError, "keys must be all integers"),
        ({1: ["tea"], "b": ["rice"]}, TypeError, "keys must be all integers, or all text"),
        (pd.Series([["tea"], ["rice"]], index=[1, 1]), ValueError, "two histories are called 1"),
        ([{"tea", "rice"}], TypeError, "history 0 is a set, expected a list of ids, oldest first"),
        ({("tea",)}, TypeError, "histories is a set, whose order is arbitrary"),
        ([["tea", ["rice"]]], TypeError, r"history 0\[1\] is \['rice'\], a list; expected an id"),
        ([["tea"], None], TypeError, "history 1 must be a list, received None"),
    ],
)
def test_histories_without_one_meaning_are_refused(data, chain, histories, error, said):
    with pytest.raises(error, match=said):
        sf.recommend(chain, data, histories=histories)
    with pytest.raises(error, match=said):
        data.encode(histories)


def test_ids_of_the_other_kind_are_said(data):
    ids = {item: number for number, item in enumerate(STRINGS, start=100)}
    numbers = prepared(
        {user: [ids[i] for i in HISTORIES[name]] for user, name in enumerate(HISTORIES, start=1)}
    )
    chain = sf.baselines.MarkovChain(numbers.train)
    kind = "; it is text, the {} ids are integers, such as {}"
    with pytest.raises(KeyError, match="users not in the data: '1', '2'" + kind.format("user", 1)):
        sf.recommend(chain, numbers, users=["1", "2"])
    with pytest.raises(ValueError, match=r"first '100'; .*" + kind.format("item", 100)):
        sf.recommend(chain, numbers, candidates=["100"])
    with pytest.raises(KeyError, match=r"'100'; .*" + kind.format("item", 100)):
        sf.similar_items(make_model(vocabulary_size=11, items=numbers.items), "100")
    with pytest.warns(UserWarning, match="no effect, first '100'" + kind.format("item", 100)):
        sf.evaluate(chain, numbers.test, exclude=["100"])
    with pytest.warns(UserWarning, match="first '100' in history 0" + kind.format("item", 100)):
        sf.recommend(chain, numbers, histories=[["100", 101]])
    text = sf.baselines.MarkovChain(data.train)
    with pytest.warns(UserWarning, match="first 7 in history 1; it is no text, the item ids are"):
        sf.recommend(text, data, histories=[["tea"], ["rice", 7]])


def test_splits_that_are_not_there_are_named(data, chain):
    without = sf.prepare(FRAME, timestamp=None, holdout=1)
    with pytest.raises(TypeError, match=r"split is None, as data.test is for holdout=1"):
        sf.evaluate(chain, without.test)
    with pytest.raises(ValueError, match=r"no test split, .* pass data.validation"):
        sf.evaluate(chain, without)
    with pytest.raises(TypeError, match="RankingMetrics takes a split that there is"):
        sf.RankingMetrics(without.test)
    with pytest.raises(TypeError, match=r"RankingMetrics takes data.validation"):
        sf.RankingMetrics(data)


def test_swapped_arguments_are_named(data, model, chain):
    with pytest.raises(TypeError, match=r"model is a Split; evaluate takes a SASRec or a baseline"):
        sf.evaluate(data.test, chain)
    with pytest.raises(TypeError, match="model is a Prepared; recommend takes a SASRec"):
        sf.recommend(data, chain)
    with pytest.raises(TypeError, match=r"split is a MarkovChain; .* the model comes first"):
        sf.evaluate(chain, chain)
    with pytest.raises(TypeError, match=r"data: recommend takes .* not one split of it"):
        sf.recommend(chain, data.test)
    with pytest.raises(TypeError, match="model is the class MarkovChain, not a model"):
        sf.evaluate(sf.baselines.MarkovChain, data.test)
    with pytest.raises(TypeError, match=r"sasrec_fast.load"):
        sf.recommend(chain, "folder")
    with pytest.raises(TypeError, match=r"sasrec_fast.prepare"):
        sf.evaluate(chain, FRAME)


def test_scores_of_another_shape_are_refused(data, chain, monkeypatch):
    monkeypatch.setattr(type(chain), "score_items", lambda self, x: np.zeros((1, 5)))
    for call in (sf.evaluate, sf.recommend):
        with pytest.raises(ValueError, match=r"MarkovChain gives scores of shape \(1, 5\), expec"):
            call(chain, data)


def test_options_of_metrics_in_fit_are_checked_before_it(data):
    with pytest.raises(TypeError, match="no argument 'candidate'; those of evaluate are"):
        sf.RankingMetrics(data.validation, candidate=TWO)
    with pytest.raises(ValueError, match="none of the 1 candidates is a known item, first 'gold'"):
        sf.RankingMetrics(data.validation, candidates=["gold"])
    with pytest.raises(TypeError, match="exclude_seen must be True or False, received 'no'"):
        sf.RankingMetrics(data.validation, exclude_seen="no")


def test_candidates_of_a_model_are_ids_or_named_indices(data):
    wanted = np.isin(np.arange(11), [3, 5])
    by_index = make_model(vocabulary_size=11, num_layers=0, candidate_indices=[3, 5])
    np.testing.assert_array_equal(by_index.candidate_mask, wanted)
    by_mask = make_model(vocabulary_size=11, num_layers=0, candidates=wanted)
    np.testing.assert_array_equal(by_mask.candidate_mask, wanted)
    options = {"vocabulary_size": 11, "num_layers": 0}
    with pytest.raises(ValueError, match="candidates are item ids, but no item vocabulary"):
        make_model(**options, candidates=[3, 5])
    with pytest.raises(ValueError, match=r"candidates .item ids. or candidate_indices, not both"):
        make_model(**options, items=data.items, candidates=TWO, candidate_indices=[3])
    identity = sf.Vocabulary.identity(10)
    same = make_model(**options, items=identity, candidates=[3, 5])
    np.testing.assert_array_equal(same.candidate_mask, wanted)
    again = type(same).from_config(same.get_config())
    np.testing.assert_array_equal(again.candidate_mask, wanted)
