"""Paired comparisons: the tests equal scipy's, the bootstrap a plain one, and like meets like."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

import sasrec_fast as sf


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return sf.prepare(sf.datasets.synthetic(300, 400, seed=1).ratings, max_sequence_length=20)


@pytest.fixture(scope="module")
def metrics(data) -> dict[str, sf.Metrics]:
    models = {"chain": sf.baselines.MarkovChain(data), "popularity": sf.baselines.Popularity(data)}
    return {name: sf.evaluate(model, data, k=(5, 10)) for name, model in models.items()}


@pytest.mark.parametrize("metric", ["ndcg@10", "hit_rate@5", "mrr"])
def test_tests_equal_those_of_scipy(metrics, metric):
    a, b = metrics["chain"], metrics["popularity"]
    margin = 0.03
    found = sf.compare(a, b, metric, margin=margin)
    first, second = a.per_user[metric], b.per_user[metric]
    difference = first - second
    assert found.p_value == pytest.approx(stats.ttest_rel(first, second).pvalue)
    sides = [
        stats.ttest_1samp(difference, -margin, alternative="greater").pvalue,
        stats.ttest_1samp(difference, margin, alternative="less").pvalue,
    ]
    assert found.p_equivalence == pytest.approx(max(sides))
    assert found.means == pytest.approx((a[metric], b[metric]))
    assert found.difference == pytest.approx(difference.mean())
    assert (found.better, found.worse) == ((difference > 0).sum(), (difference < 0).sum())


def test_the_interval_is_that_of_a_plain_bootstrap(metrics):
    a, b = metrics["chain"], metrics["popularity"]
    found = sf.compare(a, b, resamples=4000, seed=3)
    difference = a.per_user["ndcg@10"] - b.per_user["ndcg@10"]
    random = np.random.default_rng(0)
    means = random.choice(difference, (4000, len(difference))).mean(axis=1)
    width = np.ptp(np.quantile(means, [0.025, 0.975]))
    assert found.interval == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.06 * width)
    assert sf.compare(a, b, resamples=4000, seed=3) == found
    assert sf.compare(a, b, resamples=4000, seed=4).interval != found.interval
    wider = sf.compare(a, b, resamples=4000, seed=3, confidence=0.99).interval
    assert wider[0] < found.interval[0] < found.interval[1] < wider[1]


def test_resamples_drawn_in_parts_are_those_drawn_at_once(metrics, monkeypatch):
    a, b = metrics["chain"], metrics["popularity"]
    whole = sf.compare(a, b, resamples=50).interval
    monkeypatch.setattr("sasrec_fast.evaluation.comparison._DRAWN", 300)
    assert sf.compare(a, b, resamples=50).interval == whole


def test_a_model_is_equivalent_to_itself_and_no_better(metrics):
    found = sf.compare(metrics["chain"], metrics["chain"], margin=0.001)
    assert (found.difference, found.p_value, found.p_equivalence) == (0, 1, 0)
    assert found.verdict == "equivalent within ±0.001"
    assert sf.compare(metrics["chain"], metrics["chain"]).verdict == "undecided"
    swapped = sf.compare(metrics["popularity"], metrics["chain"])
    assert swapped.verdict == "the second is better"
    text = str(sf.compare(metrics["chain"], metrics["popularity"], margin=0.5))
    assert "bootstrap resamples, seed 0" in text
    assert text.endswith("the first is better, though equivalent within ±0.5")


def test_several_seeds_of_a_model_are_averaged_for_each_user(metrics):
    a, b = metrics["chain"], metrics["popularity"]
    found = sf.compare([a, b], b)
    assert found.difference == pytest.approx((a["ndcg@10"] - b["ndcg@10"]) / 2)


def refused(kind: type[Exception], message: str, *arguments: Any, **options: Any) -> None:
    with pytest.raises(kind, match=message):
        sf.compare(*arguments, **options)


def test_what_does_not_compare_is_refused(data, metrics):
    a, chain = metrics["chain"], sf.baselines.MarkovChain(data)
    half = data.test.of_users(data.users.ids[::2])
    refused(ValueError, "of other users or targets: 300 and 150", a, sf.evaluate(chain, half))
    other = sf.evaluate(chain, data.validation)
    refused(ValueError, "of other users or targets: 300 and 300", a, other)
    other = sf.evaluate(chain, data, exclude_seen=False)
    refused(ValueError, "rules: seen_excluded is True and False", a, other)
    other = sf.evaluate(chain, data, candidates=("uniform", 20, 0))
    refused(ValueError, "rules: num_negatives is None and 20", a, other)
    other = sf.evaluate(chain, data, candidates=data.items.ids[:30])
    refused(ValueError, r"rules: num_candidates is \d+ and 30", a, other)
    other = copy.copy(a)
    other.setting = replace(a.setting, query_time="target")
    refused(ValueError, "rules: query_time is None and 'target'", a, other)
    other.setting = replace(a.setting, query_time="last")
    assert sf.compare(a, other).difference == 0
    refused(ValueError, "metric is 'coverage@10'; those", a, a, "coverage@10")
    refused(TypeError, "a is what evaluate returns", dict(a), a)
    refused(TypeError, "b is what evaluate returns, or a list", a, [])
    refused(ValueError, "margin must be more than 0", a, a, margin=0)
    refused(ValueError, "resamples must be at least 1", a, a, resamples=0)
