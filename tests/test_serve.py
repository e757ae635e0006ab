"""`sasrec_fast.serving.http`: what is answered, what is refused, and that nothing gets lost."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from sasrec_fast.serving import http as service
from served_models import Following, Running, running

if TYPE_CHECKING:
    from collections.abc import Iterator

IDS = list(range(10, 40))
TITLES = [None, "Alien", "Brazil, the film", "The Alien", "Straße", *[None] * 26]
LIMITS = {"body": 3000, "histories": 5, "history": 100, "k": 20, "candidates": 6, "queue": 40}


@pytest.fixture(scope="module")
def model() -> Following:
    return Following(IDS, titles=TITLES)


@pytest.fixture(scope="module")
def served(model: Following) -> Iterator[Running]:
    with running(lambda: model, limits=LIMITS) as made:
        yield made


@pytest.fixture
def gate(model: Following) -> Iterator[threading.Event]:
    """Closed: the model does not answer until it is set."""
    model.gate.clear()
    model.calls.clear()
    yield model.gate
    model.gate.set()


def until(condition: Any) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def metric(served: Running, name: str, **labels: str) -> float:
    text = served.ask("GET", "/metrics")[1]
    wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
    shown = re.escape(f"sasrec_fast_{name}" + (f"{{{wanted}}}" if wanted else ""))
    (value,) = re.findall(rf"^{shown} (\S+)$", text, flags=re.MULTILINE)
    return float(value)


def until_metric(served: Running, value: float, name: str, **labels: str) -> None:
    until(lambda: metric(served, name, **labels) == value)


def test_answers_are_those_of_the_recommender(served: Running, model: Following) -> None:
    options = {"k": 3, "exclude_seen": False, "candidates": [12, 14, 15, 99], "exclude": [14]}
    for fields in ({}, {"k": 3, "exclude": None}, {"k": 20, "exclude": []}, options):
        found = served.recommend(histories=[[10, 13], [99, 12, 98], []], **fields)
        direct = model.recommend([[10, 13], [99, 12, 98], []], **fields)
        for shown, plain in zip(found, direct, strict=True):
            assert shown["items"] == plain.item_ids
            assert shown["scores"] == plain.scores.tolist()
            assert shown["titles"] == plain.titles
            assert shown["unknown"] == plain.unknown
    assert served.recommend(histories=[[10.0]], k=1e0)[0]["items"] == [11]
    of_users = served.recommend(users=[7, 8, 7], k=2)
    assert [one["items"] for one in of_users] == [
        one.item_ids for one in model.recommend(users=[7, 8, 7], k=2)
    ]
    status, similar, _ = served.ask("POST", "/similar", {"item_ids": [12, 39], "k": 2})
    assert status == 200
    assert [one["items"] for one in similar["results"]] == [[13, 14], [10, 11]]


BIG = {"histories": [[10] * 900]}
REFUSED: list[tuple[Any, str]] = [
    ({"histories": [[10]], "k": 0}, "k"),
    ({"histories": [[10]], "k": 21}, "k"),
    ({"histories": [[10]], "k": True}, "k"),
    ({"histories": [[10]], "k": None}, "k"),
    ({"histories": [[10], [11, "12"]]}, "histories[1][1]"),
    ({"histories": [[10, 11.5]]}, "histories[0][1]"),
    ({"histories": [[True]]}, "histories[0][0]"),
    ({"histories": [[2**63]]}, "histories[0][0]"),
    ({"histories": [[None]]}, "histories[0][0]"),
    ({"histories": [[[10]]]}, "histories[0][0]"),
    ({"histories": [10]}, "histories[0]"),
    ({"histories": []}, "histories"),
    ({"histories": [[1]] * 6}, "histories"),
    ({"histories": [[1] * 101]}, "histories[0]"),
    ({"histories": "10"}, "histories"),
    ({"histories": [[10]], "users": [7]}, "the body"),
    ({"k": 5}, "the body"),
    ({"histories": [[10]], "excluded": [10]}, "the body"),
    ({"histories": [[10]], "exclude_seen": 1}, "exclude_seen"),
    ({"histories": [[10]], "candidates": []}, "candidates"),
    ({"histories": [[10]], "candidates": [1] * 7}, "candidates"),
    ({"histories": [[10]], "exclude": ["10"]}, "exclude[0]"),
    ({"users": [7, 1.5]}, "users[1]"),
    ({"users": ["\ud800"]}, "users[0]"),
    ([], "the body"),
]


@pytest.mark.parametrize(("body", "field"), REFUSED, ids=str)
def test_a_wrong_field_is_named(served: Running, body: Any, field: str) -> None:
    status, content, _ = served.ask("POST", "/recommend", body)
    assert status == 422
    assert content["field"] == field
    assert content["error"].startswith(f"{field} must be {content['allowed']}, received ")


def test_what_the_model_does_not_know_is_404(served: Running) -> None:
    for path, body, reason in (
        ("/recommend", {"histories": [[10]], "candidates": [99]}, "no candidate is known"),
        ("/recommend", {"users": [7, 9]}, "9"),
        ("/similar", {"item_ids": [12, 99]}, "item_ids: an item is not known"),
    ):
        assert served.ask("POST", path, body)[:2] == (404, {"error": reason})


BODIES = [
    b"",
    b"{",
    b"\xff",
    b'{"histories": [[NaN]]}',
    b"[" * 2000,
    b'\xef\xbb\xbf{"k": 1}',
    b"1 2",
]


@pytest.mark.parametrize("body", [*BODIES, b'{"k": ' + b"1" * 2900 + b"}"], ids=lambda b: b[:9])
def test_what_is_no_json_is_400(served: Running, body: bytes) -> None:
    assert served.ask("POST", "/recommend", body)[0] in (400, 422)
    assert (served.ask("POST", "/recommend", body)[0] == 400) == (b"111" not in body)


def test_other_refusals(served: Running) -> None:
    good = json.dumps({"histories": [[10]]}).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert served.ask("POST", "/recommend", good, form)[0] == 415
    charset = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert served.ask("POST", "/recommend", good, charset)[0] == 200
    status, content, headers = served.ask("GET", "/recommend")
    assert (status, headers["allow"]) == (405, "POST")
    assert content == {"error": "/recommend takes no 'GET'"}
    assert served.ask("DELETE", "/health")[0] == 405
    for path in ("/nothing", "/recommend/", "/../etc/passwd", "/static/../page.html"):
        assert served.ask("GET", path)[0] == 404
    for query in ("", "?limit=3", f"?query={'x' * 201}", "?query=a&limit=0", "?query=a&limit=x"):
        assert served.ask("GET", f"/items{query}")[0] == 422


def test_large_bodies_are_413_whether_or_not_their_length_is_told(served: Running) -> None:
    status, content, headers = served.ask("POST", "/recommend", BIG)
    assert status == 413
    assert "at most 3,000 bytes" in content["error"]
    assert headers["connection"] == "close"
    with socket.create_connection(("127.0.0.1", served.port), 20) as connection:
        head = b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"".join(b"400\r\n" + b" " * 1024 + b"\r\n" for _ in range(4)))
        connection.sendall(b"0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_slow_bodies_are_408(served: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sasrec_fast.serving.http.bodies.SECONDS", 0.1)
    with socket.create_connection(("127.0.0.1", served.port), 20) as connection:
        head = b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.sendall(head + b"Content-Length: 10\r\n\r\n{")
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_clients_that_go_leave_the_service_as_it_was(served: Running) -> None:
    head = b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    for rest in (
        b"Content-Length: 99\r\n\r\n{",
        b'Content-Length: 20\r\n\r\n{"histories":[[10]]}',
        b"",
    ):
        with socket.create_connection(("127.0.0.1", served.port), 20) as connection:
            connection.sendall(head + rest)
    assert served.recommend(histories=[[10]], k=1)[0]["items"] == [11]


def test_what_arrives_together_is_answered_together(
    served: Running, model: Following, gate: threading.Event
) -> None:
    def ask(turn: int) -> list[int]:
        fields: dict[str, Any] = {"k": 1 + turn % 2}
        if turn % 5 == 4:
            fields["candidates"] = [99]  # which nobody can answer
            status, _, _ = served.ask("POST", "/recommend", {"histories": [[10]], **fields})
            return [status]
        return served.recommend(histories=[[IDS[turn % 30]]], **fields)[0]["items"]

    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(ask, 0)
        until(lambda: model.calls)
        others = [pool.submit(ask, turn) for turn in range(1, 20)]
        until(lambda: metric(served, "queue_rows") == 19)
        gate.set()
        for turn, answer in enumerate([first, *others]):
            items = [IDS[(turn + 1) % 30], IDS[(turn + 2) % 30]][: 1 + turn % 2]
            assert answer.result() == ([404] if turn % 5 == 4 else items)
    assert sorted(model.calls[1:])[-2:] == [7, 8]  # all of those with equal options
    assert metric(served, "queue_rows") == 0


def test_a_bad_question_in_a_batch_spoils_no_other(
    served: Running, model: Following, gate: threading.Event
) -> None:
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(served.ask, "POST", "/recommend", {"users": [7]})
        until(lambda: model.calls)
        asked = [{"users": [8]}, {"users": [7, 9]}, {"users": [7]}]
        rest = [pool.submit(served.ask, "POST", "/recommend", body) for body in asked]
        until(lambda: metric(served, "queue_rows") == 4)
        gate.set()
        assert [one.result()[0] for one in (first, *rest)] == [200, 200, 404, 200]
    assert model.calls[:2] == [1, 4]


def test_a_full_queue_is_429(served: Running, model: Following, gate: threading.Event) -> None:
    body = {"histories": [[10]] * 5}
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(served.ask, "POST", "/recommend", body)
        until(lambda: model.calls)
        rest = [pool.submit(served.ask, "POST", "/recommend", body) for _ in range(8)]
        until(lambda: metric(served, "queue_rows") == 40)
        status, content, headers = served.ask("POST", "/recommend", {"histories": [[10]]})
        assert (status, headers["retry-after"]) == (429, "1")
        assert content["error"] == "40 histories wait, of 40 that may; try again"
        gate.set()
        assert {one.result()[0] for one in (first, *rest)} == {200}


def test_few_that_wait_are_held_for_others_only_so_long() -> None:
    model = Following(IDS)
    with running(lambda: model, limits={"wait": 0.2, "batch": 8}) as served:
        model.calls.clear()
        start = time.monotonic()
        served.recommend(histories=[[10]])
        assert time.monotonic() - start < 0.15  # alone: at once
        model.gate.clear()
        with ThreadPoolExecutor(3) as pool:
            asked = [pool.submit(served.recommend, histories=[[10]]) for _ in range(3)]
            until(lambda: metric(served, "queue_rows") == 2)
            model.gate.set()
            assert all(one.result() for one in asked)
    assert model.calls == [1, 1, 2]


def test_a_new_model_is_swapped_in_and_no_request_is_lost(tmp_path: Any) -> None:
    path = tmp_path / "model"
    path.write_text("1")

    def read() -> Following:
        text = path.read_text()
        return Following(IDS, mark=float(text))

    with running(read, watch=0.05, watched=[path]) as served, ThreadPoolExecutor(4) as pool:
        stop = threading.Event()

        def keep_asking(_: int) -> list[set[float]]:
            found = []
            while not stop.is_set():
                found.append({one["scores"][0] for one in served.recommend(histories=[[10]] * 3)})
            return found

        asking = pool.map(keep_asking, range(3))
        for content, swapped, failed in (("2", 1, 0), ("broken", 1, 1), ("inf", 1, 2), ("4", 2, 2)):
            path.write_text(content)
            for result, count in (("swapped", swapped), ("failed", failed)):
                until_metric(served, count, "model_reloads_total", result=result)
            status, health, _ = served.ask("GET", "/health")
            assert (status, health["fingerprint"]) == (200, "4" if content == "4" else "2")
        path.write_text("4")
        served.models.reload()  # as on SIGHUP, changed or not
        until(lambda: metric(served, "model_reloads_total", result="swapped") >= 3)
        stop.set()
        answers = [answer for of_one in asking for answer in of_one]
        assert {1.0} in answers
        assert {4.0} in answers
        assert all(len(answer) == 1 for answer in answers)


def test_a_request_is_answered_by_the_model_it_began_with() -> None:
    old, new = Following(IDS, mark=1), Following([str(item) for item in IDS], mark=2)
    made = iter([old, new])
    with running(lambda: next(made)) as served, ThreadPoolExecutor(3) as pool:
        old.gate.clear()
        before = pool.submit(served.recommend, histories=[[10]], k=1)
        until(lambda: len(old.calls) == 2)
        queued = pool.submit(served.recommend, histories=[[11]], k=1)
        until(lambda: metric(served, "queue_rows") == 1)
        served.models.reload()
        until(lambda: served.models.served.recommender is new)
        assert (
            served.ask("POST", "/recommend", {"histories": [[10]]})[1]["field"] == "histories[0][0]"
        )
        later = pool.submit(served.recommend, histories=[["10"]], k=1)
        until(lambda: metric(served, "queue_rows") == 2)
        old.gate.set()
        assert later.result()[0]["scores"] == [2.0]
        assert before.result()[0]["scores"] == queued.result()[0]["scores"] == [1.0]
        assert served.recommend(histories=[["10"]], k=1)[0]["scores"] == [2.0]
        status, content, _ = served.ask("POST", "/recommend", {"histories": [["a", "\ud800"]]})
        assert (status, content["field"]) == (422, "histories[0][1]")


def test_what_is_under_way_is_answered_before_the_end() -> None:
    model = Following(IDS)
    with ThreadPoolExecutor(3) as pool:
        with running(lambda: model) as served:
            model.gate.clear()
            asked = [pool.submit(served.recommend, histories=[[10]]) for _ in range(3)]
            until(lambda: metric(served, "queue_rows") == 2)
            served.server.should_exit = True
            threading.Timer(0.3, model.gate.set).start()
        assert [one.result()[0]["items"][0] for one in asked] == [11, 11, 11]
    with pytest.raises(ConnectionError):
        served.recommend(histories=[[10]])


def test_health_says_what_is_served(served: Running) -> None:
    status, health, _ = served.ask("GET", "/health")
    assert status == 200
    loaded = health.pop("loaded")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", loaded)
    assert health == {
        "status": "ready",
        "version": "1.2.3",
        "model": "made.keras",
        "fingerprint": "0",
        "items": 30,
        "max_sequence_length": 20,
    }


def test_requests_are_counted_by_route_and_status(served: Running) -> None:
    served.recommend(histories=[[10]])
    served.ask("GET", "/nothing/of/the/kind")
    before = metric(served, "requests_total", route="/recommend", status="200")
    served.recommend(histories=[[10]])
    assert metric(served, "requests_total", route="/recommend", status="200") == before + 1
    assert metric(served, "requests_total", route="other", status="404") >= 1
    assert metric(served, "model_items") == 30
    _, text, headers = served.ask("GET", "/metrics")
    assert headers["content-type"].startswith("text/plain")
    assert "nothing" not in text


def test_items_are_found_by_title_and_id(served: Running) -> None:
    def found(query: str) -> list[Any]:
        return [
            item["id"] for item in served.ask("GET", f"/items?query={query}&limit=4")[1]["items"]
        ]

    assert found("alien") == [10, 12]  # where it begins a title comes first
    assert found("ALIEN%20") == [10, 12]
    assert found("strasse") == [13]
    assert found("lien") == [10, 12]
    assert found("12") == [12]
    assert found("1") == [10, 11, 12, 13]
    assert found("brazil,%20%20the") == [11]
    assert found("nothing") == []
    assert served.ask("GET", "/items?query=brazil")[1]["items"] == [{"id": 11, "title": TITLES[2]}]


def test_the_page_needs_nothing_from_elsewhere(served: Running) -> None:
    status, page, headers = served.ask("GET", "/")
    assert status == 200
    assert headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert not re.findall(r"(?:src|href)=|https?://|@import|url\(", page)


@pytest.mark.parametrize("wrong", [{"k": 0}, {"batch": 1.5}, {"wait": -1}, {"queue": 10}])
def test_limits_that_cannot_be_are_errors(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError), match=next(iter(wrong))):
        service.Limits(**wrong)


def test_names_are_found_as_one_by_one() -> None:
    model = Following(IDS, titles=TITLES)
    names = service.models.Names.of(model)
    for query in ("a", "alien", "th", "3", "e", ""):
        found = {item["id"] for item in names.find(query, 50)}
        plain = {
            item
            for item, title in zip(IDS, TITLES[1:], strict=True)
            if query in (title or "").casefold() or query in str(item)
        }
        assert found == plain
        assert len(names.find(query, 3)) == min(3, len(plain))
