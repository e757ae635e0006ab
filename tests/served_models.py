"""A recommender whose answers are plain to see, and a service of it in a thread."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import sasrec_fast as sf
from sasrec_fast.serving import Recommendations
from sasrec_fast.serving import http as service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

USERS = {7: [3, 4], 8: [1]}


class Following:
    """Recommends the items after the last one of a history, in a circle.

    Args:
        ids: Of the items.
        mark: Added to each score: says which model answered.
        titles: By item index.
    """

    max_sequence_length = 20
    shortest_list = 1
    clock = None

    def __init__(
        self, ids: Sequence[Any], mark: float = 0.0, titles: list[str | None] | None = None
    ) -> None:
        self.items, self.mark, self.titles = sf.Vocabulary(ids), mark, titles
        self.about = {"source": "/somewhere/secret", "fingerprint": f"{mark:g}"}
        self.calls: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def warm(self) -> None:
        """Nothing to compile."""

    def recommend(
        self,
        histories: Any = None,
        *,
        users: Any = None,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Any = None,
        exclude: Any = None,
    ) -> list[Recommendations]:
        self.calls.append(len(histories if users is None else users))
        assert self.gate.wait(20)
        rows = histories if users is None else [USERS[user] for user in users]
        allowed = set(self.items.ids.tolist() if candidates is None else candidates)
        allowed -= set(exclude or ())
        if not allowed & set(self.items.ids.tolist()):
            raise ValueError("no candidate is known")
        return [self._after(row, k, allowed - set(row if exclude_seen else ())) for row in rows]

    def similar(self, item_ids: Any, k: int = 10) -> list[Recommendations]:
        if 0 in self.items.index(item_ids):
            raise KeyError("item_ids: an item is not known")
        return [self._after([item], k, {*self.items.ids.tolist()} - {item}) for item in item_ids]

    def _after(self, history: list[Any], k: int, allowed: set[Any]) -> Recommendations:
        found = self.items.index(history)
        last = found[found > 0][-1] if found.any() else 0
        order = [(last + step) % len(self.items) + 1 for step in range(len(self.items))]
        best = [index for index in order if self.items.ids[index - 1] in allowed][:k]
        scores = np.float32(self.mark) - np.arange(len(best), dtype=np.float32) / 4
        titles = None if self.titles is None else [self.titles[index] for index in best]
        ids = self.items.lookup(best).tolist()
        return Recommendations(ids, scores, titles, int((found == 0).sum()))


@dataclass
class Running:
    """A service that listens."""

    port: int
    models: service.Models
    server: service.Server

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, content (of JSON), and headers in lower case."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        text = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, path, text, {**kind, **(headers or {})})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        content: Any = answer.read().decode()
        connection.close()
        if found.get("content-type", "").startswith("application/json") and content:
            content = json.loads(content)
        return answer.status, content, found

    def recommend(self, **fields: Any) -> list[dict[str, Any]]:
        status, content, _ = self.ask("POST", "/recommend", fields)
        assert status == 200, content
        return content["results"]


@contextmanager
def running(read: Callable[[], Any], watch: float | None = None, **options: Any) -> Iterator[Any]:
    """A service in a thread, stopped and drained in the end."""
    limits, meters = service.Limits(**options.pop("limits", {})), service.Meters()
    models = service.Models(read, "made.keras", meters, options.pop("watched", ()))
    app = service.application(models, limits, meters, "1.2.3", watch)
    started = threading.Event()
    server = service.Server(app, models.reload, started.set)
    taken = service.listening("127.0.0.1", 0)
    port = taken.getsockname()[1]
    thread = threading.Thread(target=server.run_on, args=(taken,))
    thread.start()
    try:
        assert started.wait(20)
        yield Running(port, models, server)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
