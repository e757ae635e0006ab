"""recommend(): the best unseen items in external ids, for users and for raw histories."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from groceries import HISTORIES, STRINGS, prepared
from sasrec_fast.evaluation import MarkovChain, Popularity, top_k
from small_models import keras, make_model


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return prepared()


@pytest.fixture(scope="module")
def numbers() -> sf.Prepared:
    """The same interactions under integer ids; users 10, 20 and 30 are ada, bob and zoe."""
    users = {"ada": 10, "bob": 20, "zoe": 30}
    histories = {
        users[user]: [7 + 5 * STRINGS.index(item) for item in items]
        for user, items in HISTORIES.items()
    }
    return prepared(histories)


@pytest.fixture(scope="module")
def model(data) -> Any:
    made = make_model(vocabulary_size=data.vocabulary_size, items=data.items)
    made.build()
    return made


def by_popularity(data: sf.Prepared) -> Popularity:
    return Popularity(data.item_counts)


def test_columns_ids_ranks_and_scores_of_every_user(data):
    found = sf.recommend(by_popularity(data), data, k=3)
    assert found.columns.tolist() == ["user_id", "item_id", "rank", "score"]
    assert found["user_id"].tolist() == ["ada"] * 3 + ["bob"] * 3 + ["zoe"] * 2
    # counts: tea 4, milk rice salt 2, the others 1; equal ones in alphabetical order
    assert found["item_id"].tolist() == [
        *("milk", "corn", "eggs"),
        *("rice", "salt", "corn"),
        *("eggs", "wine"),
    ]
    assert found["rank"].tolist() == [1, 2, 3, 1, 2, 3, 1, 2]
    assert found["score"].tolist() == [2, 1, 1, 2, 2, 1, 1, 1]
    assert found["rank"].dtype == np.int64
    assert found["score"].dtype == np.float32
    assert found["item_id"].dtype == found["user_id"].dtype == pd.Series(["a"]).dtype


def test_integer_ids_stay_integers(data, numbers):
    strings = sf.recommend(by_popularity(data), data, k=4)
    found = sf.recommend(by_popularity(numbers), numbers, k=4)
    assert found["user_id"].dtype == found["item_id"].dtype == np.int64
    assert [STRINGS[(item - 7) // 5] for item in found["item_id"]] == strings["item_id"].tolist()


def test_a_model_recommends_its_best_unseen_items(data, model):
    found = sf.recommend(model, data, k=5)
    scores = model.score_items(data.inputs())
    for row, user in enumerate(data.users.ids):
        unseen = [i for i in range(1, 11) if data.items.ids[i - 1] not in HISTORIES[user]]
        best = sorted(unseen, key=lambda item: -scores[row, item])[:5]
        mine = found[found["user_id"] == user]
        assert mine["item_id"].tolist() == data.items.lookup(best).tolist()
        np.testing.assert_allclose(mine["score"], scores[row, best], atol=1e-6)


def test_without_exclusion_it_recommends_what_predict_does(data, model):
    found = sf.recommend(model, data, k=4, exclude_seen=False)
    predictions = model.predict(data.inputs(), verbose=0)["predictions"]
    assert found["item_id"].tolist() == data.items.lookup(predictions.ravel()).tolist()


def test_items_older_than_the_window_are_excluded_too(data):
    """zoe's tea and milk came before the six items that the model sees."""
    found = sf.recommend(by_popularity(data), data, users=["zoe"], k=10)
    assert found["item_id"].tolist() == ["eggs", "wine"]


def test_users_come_in_the_order_asked_for(data):
    found = sf.recommend(by_popularity(data), data, users=["zoe", "ada", "zoe"], k=1)
    assert found["user_id"].tolist() == ["zoe", "ada", "zoe"]
    arrays = sf.recommend(by_popularity(data), data, users=np.array(["bob"], object), k=1)
    assert arrays["user_id"].tolist() == ["bob"]


def test_unknown_users_are_named(data, numbers):
    with pytest.raises(KeyError, match="users not in the data: 'eve', 7"):
        sf.recommend(by_popularity(data), data, users=["ada", "eve", 7])
    with pytest.raises(KeyError, match="100, 101, 102, 103, 104 and 3 more"):
        sf.recommend(by_popularity(numbers), numbers, users=np.arange(100, 108))


@pytest.mark.parametrize("users", ["ada", 5])
def test_users_must_be_a_list(data, users):
    with pytest.raises(TypeError, match="users must be a list of user ids"):
        sf.recommend(by_popularity(data), data, users=users)


def test_no_users_give_an_empty_table_of_the_same_types(data, numbers):
    for kind in (data, numbers):
        full = sf.recommend(by_popularity(kind), kind)
        empty = sf.recommend(by_popularity(kind), kind, users=[])
        assert len(empty) == 0
        pd.testing.assert_series_equal(empty.dtypes, full.dtypes)


def test_raw_histories_are_numbered_and_excluded_whole(data, model):
    found = sf.recommend(model, data, histories=[HISTORIES["bob"], HISTORIES["zoe"]], k=5)
    known = sf.recommend(model, data, users=["bob", "zoe"], k=5)
    assert found.columns.tolist() == ["history", "item_id", "rank", "score"]
    assert found["history"].tolist() == [0] * 5 + [1] * 2
    pd.testing.assert_frame_equal(found.drop(columns="history"), known.drop(columns="user_id"))


def test_raw_histories_need_no_data_if_the_model_has_the_vocabulary(data, model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    histories = [["tea"], ["milk", "rice"]]
    expected = sf.recommend(model, data, histories=histories, k=5)
    pd.testing.assert_frame_equal(sf.recommend(loaded, histories=histories, k=5), expected)


def test_raw_histories_are_encoded_as_the_data_encodes_them(data):
    chain = MarkovChain(data.train)
    histories = [HISTORIES["zoe"], ["rice"]]
    found = sf.recommend(chain, data, histories=histories, k=10, exclude_seen=False)
    scores = chain.score_items(data.encode(histories))[:, 1:].astype(np.float32)
    assert found["score"].tolist() == [*-np.sort(-scores[0]), *-np.sort(-scores[1])]


def test_unknown_ids_are_skipped_and_counted(data):
    chain = MarkovChain(data.train)
    with pytest.warns(UserWarning, match="2 of 4 item ids are unknown .* 'gold' in history 1"):
        found = sf.recommend(chain, data, histories=[["tea"], ["milk", "gold", "silk"]], k=3)
    expected = sf.recommend(chain, data, histories=[["tea"], ["milk"]], k=3)
    pd.testing.assert_frame_equal(found, expected)


def test_an_empty_history_gets_the_most_popular_items_and_says_so(data, model):
    with pytest.warns(UserWarning, match="without a known item: 1, first history 1: the m"):
        found = sf.recommend(model, data, histories=[["tea"], []], k=3)
    second = found[found["history"] == 1]
    assert second["item_id"].tolist() == ["tea", "milk", "rice"]
    assert second["score"].tolist() == [4, 2, 2]
    assert found.loc[0, "score"] not in (4, 2)


def test_an_empty_history_without_data_is_refused(model):
    with pytest.raises(ValueError, match=r"item: 1, first history 0: .* takes the data"):
        sf.recommend(model, histories=[[]])


@pytest.mark.parametrize(
    ("histories", "message"),
    [
        ("tea", "histories must be a list, received 'tea'"),
        (["tea", "milk"], r"history 0 must be a list, received 'tea'; .*\[\[id, ...\]\]"),
        ([["tea"], 5], "history 1 must be a list"),
    ],
)
def test_histories_must_be_lists_of_lists(data, histories, message):
    with pytest.raises(TypeError, match=message):
        sf.recommend(by_popularity(data), data, histories=histories)


def test_one_of_users_and_histories_is_asked_for(data, model):
    with pytest.raises(ValueError, match="users or histories, not both"):
        sf.recommend(model, data, users=["ada"], histories=[["tea"]])
    with pytest.raises(ValueError, match="give the data whose users"):
        sf.recommend(model)
    with pytest.raises(ValueError, match="no item vocabulary: give the data, or a model"):
        sf.recommend(by_popularity(data), histories=[["tea"]])


TITLES = {"tea": "Tea (1990)", "milk": "Milk", "rice": "Rice"}


@pytest.mark.parametrize(
    "titles",
    [
        pd.DataFrame({"item_id": list(TITLES), "title": list(TITLES.values()), "genres": "x"}),
        pd.Series(TITLES),
        TITLES,
    ],
    ids=["frame", "series", "mapping"],
)
def test_titles_are_joined_and_unknown_ones_missing(data, titles):
    found = sf.recommend(by_popularity(data), data, users=["ada", "bob"], k=2, titles=titles)
    assert found["title"].tolist()[0] == "Milk"
    assert found["title"].isna().tolist() == [False, True, False, True]
    assert found.columns.tolist() == ["user_id", "item_id", "rank", "score", "title"]


def test_integer_ids_have_titles_too(numbers):
    titles = pd.DataFrame({"item_id": np.arange(100), "title": [f"t{i}" for i in range(100)]})
    found = sf.recommend(by_popularity(numbers), numbers, k=2, titles=titles)
    assert found["title"].tolist() == [f"t{item}" for item in found["item_id"]]


def test_titles_without_the_columns_or_with_two_for_an_item_are_refused(data):
    popularity = by_popularity(data)
    with pytest.raises(ValueError, match=r"without \['title'\]"):
        sf.recommend(popularity, data, titles=pd.DataFrame({"item_id": ["tea"], "name": ["x"]}))
    twice = pd.DataFrame({"item_id": ["tea", "tea", "oil"], "title": ["x", "y", "z"]})
    with pytest.raises(ValueError, match="items with two titles: 1, first 'tea'"):
        sf.recommend(popularity, data, titles=twice)


def test_data_with_another_vocabulary_is_refused_with_the_reason(data, numbers, model):
    with pytest.raises(ValueError, match="index 1 is 'corn' in the model and 7 in the data"):
        sf.recommend(model, numbers)
    with pytest.raises(ValueError, match=r"vocabulary_size=5, the data has vocabulary_size=11"):
        sf.recommend(Popularity(np.ones(5)), data)


def test_candidates_of_the_model_are_all_it_recommends(data):
    allowed = data.items.index(["oil", "corn", "wine"])
    model = make_model(vocabulary_size=11, candidate_indices=allowed, k=3)
    found = sf.recommend(model, data, exclude_seen=False)
    assert sorted(found["item_id"]) == sorted(["oil", "corn", "wine"] * 3)


def test_fewer_rows_where_fewer_items_are_left(data):
    found = sf.recommend(by_popularity(data), data, k=100)
    assert found.groupby("user_id").size().to_dict() == {"ada": 7, "bob": 6, "zoe": 2}


@pytest.mark.parametrize("batch_size", [1, 2])
def test_the_batch_size_changes_nothing(data, batch_size):
    popularity = by_popularity(data)
    pd.testing.assert_frame_equal(
        sf.recommend(popularity, data, batch_size=batch_size), sf.recommend(popularity, data)
    )
    histories = [["tea", "milk"], [], ["soap"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pd.testing.assert_frame_equal(
            sf.recommend(popularity, data, histories=histories, batch_size=batch_size),
            sf.recommend(popularity, data, histories=histories),
        )


@pytest.mark.parametrize(("k", "error"), [(0, ValueError), (2.5, TypeError)])
def test_k_is_checked(data, k, error):
    with pytest.raises(error, match="k must be"):
        sf.recommend(by_popularity(data), data, k=k)


@pytest.mark.parametrize("width", [30, 640, 777])
def test_top_k_takes_the_smaller_index_among_equal_scores(width):
    rng = np.random.default_rng(0)
    scores = rng.integers(0, width // 6, (50, width)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.5] = -np.inf
    scores[8, 5:] = -np.inf
    scores[9, ::64] = 1e6 + np.arange(len(scores[9, ::64]))  # one in each block of the search
    scores[7] = -np.inf
    best, items = top_k(scores.copy(), 10)
    for row in range(50):
        order = np.argsort(-scores[row], kind="stable")[:10]
        expected = order[np.isfinite(scores[row, order])]
        fewer = 10 - len(expected)
        assert items[row].tolist() == [*expected, *[-1] * fewer]
        assert best[row].tolist() == [*scores[row, expected], *[-np.inf] * fewer]


def test_scores_of_a_subclass_count_not_the_vectors_it_inherits(data, model):
    class Reversed(type(model)):  # type: ignore[misc]
        def score_items(self, x: Any) -> np.ndarray:
            return -super().score_items(x)

    other = Reversed.from_config(model.get_config())
    model.build()
    other.build()
    other.set_weights(model.get_weights())
    options: dict[str, Any] = {"exclude_seen": False, "k": len(data.items)}
    mine, theirs = sf.recommend(model, data, **options), sf.recommend(other, data, **options)
    for _, rows in mine.merge(theirs, on=["user_id", "item_id"]).groupby("user_id"):
        np.testing.assert_allclose(rows["score_x"], -rows["score_y"], atol=1e-6)
    assert theirs["item_id"].tolist() != mine["item_id"].tolist()
