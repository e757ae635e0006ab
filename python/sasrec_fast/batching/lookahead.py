"""Batches made ahead of the one in use, in threads that end with the object they work for."""

import os
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import MethodType
from typing import Any

Place = tuple[int, int]
"""Epoch and index of a batch."""


class Lookahead:
    """Makes batches ahead of the one in use.

    Args:
        make: Method that makes the batch at a place; any thread may call it. Its object is not
            kept alive, and when it goes, so do the threads.
        follow: Method that gives the place after a place.
        workers: Threads; `workers` + 1 batches are kept ready. With 0 each is made when asked for.
    """

    def __init__(
        self, make: Callable[[Place], Any], follow: Callable[[Place], Place], workers: int
    ) -> None:
        self._make = weakref.WeakMethod(make)
        self._follow = weakref.WeakMethod(follow)
        self._workers = workers
        self._process: int | None = None

    def _begin(self, owner: Any) -> None:
        """Have threads of this process: a forked child has none of its parent's."""
        self._process = os.getpid()
        self._pool = ThreadPoolExecutor(self._workers, "sasrec_fast.batches")
        self._futures: dict[Place, Future[Any]] = {}
        weakref.finalize(owner, _end, self._pool, self._process)

    def take(self, place: Place) -> Any:
        """The batch at a place, which may have been foreseen; starts on those after it."""
        make = self._make()
        assert isinstance(make, MethodType)  # the caller is its object
        if not self._workers:
            return make(place)
        if self._process != os.getpid():
            self._begin(make.__self__)
        follow = self._follow()
        assert follow is not None
        places = [place]
        while len(places) <= self._workers + 1:
            places.append(follow(places[-1]))
        known, self._futures = self._futures, {}
        for key in dict.fromkeys(places):
            foreseen = key in known
            self._futures[key] = (
                known.pop(key) if foreseen else self._pool.submit(_made, self._make, key)
            )
        for unforeseen in known.values():
            unforeseen.cancel()
        return self._futures.pop(place).result()


def _made(make: Any, place: Place) -> Any:
    method = make()
    return None if method is None else method(place)  # nobody waits for it any more


def _end(pool: ThreadPoolExecutor, process: int) -> None:
    if process == os.getpid():  # locks of a parent's pool may be held for ever in a forked child
        pool.shutdown(wait=False, cancel_futures=True)
