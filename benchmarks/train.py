"""How fast training is, side by side with the Keras example's way and PyTorch, in one run.

    python benchmarks/train.py                         # MovieLens-1M and Amazon Beauty
    python benchmarks/train.py --data beauty --epochs 8
    python benchmarks/train.py --device gpu            # in float32 and mixed_bfloat16

Each contender trains in a process of its own, in turn. The first epoch, which compiles, is left
out; the median of the others is shown. Waiting is the time between the end of a step and the
arrival of the next batch, while nothing is computed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import training_contenders
from training_contenders import EXAMPLE, PACKAGE, TORCH, Job
from training_data import SETTINGS, Setting, data_folder

MOST_WAITING = 0.02


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 after the tables, 1 where a contender failed, 2 without data or release build."""
    options = _options(arguments)
    from sasrec_fast import _core

    if _core.DEBUG_BUILD:
        print("this is a debug build; build it with `maturin develop --release`", file=sys.stderr)
        return 2
    try:
        folder = data_folder(options.folder)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    results: dict[str, Any] = {}
    for name in options.data:
        try:
            results[name] = {
                _label(job): _measure(job) for job in _jobs(options, name, str(folder))
            }
        except subprocess.CalledProcessError as error:
            print(f"{error}\n{error.stderr}", file=sys.stderr)
            return 1
        print(table(SETTINGS[name], results[name]), end="\n\n", flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", nargs="+", choices=tuple(SETTINGS), default=tuple(SETTINGS))
    parser.add_argument("--folder", help="of the data; default: SASREC_FAST_DATA or ../shared/data")
    parser.add_argument("--epochs", type=int, default=5, help="each contender's, the first unseen")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--users", type=int, help="only the users up to this id, for a quick look")
    parser.add_argument("--no-torch", action="store_true", help="leave PyTorch out")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    return parser.parse_args(arguments)


def _jobs(options: argparse.Namespace, data: str, folder: str) -> list[Job]:
    dtypes = ("float32", "mixed_bfloat16") if options.device == "gpu" else ("float32",)
    more = (folder, options.epochs, options.device)
    jobs = [
        Job(name, data, *more, dtype, options.users)
        for name in (EXAMPLE, PACKAGE)
        for dtype in dtypes
    ]
    if not options.no_torch:
        jobs.append(Job(TORCH, data, *more, users=options.users))
    return jobs


def _label(job: Job) -> str:
    return job.contender if job.dtype == "float32" else f"{job.contender}, {job.dtype}"


def _measure(job: Job) -> dict[str, Any]:
    print(f"{job.data}: {_label(job)} ...", file=sys.stderr, flush=True)
    environment = dict(os.environ)
    environment.setdefault("JAX_PLATFORMS", "cpu" if job.device == "cpu" else "cuda")
    done = subprocess.run(
        training_contenders.arguments(job),
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def table(setting: Setting, results: dict[str, dict[str, Any]]) -> str:
    """The figures of one data set, and whether what is required was reached."""
    lines = [
        f"{setting.name}: L = {setting.length}, d = {setting.width}, {setting.layers} blocks, "
        f"dropout {setting.dropout}, batch size {setting.batch_size}",
        f"{'':38}{'s/epoch':>9}{'targets/s':>11}{'steps/s':>9}{'waiting':>9}{'compiled':>10}"
        f"{'memory':>10}{'ratio':>8}",
    ]
    base = median(results[EXAMPLE]["seconds"][1:])
    for name, figures in results.items():
        if "missing" in figures:
            lines.append(f"{name:38} not installed: {figures['missing']}")
            continue
        lines.append(_row(name, figures, base, setting if name == PACKAGE else None))
    versions = dict.fromkeys(f["version"] for f in results.values() if "version" in f)
    return "\n".join([*lines, "; ".join(versions)])


def _row(name: str, figures: dict[str, Any], base: float, required: Setting | None) -> str:
    seconds = median(figures["seconds"][1:])
    waits = figures["wait_seconds"][1:]
    waiting = sum(waits) / sum(figures["seconds"][1:]) if waits else None
    compiled = figures.get("compilations")
    cells = [
        f"{name:38}{seconds:9.2f}{figures['targets'] / seconds:11,.0f}",
        f"{figures['steps'] / seconds:9.1f}",
        f"{waiting:9.2%}" if waiting is not None else f"{'-':>9}",
        f"{f'{compiled[0]:.0f}+{sum(compiled[1:]):.0f}':>10}" if compiled else f"{'-':>10}",
        f"{figures['memory'] / 2**20:7,.0f} MB{base / seconds:7.1f}x",
    ]
    if required is not None:
        reached = base / seconds >= required.required
        still = waiting is not None and waiting < MOST_WAITING
        cells.append(f"  >= {required.required:g}x {'met' if reached else 'MISSED'}")
        cells.append(f", waiting < {MOST_WAITING:.0%} {'met' if still else 'MISSED'}")
    return "".join(cells)


if __name__ == "__main__":
    raise SystemExit(main())
