"""Work that no signal may cut in two."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]


_NAMES = ("INT", "BREAK", "TERM", "HUP", "QUIT", "ALRM", "VTALRM", "PROF", "USR1", "USR2", "XCPU")
_SIGNALS = tuple(getattr(signal, f"SIG{n}") for n in _NAMES if hasattr(signal, f"SIG{n}"))


class Uninterrupted:
    """Holds signals back while a block runs; their handlers run, and may raise, after it.

    Python runs handlers in the main thread alone; in others this does nothing.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Handler] = {}
        self._held: list[int] = []

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        try:
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self._hold)
        except BaseException:  # of a handler that is still in its place
            self._restore()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        late = self._restore()
        for number in dict.fromkeys(self._held):
            signal.raise_signal(number)
        if late is not None:
            raise late

    def _hold(self, number: int, _: FrameType | None) -> None:
        self._held.append(number)

    def _restore(self) -> BaseException | None:
        """Put every handler back; what one of them raised meanwhile."""
        late = None
        while self._handlers:
            try:
                for number, handler in list(self._handlers.items()):
                    signal.signal(number, handler)
                    del self._handlers[number]
            except BaseException as error:  # of a handler that is back
                late = error
        return late
