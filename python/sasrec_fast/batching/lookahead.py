"""Batches made in background threads before they are asked for."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

Place = tuple[int, int]
"""Epoch and index of a batch."""


class Lookahead:
    """Makes batches ahead of the one in use.

    Args:
        make: Makes the batch at a place; any thread may call it.
        follow: The place after a place.
        workers: Threads, at least 1; `workers` + 1 batches are kept ready.
    """

    def __init__(
        self, make: Callable[[Place], Any], follow: Callable[[Place], Place], workers: int
    ) -> None:
        self._make = make
        self._follow = follow
        self._ahead = workers + 1
        self._pool = ThreadPoolExecutor(workers, "sasrec_fast.batches")
        self._futures: dict[Place, Future[Any]] = {}

    def take(self, place: Place) -> Any:
        """The batch at a place, which may have been foreseen; starts on those after it."""
        places = [place]
        while len(places) <= self._ahead:
            places.append(self._follow(places[-1]))
        known, self._futures = self._futures, {}
        for key in dict.fromkeys(places):
            foreseen = key in known
            self._futures[key] = known.pop(key) if foreseen else self._pool.submit(self._make, key)
        for unforeseen in known.values():
            unforeseen.cancel()
        return self._futures.pop(place).result()
