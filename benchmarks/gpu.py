"""Everything that a GPU is good for here, measured in eight minutes and beside its goals.

    python benchmarks/gpu.py --output DIR            # on a machine with an NVIDIA GPU
    python benchmarks/gpu.py --output DIR --small    # the same code on a CPU, in tiny sizes

Losses and gradients against the CPU; steps through `fit`, beside PyTorch as SASRec is commonly
written and in its best form; a recipe from the file to the test; catalogues of up to a million
items; answers. DIR/gpu.json has all figures from the moment they are known, DIR/gpu.md the tables.
Needed: MovieLens-1M in SASREC_FAST_DATA. PyTorch is left out where it is not installed.

Exit code 0 when all is well, 1 when numbers are outside their limits or something failed, 2
without a GPU, the data, or a release build.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import gpu_jobs
import gpu_plan
import gpu_tables
from measurement import progress
from training_data import SETTINGS, data_folder

SECONDS = 450.0
PACKAGES = ("sasrec-fast", "keras", "jax", "jaxlib", "torch", "numpy")
QUERY = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")


class Report:
    """What was measured so far, in a folder.

    Args:
        folder: Where gpu.json and gpu.md are written.
        jobs: What will be measured.
        machine: See `machine`.
    """

    def __init__(self, folder: Path, jobs: list[gpu_jobs.Job], machine: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._machine = folder, machine
        self._began = time.monotonic()
        self.parts: dict[str, list[dict[str, Any]]] = {job.part: [] for job in jobs}

    def told(self, job: gpu_jobs.Job, row: dict[str, Any]) -> None:
        """Take a row and write everything."""
        passed = time.monotonic() - self._began
        self.parts[job.part].append({**row, "at_s": round(passed, 1)})
        progress(f"{passed:4.0f} s  {job.part}: {line(job, row)}")
        self.write(passed)

    def write(self, passed: float) -> None:
        """Write the figures and the tables."""
        figures = {**self._machine, "seconds": round(passed, 1), "parts": self.parts}
        text = json.dumps(figures, indent=1) + "\n"
        (self._folder / "gpu.json").write_text(text, encoding="utf-8")
        (self._folder / "gpu.md").write_text(self.tables() + "\n", encoding="utf-8")

    def tables(self) -> str:
        """All tables that have rows."""
        tables = [
            gpu_tables.table(part, sorted(rows, key=_order), self._where)
            for part, rows in self.parts.items()
            if rows
        ]
        return "\n\n".join([_versions(self._machine), *tables])

    def faults(self) -> list[str]:
        """What is wrong: numbers outside their limits, and jobs that failed."""
        rows = [(part, row) for part, rows in self.parts.items() for row in rows]
        outside = [
            f"{row['loss']} in {row['dtype']}" for _, row in rows if not row.get("within", 1)
        ]
        failed = [f"{part}: {row['failed']}" for part, row in rows if "failed" in row]
        return [*(f"outside its limits: {name}" for name in outside), *failed]

    def _where(self, row: Mapping[str, Any]) -> str:
        versions = self._machine["versions"]
        name = "torch" if str(row.get("implementation")).startswith("PyTorch") else "jax"
        return f"{self._machine['card']}, {name} {versions[name]}, {self._machine['date']}"


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print the tables."""
    options = _options(arguments)
    from sasrec_fast import _core

    if _core.DEBUG_BUILD:
        return _refused("this is a debug build; build it with `maturin develop --release`")
    here = machine(options.small)
    if not options.small:
        if here["driver"] is None:
            return _refused("no NVIDIA GPU is here; --small runs the same code on a CPU")
        try:
            if not (file := data_folder(None) / SETTINGS["ml-1m"].file).exists():
                return _refused(f"{file} does not exist")
        except FileNotFoundError as error:
            return _refused(str(error))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.environ["KERAS_BACKEND"] = "jax"
    # Several processes share the card.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if options.small:
        os.environ["JAX_PLATFORMS"] = "cpu"
    jobs = [job for job in gpu_plan.jobs(options.small) if job.part in options.parts]
    report = Report(Path(options.output), jobs, here)
    try:
        gpu_jobs.run(jobs, workers(), options.seconds, report.told)
    finally:
        print(report.tables(), flush=True)
    for fault in report.faults():
        print(f"FAILED: {fault}", flush=True)
    return int(bool(report.faults()))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--output", required=True, metavar="DIR", help="where the results go")
    parser.add_argument("--small", action="store_true", help="tiny sizes, on a CPU")
    parts = tuple(gpu_tables.TABLES)
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts, help="only these")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="most seconds of all")
    return parser.parse_args(arguments)


def _refused(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


def machine(small: bool) -> dict[str, Any]:
    """Card, driver, versions and date."""
    card, driver, memory = platform.processor() or platform.machine(), None, None
    if not small:
        try:
            found = subprocess.run(QUERY, capture_output=True, text=True, check=True).stdout
            card, driver, memory = found.splitlines()[0].split(", ")
        except (OSError, subprocess.CalledProcessError):
            pass
    return {
        "card": card,
        "driver": driver,
        "memory": memory,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
        "small": small,
    }


def version(package: str) -> str | None:
    """Of an installed package; None where it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def workers() -> int:
    """Processes at once: compiling one program keeps about two cores busy."""
    return max(2, (os.cpu_count() or 1) // 2)


def line(job: gpu_jobs.Job, row: Mapping[str, Any]) -> str:
    """A row in a few words."""
    names = gpu_tables.names_of(row, gpu_tables.TABLES[job.part][2])
    reason = gpu_tables.not_measured(row)
    values = {k: v for k, v in row.items() if k not in job.cell and isinstance(v, float)}
    shown = ", ".join(f"{name} {value:.4g}" for name, value in list(values.items())[:5])
    return f"{', '.join(names)}: {f'not measured: {reason}' if reason else shown}"


def _order(row: Mapping[str, Any]) -> tuple[str, ...]:
    """By what is compared: the same loss and sizes beside each other."""
    sizes = (f"{row.get(name, 0):>9}" for name in ("batch_size", "items"))
    names = (str(row.get(name, "")) for name in ("dtype", "implementation", "optimizer", "buckets"))
    return (str(row.get("loss", "")), *sizes, *names)


def _versions(machine: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {v or '-'}" for name, v in machine["versions"].items())
    driver = f", driver {machine['driver']}" if machine["driver"] else ""
    cores = f"{machine['cores']} cores, Python {machine['python']}"
    return f"{machine['card']}{driver}; {cores}; {versions}; {machine['date']}"


if __name__ == "__main__":
    raise SystemExit(main())
