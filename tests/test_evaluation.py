"""evaluate(): the exact rank of every held-out item, ties at their expected value."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from plain_ranking import metrics_of
from sasrec_fast.evaluation import MarkovChain, Popularity
from sasrec_fast.evaluation.sampled_negatives import draw_negatives
from small_models import make_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LENGTH, CUTOFFS = 6, (1, 3, 10)


def prepared(users: slice = slice(None), **options: Any) -> sf.Prepared:
    """30 users of 4 to 19 interactions with 20 items, some of them repeatedly."""
    rng = np.random.default_rng(11)
    lengths = rng.integers(4, 20, 30)
    table = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(30) * 7, lengths),
            "item_id": rng.integers(0, 20, lengths.sum()) * 3 + 1,
        }
    )
    table.loc[:19, "item_id"] = np.arange(20) * 3 + 1  # every item occurs
    table = table[table["user_id"].isin(table["user_id"].unique()[users])]
    return sf.prepare(table, timestamp=None, max_sequence_length=LENGTH, **options)


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return prepared()


@dataclass
class Fixed:
    """Scores made by a function of one history, as a model of the protocol."""

    vocabulary_size: int
    score: Callable[[list[int]], np.ndarray]
    candidates: tuple[int, ...] | None = None
    max_sequence_length: int = LENGTH

    @property
    def candidate_mask(self) -> np.ndarray:
        every = np.arange(self.vocabulary_size)
        return every > 0 if self.candidates is None else np.isin(every, self.candidates)

    def score_items(self, x: Mapping[str, Any]) -> np.ndarray:
        rows = zip(x["item_ids"], x["padding_mask"], strict=True)
        return np.array([self.score(ids[mask].tolist()) for ids, mask in rows])


def pseudo_random(history: list[int]) -> np.ndarray:
    return np.random.default_rng(history).permutation(21).astype(np.float32)


def coarse(history: list[int]) -> np.ndarray:
    """Scores of few values: many ties."""
    return np.random.default_rng(history).integers(0, 4, 21).astype(np.float32)


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("score", [pseudo_random, coarse])
def test_metrics_are_those_of_a_naive_ranking(data, score, split, exclude_seen):
    model = Fixed(21, score)
    rows = getattr(data, split)
    metrics = sf.evaluate(model, rows, k=CUTOFFS, exclude_seen=exclude_seen)
    expected = metrics_of(model, data, rows, CUTOFFS, exclude_seen)
    assert dict(metrics) == pytest.approx(expected, rel=1e-12)
    kinds = ["hit_rate", "ndcg", "mrr", "coverage"]
    assert list(metrics) == [
        f"{kind}@{k}" if k else kind
        for kind in kinds
        for k in (CUTOFFS if kind != "mrr" else [None])
    ]


def test_sasrec_is_ranked_like_any_model(data):
    model = make_model(max_sequence_length=LENGTH)
    metrics = sf.evaluate(model, data.test, k=CUTOFFS)
    assert dict(metrics) == pytest.approx(metrics_of(model, data, data.test, CUTOFFS), rel=1e-9)


@pytest.mark.parametrize("batch_size", [1, 4, 7, 1000])
def test_the_batch_size_changes_nothing(data, batch_size):
    model = Fixed(21, coarse)
    whole = sf.evaluate(model, data.test)
    parts = sf.evaluate(model, data.test, batch_size=batch_size)
    assert dict(parts) == dict(whole)
    np.testing.assert_array_equal(parts.ranks, whole.ranks)


def test_chunks_have_few_shapes_and_short_histories_little_padding(data):
    shapes = set()

    def record(x: Mapping[str, Any]) -> np.ndarray:
        shapes.add(x["item_ids"].shape)
        return np.zeros((len(x["item_ids"]), 21))

    model = Fixed(21, coarse)
    model.score_items = record  # type: ignore[method-assign]
    sf.evaluate(model, data.test, batch_size=2)
    assert shapes == {(2, 4), (2, LENGTH)}


def test_a_constant_model_is_at_chance(data):
    metrics = sf.evaluate(Popularity(np.ones(21)), data.test, k=(1, 5), exclude_seen=False)
    assert metrics["hit_rate@1"] == pytest.approx(1 / 20)
    assert metrics["hit_rate@5"] == pytest.approx(5 / 20)
    assert metrics["ndcg@5"] == pytest.approx(sum(1 / np.log2(r + 1) for r in range(1, 6)) / 20)
    assert metrics["mrr"] == pytest.approx(sum(1 / r for r in range(1, 21)) / 20)
    assert metrics.ranks == pytest.approx(np.full(30, 10.5))


def test_a_model_that_knows_the_target_is_perfect_and_one_that_avoids_it_is_last(data):
    targets = {
        tuple(data.test.sequences.items[max(start, end - 1 - LENGTH) : end - 1]): int(
            data.test.sequences.items[end - 1]
        )
        for start, end in zip(data.test.starts, data.test.ends, strict=True)
    }
    oracle = Fixed(21, lambda history: np.arange(21) == targets[tuple(history)])
    metrics = sf.evaluate(oracle, data.test, exclude_seen=False)
    assert {value for name, value in metrics.items() if "coverage" not in name} == {1.0}
    opposite = Fixed(21, lambda history: np.arange(21) != targets[tuple(history)])
    assert sf.evaluate(opposite, data.test, k=1)["hit_rate@1"] == 0.0


def test_items_seen_before_the_window_are_left_out_too():
    """User 1 saw item 1 long before the six most recent items; the model puts it first."""
    table = {
        "user_id": [1] * 9 + [2] * 3 + [3] * 3,
        "item_id": [*range(1, 10), 1, 2, 9, 10, 11, 12],
    }
    data = sf.prepare(table, timestamp=None, max_sequence_length=LENGTH)
    model = Fixed(13, lambda history: -np.arange(13.0))
    ranks = sf.evaluate(model, data.test).ranks
    assert ranks.tolist() == [1.0, 7.0, 10.0]  # before 9 stand: nothing unseen; 3 to 8
    assert sf.evaluate(model, data.test, exclude_seen=False).ranks.tolist() == [9.0, 9.0, 12.0]


def repeats() -> sf.Prepared:
    """Of three users, the first listens to item 1 again."""
    table = {"user_id": [1] * 4 + [2] * 3 + [3] * 3, "item_id": [1, 2, 3, 1, 1, 2, 3, 4, 5, 6]}
    return sf.prepare(table, timestamp=None, max_sequence_length=LENGTH)


def test_a_target_seen_before_is_a_miss_and_counted():
    data, model = repeats(), Fixed(7, lambda history: -np.arange(7.0))
    with pytest.warns(sf.DataWarning, match=r"1 of 3 test targets \(33.3%\).* exclude_seen=False"):
        metrics = sf.evaluate(model, data.test, k=1)
    assert metrics.ranks.tolist() == [np.inf, 1.0, 4.0]
    assert metrics.per_user["hit_rate@1"].tolist() == [0, 1, 0]
    assert metrics.repeated_targets == 1
    assert metrics.cold_targets == 0
    assert "1 targets their user had before, and count as misses" in str(metrics)


def test_without_exclusion_a_target_seen_before_is_ranked_and_counted():
    data, model = repeats(), Fixed(7, lambda history: -np.arange(7.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = sf.evaluate(model, data.test, exclude_seen=False)
    assert metrics.ranks.tolist() == [1.0, 3.0, 6.0]
    assert metrics.repeated_targets == 1
    assert "1 targets their user had before, and may be hits" in str(metrics)


def test_a_sampled_ranking_misses_what_was_seen_too():
    data, model = repeats(), Fixed(7, lambda history: -np.arange(7.0))
    sampled = ("uniform", 3, 0)
    assert np.isinf(sf.evaluate(model, data.test, candidates=sampled).ranks[0])
    both = sf.evaluate(model, data.test, candidates=sampled, exclude_seen=False)
    assert both.ranks[0] == 1.0
    assert both.repeated_targets == 1


def test_a_target_scored_minus_infinity_is_never_served_and_a_miss(data):
    def only_ten(history: list[int]) -> np.ndarray:
        return np.where(np.arange(21) <= 10, pseudo_random(history), -np.inf)

    metrics = sf.evaluate(Fixed(21, only_ten), data.test, k=20, exclude_seen=False)
    targets = data.test.sequences.items[data.test.ends - 1]
    assert metrics.cold_targets == np.count_nonzero(targets > 10) > 0
    assert metrics["hit_rate@20"] == np.mean(targets <= 10)
    sampled = sf.evaluate(Fixed(21, only_ten), data.test, candidates=("uniform", 3, 0))
    assert np.isinf(sampled.ranks[targets > 10]).all()


def test_long_histories_are_evaluated_on_recent_items_whatever_the_truncation():
    recent, oldest = prepared(), prepared(truncation="oldest")
    model = Fixed(21, pseudo_random)
    assert dict(sf.evaluate(model, oldest.test)) == dict(sf.evaluate(model, recent.test))


def test_a_target_that_is_no_candidate_is_a_miss_and_counted(data):
    model = Fixed(21, coarse, candidates=tuple(range(1, 11)))
    metrics = sf.evaluate(model, data.test, k=CUTOFFS)
    targets = data.test.sequences.items[data.test.ends - 1]
    assert metrics.cold_targets == np.count_nonzero(targets > 10) > 0
    assert np.isinf(metrics.ranks[targets > 10]).all()
    assert metrics.num_candidates == 10
    assert dict(metrics) == pytest.approx(metrics_of(model, data, data.test, CUTOFFS))
    assert f"{metrics.cold_targets} targets are no candidates" in str(metrics)


def test_candidates_are_ids(data):
    """Item ids are 1, 4, .., 58, so that most indices are ids of other items."""
    model, ids = Fixed(21, coarse), [7, 13, 22, 37]
    few = sf.evaluate(model, data.test, candidates=ids)
    assert few.num_candidates == 4
    assert dict(few) == dict(sf.evaluate(Fixed(21, coarse, (3, 5, 8, 13)), data.test))
    mask = np.isin(np.arange(21), [3, 5, 8, 13])
    for same in (np.array(ids), tuple(ids), set(ids), pd.Series(ids), map(int, ids), mask):
        assert dict(sf.evaluate(model, data.test, candidates=same)) == dict(few)


def test_excluded_ids_are_not_ranked(data):
    model, blocked = Fixed(21, coarse), [7, 13]
    others = np.setdiff1d(data.items.ids, blocked)
    found = sf.evaluate(model, data.test, exclude=blocked)
    assert dict(found) == dict(sf.evaluate(model, data.test, candidates=others))


def test_unknown_candidates_are_counted(data):
    model = Fixed(21, coarse)
    with pytest.warns(UserWarning, match="1 of 3 item ids in candidates are unknown .* first 5"):
        found = sf.evaluate(model, data.test, candidates=[7, 5, 13])
    assert found.num_candidates == 2


def test_text_ids_are_candidates_as_a_tuple_too():
    table = {"user_id": [1] * 4 + [2] * 4, "item_id": [*"abcd", *"bace"]}
    data = sf.prepare(table, timestamp=None, max_sequence_length=LENGTH)
    chain = MarkovChain(data.train)
    assert sf.evaluate(chain, data.test, candidates=("c", "d")).num_candidates == 2


def test_a_sampled_ranking_says_so(data):
    metrics = sf.evaluate(Fixed(21, pseudo_random), data.test, candidates=("uniform", 5, 3))
    assert f"{metrics.repeated_targets} targets their user had before" in str(metrics)
    assert str(metrics).splitlines()[0] == (
        "test: 30 users, sampled ranking, each target among 5 uniform negatives of 20 candidates "
        "(seed 3), training items excluded"
    )
    assert (metrics.num_negatives, metrics.seed, metrics.num_candidates) == (5, 3, 20)
    assert not any(name.startswith("coverage") for name in metrics)
    assert metrics.ranks[np.isfinite(metrics.ranks)].max() <= 6


def test_sampled_negatives_are_no_training_items_and_depend_on_seed_and_user_alone(data):
    def drawn(prepared: sf.Prepared, seed: int, outside_training: bool = True) -> dict:
        every = np.arange(21) > 0
        items, _ = draw_negatives(prepared.test, every, 400, seed, outside_training)
        return dict(zip(prepared.test.user_ids.tolist(), items.tolist(), strict=True))

    negatives = drawn(data, 0)
    sequences = data.sequences
    for user, row in enumerate(negatives.values()):
        whole = sequences.items[sequences.offsets[user] : sequences.offsets[user + 1]]
        assert set(row) == set(range(1, 21)) - set(whole[:-2]) - {whole[-1]}
    assert negatives != drawn(data, 1)
    assert set(drawn(data, 0, outside_training=False)[0]) > set(negatives[0])
    fewer = prepared(users=slice(5, None))
    assert fewer.vocabulary_size == 21
    assert drawn(fewer, 0) == dict(list(negatives.items())[5:])


def test_users_with_few_possible_negatives_are_reported(data):
    sampled = ("uniform", 12, 0)
    metrics = sf.evaluate(Fixed(21, coarse), data.test, candidates=sampled)
    known = [
        {*data.sequences.items[start : end - 2], data.sequences.items[end - 1]}
        for start, end in zip(data.test.starts, data.test.ends, strict=True)
    ]
    assert metrics.short_users == sum(20 - len(items) < 12 for items in known) > 0
    shown = f"fewer than 12 possible negatives, some drawn repeatedly: {metrics.short_users}"
    assert shown in str(metrics)


def test_training_items_under_split_at_are_those_before_validation():
    table = {
        "user_id": [1] * 6 + [2] * 3,
        "item_id": [1, 2, 3, 4, 5, 6, 7, 8, 9],
        "timestamp": [0, 1, 10, 11, 20, 21, 0, 1, 20],
    }
    data = sf.prepare(table, split_at=(10, 20), max_sequence_length=LENGTH)
    assert (data.train.training_ends - data.train.starts).tolist() == [1, 1]
    assert (data.validation.training_ends - data.validation.starts).tolist() == [2]
    assert (data.test.training_ends - data.test.starts).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ("uniform", "must be item ids, a mask, or"),
        (("popular", 100, 0), r"received \('popular', 100, 0\)"),
        (("uniform", 100), "must be item ids"),
        (("uniform", 0, 0), "negatives must be at least 1, received 0"),
        (("uniform", 9, -1), "seed must be at least 0"),
        ([0, 2], "none of the 2 candidates is a known item, first 0; the items are such as 1"),
        (["1"], "first '1'; .* it is text, the item ids are integers, such as 1"),
        ([], "none of the 0 candidates"),
        (np.zeros(20, bool), "candidates is a mask of 20 entries, expected 21"),
        (np.zeros(21, bool), "no item is left to recommend"),
    ],
)
def test_candidates_are_checked(data, candidates, message):
    with pytest.raises(ValueError, match=message):
        sf.evaluate(Fixed(21, coarse), data.test, candidates=candidates)


def test_a_user_with_several_windows_counts_once():
    windowed = prepared(windows=("stride", LENGTH))
    assert len(windowed.train) > len(windowed.train.sequence_rows)
    model = Fixed(21, pseudo_random)
    assert dict(sf.evaluate(model, windowed.train)) == dict(sf.evaluate(model, prepared().train))


def test_a_sample_of_users_is_fixed_by_its_seed(data):
    sample = data.test.sample(8, seed=1)
    assert len(sample) == 8
    ids = sample.user_ids.tolist()
    assert ids == sorted(ids) == data.test.sample(8, seed=1).user_ids.tolist()
    assert ids != data.test.sample(8, seed=2).user_ids.tolist()
    assert len(data.test.sample(99)) == 30
    later = prepared(users=slice(5, None)).test.sample(8, seed=1).user_ids.tolist()
    assert set(later) >= {user for user in ids if user >= 35}
    model = Fixed(21, pseudo_random)
    whole = sf.evaluate(model, data.test)
    chosen = np.isin(data.test.user_ids, ids)
    assert sf.evaluate(model, sample).ranks.tolist() == whole.ranks[chosen].tolist()


def test_ids_without_interactions_are_no_candidates():
    table = {"user_id": [1] * 4 + [2] * 4, "item_id": [2, 4, 6, 8, 8, 6, 4, 10]}
    data = sf.prepare(table, timestamp=None, items="identity", max_sequence_length=LENGTH)
    metrics = sf.evaluate(Fixed(11, lambda history: -np.arange(11.0)), data.test)
    assert metrics.num_candidates == 5
    assert metrics.ranks.tolist() == [1.0, 2.0]


def test_standard_errors_are_those_of_the_mean(data):
    metrics = sf.evaluate(Fixed(21, pseudo_random), data.test, k=5)
    hits = metrics.ranks <= 5
    expected = hits.std(ddof=1) / np.sqrt(len(hits))
    assert metrics.standard_errors["hit_rate@5"] == pytest.approx(expected)
    assert set(metrics.standard_errors) == set(metrics)


def test_metrics_print_as_a_table(data):
    text = str(sf.evaluate(Fixed(21, pseudo_random), data.test, k=[10, 1, 10]))
    head, repeated, *lines = text.splitlines()
    assert repeated.endswith("targets their user had before, and count as misses")
    assert head == "test: 30 users, full ranking of 20 candidates, seen items excluded"
    assert [line.split()[0] for line in lines] == [
        "hit_rate@1",
        "hit_rate@10",
        "ndcg@1",
        "ndcg@10",
        "mrr",
        "coverage@1",
        "coverage@10",
    ]
    assert [" ± " in line for line in lines] == [True] * 5 + [False] * 2


def test_nan_scores_are_refused(data):
    def broken(history: list[int]) -> np.ndarray:
        return np.where(np.arange(21) == 5, np.nan, 0.0)

    with pytest.raises(ValueError, match="NaN, first for item index 5 in row 0"):
        sf.evaluate(Fixed(21, broken), data.test)


def test_another_vocabulary_is_refused(data):
    with pytest.raises(ValueError, match=r"vocabulary_size=9, the test split has .*=21"):
        sf.evaluate(Popularity(np.ones(9)), data.test)


@pytest.mark.parametrize(
    ("k", "error", "message"),
    [
        (0, ValueError, "k must be at least 1, received 0"),
        ((), ValueError, "one or more integers"),
        ((5, -1), ValueError, "k must be at least 1, received -1"),
        (1.5, TypeError, "received 1.5"),
        ((1, 2.5), TypeError, "received 2.5"),
        ("10", TypeError, "received '1"),
    ],
)
def test_cut_offs_are_checked(data, k, error, message):
    with pytest.raises(error, match=message):
        sf.evaluate(Popularity(np.ones(21)), data.test, k=k)


def test_popularity_ranks_by_counts_alone(data):
    model = Popularity(data.train.item_counts)
    scores = model.score_items(data.inputs())
    assert scores.shape == (30, 21)
    np.testing.assert_array_equal(scores[3], data.train.item_counts)


@pytest.mark.parametrize("counts", [[1.0], [[1, 2]], [0, np.nan], [0, -1.0]])
def test_counts_are_checked(counts):
    with pytest.raises(ValueError, match="counts must be"):
        Popularity(counts)


def test_markov_chain_counts_what_followed_the_last_item():
    table = {
        "user_id": [1] * 5 + [2] * 4 + [3] * 3 + [4] * 3,
        "item_id": [1, 2, 1, 2, 3, 1, 3, 2, 2, 3, 3, 1, 4, 4, 4],
    }
    data = sf.prepare(table, timestamp=None, holdout=0, max_sequence_length=LENGTH)
    scores = MarkovChain(data.train).score_items(data.inputs())
    # of 2: 1 once, 2 once, 3 once; of 3: 2 once, 3 once, 1 once; of 1: 2 twice, 3 once
    assert np.floor(scores[:, 1:]).tolist() == [
        [1, 1, 1, 0],  # user 1 ends with 3
        [1, 1, 1, 0],  # user 2 with 2
        [0, 2, 1, 0],  # user 3 with 1
        [0, 0, 0, 2],  # user 4 with 4
    ]
    popularity = data.train.item_counts[1:] / (data.train.item_counts.max() + 1)
    np.testing.assert_allclose(scores[0, 1:] % 1, popularity)


def test_markov_chain_of_a_cycle_beats_popularity():
    cycle = np.concatenate([(np.arange(12) + start) % 20 for start in range(20)])
    table = {"user_id": np.repeat(np.arange(20), 12), "item_id": cycle}
    data = sf.prepare(table, timestamp=None, max_sequence_length=LENGTH)
    chain, popularity = MarkovChain(data.train), Popularity(data.train.item_counts)
    assert sf.evaluate(chain, data.test, exclude_seen=False)["hit_rate@1"] == 1.0
    assert sf.evaluate(popularity, data.test, exclude_seen=False)["hit_rate@1"] == pytest.approx(
        1 / 20
    )
