"""The load of serve.py: connections that each ask again as soon as they are answered, or at a rate.

Written over bare sockets, since a client of HTTP for Python takes more of a core than the service.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field

BAD = [
    (400, b"POST", b"/recommend", b"application/json", b'{"histories": [[1, 2'),
    (422, b"POST", b"/recommend", b"application/json", b'{"histories": [[1, 2]], "k": 0}'),
    (422, b"POST", b"/recommend", b"application/json", b'{"histories": [[1.5]]}'),
    (422, b"POST", b"/recommend", b"application/json", b'{"history": [1, 2]}'),
    (415, b"POST", b"/recommend", b"text/plain", b'{"histories": [[1, 2]]}'),
    (405, b"PUT", b"/recommend", b"application/json", b"{}"),
    (404, b"POST", b"/recommend/../../etc/passwd", b"application/json", b"{}"),
    (413, b"POST", b"/recommend", b"application/json", b" " * ((1 << 20) + 1)),
]
"""Requests that must be refused, with the status of each."""


@dataclass
class Load:
    """What is asked.

    Attributes:
        host, port: Of the service.
        connections: Open at a time.
        seconds: For which it is asked.
        rate: Requests a second, in even steps, whether or not earlier ones are answered; None: each
            connection asks again once it is answered.
        bad: Share of requests that must be refused.
        items: Ids are 1..items.
        history: Items of each.
    """

    host: str
    port: int
    connections: int
    seconds: float
    rate: float | None
    bad: float
    items: int
    history: int


@dataclass
class Outcome:
    """What came of it; good requests by the moments at which they were due, or sent."""

    begun: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    by_status: Counter[int] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    lost: int = 0
    took: float = 0.0


def request(method: bytes, path: bytes, media_type: bytes, body: bytes) -> bytes:
    head = (method, path, media_type, len(body))
    return (
        b"%s %s HTTP/1.1\r\nHost: test\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % head
        + body
    )


def good_requests(load: Load, count: int = 2000) -> list[bytes]:
    draw = random.Random(0)
    bodies = (
        {"histories": [[draw.randint(1, load.items) for _ in range(load.history)]], "k": 10}
        for _ in range(count)
    )
    return [
        request(b"POST", b"/recommend", b"application/json", json.dumps(body).encode())
        for body in bodies
    ]


class Connection(asyncio.Protocol):
    """One request at a time over one connection; a future for its status and length."""

    def __init__(self) -> None:
        self.open = False
        self._received = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.open, self._transport = True, transport

    def connection_lost(self, failure: Exception | None) -> None:
        self.open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("closed without an answer"))

    def ask(self, content: bytes) -> asyncio.Future[tuple[int, bytes]]:
        self._received = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(content)  # type: ignore[attr-defined]
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().index(b"content-length:") + len(b"content-length:")
        if len(body) >= int(head[at:].split(b"\r\n", 1)[0]):
            if b"connection: close" in head.lower():
                self.open = False
                self._transport.close()
            assert self._answer is not None
            self._answer.set_result((int(head[9:12]), body))


async def run(load: Load) -> Outcome:
    """Ask for some seconds, then wait for what is under way."""
    outcome, requests, draw = Outcome(), good_requests(load), random.Random(1)
    start = time.perf_counter()
    end = start + load.seconds
    turn = 0

    def due() -> float | None:
        """When the next request is to be sent; None when there is no more."""
        nonlocal turn
        now = time.perf_counter()
        when = now if load.rate is None else start + turn / load.rate
        turn += 1
        return when if max(when, now) < end else None

    async def one_after_another() -> None:
        connection = Connection()
        while (when := due()) is not None:
            wait = when - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            expected, content = 200, requests[draw.randrange(len(requests))]
            if draw.random() < load.bad:
                expected, *parts = draw.choice(BAD)
                content = request(*parts)
            if not connection.open:
                connection = await connected(load)
            outcome.sent += 1
            begun = min(when, time.perf_counter()) if load.rate else time.perf_counter()
            try:
                async with asyncio.timeout(30):
                    status, body = await connection.ask(content)
            except (OSError, TimeoutError) as failure:
                outcome.lost += 1
                outcome.unexpected[f"{type(failure).__name__}: {failure}"] += 1
                connection.open = False
                continue
            outcome.by_status[status] += 1
            if expected == 200:
                outcome.begun.append(begun)
                outcome.milliseconds.append(1000 * (time.perf_counter() - begun))
            if status != expected:
                outcome.unexpected[f"{status}, expected {expected}: {body[:80]!r}"] += 1

    await asyncio.gather(*(one_after_another() for _ in range(load.connections)))
    outcome.took = time.perf_counter() - start
    return outcome


async def connected(load: Load) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, load.host, load.port)
    return connection
