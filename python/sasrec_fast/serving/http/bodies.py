"""Bodies of requests, no larger than allowed and no slower."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sasrec_fast import checks
from sasrec_fast.serving.http.refusals import RefusedError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

SECONDS = 10.0
"""Time for a body to arrive."""
DRAINED = 4 << 20
"""Bytes beyond the limit that are read all the same: who sends them reads no answer before."""


class GoneError(Exception):
    """Whoever sent a body has gone before its end."""


async def json_body(scope: Scope, receive: Receive, most: int) -> bytes:
    """The body of a request that says it is JSON.

    Raises:
        RefusedError: 415 for another media type, 413 for a large body, 408 for a slow one.
        GoneError: It never came to its end.
    """
    media_type = _media_type(scope)
    if media_type.partition(b";")[0].strip().lower() != b"application/json":
        shown = checks.received(media_type.decode("latin-1")) if media_type else "none"
        raise RefusedError(415, f"the media type must be application/json, received {shown}")
    try:
        async with asyncio.timeout(SECONDS):
            return await _read(receive, most)
    except TimeoutError:
        reason = f"the body did not arrive within {SECONDS:g} seconds"
        raise RefusedError(408, reason, headers={"connection": "close"}) from None


def _media_type(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"content-type":
            return bytes(value)
    return b""


async def _read(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size > most:
            parts.clear()
        else:
            parts.append(part)
        if size > most + DRAINED:
            break
    if size > most:
        reason = f"the body must be at most {most:,} bytes, received {size:,} or more"
        raise RefusedError(413, reason, headers={"connection": "close"})
    return b"".join(parts)
