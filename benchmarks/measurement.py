"""How all parts of the benchmark measure: fresh processes, wall and CPU time, resident memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Size:
    """What is prepared, and how often; requirements hold at the `standard` sizes only."""

    rows: int
    users: int
    items: int
    length: int
    seed: int
    rounds: int
    repeats: int
    standard: bool

    def __str__(self) -> str:
        counts = f"{self.rows:,} rows, {self.users:,} users, {self.items:,} items"
        return f"{counts}, L = {self.length}"


def worker(script: str, *arguments: object) -> dict[str, Any]:
    """What a script beside this one prints as JSON, run in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name(script)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def in_turn(size: Size, runs: dict[str, Callable[[], dict[str, Any]]]) -> dict[str, Any]:
    """The answers of each of `runs`, a round of all of them after the other."""
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in runs}
    for number in range(size.rounds):
        for name, run in runs.items():
            progress(f"round {number + 1} of {size.rounds}: {name}")
            answers[name].append(run())
    return {name: merged(of_name) for name, of_name in answers.items()}


def merged(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """One answer of many: lists one after the other, the largest of numbers, the same texts."""
    first = answers[0]
    joined: dict[str, Any] = {}
    for name, value in first.items():
        of_name = [answer[name] for answer in answers]
        if isinstance(value, list):
            joined[name] = [single for values in of_name for single in values]
        elif isinstance(value, dict):
            joined[name] = merged(of_name)
        else:
            joined[name] = max(of_name)
    return joined


def timed(run: Callable[[], Any], repeats: int) -> list[float]:
    """Wall seconds of each call; its result is freed outside of them."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - began)
        del result
    return seconds


def threads() -> int:
    """What rayon's pool uses."""
    if (chosen := os.environ.get("RAYON_NUM_THREADS", "")).isdigit() and int(chosen):
        return int(chosen)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def resident_bytes() -> int:
    """Resident memory now; where the system does not say, its peak."""
    return _status("VmRSS") or peak_bytes()


def peak_bytes() -> int:
    """Peak resident memory of this process."""
    # On Linux ru_maxrss starts from the parent's peak, so the kernel's own count comes first.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return _status("VmHWM") or (peak if sys.platform == "darwin" else peak * 1024)


def progress(message: str) -> None:
    """Tell whoever waits."""
    print(message, file=sys.stderr, flush=True)


def _status(field: str) -> int:
    if not STATUS.exists():
        return 0
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if ":" in line)
    return int(lines.get(field, "0 kB").split()[0]) * 1024
