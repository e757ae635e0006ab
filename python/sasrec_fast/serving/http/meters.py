"""What is counted and timed, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0, 5.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Meters:
    """Counters of one service, in a registry of their own."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        prefix = "sasrec_fast"
        self._requests = Counter(
            f"{prefix}_requests", "requests answered", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            f"{prefix}_request_seconds",
            "from a request's head to the end of its answer",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.batch_rows = Histogram(
            f"{prefix}_batch_rows",
            "histories, users or items that the model answered at once",
            buckets=ROWS,
            registry=registry,
        )
        self.batch_seconds = Histogram(
            f"{prefix}_batch_seconds",
            "time of the model for a batch",
            buckets=SECONDS,
            registry=registry,
        )
        self._queue = Gauge(f"{prefix}_queue_rows", "histories that wait", registry=registry)
        self._reloads = Counter(
            f"{prefix}_model_reloads", "models read again", ["result"], registry=registry
        )
        self.items = Gauge(f"{prefix}_model_items", "items of the model", registry=registry)
        self.loaded = Gauge(
            f"{prefix}_model_loaded_timestamp_seconds", "when it was loaded", registry=registry
        )
        self._of: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        for result in ("swapped", "failed"):
            self._reloads.labels(result)

    def watch_queue(self, rows: Callable[[], int]) -> None:
        """Ask for the length of the queue whenever it is to be shown."""
        self._queue.set_function(rows)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        found = self._of.get((route, status))
        if found is None:
            found = self._requests.labels(route, str(status)), self._seconds.labels(route)
            self._of[route, status] = found
        found[0].inc()
        found[1].observe(seconds)

    def reloaded(self, result: str) -> None:
        """Count a model that was read again: "swapped" or "failed"."""
        self._reloads.labels(result).inc()

    def text(self) -> bytes:
        """All of it, in Prometheus' format."""
        return generate_latest(self._registry)
