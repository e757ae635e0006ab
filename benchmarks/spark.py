"""Preparing a table on Spark on this machine, stage by stage, beside preparing it in memory.

    python benchmarks/out_of_core.py make FOLDER --rows 10_000_000 --users 100_000 --items 100_000
    python benchmarks/spark.py FOLDER OUTPUT

Of each stage: where it was asked for, its seconds, and CPU seconds of the JVM, beside which are
those of its processes of Python. Fails where the fingerprints differ.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyspark

import sasrec_fast as sf

OPTIONS: dict[str, Any] = {"ties": "hash", "min_item_interactions": 5}


def session(log: str, ranges: int) -> Any:
    """Spark on two threads, which writes down what its stages take."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ["RAYON_NUM_THREADS"] = "1"
    made = pyspark.sql.SparkSession.builder.master("local[2]")
    settings = {
        "spark.ui.enabled": "false",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": Path(log).as_uri(),
        "spark.eventLog.compress": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": str(ranges),
        "spark.driver.memory": "2g",
    }
    for name, value in settings.items():
        made = made.config(name, value)
    return made.getOrCreate()


def stages(log: str) -> list[tuple[str, float, float]]:
    """Of each stage that ran, what called it, its seconds, and CPU seconds of the JVM."""
    found = []
    files = [f for f in Path(log).rglob("*") if f.is_file() and not f.name.startswith(".")]
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            if event.get("Event") != "SparkListenerStageCompleted":
                continue
            info = event["Stage Info"]
            figures = {a["Name"]: a.get("Value", 0) for a in info["Accumulables"]}
            seconds = (info["Completion Time"] - info["Submission Time"]) / 1000
            cpu = int(figures.get("internal.metrics.executorCpuTime", 0)) / 1e9
            called = info["Stage Name"].rpartition("/")[2]
            found.append((info["Stage ID"], called, seconds, cpu))
    return [stage[1:] for stage in sorted(found)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--ranges", type=int, default=8)
    given = parser.parse_args()
    began, cpu = time.perf_counter(), time.process_time()
    memory = sf.prepare(given.folder, **OPTIONS)
    taken = time.perf_counter() - began, time.process_time() - cpu
    expected, rows = memory.fingerprint, memory.report.rows_in
    del memory
    with tempfile.TemporaryDirectory() as log:
        spark = session(log, given.ranges)
        began = time.perf_counter()
        frame = spark.read.parquet(str(given.folder))
        data = sf.prepare(frame, output=given.output, **OPTIONS)
        waited = time.perf_counter() - began
        spark.stop()
        listed = stages(log)
    print(f"{rows:,} rows, {given.ranges} ranges, pyspark {pyspark.__version__}, local[2]")
    for name, seconds, used in listed:
        print(f"  {name[:60]:60} {seconds:8.1f} s, CPU of the JVM {used:8.1f} s")
    jvm = sum(used for *_, used in listed)
    print(f"on Spark {waited:.1f} s, CPU of the JVM in stages {jvm:.1f} s")
    print(f"in memory {taken[0]:.1f} s, CPU {taken[1]:.1f} s")
    if data.fingerprint != expected:
        raise SystemExit("the fingerprints differ")
    print("the fingerprints are equal")


if __name__ == "__main__":
    main()
