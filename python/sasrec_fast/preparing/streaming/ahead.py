"""Two things at a time: the next one is made while one is used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")


def ahead(made: Iterable[Made]) -> Iterator[Made]:
    """What an iterator makes, each made in another thread while the one before is used."""
    waiting_for, nothing = iter(made), object()
    with ThreadPoolExecutor(1, "sasrec_fast.ahead") as thread:
        coming = thread.submit(next, waiting_for, nothing)
        while (found := coming.result()) is not nothing:
            coming = thread.submit(next, waiting_for, nothing)
            yield found  # type: ignore[misc]
            del found
