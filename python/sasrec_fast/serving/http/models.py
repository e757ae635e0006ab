"""The model that is served, and its exchange for a new one while requests are answered."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sasrec_fast.serving.http.kinds import Kinds
from sasrec_fast.serving.http.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sasrec_fast.serving import Recommender
    from sasrec_fast.serving.http.meters import Meters

MANIFEST = "manifest.json"
"""Written last, of an exported model as of prepared data."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """A model that is ready to answer.

    Attributes:
        recommender: Warmed.
        name: For people; no path of the machine.
        loaded: When, in UTC.
    """

    recommender: Recommender
    name: str
    loaded: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def kinds(self) -> Kinds:
        """What ids and times may be."""
        return Kinds.of(self.recommender)

    @cached_property
    def names(self) -> Names:
        """Items by what people type."""
        return Names.of(self.recommender)

    def health(self) -> dict[str, Any]:
        """What `GET /health` says of it."""
        about = {
            name: value
            for name, value in self.recommender.about.items()
            if name != "source" and isinstance(value, str | int | float | bool)
        }
        times = self.kinds.times
        return {
            "model": self.name,
            **about,
            **({} if times is None else {"times": times.about()}),
            "items": len(self.recommender.items),
            "max_sequence_length": self.recommender.max_sequence_length,
            "loaded": self.loaded.isoformat(timespec="seconds"),
        }


class Models:
    """Keeps one model ready, and reads it again where that is asked for.

    Args:
        read: Makes a recommender of what lies on the disk now.
        name: For people.
        meters: Told of models.
        watched: Paths whose change is a reason to read again.

    Attributes:
        served: The model now; a request keeps the one it began with.
    """

    def __init__(
        self,
        read: Callable[[], Recommender],
        name: str,
        meters: Meters,
        watched: Sequence[Path] = (),
    ) -> None:
        self._read, self._name, self._meters, self._watched = read, name, meters, watched
        self._wanted = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seen = self._state()
        self.served = self._ready()

    def reload(self) -> None:
        """Ask for the model to be read again; from any thread, while `keep_fresh` runs."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wanted.set)

    async def keep_fresh(self, every: float | None) -> None:
        """Read the model again whenever asked; and with `every`, when its files have changed.

        Files that change are left alone until they look the same twice, `every` seconds apart.
        """
        self._loop = asyncio.get_running_loop()
        last = self._seen
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), every)
            now = await asyncio.to_thread(self._state)
            if self._wanted.is_set() or now == last != self._seen:
                self._wanted.clear()
                self._seen = now
                await asyncio.to_thread(self._exchange)
            last = now

    def _exchange(self) -> None:
        """Serve what is on the disk now; what is there is served on where that fails."""
        start = time.perf_counter()
        try:
            self.served = self._ready()
        except Exception as failure:
            self._meters.reloaded("failed")
            _log.error("the new model cannot be served, the old one is: %s", _line(failure))
            return
        self._meters.reloaded("swapped")
        took, items = time.perf_counter() - start, len(self.served.recommender.items)
        _log.info("%s with %s items is served now, read in %.1f s", self._name, f"{items:,}", took)

    def _ready(self) -> Served:
        """A model that has answered once: what is broken shows now."""
        served = Served(self._read(), self._name)
        recommender = served.recommender
        recommender.warm()
        asked = recommender.items.lookup([1]).tolist()
        options: dict[str, Any] = {"k": recommender.shortest_list}
        if (kind := served.kinds.times) is not None:
            options["times"] = [[kind.example]]
        (answer,) = recommender.recommend([asked], **options)
        if not np.isfinite(answer.scores).all():
            raise ValueError(f"its scores are not finite, such as {answer.scores[0]}")
        _ = served.names
        self._meters.items.set(len(recommender.items))
        self._meters.loaded.set(served.loaded.timestamp())
        return served

    def _state(self) -> list[tuple[int, int, int] | None]:
        """Of the watched files: when changed, how large, and which; None where there is none."""
        return [_stamp(path) for path in self._watched]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Of a file; of a folder, its manifest's, which is written last."""
    manifest = path / MANIFEST
    with suppress(OSError):
        found = (manifest if manifest.exists() else path).stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
    return None


def _line(failure: Exception) -> str:
    return " ".join(f"{type(failure).__name__}: {failure}".split())
