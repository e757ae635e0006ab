"""SIGTERM and SIGHUP that leave nothing half-written, and end the process all the same.

Their default action ends a process on the spot, so that no file is tidied up. While a file is being
written they raise an exception instead, as Ctrl-C does, and the process ends by the signal when all
is tidied up. Handlers of the user's own stay, and so does what is ignored.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_received: list[int] = []


class Terminated(BaseException):
    """The process is to end; only what must be tidied up on the way catches it."""


@contextmanager
def tidy_termination() -> Iterator[None]:
    """Raise `Terminated` for these signals inside, and end by the signal afterwards.

    In another thread than the main one, and within another one of these, nothing is changed.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    ours = [
        number
        for number in _SIGNALS
        if in_main_thread and signal.getsignal(number) == signal.SIG_DFL
    ]
    try:
        for number in ours:
            signal.signal(number, _raise)
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
        # An exception that was raised in a callback from C is dropped by the interpreter, so that
        # what is to happen does not depend on whether it arrived here.
        if ours and _received:
            _end(_received[0])


def check_termination() -> None:
    """Raise `Terminated` if there was such a signal, even if the exception got lost."""
    if _received:
        raise Terminated


def _raise(number: int, frame: FrameType | None) -> None:
    if _received:  # for the second time: whoever sends it does not want to wait
        _end(number)
    _received.append(number)
    raise Terminated


def _end(number: int) -> None:
    _received.clear()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
