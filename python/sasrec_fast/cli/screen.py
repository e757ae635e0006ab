"""What a command prints: steps with their time, a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator


class Screen:
    """Writes to a stream at once; what is overwritten goes to terminals only.

    Args:
        stream: Where to print.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._open = 0  # characters on the line that is not finished

    def say(self, text: str = "") -> None:
        """Print text and a line end, in place of a bar if there is one."""
        self._replace_bar()
        print(text, file=self._stream, flush=True)

    @contextmanager
    def step(self, label: str) -> Iterator[None]:
        """Print what is going on, then how long it took."""
        start = time.perf_counter()
        self._write(f"{label} ... ")
        yield
        self._write(f"{seconds(time.perf_counter() - start)}\n")
        self._open = 0

    def bar(self, label: str, done: int, total: int) -> None:
        """Show how far something is, on a terminal."""
        if not self._terminal:
            return
        width = min(40, shutil.get_terminal_size().columns - len(label) - 20)
        filled = max(width, 0) * done // total
        bar = "█" * filled + "░" * (max(width, 0) - filled)
        text = f"{label}  {bar}  {done:,}/{total:,}"
        self._replace_bar()
        self._write(text)

    def end_line(self) -> None:
        """Finish the line that a step or a bar has begun."""
        if self._open:
            self._write("\n")
            self._open = 0

    def _replace_bar(self) -> None:
        if self._open and self._terminal:
            self._stream.write("\r" + " " * self._open + "\r")
        self._open = 0

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
        self._open += len(text)


def seconds(duration: float) -> str:
    """A duration for people: "0.3 s", "1 min 05 s"."""
    if duration < 59.95:
        return f"{duration:.1f} s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest:02d} s"


def counted(count: int, noun: str) -> str:
    """A number of things: "1 user", "2,000 users"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
