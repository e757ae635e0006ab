"""The command line and what people give it by mistake: a line that says what is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from sasrec_fast.cli import app, main
from sasrec_fast.model import save_model
from small_models import make_model

FILES = {
    "empty.csv": b"",
    "header.csv": b"user_id,item_id,timestamp\n",
    "nul.csv": b"\0\0\0\n\0",
    "latin.csv": b"user_id,item_id,timestamp\n\xff\xfe,1,2\n",
    "text.csv": b"user_id,item_id,timestamp\na,b,c\n",
    "no.parquet": b"PAR1 no parquet",
    "cut.csv.gz": b"\x1f\x8b\x08\x00\x00",
    "plain.csv.gz": b"user_id,item_id,timestamp\n1,2,3\n",
    "no.keras": b"PK no archive",
    "empty.keras": b"",
    "no.suffix": b"user_id item_id\n",
    "x.docx": b"?",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("input")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    rows = np.arange(60)
    table = pd.DataFrame({"user_id": rows % 6, "item_id": (rows * 7) % 41, "timestamp": rows})
    table.to_csv(folder / "good.csv", index=False)
    table.to_parquet(folder / "good.parquet", index=False)
    data = sf.prepare(table, max_sequence_length=6)
    data.save(folder / "data")
    (folder / "empty").mkdir()
    model = make_model(
        vocabulary_size=data.vocabulary_size, items=data.items, item_counts=data.item_counts
    )
    save_model(model, folder / "good.keras", data)
    (folder / "parquet.keras").write_bytes((folder / "good.parquet").read_bytes())
    (folder / "model.csv").write_bytes((folder / "good.keras").read_bytes())
    os.mkfifo(folder / "pipe.csv")
    return folder


NO_RATINGS = [*FILES, "none.csv", "data", "empty", "good.keras", "model.csv", "pipe.csv", ""]
NO_MODELS = ["none.keras", "no.keras", "empty.keras", "data", "empty", "good.csv"]
NO_MODELS += ["good.parquet", "parquet.keras", ""]
OUTPUTS = ["{d}/none/m{s}", "{d}/empty", "/dev/full", "{d}/good.csv/m{s}", "", "\0"]

COMMANDS = {
    "train": "train --epochs 1 --ratings {ratings} --movies {movies} --output {output}",
    "evaluate": "evaluate --model {model} --ratings {ratings} --movies {movies} --output {output}",
    "plots": "evaluate --model {model} --ratings {ratings} --plots {output}",
    "users": "recommend --model {model} --ratings {ratings} --users 1 --movies {movies}",
    "all": "recommend --model {model} --ratings {ratings} --all --output {output}",
    "history": "recommend --model {model} --history 1 7 --movies {movies}",
    "reproduce": "reproduce ml-1m-bce --data {ratings}",
}
SUFFIXES = {"train": ".keras", "evaluate": ".json", "all": ".csv"}


def wrong(command: str) -> list[dict[str, str]]:
    """One of the paths of a command is wrong at a time."""
    line = COMMANDS[command]
    bad = {"ratings": NO_RATINGS, "movies": NO_RATINGS[::4], "model": NO_MODELS, "output": OUTPUTS}
    return [
        {role: path}
        for role, paths in bad.items()
        if f"{{{role}}}" in line
        for path in paths
        if not (command == "plots" and (role, path) in TAKEN)
    ]


TAKEN = [("output", "{d}/empty"), ("output", "")]
CASES = [(command, case) for command in COMMANDS for case in wrong(command)]


@pytest.mark.parametrize(("command", "case"), CASES, ids=str)
def test_a_wrong_path_is_named_in_a_line(
    command: str,
    case: dict[str, str],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = {"ratings": "good.csv", "movies": "titles.csv", "model": "good.keras"}
    good["output"] = f"{{d}}/out{SUFFIXES.get(command, '')}"
    pd.DataFrame({"item_id": range(41), "title": "x"}).to_csv(folder / "titles.csv", index=False)
    chosen = {**good, **case}
    paths = {
        role: path.format(d=folder, s=SUFFIXES.get(command, ""))
        if role == "output"
        else str(folder / path)
        for role, path in chosen.items()
    }
    monkeypatch.chdir(folder / "empty")  # where `reproduce` puts its results
    arguments = [part.format(**paths) for part in COMMANDS[command].split()]
    before = sorted(folder.rglob("*"))
    code = main(arguments)
    error = capsys.readouterr().err
    assert code == 2, error
    assert error.count("\n") == 1
    assert app.TRACEBACK not in error
    assert len(error) < 900
    if command == "reproduce":
        shutil.rmtree("reproduced", ignore_errors=True)
    assert sorted(folder.rglob("*")) == before


def test_what_is_not_foreseen_is_a_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for failure in (KeyError(), MemoryError(), RecursionError("deep"), TypeError("odd")):

        def fail(failure: Exception = failure, **_: object) -> None:
            raise failure

        monkeypatch.setattr("sasrec_fast.datasets.synthetic", fail)
        assert main(["demo"]) == 2
        error = capsys.readouterr().err
        assert error.startswith("sasrec-fast: error: ")
        assert error.count("\n") == 1
    monkeypatch.setenv(app.TRACEBACK, "1")
    with pytest.raises(TypeError, match="odd"):
        main(["demo"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device")
def test_a_full_disk_is_an_error_not_a_traceback(folder: Path) -> None:
    command = [sys.executable, "-m", "sasrec_fast.cli", "train", "--ratings", "none.csv"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
