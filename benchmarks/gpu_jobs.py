"""Runs jobs in processes of their own: many prepare at once, one measures while the others stand.

Compiling is most of the work and needs the processor, measuring needs the machine alone. So a
process that has compiled waits for its turn, and while it is measured the others are stopped. One
that fails, hangs or is too slow is ended, and the others go on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOOK_EVERY = 0.02
LINES_OF_AN_ERROR = 12
CHILD = Path(__file__).with_name("gpu_child.py")


@dataclass(frozen=True)
class Job:
    """What a process measures.

    Attributes:
        part: Of the benchmark; the table its rows are in.
        module: Beside this file; its `measure` takes the cell and a `gpu_child.Caller`.
        cell: What to measure, repeated in every row.
        limit: Most seconds to prepare, without those in which others had their turn.
        turn: Most seconds to measure.
    """

    part: str
    module: str
    cell: Mapping[str, Any]
    limit: float = 100.0
    turn: float = 20.0


Told = Callable[[Job, dict[str, Any]], None]


@dataclass
class _Child:
    job: Job
    folder: Path
    process: subprocess.Popen[str] = field(init=False)
    used: float = 0.0
    stopped: float = 0.0
    measuring: bool = False
    ready: bool = False
    _read: int = 0

    def __post_init__(self) -> None:
        command = [sys.executable, str(CHILD), self.job.module, json.dumps(dict(self.job.cell))]
        with self._lines.open("w") as lines, self._log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=lines,
                stderr=log,
                text=True,
                process_group=0,
            )

    @property
    def _lines(self) -> Path:
        return self.folder / "lines"

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    @property
    def standing(self) -> bool:
        """Whether it waits for its turn."""
        return self.ready and not self.measuring

    @property
    def most(self) -> float:
        """Seconds it may have for what it does."""
        return self.job.turn if self.measuring else self.job.limit

    def news(self) -> list[dict[str, Any]]:
        """The rows told since the last call; notes whether it is ready."""
        with self._lines.open() as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind("\n") + 1]
        self._read += len(whole.encode())
        told = [json.loads(line) for line in whole.splitlines()]
        self.ready |= any("ready" in line for line in told)
        return [line["row"] for line in told if "row" in line]

    def measure(self) -> None:
        """Give it its turn."""
        self.measuring, self.used = True, 0.0
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended meanwhile
            self.process.stdin.write(f"{self.stopped}\n")
            self.process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and those it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def end(self) -> None:
        """Kill it, if it still runs."""
        self.signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()

    def error(self) -> str:
        """The end of its log."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return "\n".join(lines[-LINES_OF_AN_ERROR:]) or f"exit code {self.process.returncode}"


def run(jobs: Iterable[Job], workers: int, seconds: float, told: Told) -> None:
    """Run jobs in their order, so many at once, for so many seconds at most.

    Args:
        jobs: The most important first.
        workers: Most processes.
        seconds: After these, what runs is ended and what waits is not begun.
        told: Called with a job and a row, as rows come. A job that came to no end has a last row
            with "failed", the end of its log, or "not_measured", why.
    """
    with tempfile.TemporaryDirectory() as folder:
        queue = _Queue(list(jobs), Path(folder), told)
        try:
            end = time.monotonic() + seconds
            while queue.step(workers) and time.monotonic() < end:
                time.sleep(LOOK_EVERY)
            queue.give_up(f"the {seconds:g} seconds of all were over")
        finally:
            queue.end()


class _Queue:
    def __init__(self, jobs: list[Job], folder: Path, told: Told) -> None:
        self._jobs, self._folder, self._told = jobs, folder, told
        self._children: list[_Child] = []
        self._looked = time.monotonic()
        self._begun = 0

    def step(self, workers: int) -> bool:
        """Look after all processes once; whether there is more to do."""
        passed = time.monotonic() - self._looked
        self._looked += passed
        alone = [child for child in self._children if child.measuring]
        for child in alone or list(self._children):
            self._look_after(child, passed)
        for child in self._children if alone else ():
            child.stopped += 0.0 if child.standing else passed
        if not any(child.measuring for child in self._children):
            for child in self._children if alone else ():
                child.signal(signal.SIGCONT)
            self._next(workers)
        return bool(self._jobs or self._children)

    def _look_after(self, child: _Child, passed: float) -> None:
        child.used += 0.0 if child.standing else passed
        code = child.process.poll()
        for row in child.news():
            self._told(child.job, {**child.job.cell, **row})
        if code is not None:
            if code:
                self._tell(child.job, failed=child.error())
        elif child.used > child.most:
            what = "measure" if child.measuring else "prepare"
            self._tell(
                child.job, not_measured=f"it took more than {child.most:g} seconds to {what}"
            )
        else:
            return
        child.end()
        self._children.remove(child)

    def _next(self, workers: int) -> None:
        """Give a process its turn, or begin others."""
        ready = [child for child in self._children if child.ready]
        if ready:
            for child in self._children:
                if child is not ready[0]:
                    child.signal(signal.SIGSTOP)
            ready[0].measure()
            return
        while self._jobs and len(self._children) < workers:
            folder = self._folder / str(self._begun)
            folder.mkdir()
            self._begun += 1
            self._children.append(_Child(self._jobs.pop(0), folder))

    def give_up(self, reason: str) -> None:
        """Say of all that is left that it was not measured."""
        for job in [*(child.job for child in self._children), *self._jobs]:
            self._tell(job, not_measured=reason)
        self._jobs.clear()

    def end(self) -> None:
        """End all processes."""
        for child in self._children:
            child.signal(signal.SIGKILL)  # all at once: a card takes a while to let go
        for child in self._children:
            child.end()
        self._children.clear()

    def _tell(self, job: Job, **reason: str) -> None:
        self._told(job, {**job.cell, **reason})
