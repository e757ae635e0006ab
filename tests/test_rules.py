"""Lists by rules: as a plain search makes them, natively, in `recommend`, services and metrics."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sasrec_fast as sf
from sasrec_fast import _core
from sasrec_fast.ranking import CompiledRules, Rules, best, best_of_scores, read_rules
from sasrec_fast.ranking.compiled import NO_CAP

NONE = np.zeros(0, np.float32)


def adjusted(score: np.float32, factor: np.float32, boost: np.float32) -> np.float32:
    return np.float32((score * factor if score >= 0 else score / factor) + boost)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.astype(float), other.astype(float)
    length = np.sqrt(one @ one) * np.sqrt(other @ other)
    return float(one @ other / length) if length > 0 else 0.0


def plain_list(
    scores: dict[int, float], k: int, rules: CompiledRules, vectors: np.ndarray
) -> list[int]:
    """Columns of a list, of the scores of those that a query may get."""
    group = {c: int(rules.groups[c]) if len(rules.groups) else -1 for c in scores}
    owed = [c for c in rules.always.tolist() if c in scores]
    taken = list(owed)

    def fits(column: int) -> bool:
        alike = sum(group[c] == group[column] for c in taken)
        return group[column] < 0 or alike < rules.most_per_group

    order = sorted(set(scores) - set(owed), key=lambda c: (-scores[c], c))
    for column in order:
        if len(taken) < k and fits(column):
            taken.append(column)
    if not rules.diversity:
        return sorted(taken, key=lambda c: (-scores[c], c))
    basis: list[int] = []
    counts: dict[int, int] = {}
    for column in order:
        if len(basis) < k and (
            group[column] < 0 or counts.get(group[column], 0) < rules.most_per_group
        ):
            basis.append(column)
            counts[group[column]] = counts.get(group[column], 0) + 1
    pool = sorted({*order[: rules.of_length(k).pool], *basis})
    least, most = (
        min((scores[c] for c in pool), default=0),
        max((scores[c] for c in pool), default=0),
    )
    chosen: list[int] = []
    taken, left = list(owed), sorted({*pool, *owed})
    while len(chosen) < k:
        values = {}
        for column in left:
            if column in owed or (len(owed) + len(chosen) < k and fits(column)):
                width = most - least
                relevance = (scores[column] - least) / width if width > 0 else 0.0
                alike = max((cosine(vectors[column], vectors[c]) for c in chosen), default=0.0)
                values[column] = (1 - rules.diversity) * relevance - rules.diversity * alike
        if not values:
            break
        best_one = min(values, key=lambda c: (-values[c], c))
        (owed if best_one in owed else taken).append(best_one)
        if best_one in owed:
            owed = [c for c in owed if c != best_one]
        chosen.append(best_one)
        left.remove(best_one)
    return chosen


@st.composite
def searches(draw: st.DrawFn) -> Any:
    items, width = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    numbers = st.integers(-3, 3)
    vectors = np.array(
        draw(
            st.lists(
                st.lists(numbers, min_size=width, max_size=width), min_size=items, max_size=items
            )
        ),
        np.float32,
    ).reshape(items, width)
    queries = np.array(
        draw(st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=1, max_size=3)),
        np.float32,
    )
    k = draw(st.integers(1, items))
    always = sorted(draw(st.sets(st.integers(0, items - 1), max_size=min(k, 3))))
    of_item = st.lists(st.integers(-1, 2), min_size=items, max_size=items)
    groups = np.array(draw(st.one_of(st.just([]), of_item)), np.int32)
    counts = np.bincount(groups[always][groups[always] >= 0], minlength=1) if len(groups) else [0]
    rules = CompiledRules(
        mask=np.ones(items + 1, np.bool_),
        factors=np.array(
            draw(st.lists(st.sampled_from([0.5, 1, 2]), min_size=items, max_size=items)), np.float32
        ),
        boosts=np.array(draw(st.lists(numbers, min_size=items, max_size=items)), np.float32),
        groups=groups,
        most_per_group=max(draw(st.integers(1, 3)), *counts, 1),
        always=np.array(always, np.int32),
        diversity=draw(st.sampled_from([0.0, 0.0, 0.25, 0.5, 0.875])),
        pool=draw(st.integers(1, 5)),
    )
    hidden = [sorted(draw(st.sets(st.integers(0, items - 1), max_size=3))) for _ in queries]
    return queries, vectors, hidden, k, rules


@given(
    st.integers(0, 1000),
    st.sampled_from([1, 2, 32, 33]),
    st.sampled_from([1, 10, 300]),
    st.sampled_from([0.0, 0.3]),
    st.booleans(),
)
def test_vectors_of_eight_bits_make_the_same_lists(
    seed: int, queries: int, k: int, diversity: float, grouped: bool
) -> None:
    rng = np.random.default_rng(seed)
    items = int(rng.choice([600, 6000]))
    vectors = rng.standard_normal((items, 9), np.float32)
    vectors[rng.integers(0, items, 200)] = vectors[rng.integers(0, items, 200)]  # ties
    always = rng.choice(items, rng.integers(0, min(k, 3) + 1), replace=False)
    rules = CompiledRules(
        mask=np.ones(items + 1, np.bool_),
        factors=rng.choice([0.5, 1, 3], items * rng.integers(0, 2)).astype(np.float32),
        boosts=rng.choice([0, -1, 2], items * rng.integers(0, 2)).astype(np.float32),
        groups=rng.integers(-1, rng.choice([4, 90]), items * grouped).astype(np.int32),
        most_per_group=3,
        always=np.sort(always).astype(np.int32),
        diversity=diversity,
        pool=int(rng.integers(1, 60)),
    )
    asked = rng.standard_normal((queries, 9), np.float32)
    hidden = [np.unique(rng.integers(0, items, 20)) for _ in range(queries)]
    offsets = np.cumsum([0, *map(len, hidden)], dtype=np.int64)
    excluded = offsets, np.concatenate(hidden).astype(np.int32)
    expected = _core.lists_of_products(asked, vectors, excluded, k, rules)
    coarse = _core.CoarseVectors(vectors)
    found = _core.lists_of_products(asked, vectors, excluded, k, rules, coarse)
    np.testing.assert_array_equal(found, expected)


@given(searches())
def test_lists_are_those_of_a_plain_search(search: Any) -> None:
    queries, vectors, hidden, k, rules = search
    offsets = np.cumsum([0, *map(len, hidden)], dtype=np.int64)
    excluded = offsets, np.array([c for row in hidden for c in row], np.int32)
    scores, columns = best(queries, vectors, excluded, k, rules)
    matrix = np.full((len(queries), len(vectors)), -np.inf)
    for row, query in enumerate(queries):
        allowed = [c for c in range(len(vectors)) if c not in hidden[row]]
        raw = {c: np.float32(vectors[c] @ query) for c in allowed}
        by_rule = {c: adjusted(raw[c], rules.factors[c], rules.boosts[c]) for c in allowed}
        expected = plain_list({c: float(s) for c, s in by_rule.items()}, k, rules, vectors)
        assert columns[row][columns[row] >= 0].tolist() == expected
        assert scores[row][: len(expected)].tolist() == [by_rule[c] for c in expected]
        assert (scores[row][len(expected) :] == -np.inf).all()
        matrix[row, allowed] = [raw[c] for c in allowed]
    if rules.make_lists:
        found = best_of_scores(matrix, k, rules, vectors)
        np.testing.assert_array_equal(found[1], columns)


def test_large_catalogues_make_the_lists_of_a_plain_search():
    """More items than one stretch, in blocks, by several threads, whose parts are joined."""
    rng = np.random.default_rng(0)
    vectors = rng.integers(-9, 10, (20_000, 6)).astype(np.float32)
    groups = rng.integers(-1, 40, len(vectors)).astype(np.int32)
    always = np.array([5, 19_999], np.int32)
    for queries, diversity in ((1, 0.0), (70, 0.0), (7, 0.5)):
        rules = CompiledRules(
            np.ones(20_001, bool), NONE, NONE, groups, 2, always, diversity, pool=50
        )
        asked = rng.integers(-9, 10, (queries, 6)).astype(np.float32)
        offsets = np.zeros(queries + 1, np.int64)
        _, columns = best(asked, vectors, (offsets, np.zeros(0, np.int32)), 30, rules)
        for row in {0, queries - 1}:
            scores = dict(enumerate((vectors @ asked[row]).astype(float).tolist()))
            assert columns[row].tolist() == plain_list(scores, 30, rules, vectors)


THREADS = """
import numpy as np
from sasrec_fast.ranking import CompiledRules, best
rng = np.random.default_rng(0)
queries, vectors = (rng.standard_normal((n, 5), np.float32) for n in (3, 30_000))
groups, none = rng.integers(0, 9, 30_000).astype(np.int32), np.zeros(0, np.float32)
always, excluded = np.array([7], np.int32), (np.zeros(4, np.int64), np.zeros(0, np.int32))
for diversity in (0.0, 0.5):
    rules = CompiledRules(np.ones(30_001, bool), none, none, groups, 3, always, diversity, 60)
    scores, columns = best(queries, vectors, excluded, 20, rules)
    print(scores.tobytes().hex(), columns.tolist())
"""


def test_the_number_of_threads_changes_no_list():
    printed = {
        subprocess.run(
            [sys.executable, "-c", THREADS],
            env={**os.environ, "RAYON_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "3")
    }
    assert len(printed) == 1


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    rng = np.random.default_rng(3)
    items = np.concatenate([np.arange(1, 41), (41 * rng.random(560) ** 2).astype(int).clip(1, 40)])
    columns = {"user_id": rng.integers(1, 61, 600), "item_id": items, "timestamp": np.arange(600)}
    return sf.prepare(columns, max_sequence_length=6)


@pytest.fixture(scope="module")
def model(data: sf.Prepared) -> Any:
    import keras

    keras.utils.set_random_seed(1)
    model = sf.SASRec.for_data(data, hidden_dim=8, num_layers=1)
    model.build()
    return model


RULES = [
    sf.Rules(boosts={3: 5.0, 9: -5.0}, factors={4: 3.0}, never=[7]),
    sf.Rules(groups={item: item % 3 for item in range(1, 41)}, most_per_group=2),
    sf.Rules(always=[11, 30], never=[2, 3]),
    sf.Rules(diversity=0.5, always=[11]),
]


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("options", [{}, {"candidates": range(5, 35), "k": 4}])
def test_services_make_the_lists_of_recommend(model, data, rules, options):
    histories = [[3, 5, 9], [7], [11, 30], []]
    with pytest.warns(UserWarning, match="without a known item"):
        table = sf.recommend(model, data, histories=histories, rules=rules, **options)
    answers = sf.Recommender(model).recommend(histories, rules=rules, **options)
    own = sf.Recommender(model, rules=rules).recommend(histories, **options)
    for number, (answer, of_own) in enumerate(zip(answers, own, strict=True)):
        expected = table[table["history"] == number]
        assert answer.item_ids == of_own.item_ids == expected["item_id"].tolist()
        np.testing.assert_allclose(answer.scores, expected["score"], rtol=1e-5, atol=1e-6)
        assert not set(rules.never or ()) & set(answer.item_ids)


def test_each_rule_does_what_it_says(model, data):
    def items(rules: sf.Rules | None, **options: Any) -> list[int]:
        found = model.recommend(data, histories=[[3, 5, 9]], rules=rules, **options)
        return found["item_id"].tolist()

    plain = items(None)
    assert items(sf.Rules(boosts={plain[-1]: 100.0}))[0] == plain[-1]
    assert plain[0] not in items(sf.Rules(never=[plain[0]]))
    last = items(None, k=40)[-1]
    assert items(sf.Rules(always=[last]))[-1] == last
    assert items(sf.Rules(always=[last]))[:-1] == plain[:-1]
    assert last not in items(sf.Rules(always=[last]), exclude_seen=True)[:-1]
    seen = items(sf.Rules(always=[3]))
    assert seen == plain  # a seen item is nobody's must-have
    assert 3 in items(sf.Rules(always=[3]), exclude_seen=False)
    alike = sf.Rules(groups=dict.fromkeys(plain[:6], "brand"), most_per_group=2)
    assert len(set(plain[:6]) & set(items(alike))) == 2
    vectors = model.item_vectors() / np.linalg.norm(model.item_vectors(), axis=1, keepdims=True)

    def likeness(found: list[int]) -> float:
        own = vectors[data.items.index(found)]
        return float((own @ own.T)[~np.eye(len(found), dtype=bool)].mean())

    assert likeness(items(sf.Rules(diversity=0.7))) < likeness(plain)
    assert items(sf.Rules(diversity=0.7))[0] == plain[0]


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("scorer", ["model", "popularity"])
def test_what_is_measured_is_what_is_served(model, data, rules, scorer):
    scorer = model if scorer == "model" else sf.baselines.Popularity(data.train)
    if rules.diversity and scorer is not model:
        with pytest.raises(TypeError, match="this model has none"):
            sf.evaluate(scorer, data.validation, rules=rules)
        return
    found = sf.evaluate(scorer, data.validation, k=(3, 10), rules=rules)
    assert "rules: " in str(found.setting)
    offsets, items = data.sequences.offsets, data.items.lookup(data.sequences.items).tolist()
    spans = [(int(a), int(b)) for a, b in itertools.pairwise(offsets) if b - a > 2]
    starts, ends = zip(*spans, strict=True)
    before = [items[start : end - 2] for start, end in zip(starts, ends, strict=True)]
    table = sf.recommend(scorer, data, histories=before, k=10, rules=rules)
    targets = table["history"].map(dict(enumerate(items[end - 2] for end in ends)))
    ranks = table["rank"][table["item_id"] == targets].to_numpy()
    if scorer is model or rules.groups or rules.always:  # else equal scores share their places
        assert found["hit_rate@10"] == pytest.approx(len(ranks) / len(ends))
        assert found["ndcg@10"] == pytest.approx((1 / np.log2(ranks + 1)).sum() / len(ends))
    if rules.groups:
        assert found["mrr"] == pytest.approx((1 / ranks).sum() / len(ends))


def test_lists_that_are_short_cover_no_more_than_they_hold(data):
    """Of three items, of which users may get those that they have not had."""
    popularity, few = sf.baselines.Popularity(data.train), [38, 39, 40]
    plain, ruled = (
        sf.evaluate(popularity, data, k=3, candidates=few, rules=rules, beyond=True)
        for rules in (None, sf.Rules(factors={1: 1.0}))
    )
    assert ruled.outlook.exposure.tolist() == plain.outlook.exposure.tolist()
    assert 0 < ruled.outlook.exposure.sum() < 3 * len(ruled.ranks)
    assert dict(ruled) == dict(plain)


def test_rules_that_differ_do_not_compare(model, data):
    one, other = (sf.evaluate(model, data, k=10, rules=rules) for rules in (RULES[3], RULES[1]))
    with pytest.raises(ValueError, match=r"rules is .1 items always there, diversity"):
        sf.compare(one, other)
    assert sf.compare(one, sf.evaluate(model, data, k=10, rules=RULES[3])).difference == 0
    with pytest.raises(ValueError, match=r"\], in lists of 10' and"):  # other ones, of another k
        sf.compare(one, sf.evaluate(model, data, k=(10, 20), rules=RULES[3]))
    with pytest.raises(ValueError, match="a sampled ranking is no list"):
        sf.evaluate(model, data, candidates=("uniform", 5, 0), rules=RULES[0])


@pytest.mark.parametrize(
    ("rules", "error", "message"),
    [
        (lambda: Rules(most_per_group=1), ValueError, "without groups"),
        (lambda: Rules(groups={}), ValueError, "without most_per_group"),
        (lambda: Rules(diversity=1), ValueError, r"diversity must be in \[0, 1\)"),
        (lambda: Rules(pool=5), ValueError, "pool has no effect"),
        (
            lambda: Rules(factors={3: 0}),
            ValueError,
            "factors must be above 0, received 0 for item 3",
        ),
        (lambda: Rules(boosts={3: "x"}), TypeError, "boosts"),
        (lambda: Rules(boosts={3: np.inf}), ValueError, "finite numbers, received inf for item 3"),
        (lambda: Rules(boosts=[1, 2]), TypeError, "boosts must be a mapping"),
        (lambda: Rules(always=[777]), ValueError, "item 777 cannot always be there: it is unknown"),
        (lambda: Rules(always=[3], never=[3]), ValueError, "never has it, too"),
        (lambda: Rules(always=range(1, 12)), ValueError, "11 items, of which a list of k=10"),
        (
            lambda: Rules(always=[1, 2], groups={1: "a", 2: "a"}, most_per_group=1),
            ValueError,
            "of group 'a', 1, 2",
        ),
        (lambda: Rules(groups={1: 1.5}, most_per_group=1), TypeError, "a group is text or"),
        (lambda: Rules(never=range(1, 41)), ValueError, "no item is left"),
        (
            lambda: {"never": [1]},
            TypeError,
            r"rules must be sasrec_fast.Rules\(...\), received {'n",
        ),
    ],
)
def test_rules_that_make_no_sense_are_refused(model, data, rules, error, message):
    with pytest.raises(error, match=message):
        sf.recommend(model, data, histories=[[5]], rules=rules())


def test_wrong_shapes_and_scores_end_the_native_search():
    rules = CompiledRules(
        np.ones(3, bool), NONE, NONE, np.zeros(0, np.int32), NO_CAP, np.zeros(1, np.int32), 0.0, 1
    )
    two = np.ones((2, 1), np.float32)
    none = np.zeros(2, np.int64), np.zeros(0, np.int32)
    with pytest.raises(ValueError, match="k is 3, of 2 vectors"):
        _core.lists_of_products(two[:1], two, none, 3, rules)
    with pytest.raises(ValueError, match="NaN"):
        _core.lists_of_products(two[:1] * np.nan, two, none, 1, rules)


def test_rules_of_a_file(model, tmp_path):
    path = tmp_path / "rules.json"
    path.write_text('{"boosts": {"3": 5.0}, "groups": {"1": "a", "2": "a"}, "most_per_group": 1}')
    rules = read_rules(path, model.items)
    assert (rules.boosts, rules.groups, rules.most_per_group) == ({3: 5.0}, {1: "a", 2: "a"}, 1)
    found = sf.Recommender(model).ruled(rules).recommend([[9]])[0]
    assert found.item_ids[0] == 3
    for text, said in {
        "[1]": "holds",
        '{"boost": {}}': "'boost', which is no rule; those are boosts",
        '{"boosts": {"x": 1}}': "rules.json: invalid literal",
        '{"diversity": 2}': r"rules.json: diversity must be in \[0, 1\)",
        "{": "cannot be read as JSON",
    }.items():
        path.write_text(text)
        with pytest.raises(sf.DataError, match=said):
            read_rules(path, model.items)
