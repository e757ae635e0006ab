"""What lists are like besides being right, by their definitions, on lists made by hand."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import sasrec_fast as sf
from sasrec_fast.evaluation.beyond import gini


class Fixed:
    """Scores every item the same for all users, the first of a list highest."""

    def __init__(self, order: list[int], items: sf.Vocabulary) -> None:
        self.vocabulary_size, self.items = len(items) + 1, items
        self.candidate_mask = np.ones(self.vocabulary_size, bool)
        self.scores = np.zeros(self.vocabulary_size)
        self.scores[items.index(order)] = np.arange(len(order), 0, -1)

    def score_items(self, x: Any) -> np.ndarray:
        return np.tile(self.scores, (len(x["item_ids"]), 1))


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    sequences = [[1, 2, 3, 4], [1, 2, 4, 5], [1, 3, 2, 6], [1, 1, 1, 2]]
    rows = [
        (user, item, time) for user, row in enumerate(sequences) for time, item in enumerate(row)
    ]
    columns = zip(*rows, strict=True)
    names = ("user_id", "item_id", "timestamp")
    return sf.prepare(dict(zip(names, map(list, columns), strict=True)), max_sequence_length=4)


def test_lists_by_hand(data):
    counts = {1: 6, 2: 4, 3: 2, 4: 2, 5: 1, 6: 1}
    model = Fixed([4, 5, 6, 3, 2, 1], data.items)
    found = sf.evaluate(model, data, k=(1, 2), exclude_seen=False, beyond=True)
    information = {item: -np.log2(count / 16) for item, count in counts.items()}
    assert found["novelty@1"] == pytest.approx(information[4])
    assert found["novelty@2"] == pytest.approx((information[4] + information[5]) / 2)
    # 1, 2 and 3 have the first 12 of 16 interactions; 4 completes 80 %.
    assert found["tail@2"] == pytest.approx(0.5)
    assert found["gini@1"] == pytest.approx(5 / 6)  # one of six items has all
    assert found["gini@2"] == pytest.approx(4 / 6)
    before = [[1, 2, 3], [1, 2, 4], [1, 3, 2], [1, 1, 1]]
    popularity = np.mean([np.mean([counts[item] for item in row]) for row in before])
    assert found["popularity_lift@1"] == pytest.approx(2 / popularity - 1)
    # The targets are 4, 5, 6, 2; those in lists of two are 4 and 5, and the popular are 1 and 2.
    assert found["serendipity@2"] == pytest.approx(2 / 4)
    assert found["serendipity@1"] == pytest.approx(1 / 4)
    assert "diversity@1" not in found  # it has no item vectors
    assert found.outlook.exposure.tolist() == [0, 0, 0, 0, 4, 4, 0]
    assert found.standard_errors["novelty@1"] == 0
    assert "novelty@2" in str(found)
    assert sf.compare(found, found, metric="novelty@2").difference == 0


def test_expected_lists_are_those_of_the_baseline(data):
    model = Fixed([4, 5, 6, 3, 2, 1], data.items)
    asked = sf.Beyond(baseline=Fixed([4, 1, 2, 3, 5, 6], data.items))
    found = sf.evaluate(model, data, k=2, exclude_seen=False, beyond=asked)
    assert found["serendipity@2"] == pytest.approx(1 / 4)  # 5 alone


def test_groups_of_users_and_items(data):
    model = Fixed([4, 5, 6, 3, 2, 1], data.items)
    asked = sf.Beyond(
        user_groups={0: "new", 1: "new", 2: "old"}, item_groups={4: "a", 5: "b", 1: "b"}
    )
    found = sf.evaluate(model, data, k=2, exclude_seen=False, beyond=asked).outlook
    assert {name: group["users"] for name, group in found.user_groups.items()} == {
        "new": 2,
        "old": 1,
        None: 1,
    }
    assert found.user_groups["new"]["hit_rate@2"] == 1
    assert found.user_groups["old"]["hit_rate@2"] == 0
    assert found.item_groups == {"a": (0.5, 2 / 16), "b": (0.5, 7 / 16), None: (0.0, 7 / 16)}


def test_vectors_say_how_varied_a_list_is(data):
    model = sf.SASRec.for_data(data, hidden_dim=4, num_layers=1)
    found = sf.evaluate(model, data, k=3, exclude_seen=False, beyond=True)
    vectors = model.item_vectors() / np.linalg.norm(model.item_vectors(), axis=1, keepdims=True)
    expected = []
    before = [[1, 2, 3], [1, 2, 4], [1, 3, 2], [1, 1, 1]]
    table = sf.recommend(model, data, histories=before, k=3, exclude_seen=False)
    for _, rows in table.groupby("history"):
        pairs = itertools.combinations(data.items.index(rows["item_id"].to_numpy()), 2)
        expected.append(np.mean([1 - vectors[a] @ vectors[b] for a, b in pairs]))
    assert found["diversity@3"] == pytest.approx(np.mean(expected), abs=1e-6)
    varied = sf.Rules(diversity=0.9)
    other = sf.evaluate(model, data, k=3, exclude_seen=False, beyond=True, rules=varied)
    assert other["diversity@3"] > found["diversity@3"]
    assert sf.evaluate(model, data, k=1, beyond=True)["diversity@1"] == 0


def test_exposure_is_even_or_not():
    assert gini(np.array([3, 3, 3])) == 0
    assert gini(np.array([0, 0, 9])) == pytest.approx(2 / 3)
    assert gini(np.zeros(4, int)) == 0


def test_what_has_no_lists_is_refused(data):
    model = Fixed([1], data.items)
    with pytest.raises(ValueError, match="no list to serve"):
        sf.evaluate(model, data, candidates=("uniform", 2, 0), beyond=True)
    with pytest.raises(TypeError, match="beyond is True, False or a Beyond, received 'all'"):
        sf.evaluate(model, data, beyond="all")
    with pytest.raises(TypeError, match=r"Beyond\(baseline=\) takes"):
        sf.evaluate(model, data, beyond=sf.Beyond(baseline=3))


def test_pictures_of_lists(data):
    pytest.importorskip("matplotlib")
    models = {"one": Fixed([4, 5, 6], data.items), "two": Fixed([1, 2, 3], data.items)}
    measured = {name: sf.evaluate(model, data, k=2, beyond=True) for name, model in models.items()}
    figure = sf.plots.exposure(measured, data_name="made")
    (ax,) = figure.axes
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [f"{name}, Gini {one['gini@2']:.3f}" for name, one in measured.items()]
    heights = ax.lines[1].get_ydata()
    assert (heights[0], heights[-1], len(heights)) == (0, 1, 7)
    (ax,) = sf.plots.accuracy_and("novelty", measured, k=2).axes
    points = [container[0].get_xydata()[0].tolist() for container in ax.containers]
    assert points == [[one["novelty@2"], one["ndcg@2"]] for one in measured.values()]
    with pytest.raises(ValueError, match="has no 'novelty@3'"):
        sf.plots.accuracy_and("novelty", measured, k=3)
    with pytest.raises(ValueError, match="measure with evaluate"):
        sf.plots.exposure(sf.evaluate(models["one"], data))
