"""The routes that ask the model: a request in, its answer or refusal out.

They are answered here, before Starlette, whose layers took a third of a request's time.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from sasrec_fast.serving.http.batches import Batcher
from sasrec_fast.serving.http.bodies import GoneError, json_body
from sasrec_fast.serving.http.questions import recommend_question, similar_question
from sasrec_fast.serving.http.refusals import BROKEN, RefusedError, takes_no

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sasrec_fast.serving.http.kinds import Kinds
    from sasrec_fast.serving.http.limits import Limits
    from sasrec_fast.serving.http.meters import Meters
    from sasrec_fast.serving.http.models import Models
    from sasrec_fast.serving.http.questions import Question

    Read = Callable[[bytes, Limits, Kinds], Question]

ASKED: Mapping[str, Read] = {"/recommend": recommend_question, "/similar": similar_question}
"""Paths that take POST, and what their bodies ask."""
GONE = 499
"""Counted where nobody waits for the answer any more; no status is sent."""


class Asking:
    """An application that answers what is asked of the model, and leaves the rest to another.

    Requests of both are counted and timed.

    Args:
        models: What is served.
        limits: What requests may ask for.
        meters: Told of each request.
        rest: Answers all other paths.
        routes: Paths of the rest that are counted by their names.
    """

    def __init__(
        self,
        models: Models,
        limits: Limits,
        meters: Meters,
        rest: ASGIApp,
        routes: frozenset[str],
    ) -> None:
        self._models, self._limits, self._meters = models, limits, meters
        self._rest, self._routes = rest, routes
        self._batcher = Batcher(limits, meters)

    def close(self) -> None:
        """Wait for what is being answered."""
        self._batcher.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        start, path = time.perf_counter(), scope["path"]
        status, read = 500, ASKED.get(path)

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if read is None:
                await self._rest(scope, receive, noting)
            else:
                status = await self._ask(read, scope, receive, send)
        finally:
            route = path if read is not None or path in self._routes else "other"
            self._meters.answered(route, status, time.perf_counter() - start)

    async def _ask(self, read: Read, scope: Scope, receive: Receive, send: Send) -> int:
        """Answer a question; what breaks is answered, too, and raised."""
        try:
            content = await self._answer(read, scope, receive)
        except RefusedError as refused:
            await _say(send, refused.status, _encoded(refused.content), refused.headers)
            return refused.status
        except GoneError:
            return GONE
        except Exception:
            await _say(send, 500, _encoded(BROKEN), {})
            raise
        await _say(send, 200, content, {})
        return 200

    async def _answer(self, read: Read, scope: Scope, receive: Receive) -> bytes:
        if scope["method"] != "POST":
            reason = takes_no(scope["path"], scope["method"])
            raise RefusedError(405, reason, headers={"allow": "POST"})
        served = self._models.served
        body = await json_body(scope, receive, self._limits.body)
        return await self._batcher.answer(served, read(body, self._limits, served.kinds))


async def _say(send: Send, status: int, content: bytes, headers: Mapping[str, str]) -> None:
    pairs = [(b"content-length", b"%d" % len(content)), (b"content-type", b"application/json")]
    pairs += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})


def _encoded(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
