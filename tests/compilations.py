"""Counts what JAX compiles, by the events that it reports."""

from __future__ import annotations

from typing import Any

import jax


class Compilations:
    """What was compiled, in all threads, since this object was made.

    Attributes:
        count: Programs compiled or loaded from a cache; each new batch shape is one.
        loaded: Those of them that were loaded.
    """

    def __init__(self) -> None:
        self.count = self.loaded = 0
        jax.monitoring.register_event_duration_secs_listener(self._lasted)
        jax.monitoring.register_event_listener(self._happened)

    def _lasted(self, event: str, _: float, **__: Any) -> None:
        self.count += event == "/jax/core/compile/backend_compile_duration"

    def _happened(self, event: str, **_: Any) -> None:
        self.loaded += event == "/jax/compilation_cache/cache_hits"
