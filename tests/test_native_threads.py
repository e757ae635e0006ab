"""Threads of the native half: several callers, forked children, and signals meanwhile."""

import functools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import sasrec_fast as sf
from sasrec_fast import _core

CHILDREN = """
import multiprocessing, os, sys, threading
import numpy as np
import sasrec_fast as sf

def table(seed=0):
    rng = np.random.default_rng(seed)
    columns = (rng.integers(1, most, 3000) for most in (55, 300, 10**9))
    return dict(zip(("user_id", "item_id", "timestamp"), columns, strict=True))

def digest(data):
    arrays = data.train.arrays(1)
    texts = sf.prepare({**table(), "item_id": [str(item) for item in table()["item_id"]]})
    return int(arrays.negative_sequence.sum()), data.fingerprint, texts.fingerprint

def fresh(queue):
    queue.put(digest(sf.prepare(table())))

def inherited(queue):
    queue.put(digest(DATA))

def batched(queue):
    queue.put([first(DATA.train.batches(batch_size=8)), first(BATCHES)])

def first(batches):
    return int(batches[0][0]["item_ids"].sum())

def grandchild(queue):
    digest(DATA)
    child = multiprocessing.get_context("fork").Process(target=inherited, args=(queue,))
    child.start()
    child.join(60)

def run(method, target):
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=target, args=(queue,), daemon=False)
    child.start()
    found = queue.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0, child.exitcode
    return found

def busy(stop):
    while not stop.is_set():
        DATA.train.arrays(2)

if __name__ == "__main__":
    DATA = sf.prepare(table())
    expected = digest(DATA)
    for target in (inherited, fresh, grandchild):
        assert run("fork", target) == expected, target
    stop = threading.Event()
    threads = [threading.Thread(target=busy, args=(stop,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        assert run("fork", inherited) == expected
    stop.set()
    for method in ("forkserver", "spawn"):
        assert run(method, fresh) == expected, method
    BATCHES = DATA.train.batches(batch_size=8, workers=0)
    assert run("fork", batched) == [first(BATCHES)] * 2
    print("equal")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_child_of_a_process_that_used_the_native_half_works(tmp_path: Path) -> None:
    script = tmp_path / "children.py"
    script.write_text(CHILDREN)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout.strip() == "equal", done.stderr


def table(rows: int, users: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    columns = (rng.integers(1, most, rows) for most in (users, 2000, 10**9))
    return dict(zip(("user_id", "item_id", "timestamp"), columns, strict=True))


def search(queries: int, items: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    vectors = (rng.standard_normal((rows, 32), np.float32) for rows in (queries, items))
    return (*vectors, (np.zeros(queries + 1, np.int64), np.zeros(0, np.int32)), 10)


def test_several_threads_at_once_get_what_one_gets() -> None:
    data = sf.prepare(table(20_000, 300), max_sequence_length=20)
    texts = {**table(20_000, 300), "item_id": [f"item {n % 500}" for n in range(20_000)]}
    given = search(50, 3000)
    calls: list[Callable[[], Any]] = [
        lambda: data.train.arrays(3).negative_sequence,
        lambda: sf.prepare(table(20_000, 300)).sequences.items,
        lambda: sf.prepare(texts).sequences.items,
        lambda: _core.top_k(*given)[1],
    ]
    expected = [call() for call in calls]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: calls[number % len(calls)](), range(64)))
    for number, array in enumerate(found):
        np.testing.assert_array_equal(array, expected[number % len(calls)])


class HandlerError(Exception):
    """By the handler of a signal."""


@contextmanager
def signalled(after: float, kind: type[BaseException]) -> Iterator[None]:
    """A signal comes a little later, and its handler raises."""

    def handler(*_: Any) -> None:
        raise kind("by the handler")

    before = signal.signal(signal.SIGUSR1, handler)
    timer = threading.Timer(after, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        signal.signal(signal.SIGUSR1, before)


@functools.cache
def long_calls() -> dict[str, Callable[[], Any]]:
    columns = table(3_000_000, 200_000)
    data = sf.prepare(table(60_000, 1000), num_negatives=500, max_sequence_length=200)
    texts = pa.array(np.arange(2_000_000)).cast(pa.string())
    _, offsets, letters = texts.buffers()
    chunk = np.frombuffer(offsets, np.int32)[: len(texts) + 1], np.frombuffer(letters, np.uint8)
    given = search(20_000, 20_000)
    out = np.empty((len(data.train), 200, 500), np.int32)
    return {
        "prepare": lambda: [sf.prepare(columns) for _ in range(5)],
        "strings": lambda: [_core.encode_strings([chunk]) for _ in range(9)],
        "top_k": lambda: [_core.top_k(*given) for _ in range(9)],
        "fill": lambda: [data.train.negatives(out=out) for _ in range(9)],
    }


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no such signal here")
@pytest.mark.parametrize("kind", [HandlerError, KeyboardInterrupt, TimeoutError])
def test_what_the_handler_of_a_signal_raises_reaches_the_caller(kind: type[BaseException]) -> None:
    for call in long_calls().values():
        with pytest.raises(kind, match="by the handler"), signalled(0.03, kind):
            call()
