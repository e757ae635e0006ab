"""Preparing a table on Spark on this machine, stage by stage, beside preparing it in memory.

    python benchmarks/out_of_core.py make FOLDER --rows 10_000_000 --users 100_000 --items 100_000
    python benchmarks/spark.py FOLDER OUTPUT

Seconds and CPU seconds of Spark's own threads are those of its stages, by what they do; what Python
takes beside it is that of all processes, less the JVM's. Fails where the fingerprints differ.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
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
        "spark.sql.shuffle.partitions": str(ranges),
        "spark.driver.memory": "2g",
    }
    for name, value in settings.items():
        made = made.config(name, value)
    return made.getOrCreate()


def stages(log: str) -> list[tuple[str, float, float]]:
    """Of each stage that ran, what called it, its seconds, and CPU seconds of the JVM."""
    found = []
    for file in Path(log).rglob("*"):
        for line in file.read_text().splitlines() if file.is_file() else ():
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("Event") != "SparkListenerStageCompleted":
                continue
            info = event["Stage Info"]
            figures = {a["Name"]: a.get("Value", 0) for a in info["Accumulables"]}
            seconds = (info["Completion Time"] - info["Submission Time"]) / 1000
            cpu = int(figures.get("internal.metrics.executorCpuTime", 0)) / 1e9
            found.append((f"{info['Stage ID']}: {info['Stage Name']}", seconds, cpu))
    return sorted(found, key=lambda stage: int(stage[0].split(":")[0]))


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
    children = os.times().children_user + os.times().children_system
    print(f"on Spark {waited:.1f} s, CPU of all its processes {children:.1f} s")
    print(f"in memory {taken[0]:.1f} s, CPU {taken[1]:.1f} s")
    if data.fingerprint != expected:
        raise SystemExit("the fingerprints differ")
    total = Counter(name.split(": ")[1].split(" at ")[0] for name, *_ in listed)
    print(f"fingerprints are equal; stages: {dict(total)}")


if __name__ == "__main__":
    main()
