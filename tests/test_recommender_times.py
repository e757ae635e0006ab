"""A recommender of a model that looks at times: in a process, from files alone, by HTTP."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from lean_process import answered_alone
from served_models import Running, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LENGTH = 9
START = 1_600_000_000
HISTORIES = [[3, 5, 9], [7], list(range(1, 31)), [777, 4, 4, 999], [888]]
SECONDS = [
    [START, START + 50, START + 90_000],
    [START + 7],
    [START + 3600 * day for day in range(30)],
    [START, START, START + 600, START + 10**6],
    [START],
]
LATE = START + 2 * 10**6


def in_zone(second: int) -> Any:
    return pd.Timestamp(second, unit="s", tz="Europe/Berlin")


def without_zone(second: int) -> Any:
    return datetime.fromtimestamp(second, UTC).replace(tzinfo=None)


class Kind:
    """A model of timestamps of a kind.

    Args:
        stamp: A timestamp of a second.
        written: The same in JSON.
        options: Of `prepare` and of the model.
    """

    def __init__(
        self, stamp: Callable[[int], Any], written: Callable[[int], Any], **options: Any
    ) -> None:
        self.stamp, self.written = stamp, written
        unit = options.pop("times", True)
        rng = np.random.default_rng(3)
        seconds = np.sort(rng.integers(START, LATE, 960)).tolist()
        items = np.concatenate([np.arange(1, 61), rng.integers(1, 61, 900)])
        times = pd.Series([stamp(second) for second in seconds])
        table = {"user_id": rng.integers(1, 81, 960), "item_id": items, "timestamp": times}
        self.data = sf.prepare(table, max_sequence_length=LENGTH, times=unit)
        settings = {"hidden_dim": 8, "num_layers": 1, "num_heads": 2, **options}
        self.model = sf.SASRec.for_data(self.data, **settings)
        self.model.build()
        for weight in self.model.trainable_weights:
            waves = np.cos(np.arange(np.prod(weight.shape)))
            weight.assign(weight + 0.3 * waves.reshape(weight.shape))
        self.knows = self.model.block_options.query_time
        self.times = [[stamp(second) for second in row] for row in SECONDS]

    def moments(self) -> list[dict[str, Any]]:
        """Ways to say when is asked."""
        if not self.knows:
            return [{}]
        each = [self.stamp(LATE + 40**row) for row in range(len(HISTORIES))]
        return [{}, {"at": self.stamp(LATE)}, {"at": each}, {"at": self.stamp(START)}]


KINDS: dict[str, Callable[[], Kind]] = {
    "milliseconds": lambda: Kind(
        lambda second: second * 1000,
        lambda second: second * 1000,
        times="ms",
        time="decay",
        query_time=False,
    ),
    "a zone": lambda: Kind(in_zone, lambda second: in_zone(second).isoformat(), time="buckets"),
    "no zone": lambda: Kind(
        without_zone, lambda second: without_zone(second).isoformat(" "), time="buckets"
    ),
}


@pytest.fixture(scope="module", params=KINDS.values(), ids=list(KINDS))
def kind(request: Any) -> Kind:
    return request.param()


@pytest.fixture(scope="module")
def exported(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("jax2onnx")
    return sf.export(kind.model, tmp_path_factory.mktemp("timed") / "model")


@pytest.fixture(scope="module", params=["model", "folder"])
def recommender(request: Any, kind: Kind) -> sf.Recommender:
    if request.param == "folder":
        return sf.Recommender(request.getfixturevalue("exported"), data=kind.data)
    return sf.Recommender(kind.model, data=kind.data)


def rows_of(table: Any, label: str) -> list[list[Any]]:
    return [group.item_id.tolist() for _, group in table.groupby(label, sort=False)]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_answers_as_recommend_does(recommender, kind):
    recommender.warm()
    assert recommender.clock.to_dict() == kind.data.sequences.clock.to_dict()
    assert recommender.knows_query_time == kind.knows
    for moment in kind.moments():
        asked = {"times": kind.times, "k": 5, **moment}
        table = sf.recommend(kind.model, histories=HISTORIES, **asked)
        answers = recommender.recommend(HISTORIES, **asked)
        assert [answer.item_ids for answer in answers] == rows_of(table, "history")
        scores = np.concatenate([answer.scores for answer in answers])
        np.testing.assert_allclose(scores, table.score, rtol=1e-5, atol=1e-5)
        assert [answer.unknown for answer in answers] == [0, 0, 0, 2, 1]


def test_users_are_asked_at_a_moment(recommender, kind):
    users = kind.data.users.ids[[5, 0, 7]].tolist()
    moments = [{}, {"at": [kind.stamp(LATE + row) for row in range(3)]}]
    for moment in moments if kind.knows else moments[:1]:
        table = sf.recommend(kind.model, kind.data, users=users, k=4, **moment)
        answers = recommender.recommend(users=users, k=4, **moment)
        assert [answer.item_ids for answer in answers] == rows_of(table, "user_id")


def test_scores_are_those_of_inputs_with_times(recommender, kind):
    for moment in kind.moments()[:2]:
        x = kind.data.encode(HISTORIES[:3], times=kind.times[:3], **moment)
        expected = kind.model.score_items(x)[:, kind.data.items.index([2, 30])]
        found = recommender.score(HISTORIES[:3], [2, 30], times=kind.times[:3], **moment)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_what_does_not_fit_is_refused(recommender, kind):
    now = kind.stamp(LATE)
    refused = [
        ({"histories": [[3]]}, "give those of the histories, times="),
        ({"histories": [[3]], "times": [[now, now]]}, "a time for each item"),
        ({"histories": [[3, 5]], "times": [[now, kind.stamp(START)]]}, "do not ascend"),
        ({"users": [kind.data.users.ids[0]], "times": [[now]]}, "those of users are the data's"),
    ]
    if kind.knows:
        wrong = {"histories": [[3]], "times": [[now]], "at": [now, now]}
        refused.append((wrong, "one for each of 1"))
    else:
        asked = {"histories": [[3]], "times": [[now]], "at": now}
        refused.append((asked, "knows no moment of the question"))
    for given, message in refused:
        with pytest.raises(ValueError, match=message):
            recommender.recommend(**given)
    with pytest.raises(sf.DataError, match=r"the model was made for|column .times."):
        recommender.recommend([[3]], times=[["text" if kind.written(0) == 0 else 5]])


def test_who_looks_at_no_times_takes_none():
    table = {"user_id": [1] * 4, "item_id": range(4), "timestamp": range(4)}
    data = sf.prepare(table, num_negatives=0)
    recommender = sf.Recommender(sf.SASRec.for_data(data, hidden_dim=4, num_layers=1))
    assert recommender.clock is None
    for given in ({"times": [[5]]}, {"at": 5}):
        with pytest.raises(ValueError, match="is given, but the model looks at no times"):
            recommender.recommend([[1]], **given)


def test_a_model_that_knows_no_clock_is_refused(kind):
    clock, kind.model.clock = kind.model.clock, None
    try:
        with pytest.raises(ValueError, match="does not say how timestamps become seconds"):
            sf.Recommender(kind.model)
        assert sf.Recommender(kind.model, data=kind.data).clock == clock
    finally:
        kind.model.clock = clock


@pytest.mark.parametrize("kind", [KINDS["a zone"]], indirect=True, ids=["a zone"])
def test_a_folder_needs_neither_keras_nor_jax_nor_pandas(exported, kind):
    texts = [[kind.written(second) for second in row] for row in SECONDS]
    found, _ = answered_alone(exported, HISTORIES, texts, kind.written(LATE))
    expected = sf.Recommender(kind.model).recommend(
        HISTORIES, times=kind.times, at=kind.stamp(LATE)
    )
    assert found == [answer.item_ids for answer in expected]


def test_a_damaged_manifest_is_refused(exported, kind):
    manifest = exported / "manifest.json"
    whole = manifest.read_text()
    content = json.loads(whole)
    assert content["version"] == 2  # who knows no times must not read it
    clock = content["timing"]["clock"]
    damaged: list[Any] = [None, {"clock": clock}, {"clock": clock, "knows_query_time": 1}]
    damaged += [{"clock": {**clock, "dtype": "<V3"}, "knows_query_time": True}]
    try:
        for timing in damaged:
            manifest.write_text(json.dumps({**content, "timing": timing}))
            with pytest.raises(sf.DataError, match=r"manifest\.json is damaged"):
                sf.Recommender(exported)
    finally:
        manifest.write_text(whole)


@pytest.fixture(scope="module")
def served(kind: Kind) -> Iterator[Running]:
    recommender = sf.Recommender(kind.model, data=kind.data)
    with running(lambda: recommender, limits={"history": 40, "wait": 0.05}) as made:
        yield made


def agree(found: list[dict[str, Any]], expected: list[Any]) -> None:
    """What a service answered is what its recommender does."""
    assert [one["items"] for one in found] == [one.item_ids for one in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one["scores"], other.scores, rtol=1e-5, atol=1e-5)


def test_a_service_answers_as_its_recommender_does(served, kind):
    recommender = served.models.served.recommender
    texts = [[kind.written(second) for second in row] for row in SECONDS]
    moments: list[tuple[dict[str, Any], dict[str, Any]]] = [({}, {})]
    if kind.knows:
        each = [LATE + 40**row for row in range(len(HISTORIES))]
        moments += [
            ({"at": kind.written(LATE)}, {"at": kind.stamp(LATE)}),
            ({"at": list(map(kind.written, each))}, {"at": list(map(kind.stamp, each))}),
            ({"at": None}, {}),
        ]
    for asked, told in moments:
        found = served.recommend(histories=HISTORIES, times=texts, k=5, **asked)
        agree(found, recommender.recommend(HISTORIES, times=kind.times, k=5, **told))
        users = kind.data.users.ids[: len(HISTORIES)].tolist()
        of_users = served.recommend(users=users, k=5, **asked)
        agree(of_users, recommender.recommend(users=users, k=5, **told))
    (similar,) = served.ask("POST", "/similar", {"item_ids": [3], "k": 2})[1]["results"]
    assert similar["items"] == recommender.similar([3], k=2)[0].item_ids


def test_those_who_ask_together_are_answered_each_by_its_times(served, kind, monkeypatch):
    recommender, gate = served.models.served.recommender, threading.Event()
    answer = recommender.recommend

    def answer_later(*asked: Any, **options: Any) -> Any:
        assert gate.wait(20)
        return answer(*asked, **options)

    def ask(row: int, step: int | None) -> Any:
        times = [list(map(kind.written, SECONDS[row]))]
        asked = {} if step is None else {"at": kind.written(LATE + step)}
        return served.recommend(histories=[HISTORIES[row]], times=times, k=5, **asked)

    monkeypatch.setattr(recommender, "recommend", answer_later)
    questions = [(row, step) for step in (None, 1, 40, 10**6) for row in range(3)]
    questions = questions if kind.knows else questions[:3]
    with ThreadPoolExecutor(len(questions)) as pool:
        asking = []
        for question in questions:
            asking.append(pool.submit(ask, *question))
            time.sleep(0.05)  # so that they wait in this order
        gate.set()
        found = [asked.result() for asked in asking]
    for (row, step), one in zip(questions, found, strict=True):
        told = {} if step is None else {"at": kind.stamp(LATE + step)}
        agree(one, answer([HISTORIES[row]], times=[kind.times[row]], k=5, **told))


def test_a_service_names_what_is_wrong_with_times(served, kind):
    now, before = kind.written(LATE), kind.written(START)
    one = {"histories": [[3]], "times": [[now]]}
    wrong: list[tuple[Any, str]] = [
        ({"histories": [[3]]}, "times"),
        ({"histories": [[3]], "times": None}, "times"),
        ({"histories": [[3]], "times": [now]}, "times[0]"),
        ({"histories": [[3], [5]], "times": [[now]]}, "times"),
        ({"histories": [[3], [5, 9]], "times": [[now], [now]]}, "times[1]"),
        ({"histories": [[5, 9]], "times": [[now, before]]}, "times[0][1]"),
        ({"users": [1], "times": [[now]]}, "times"),
        ({"histories": [[3]], "times": [[True]]}, "times[0][0]"),
        ({"histories": [[3]], "times": [["soon"]]}, "times[0][0]"),
        ({"histories": [[3]], "times": [[10**30]]}, "times[0][0]"),
    ]
    if kind.knows:
        wrong += [
            ({**one, "at": [now, now]}, "at"),
            ({**one, "at": [None]}, "at[0]"),
            ({**one, "at": {}}, "at"),
            ({**one, "at": 5}, "at"),
        ]
        other = "2024-06-01T18:00:00" + ("" if now.count(":") == 3 else "Z")
        wrong.append(({"histories": [[3]], "times": [[other]]}, "times[0][0]"))
    else:
        wrong.append(({**one, "at": now}, "the body"))
    for body, field in wrong:
        status, content, _ = served.ask("POST", "/recommend", body)
        assert (status, content.get("field")) == (422, field), (body, content)
        assert content["error"].startswith(f"{field} must be {content['allowed']}, received ")


def test_extreme_times_are_answered_or_refused(served, kind):
    if kind.written(0) == 0:
        rows: list[list[Any]] = [[-(2**63), 2**63 - 1], [0.5, 1e15], [-1e18, 5]]
    else:
        offset = "+00:00" if kind.written(0).count(":") == 3 else ""
        rows = [[f"0001-01-01T00:00:00{offset}", f"9999-12-31T23:59:59.999999{offset}"]]
    for row in rows:
        body = {"histories": [[3, 5]], "times": [row]}
        bodies = [body, {**body, "at": row[0]}, {**body, "at": row[1]}] if kind.knows else [body]
        for asked in bodies:
            status, content, _ = served.ask("POST", "/recommend", asked)
            assert status == 200, content


def test_a_service_says_how_times_are_written(served, kind):
    said = served.ask("GET", "/health")[1]["times"]
    schemas = served.ask("GET", "/openapi.json")[1]
    asked = schemas["paths"]["/recommend"]["post"]["requestBody"]["content"]["application/json"]
    fields = asked["schema"]["properties"]
    assert said["at"] == kind.knows == ("at" in fields)
    assert "times" in fields
    if kind.written(0) == 0:
        assert (said["kind"], said["per_second"]) == ("numbers", 1000)
        assert schemas["components"]["schemas"]["Time"]["type"] == "number"
    else:
        zoned = kind.written(0).count(":") == 3
        assert (said["kind"], said["offset"]) == ("datetimes", zoned)
        assert schemas["components"]["schemas"]["Time"].get("format") == (
            "date-time" if zoned else None
        )


@pytest.mark.parametrize("zone", [None, UTC, "Europe/Berlin"], ids=str)
def test_a_datetime_is_the_same_moment_as_its_timestamp(zone):
    """Which is read without pandas where it can be."""
    from sasrec_fast.columns import Clock

    where = zone if zone != "Europe/Berlin" else pd.Timestamp("2024-06-01", tz=zone).tz
    for unit in ("s", "ms", "us", "ns", "D"):
        clock = Clock(np.dtype(f"datetime64[{unit}]"), zone)
        first = datetime(2024, 10, 27, 0, 30, tzinfo=where)
        for step in (0, 1, 999_999, 10**6, 3600 * 10**6, 86_399 * 10**6 + 1):
            moment = first + timedelta(microseconds=step)
            assert clock.second_of(moment) == clock.second_of(pd.Timestamp(moment))
