"""Compilations by JAX: counted, and kept on disk from one process to the next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_COMPILED = "/jax/core/compile/backend_compile_duration"
_LOADED = "/jax/compilation_cache/cache_hits"


@dataclass
class Compilations:
    """What JAX compiled since a moment.

    Attributes:
        count: Programs compiled or loaded from a cache; each new batch shape is one.
        loaded: Those of them that were loaded.
        seconds: Time spent on all of them.
    """

    count: int = 0
    loaded: int = 0
    seconds: float = 0.0


_listening: list[Compilations] = []


@contextmanager
def compilations() -> Iterator[Compilations]:
    """Count what JAX compiles within a `with` block, in all threads.

    >>> with compilations() as seen:
    ...     pass
    >>> seen.count
    0
    """
    _listen()
    seen = Compilations()
    _listening.append(seen)
    try:
        yield seen
    finally:
        _listening[:] = [other for other in _listening if other is not seen]


@cache
def _listen() -> None:
    import jax

    def lasted(event: str, seconds: float, **_: Any) -> None:
        for seen in _listening if event == _COMPILED else ():
            seen.count += 1
            seen.seconds += seconds

    def happened(event: str, **_: Any) -> None:
        for seen in _listening if event == _LOADED else ():
            seen.loaded += 1

    jax.monitoring.register_event_duration_secs_listener(lasted)
    jax.monitoring.register_event_listener(happened)


def keep_compilations(folder: str | os.PathLike[str]) -> None:
    """Keep compiled programs in a folder: the next process loads them instead of compiling.

    JAX's persistent compilation cache, for programs of any size. It may be called at any time;
    what is compiled from then on is kept. The folder may be shared by models and runs, and
    deleted whenever wanted.

    Args:
        folder: Created where it does not exist.
    """
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    path = Path(folder).resolve()
    path.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    # JAX looks at the folder once, at the first compilation.
    compilation_cache.reset_cache()
