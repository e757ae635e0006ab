"""Requests a second of `sasrec-fast serve`, and their latency, with load from a second process.

    python benchmarks/serve.py [--seconds 60] [--rate 1600] [--connections 64] [--bad .01]

A model of width 64 for histories of 50 items over 12,000 items (made up: speed does not depend on
what weights are) is exported twice. One is served; half-way, the files of the other take its place
in the folder, and `--watch` swaps it in. Some requests are bad. The load is bounded in time; every
request must be answered, good ones with 200, bad ones with the status that is theirs, and the model
of the end must be the second. Required on two cores, which the load shares: 1,500 requests a second
at a p99 below 20 ms. With `--rate` latency counts from when a request was due, sent or not;
`--rate 0` asks as fast as it is answered. A third process says when the machine's memory was slow,
and what the latency was otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serve_load import Load, Outcome, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REQUIRED_RATE, REQUIRED_P99 = 1500.0, 20.0
AFTER = 0.1
"""Seconds after slow memory in which what waited meanwhile is answered."""
WIDTH = 64
MADE = """
import sys
import numpy as np
import sasrec_fast as sf
folder, items, length, width = sys.argv[1], *map(int, sys.argv[2:])
counts = np.arange(items + 1)
for name in ("first", "second"):
    model = sf.SASRec(
        items + 1, hidden_dim=width, num_layers=2, num_heads=2, max_sequence_length=length,
        items=sf.Vocabulary(range(1, items + 1)), item_counts=counts,
    )
    sf.export(model, f"{folder}/{name}")
"""


def make_models(folder: Path, items: int, length: int) -> None:
    """Export two models, by a process that ends: Keras leaves threads behind."""
    arguments = [str(folder), str(items), str(length), str(WIDTH)]
    subprocess.run([sys.executable, "-c", MADE, *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def served(folder: Path, options: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Port and process id of a service that watches a folder; it must end well."""
    command = [sys.executable, "-m", "sasrec_fast.cli", "serve", "--model", str(folder)]
    process = subprocess.Popen(
        [*command, "--port", "0", "--watch", *options], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        while not (found := re.search(r"on http://[\d.]+:(\d+)", process.stdout.readline())):
            if process.poll() is not None:
                sys.exit("the service did not start")
        yield int(found[1]), process.pid
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=40)
        if process.returncode:
            sys.exit(f"the service ended with {process.returncode}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def put(source: Path, target: Path) -> None:
    """Files of an export into a folder that holds one: the manifest last, and whole."""
    for path in sorted(source.iterdir(), key=lambda path: path.name == "manifest.json"):
        shutil.copy(path, target / f".{path.name}")
        (target / f".{path.name}").replace(target / path.name)


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


async def loaded(load: Load, second: Path, folder: Path) -> Outcome:
    """The load, with the second model put in the first one's place half-way."""
    swap = asyncio.get_running_loop().call_later(load.seconds / 2, put, second, folder)
    try:
        return await run(load)
    finally:
        swap.cancel()


def report(outcome: Outcome, metrics: str, taken: dict[str, float]) -> bool:
    """Print what came of it; whether all is as required."""
    times = sorted(outcome.milliseconds)
    count = sum(outcome.by_status.values())
    rate = count / outcome.took
    p50, p99, worst = (times[int(len(times) * part)] for part in (0.5, 0.99, 1 - 1e-9))
    print(f"{outcome.sent:,} requests in {outcome.took:.1f} s: {rate:,.0f} a second")
    print(f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, longest {worst:.1f} ms (good requests)")
    print("by status:", ", ".join(f"{s}: {n:,}" for s, n in sorted(outcome.by_status.items())))
    print(f"lost: {outcome.lost}; answered otherwise than expected: {dict(outcome.unexpected)}")
    rows, batches = (
        float(re.findall(rf"^sasrec_fast_batch_rows_{name} (\S+)", metrics, flags=re.MULTILINE)[0])
        for name in ("sum", "count")
    )
    print(f"histories in a batch: {rows / batches:.1f} on average")
    print("CPU seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in taken.items()))
    clean = outcome.lost == 0 and not outcome.unexpected
    fast = rate >= REQUIRED_RATE and p99 < REQUIRED_P99
    print("as required" if clean and fast else "NOT as required")
    return clean and fast


@contextlib.contextmanager
def probed(seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A process that looks at the machine's memory meanwhile."""
    script = str(Path(__file__).with_name("memory_probe.py"))
    command = [sys.executable, script, str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def report_otherwise(outcome: Outcome, probe: str) -> None:
    """Print the latency of requests in whose time, and `AFTER` before it, memory was never slow."""
    count, *slow = map(float, probe.split())
    share = f"{len(slow) / count:.1%} of the time"
    begun, times = np.array(outcome.begun), np.array(outcome.milliseconds)
    before, until = np.searchsorted(slow, [begun - AFTER, begun + times / 1000])
    others = times[before == until]
    p50, p99 = np.percentile(others, [50, 99])
    print(
        f"the machine's memory was slow in {share}; {len(others) / len(times):.0%} of requests met "
        f"nothing of it, nor in {AFTER:g} s before: p50 {p50:.2f} ms, p99 {p99:.2f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=1600.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--bad", type=float, default=0.01)
    parser.add_argument("--items", type=int, default=12_000)
    parser.add_argument("--history", type=int, default=50)
    parser.add_argument("--models", type=Path, help="a folder for the models, to use them again")
    parser.add_argument("--serve", default="", help="further options of the service")
    given = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()}")
    with tempfile.TemporaryDirectory() as temporary:
        models = given.models or Path(temporary) / "models"
        if not (models / "second").exists():
            make_models(models, given.items, given.history)
        folder = Path(temporary) / "served"
        folder.mkdir()
        put(models / "first", folder)
        with served(folder, given.serve.split()) as (port, pid):
            good = measure(given, port, pid, models, folder)
    sys.exit(not good)


def measure(given: Any, port: int, pid: int, models: Path, folder: Path) -> bool:
    """Warm up, load, and see that the second model is served in the end."""
    fixed = (given.bad, given.items, given.history)
    host, rate = "127.0.0.1", given.rate or None
    asyncio.run(run(Load(host, port, given.connections, 1.0, rate, *fixed)))
    before = json.loads(get(port, "/health"))["fingerprint"]
    service, own, stolen = cpu_seconds(pid), time.process_time(), os.getloadavg()[0]
    load = Load(host, port, given.connections, given.seconds, rate, *fixed)
    with probed(given.seconds) as probe:
        outcome = asyncio.run(loaded(load, models / "second", folder))
        slow, _ = probe.communicate(timeout=30)
    taken = {
        "service": cpu_seconds(pid) - service,
        "load": time.process_time() - own,
        "(load average)": stolen,
    }
    good = report(outcome, get(port, "/metrics"), taken)
    report_otherwise(outcome, slow)
    swapped = json.loads(get(port, "/health"))["fingerprint"] != before
    print(f"the second model is served: {swapped}")
    return good and swapped


if __name__ == "__main__":
    main()
