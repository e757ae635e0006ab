"""The GPU benchmark: its jobs cost one another nothing, its tables say what was and was not met."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import gpu
import gpu_jobs
import gpu_numbers
import gpu_plan
import gpu_recipe
import gpu_tables
from gpu_jobs import Job

BENCHMARKS = Path(gpu.__file__).parent

MEASURE = """
import time
from pathlib import Path

def measure(cell, caller):
    if cell.get("raises"):
        print("noise of a library")
        raise ValueError("no such kernel")
    if cell.get("leaves"):  # when it says that it is ready
        caller._write({"ready": True})
        raise SystemExit("left")
    if cell.get("hangs"):
        time.sleep(60)
    if cell.get("works"):  # notes when it ran
        with open(cell["file"], "a") as file:
            for _ in range(cell["works"]):
                print(time.monotonic(), file=file, flush=True)
                time.sleep(0.005)
        caller.tell(stopped=caller.wait_for_turn())
        return
    caller.tell(first=1)
    caller.wait_for_turn()
    began = time.monotonic()
    time.sleep(cell.get("turn", 0))
    caller.tell(began=began, ended=time.monotonic())
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs jobs of the cells given by name; the rows of each name."""
    (tmp_path / "measured_here.py").write_text(MEASURE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def run(cells, workers=3, seconds=20.0, limit=5.0, turn=5.0):
        rows = {name: [] for name in cells}
        jobs = [
            Job("part", "measured_here", {"name": name, **cell}, limit, turn)
            for name, cell in cells.items()
        ]
        gpu_jobs.run(jobs, workers, seconds, lambda job, row: rows[job.cell["name"]].append(row))
        return rows

    return run


def test_a_job_that_raises_or_hangs_costs_the_others_nothing(run):
    bad = {name: {name: 1} for name in ("raises", "leaves", "hangs")}
    rows = run({**bad, "long turn": {"turn": 60}, "good": {}}, workers=4, limit=3, turn=0.5)
    assert [row["failed"] for row in rows["leaves"]] == ["left"]
    (failed,) = rows["raises"]
    assert failed["failed"].endswith("ValueError: no such kernel")
    assert "noise of a library" not in json.dumps(rows["good"])
    assert [row.get("not_measured") for row in rows["hangs"]] == [
        "it took more than 3 seconds to prepare"
    ]
    first, last = rows["long turn"]
    assert first["first"] == 1
    assert last["not_measured"] == "it took more than 0.5 seconds to measure"
    first, last = rows["good"]
    assert (first["name"], first["first"]) == ("good", 1)
    assert last["ended"] >= last["began"]


def test_what_is_measured_runs_alone_and_waiting_is_not_counted(run, tmp_path):
    file = tmp_path / "moments"
    works = {"works": 100, "file": str(file)}
    rows = run({"busy": works, "one": {"turn": 1}, "other": {"turn": 1}}, limit=2.2, turn=3)
    turns = sorted((row["began"], row["ended"]) for n in ("one", "other") for row in rows[n][1:])
    assert turns[0][1] < turns[1][0]
    (busy,) = rows["busy"]  # with the turns of the others it would be late
    assert busy["stopped"] <= sum(ended - began for began, ended in turns) + 0.5
    moments = np.array(file.read_text().split(), float)
    for began, ended in turns:
        assert not np.any((moments > began + 0.02) & (moments < ended))
    assert len(moments) == 100
    if moments.min() < turns[0][0] and moments.max() > turns[1][1]:
        assert busy["stopped"] > 1.9


def test_the_time_of_all_ends_what_runs_and_what_waits(run):
    began = time.monotonic()
    rows = run({"hangs": {"hangs": 1}, "waits": {}}, workers=1, seconds=0.4, limit=60)
    assert time.monotonic() - began < 5
    for name in rows:
        assert [row["not_measured"] for row in rows[name]] == ["the 0.4 seconds of all were over"]


def test_every_job_has_a_table_a_module_and_a_cell_of_its_own():
    for small in (False, True):
        jobs = gpu_plan.jobs(small)
        assert jobs[0].part == "numbers"
        cells = [json.dumps([job.module, job.cell], sort_keys=True) for job in jobs]
        assert len(set(cells)) == len(cells)
        assert {job.part for job in jobs} == set(gpu_tables.TABLES)
        assert all((BENCHMARKS / f"{job.module}.py").exists() for job in jobs)
    ours = [job.cell for job in gpu_plan.jobs(False) if job.module == "gpu_steps"]
    cells = {(c["loss"], c["dtype"], c["batch_size"]) for c in ours if c["data"] == "ml-1m"}
    assert len(cells) == 18


STEPS = {
    "step_ms": 2.0,
    "device_ms": 1.5,
    "host_share": 0.25,
    "epoch_s": 0.11,
    "sequences_per_s": 60_000.0,
    "targets_per_s": 9e6,
    "memory": 2**30,
}


@pytest.mark.parametrize(
    ("size", "buckets", "dtype", "changes", "goal"),
    [
        (128, 1, "float32", {}, "50,000: met"),
        (1024, 1, "float32", {}, "80,000: **missed**"),
        (4096, 1, "float32", {}, ""),
        (4096, 1, "mixed_bfloat16", {"sequences_per_s": 1e5}, "100,000: met"),
        (128, 5, "float32", {}, "0.12 s an epoch: met"),
        (128, 5, "float32", {"epoch_s": 0.13}, "0.12 s an epoch: **missed**"),
    ],
)
def test_goals_stand_beside_what_they_are_of(size, buckets, dtype, changes, goal):
    row = {**gpu_plan.steps("bce", dtype, size, buckets=buckets).cell, **STEPS, **changes}
    assert gpu_tables.goal_of(row) == goal
    assert gpu_tables.goal_of({**row, "loss": "softmax"}) == ""
    assert gpu_tables.goal_of({**row, "implementation": gpu_plan.BEST}) == ""


def test_each_table_has_lines_of_its_columns_and_names_what_was_not_measured():
    measured = {
        "numbers": {"loss": "bce", "dtype": "float32", "cpu_loss": 1.0, "device_loss": 1.0}
        | {"loss_difference": 0.0, "gradient_difference": 0.5, "limits": (0.1, 0.2)}
        | {"within": False},
        "steps": {**gpu_plan.pytorch(gpu_plan.BEST, "bce", "float32", 128).cell, **STEPS}
        | {"not_compiled": "no compiler", "host_share": None, "memory": None},
        "recipe": {"recipe": "ml-1m-softmax", "tested_s": 40.0, "compiling_s": 90.0}
        | {"seconds_to_seen": None, "best_epoch": 3, "epochs": 4, "best_validation": 0.2}
        | {"test": {"hit_rate@10": 0.3, "ndcg@10": 0.2}, "required": {"ndcg@10": 0.182}},
        "catalogue": {**gpu_plan.catalogue("bce", 1000, "adam").cell, **STEPS},
        "answers": {"answers": "recommend", "users": 512, "items": 1000, "memory": None}
        | {"seconds": {"recommend": 0.5}},
    }
    for part, row in measured.items():
        failed = {**row, "failed": "Traceback\nMemoryError: 16 GB | 8 GB"}
        text = gpu_tables.table(part, [row, failed], lambda row: "a card")
        lines = [line.strip("| ").split(" | ") for line in text.splitlines()[2:]]
        assert len({len(line) for line in lines if "---" not in line[0]}) == 1, text
        assert lines[2][-1] == "a card"
        assert lines[3][-1] == "MemoryError: 16 GB / 8 GB"
        assert "not measured" in lines[3]
    assert "**EXCEEDED**" in gpu_tables.table("numbers", [measured["numbers"]], str)
    assert "best form, not compiled" in gpu_tables.table("steps", [measured["steps"]], str)
    assert "| 1,024 |" in gpu_tables.table("answers", [measured["answers"]], lambda row: "")


def test_figures_are_written_as_they_come_and_faults_are_named(tmp_path, capsys):
    jobs = gpu_plan.jobs(True)
    report = gpu.Report(tmp_path / "out", jobs, gpu.machine(small=True))
    steps = next(job for job in jobs if job.module == "gpu_steps")
    report.told(steps, {**steps.cell, **STEPS})
    written = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert written["parts"]["steps"][0]["step_ms"] == 2.0
    assert {"card", "driver", "versions", "date", "seconds"} <= set(written)
    assert "| sasrec_fast |" in (tmp_path / "out" / "gpu.md").read_text()
    assert report.faults() == []
    report.told(steps, {**steps.cell, "failed": "out of memory"})
    limits = {"loss_difference": 0.2, "gradient_difference": 0.0, "limits": (0.1, 0.1)}
    row = {"loss": "bce", "dtype": "float32", "cpu_loss": 1.0, "device_loss": 1.2, "within": False}
    report.told(jobs[0], {**row, **limits})
    assert report.faults() == ["outside its limits: bce in float32", "steps: out of memory"]


def test_numbers_that_are_apart_or_no_numbers_are_outside_the_limits():
    right = (np.float32(2.0), {"a": np.ones(3), "b": np.zeros(1)})
    same = gpu_numbers.differences(right, right, (1e-6, 1e-6))
    assert same["within"]
    assert same["gradient_difference"] == 0
    other = (np.float32(2.0), {"a": np.ones(3), "b": np.full(1, 3**0.5)})
    apart = gpu_numbers.differences(other, right, (1e-6, 0.9))
    assert apart["gradient_difference"] == pytest.approx(1.0)
    assert not apart["within"]
    assert gpu_numbers.differences(other, right, (1e-6, 1.1))["within"]
    lost = (np.float32(np.nan), right[1])
    assert not gpu_numbers.differences(lost, right, (1e-6, 1.1))["within"]


def test_the_time_to_a_quality_is_that_of_the_first_epoch_that_has_it():
    curve = [(1.0, 0.1), (2.0, 0.19), (3.0, 0.17)]
    assert gpu_recipe.first_reached(curve, 0.18) == 2.0
    assert gpu_recipe.first_reached(curve, 0.2) is None


def test_a_machine_without_a_gpu_or_data_is_refused(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(gpu, "QUERY", ("no-such-program",))
    assert gpu.main(["--output", str(tmp_path)]) == 2
    assert "no NVIDIA GPU is here; --small" in capsys.readouterr().err
    monkeypatch.setattr(gpu, "QUERY", ("echo", "A card, 580.1, 80 GiB"))
    assert gpu.machine(small=False)["driver"] == "580.1"
    monkeypatch.setenv("SASREC_FAST_DATA", str(tmp_path / "none"))
    assert gpu.main(["--output", str(tmp_path)]) == 2
    assert "SASREC_FAST_DATA" in capsys.readouterr().err


def test_the_page_for_users_has_the_tables_that_are_printed():
    page = (BENCHMARKS.parent / "docs" / "gpu.md").read_text(encoding="utf-8")
    for part in gpu_tables.TABLES:
        title, _, head, rule = gpu_tables.table(part, [], str).splitlines()
        assert f"{title}\n" in page
        assert f"{head}\n{rule}\n" in page


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_of_it_runs_on_a_cpu_in_tiny_sizes(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--small", "--output", str(tmp_path)]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    for part, rows in parts.items():
        missing = [row for row in rows if gpu_tables.not_measured(row)]
        assert all("missing" in row for row in missing), missing
        assert len(missing) < len(rows) or part == "catalogue", rows
    assert all(row["within"] for row in parts["numbers"])
    for title in gpu_tables.TITLES.values():
        assert title in done.stdout
