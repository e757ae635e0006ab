"""The training benchmark: its contenders train the same data, its table judges what is required."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import train as benchmark
import training_contenders as contenders
from sasrec_fast import _core
from sasrec_fast.reading import read_sequences
from training_data import SETTINGS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty users in the layout of Amazon Beauty."""
    folder = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    path = folder / SETTINGS["beauty"].file
    path.parent.mkdir()
    with gzip.open(path, "wt") as file:
        for user in range(1, 41):
            items = generator.integers(1, 31, generator.integers(4, 12))
            file.write(" ".join(map(str, [user, *items])) + "\n")
    return folder


@pytest.mark.parametrize("name", [contenders.EXAMPLE, contenders.PACKAGE])
def test_a_contender_trains_every_target_and_compiles_in_the_first_epoch_alone(folder, name):
    figures = contenders.main(contenders.Job(name, "beauty", str(folder), 3))
    table = read_sequences(folder / SETTINGS["beauty"].file)
    users, counts = np.unique(table["user_id"], return_counts=True)
    assert len(users) == 40
    assert figures["targets"] == (counts - 3).sum()
    assert len(figures["seconds"]) == 3
    assert figures["compilations"][0] > 0
    assert figures["compilations"][1:] == [0, 0]
    assert np.isfinite(figures["loss"])
    assert figures["memory"] > 1e7
    assert len(figures["wait_seconds"]) == (3 if name == contenders.PACKAGE else 0)


@pytest.mark.slow
def test_torch_is_measured_or_named_as_missing(folder):
    # In a process of its own, as in the benchmark: PyTorch's workers are forked.
    job = contenders.Job(contenders.TORCH, "beauty", str(folder), 2)
    done = subprocess.run(contenders.arguments(job), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert "missing" in figures or len(figures["seconds"]) == len(figures["wait_seconds"]) == 2


def test_a_device_that_is_not_there_is_refused(folder):
    job = contenders.Job(contenders.PACKAGE, "beauty", str(folder), 2, device="gpu")
    with pytest.raises(SystemExit, match="--device gpu was asked for, JAX has"):
        contenders.main(job)


def test_both_layouts_of_lines_are_read(tmp_path):
    for name, text in (("pairs.gz", "1 5\n1 6\n2 5\n"), ("rows.gz", "1 5 6\n2 5\n")):
        with gzip.open(tmp_path / name, "wt") as file:
            file.write(text)
        table = read_sequences(tmp_path / name)
        assert table["user_id"].tolist() == [1, 1, 2]
        assert table["item_id"].tolist() == [5, 6, 5]


def figures(seconds, wait=0.0):
    return {
        "seconds": [99.0, seconds, seconds],
        "wait_seconds": [0.0, wait, wait],
        "compilations": [5, 0, 1],
        "targets": 1000,
        "steps": 10,
        "memory": 2**20,
        "version": "1",
    }


@pytest.mark.parametrize(
    ("seconds", "wait", "verdict"),
    [
        (1.0, 0.019, ">= 4x met, waiting < 2% met"),
        (1.1, 0.001, ">= 4x MISSED, waiting < 2% met"),
        (0.9, 0.1, ">= 4x met, waiting < 2% MISSED"),
    ],
)
def test_the_table_judges_ratio_and_waiting_of_steady_epochs(seconds, wait, verdict):
    results = {
        contenders.EXAMPLE: figures(4.0),
        contenders.PACKAGE: figures(seconds, wait),
        contenders.TORCH: {"missing": "no torch"},
    }
    rows = {
        line[:38].rstrip(): line
        for line in benchmark.table(SETTINGS["beauty"], results).splitlines()
    }
    assert rows[contenders.PACKAGE].endswith(verdict)
    assert "5+1" in rows[contenders.PACKAGE]
    assert "1.0x" in rows[contenders.EXAMPLE]
    assert rows[contenders.TORCH].endswith("not installed: no torch")


def test_the_gpu_is_measured_in_both_dtypes():
    options = benchmark._options(["--device", "gpu", "--no-torch"])
    jobs = benchmark._jobs(options, "beauty", "folder")
    assert [(job.contender, job.dtype) for job in jobs] == [
        (name, dtype)
        for name in (contenders.EXAMPLE, contenders.PACKAGE)
        for dtype in ("float32", "mixed_bfloat16")
    ]
    assert all(job.device == "gpu" for job in jobs)


def test_a_debug_build_and_a_missing_folder_are_refused(monkeypatch, capsys, tmp_path):
    assert benchmark.main(["--folder", str(tmp_path / "none")]) == 2
    assert "SASREC_FAST_DATA" in capsys.readouterr().err
    monkeypatch.setattr(_core, "DEBUG_BUILD", True)
    assert benchmark.main([]) == 2
    assert "--release" in capsys.readouterr().err


@pytest.mark.slow
def test_the_script_prints_and_writes_the_figures(folder, tmp_path, capsys):
    file = tmp_path / "figures.json"
    arguments = ["--data", "beauty", "--folder", str(folder), "--epochs", "2", "--no-torch"]
    assert benchmark.main([*arguments, "--json", str(file)]) == 0
    assert "beauty: L = 50, d = 64" in capsys.readouterr().out
    assert set(json.loads(file.read_text())["beauty"]) == {contenders.EXAMPLE, contenders.PACKAGE}
