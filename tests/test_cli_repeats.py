"""The command line where people take things again: what it measures, says and writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import sasrec_fast as sf
from sasrec_fast.cli import main
from sasrec_fast.model import save_model
from small_models import make_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 listeners who end with what they began with, and an untrained model."""
    folder = tmp_path_factory.mktemp("repeats")
    rows = [
        (user, (user + step) % 9 if step < 5 else user % 9, step)
        for user in range(20)
        for step in range(6)
    ]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    frame.to_csv(folder / "plays.csv", index=False)
    with pytest.warns(sf.DataWarning, match="20 of 20 test targets"):
        data = sf.prepare(folder / "plays.csv", max_sequence_length=8)
    model = make_model(
        vocabulary_size=data.vocabulary_size, items=data.items, max_sequence_length=8
    )
    model.build()
    save_model(model, folder / "model.keras", data)
    return folder


@pytest.mark.filterwarnings("error::sasrec_fast.errors.DataWarning")
@pytest.mark.parametrize("seen", [False, True])
def test_repeats_are_misses_or_measured_and_said(
    folder: Path, tmp_path: Path, seen: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--model", f"{folder}/model.keras", "--ratings", f"{folder}/plays.csv"]
    output = tmp_path / "metrics.json"
    flags = ["--include-seen"] if seen else []
    assert main(["evaluate", *files, "--k", "9", "--output", str(output), *flags]) == 0
    written = json.loads(output.read_text(encoding="utf-8"))
    assert written["repeated_targets"] == dict.fromkeys(written["metrics"], 20)
    assert written["metrics"]["SASRec"]["hit_rate@9"] == (1.0 if seen else 0.0)
    printed = capsys.readouterr().out
    assert "warning: 20 of 20 test targets (100.0%) are items that their user had" in printed
    assert ("20 targets their user had before, and may be hits" in printed) == seen
    assert ("20 targets their user had before, and count as misses" in printed) != seen
