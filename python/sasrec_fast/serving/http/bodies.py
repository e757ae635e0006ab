"""Bodies of requests, no larger than allowed and no slower."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sasrec_fast import checks
from sasrec_fast.serving.http.refusals import RefusedError

if TYPE_CHECKING:
    from starlette.requests import Request

SECONDS = 10.0
"""Time for a body to arrive."""
DRAINED = 4 << 20
"""Bytes beyond the limit that are read all the same: who sends them reads no answer before."""


async def json_body(request: Request, most: int) -> bytes:
    """The body of a request that says it is JSON.

    Raises:
        RefusedError: 415 for another media type, 413 for a large body, 408 for a slow one.
    """
    media_type = request.headers.get("content-type", "")
    if media_type.partition(";")[0].strip().lower() != "application/json":
        shown = checks.received(media_type) if media_type else "none"
        raise RefusedError(415, f"the media type must be application/json, received {shown}")
    try:
        async with asyncio.timeout(SECONDS):
            return await _read(request, most)
    except TimeoutError:
        reason = f"the body did not arrive within {SECONDS:g} seconds"
        raise RefusedError(408, reason, headers={"connection": "close"}) from None


async def _read(request: Request, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
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
