"""The application: what is asked of the model, and the routes beside that."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sasrec_fast import checks
from sasrec_fast.serving.http.asking import Asking
from sasrec_fast.serving.http.openapi import (
    DEFAULT_NAMES,
    LONGEST_QUERY,
    MOST_NAMES,
    document,
)
from sasrec_fast.serving.http.page import PAGE, PAGE_HEADERS
from sasrec_fast.serving.http.refusals import BROKEN, RefusedError, takes_no, wrong

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from sasrec_fast.serving.http.limits import Limits
    from sasrec_fast.serving.http.meters import Meters
    from sasrec_fast.serving.http.models import Models


def application(
    models: Models,
    limits: Limits,
    meters: Meters,
    version: str,
    watch: float | None = None,
) -> ASGIApp:
    """An ASGI application that answers from a model.

    Args:
        models: What is served.
        limits: What requests may ask for.
        meters: Told of each request.
        version: Of the package.
        watch: Seconds between looks at the model's files; None: they are read when asked.
    """
    service = _Service(models, limits, meters, version)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        fresh = asyncio.create_task(models.keep_fresh(watch))
        try:
            yield
        finally:
            fresh.cancel()
            with suppress(asyncio.CancelledError):
                await fresh
            asking.close()

    routes = {
        "/items": service.items,
        "/health": service.health,
        "/metrics": service.metrics,
        "/openapi.json": service.openapi,
        "/": service.page,
    }
    app = Starlette(
        routes=[Route(path, to, methods=["GET"]) for path, to in routes.items()],
        exception_handlers={RefusedError: _refused, HTTPException: _failed, Exception: _broken},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    asking = Asking(models, limits, meters, app, frozenset(routes))
    return asking


class _Service:
    """What each route answers that asks nothing of the model."""

    def __init__(self, models: Models, limits: Limits, meters: Meters, version: str) -> None:
        self._models, self._limits, self._meters = models, limits, meters
        self._version = version

    async def items(self, request: Request) -> Response:
        given = request.query_params
        query, limit = given.get("query"), given.get("limit", str(DEFAULT_NAMES))
        if query is None or len(query) > LONGEST_QUERY:
            raise wrong("query", query, f"a text of at most {LONGEST_QUERY} characters")
        if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit[:9]) <= MOST_NAMES):
            raise wrong("limit", limit, f"an integer in 1..{MOST_NAMES}")
        names = self._models.served.names
        return JSONResponse({"items": await asyncio.to_thread(names.find, query, int(limit))})

    async def health(self, request: Request) -> Response:
        served = self._models.served
        return JSONResponse({"status": "ready", "version": self._version, **served.health()})

    async def metrics(self, request: Request) -> Response:
        return Response(self._meters.text(), headers={"content-type": self._meters.media_type})

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(document(self._limits, self._models.served.kinds, self._version))

    async def page(self, request: Request) -> Response:
        return Response(PAGE, media_type="text/html", headers=PAGE_HEADERS)


async def _refused(request: Request, refused: Any) -> Response:
    return JSONResponse(refused.content, refused.status, headers=refused.headers)


async def _failed(request: Request, failure: Any) -> Response:
    """What Starlette refuses: another path, or another method."""
    reasons = {
        404: f"there is no {checks.received(request.url.path)}",
        405: takes_no(request.url.path, request.method),
    }
    reason = reasons.get(failure.status_code, failure.detail)
    return JSONResponse({"error": reason}, failure.status_code, headers=failure.headers)


async def _broken(request: Request, failure: Exception) -> Response:
    return JSONResponse(BROKEN, 500)
