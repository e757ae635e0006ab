"""Where memory is short, calls end in a MemoryError, never in the end of the process."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sasrec_fast as sf
from sasrec_fast.store import memory

LIMITED = """
import resource
import numpy as np, pyarrow as pa
import sasrec_fast as sf
from sasrec_fast import _core

ROWS = 80_000
rng = np.random.default_rng(0)
users, items, times = (rng.integers(1, most, ROWS) for most in (ROWS // 8, ROWS // 20, 10**9))
ints = {"user_id": users, "item_id": items, "timestamp": times}
sparse = {"user_id": users * 10**12, "item_id": items * 10**12, "timestamp": times + 0.5}
names = pa.array([f"a long name of item {item}" for item in items.tolist()])
texts = {"user_id": pa.array(users).cast(pa.string()), "item_id": names, "timestamp": times}
data = sf.prepare(ints, max_sequence_length=50, negatives="popularity")
data.train.fill([0])
queries, vectors = (rng.standard_normal((rows, 32), np.float32) for rows in (1000, 5000))
excluded = np.zeros(len(queries) + 1, np.int64), np.zeros(0, np.int32)

CASES = {
    "sparse ids": lambda: sf.prepare(sparse),
    "texts": lambda: sf.prepare(texts),
    "integers": lambda: sf.prepare(ints),
    "k-core": lambda: sf.prepare(ints, min_item_interactions=8, ties="hash"),
    "duplicates": lambda: sf.prepare(ints, duplicates="last"),
    "arrays": lambda: data.train.arrays(1, max_bytes=1 << 50),
    "negatives": lambda: data.train.negatives(1),
    "rows": lambda: data.train.fill(np.arange(len(data.train))),
    "inputs": lambda: data.inputs(),
    "histories": lambda: data.encode([[1, 2, 3]] * 20_000),
    "top k": lambda: _core.top_k(queries, vectors, excluded, 200),
    "alias": lambda: _core.AliasTable(np.ones(1_000_000, np.uint64)),
}

def size():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmSize"))

no_limit = resource.getrlimit(resource.RLIMIT_AS)
failed = {name: 0 for name in CASES}
for more in (0, 1, 3, 7, 15, 40):
    for name, call in CASES.items():
        resource.setrlimit(resource.RLIMIT_AS, (size() + (more << 20), no_limit[1]))
        try:
            call()
        except MemoryError:
            failed[name] += 1
        finally:
            resource.setrlimit(resource.RLIMIT_AS, no_limit)
for call in CASES.values():
    call()
print(sum(failed.values()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="sizes of processes are limited here otherwise")
def test_a_lack_of_memory_is_a_memory_error() -> None:
    command = [sys.executable, "-W", "ignore", "-c", LIMITED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
    assert int(done.stdout) > 10  # or the limits were none


GROUP_2 = {
    "self/cgroup": "0::/outer/inner\n",
    "cgroup/outer/inner/memory.max": "9000000\n",
    "cgroup/outer/inner/memory.current": "8500000\n",
    "cgroup/outer/inner/memory.stat": "anon 500000\ninactive_file 7000000\nactive_file 1\n",
}
GROUP_1 = {
    "self/cgroup": "9:name=systemd:/\n4:hugetlb,memory:/docker/a\n0::/\n",
    "cgroup/memory/docker/a/memory.limit_in_bytes": "9000000\n",
    "cgroup/memory/docker/a/memory.usage_in_bytes": "8500000\n",
    "cgroup/memory/docker/a/memory.stat": "inactive_file 1\ntotal_inactive_file 7000000\n",
}
FREE = {
    "no group": ({}, 50_000_000),
    "files that were read are no use": (GROUP_2, 7_500_000),
    "no limit": ({**GROUP_2, "cgroup/outer/inner/memory.max": "max\n"}, 50_000_000),
    "a smaller limit outside": (
        {**GROUP_2, "cgroup/outer/memory.max": "4000", "cgroup/outer/memory.current": "3000"},
        1000,
    ),
    "a path of the host": (
        {"self/cgroup": "0::/of/host\n", "cgroup/memory.max": "70", "cgroup/memory.current": "20"},
        50,
    ),
    "more used than allowed": ({**GROUP_2, "cgroup/outer/inner/memory.max": "100\n"}, 0),
    "first version": (GROUP_1, 7_500_000),
    "first version without limit": (
        {**GROUP_1, "cgroup/memory/docker/a/memory.limit_in_bytes": "9223372036854771712\n"},
        50_000_000,
    ),
    "first version in a container": (
        {
            **{name.replace("docker/a/", ""): text for name, text in GROUP_1.items()},
            "self/cgroup": "4:memory:/docker/b\n",
        },
        7_500_000,
    ),
    "damaged": ({**GROUP_2, "cgroup/outer/inner/memory.stat": "what\n"}, 500_000),
}


@pytest.mark.parametrize("kind", FREE)
def test_free_memory_is_what_the_kernel_would_give(
    kind: str, tmp_path: Path, monkeypatch: Any
) -> None:
    files, expected = FREE[kind]
    files = {"meminfo": "MemTotal: 90000 kB\nMemAvailable: 48829 kB\n", **files}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "_PROCESSES", tmp_path)
    monkeypatch.setattr(memory, "_CONTROL_GROUP", tmp_path / "cgroup")
    assert memory.free_memory() == (48829 * 1024 if expected == 50_000_000 else expected)


def test_negatives_and_inputs_are_refused_as_arrays_are(monkeypatch: Any) -> None:
    users = np.repeat(np.arange(1, 31), 4)
    table = {"user_id": users, "item_id": np.tile(np.arange(1, 9), 15)}
    data = sf.prepare(table, timestamp=None, max_sequence_length=10**6)
    monkeypatch.setattr(memory, "free_memory", lambda: 10**8)
    with pytest.raises(MemoryError, match=r"negatives of train \(30 rows\) take 120\.0 MB, more"):
        data.train.negatives()
    with pytest.raises(MemoryError, match=r"inputs of 30 histories, .* take 150\.0 MB, more"):
        data.inputs()
    with pytest.raises(MemoryError, match=r"inputs of 20 histories, .* fewer histories"):
        data.encode([[1, 2]] * 20)
    assert data.inputs([1, 2])["item_ids"].shape == (2, 10**6)
    with pytest.raises(ValueError, match=r"max_bytes must be in \[0, inf\), received -1"):
        data.train.arrays(max_bytes=-1)
    for wrong in ("1 GB", True, float("nan")):
        with pytest.raises((TypeError, ValueError), match="max_bytes must be"):
            data.train.arrays(max_bytes=wrong)  # type: ignore[arg-type]
