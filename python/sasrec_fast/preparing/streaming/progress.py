"""How far a long preparation is, on a terminal; nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any


class Progress:
    """A line on stderr for each stage, where that is a terminal."""

    def __init__(self) -> None:
        self._shown: Any = None

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            self._shown = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.TextColumn("{task.completed:,.0f} rows"),
                progress.TextColumn("{task.fields[rate]}"),
                progress.TimeRemainingColumn(elapsed_when_finished=True),
                console=Console(stderr=True),
            )
            self._shown.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown is not None:
            self._shown.stop()

    @contextmanager
    def stage(self, what: str, rows: int | None) -> Iterator[Callable[[int], None]]:
        """Show a stage over so many rows, where that is known, once there is one.

        Yields:
            What is told of rows that are done.
        """
        shown = self._shown
        if shown is None:
            yield lambda rows: None
            return
        task = shown.add_task(what, total=rows, rate="", visible=False)

        def advance(done: int) -> None:
            speed = shown.tasks[task].speed
            rate = f"{speed / 1e6:.1f} M rows a second" if speed else ""
            shown.update(task, advance=done, rate=rate, visible=True)

        yield advance
        shown.update(task, total=shown.tasks[task].completed)
