"""Ctrl-C that cannot get lost.

The interpreter drops an exception that is raised inside a callback from C, such as those that JAX
registers with the garbage collector; a KeyboardInterrupt raised there would be forgotten.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_received = threading.Event()


@contextmanager
def remembered() -> Iterator[None]:
    """Remember an interrupt for `check`, besides raising KeyboardInterrupt as always."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    _received.clear()
    signal.signal(signal.SIGINT, _remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def check() -> None:
    """Raise KeyboardInterrupt if there was one, even if it got lost."""
    if _received.is_set():
        raise KeyboardInterrupt


def _remember(number: int, frame: FrameType | None) -> None:
    _received.set()
    signal.default_int_handler(number, frame)
