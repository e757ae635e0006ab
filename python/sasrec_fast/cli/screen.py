"""What a command prints: steps with their time, a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import importlib
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from sasrec_fast.cli import compilations

if TYPE_CHECKING:
    from collections.abc import Iterator


class Screen:
    """Prints text as it is, at once; what moves and is overwritten is for terminals only.

    Args:
        stream: Where to print.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._moving: Any = None  # a Status or a Progress of rich
        self._open = False  # whether a line is not finished

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *failure: object) -> None:
        """Leave nothing half-printed behind."""
        self._stop()
        if self._open:
            self._open = False
            print(file=self._stream, flush=True)

    def say(self, text: str = "") -> None:
        """Print text and a line end, in place of a bar if there is one."""
        self._stop()
        print(text, file=self._stream, flush=True)

    @contextmanager
    def step(self, label: str) -> Iterator[None]:
        """Print what is going on, then how long it took."""
        start = time.perf_counter()
        if self._stream.isatty():
            self._start(_console(self._stream).status(_plain(label)))
        else:
            print(f"{label} ... ", end="", file=self._stream, flush=True)
            self._open = True
        yield
        took = seconds(time.perf_counter() - start)
        self.say(took if self._open else f"{label} ... {took}")
        self._open = False

    def bar(self, label: str, done: int, total: int) -> None:
        """Show how far something is, on a terminal."""
        if not self._stream.isatty():
            return
        if self._moving is None:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (TextColumn("{task.description}", markup=False), BarColumn())
            console = _console(self._stream)
            progress = Progress(*columns, MofNCompleteColumn(), console=console, transient=True)
            progress.add_task(label)
            self._start(progress)
        task = self._moving.task_ids[0]
        self._moving.update(task, description=label, completed=done, total=total)

    def _start(self, moving: Any) -> None:
        self._stop()
        self._moving = moving
        moving.start()

    def _stop(self) -> None:
        if self._moving is not None:
            self._moving.stop()
            self._moving = None


def _console(stream: TextIO) -> Any:
    from rich.console import Console

    return Console(file=stream)


def _plain(text: str) -> Any:
    """Text whose brackets are no markup."""
    from rich.text import Text

    return Text(text)


def load_keras(screen: Screen) -> None:
    """Import the model half of the package in a step of its own, and keep what it compiles."""
    with screen.step("loading Keras"):
        importlib.import_module("sasrec_fast.model")
        compilations.keep()


def seconds(duration: float) -> str:
    """A duration for people: "0.3 s", "1 min 05 s"."""
    if duration < 59.95:
        return f"{duration:.1f} s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest:02d} s"


def counted(count: int, noun: str) -> str:
    """A number of things: "1 user", "2,000 users"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
