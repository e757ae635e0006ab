"""`sasrec-fast reproduce`: a recipe's run, its interruption, its files, and small versions."""

from __future__ import annotations

import gzip
import inspect
import io
import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

import sasrec_fast as sf
from sasrec_fast.cli import main
from sasrec_fast.cli.reading import prepared
from sasrec_fast.cli.screen import Screen
from sasrec_fast.reading import read_sequences
from sasrec_fast.recipes import DEFAULT, RECIPES, Recipe, Training
from small_models import keras
from training_run import small_data

TINY = Recipe(
    summary="a tiny one",
    file="some/rows.txt.gz",
    prepare={"max_sequence_length": 8},
    model={"hidden_dim": 8, "num_layers": 1, "dropout": 0.2},
    training=Training(
        loss={"name": "sampled_softmax", "num_negatives": 9, "item_counts": "train"},
        learning_rate=1e-2,
        schedule="cosine",
        warmup_epochs=1,
        weight_decay=0.01,
        batch_size=32,
        max_buckets=1,
        epochs=3,
        patience=3,
    ),
    required={"hit_rate@10": 0.01},
    published={"hit_rate@10": 0.5},
    source="nobody",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data, and recipes that read it."""
    monkeypatch.setattr("sasrec_fast.cli.reproduce.RECIPES", {"tiny": TINY})
    sequences = small_data().sequences
    users = np.repeat(np.arange(1, 61), np.diff(sequences.offsets))
    lines = [f"{user} {item}" for user, item in zip(users, sequences.items, strict=True)]
    (tmp_path / "data/some").mkdir(parents=True)
    content = gzip.compress("\n".join(lines).encode())
    (tmp_path / "data" / TINY.file).write_bytes(content)
    monkeypatch.setenv("SASREC_FAST_DATA", str(tmp_path / "data"))
    return tmp_path


def reproduce(output: Path, *arguments: str) -> int:
    return main(["reproduce", "tiny", "--output", str(output), *arguments])


def result(output: Path) -> dict:
    return json.loads((output / "tiny.json").read_text(encoding="utf-8"))


def test_a_recipe_is_run_and_recorded_for_each_seed(folder, capsys):
    output = folder / "out"
    assert reproduce(output, "--seeds", "0", "3") == 0
    printed = capsys.readouterr().out
    written = result(output)
    assert written["reached"] == {"hit_rate@10": True}
    assert list(written["runs"]) == ["seed 0", "seed 3"]
    first, second = written["runs"].values()
    assert written["mean"]["mrr"] == pytest.approx(
        (first["test"]["mrr"] + second["test"]["mrr"]) / 2
    )
    assert first["test"] != second["test"]
    assert [epoch["epoch"] for epoch in first["epochs"]] == [1, 2, 3]
    best = max(first["epochs"], key=lambda epoch: epoch["val_ndcg@10"])
    assert (first["best_epoch"], first["validation"]["val_mrr"]) == (best["epoch"], best["val_mrr"])
    assert set(first["baselines"]) == {"popularity", "Markov chain", "neighbours"}
    assert "hit_rate@10" in first["standard_errors"]
    assert first["data"]["report"]["users"] == first["data"]["users"] == 60
    assert "tiny: a tiny one\n" in printed
    assert "required" in printed
    assert printed.count("kept: the weights of epoch") == 2
    left = sorted(path.name for path in (output / "seed-3").iterdir())
    assert left == ["epochs.json", "model.keras", "options.json", "result.json"]

    model = keras.saving.load_model(output / "seed-3" / "model.keras")
    data = sf.prepare(read_sequences(folder / "data" / TINY.file), max_sequence_length=8)
    assert sf.evaluate(model, data.test)["mrr"] == pytest.approx(second["test"]["mrr"])

    assert reproduce(output) == 0
    assert "seed 0: was run before" in capsys.readouterr().out
    assert result(output)["runs"] == {"seed 0": first}


def test_what_to_know_of_the_data_is_a_line_each():
    stream = io.StringIO()
    users, items = np.repeat([1, 2, 3], 4), np.array([1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 1])
    tied = {"user_id": users, "item_id": items, "timestamp": np.zeros(12, np.int64)}
    recipe = Recipe(prepare={"max_sequence_length": 4})
    prepared(recipe, tied, Screen(stream), report=False)
    lines = stream.getvalue().split("\n\n")
    assert lines[0].startswith("preparing ... ")
    assert "warning: equal timestamps decide" in lines[0]
    assert all(line.startswith("warning: ") for line in lines[1:-1])


def test_an_interrupted_run_goes_on_to_the_same_result(folder, monkeypatch):
    from sasrec_fast.recipes.best_epoch import BestEpoch

    assert reproduce(folder / "whole") == 0
    ended = BestEpoch.on_epoch_end

    def interrupted(self, epoch, logs=None):
        ended(self, epoch, logs)
        if epoch == 1:  # after its record, before its checkpoint
            raise KeyboardInterrupt

    monkeypatch.setattr(BestEpoch, "on_epoch_end", interrupted)
    assert reproduce(folder / "cut") == 130
    assert not (folder / "cut" / "tiny.json").exists()
    monkeypatch.setattr(BestEpoch, "on_epoch_end", ended)
    assert reproduce(folder / "cut") == 0
    whole, cut = (result(folder / name)["runs"]["seed 0"] for name in ("whole", "cut"))
    for run in (whole, cut):
        run.pop("seconds")
        assert all(epoch.pop("seconds") > 0 for epoch in run["epochs"])
    assert cut == whole


def test_what_is_missed_is_said_and_returned(folder, monkeypatch, capsys):
    training = Training(epochs=1)
    hard = replace(TINY, training=training, required={"ndcg@10": 0.999})
    monkeypatch.setattr("sasrec_fast.cli.reproduce.RECIPES", {"tiny": hard})
    assert reproduce(folder / "out") == 1
    assert "of 0.9990 required: MISSED" in capsys.readouterr().out
    assert result(folder / "out")["reached"] == {"ndcg@10": False}


def test_a_folder_of_other_options_is_refused(folder, monkeypatch, capsys):
    short = replace(TINY, training=Training(epochs=1))
    monkeypatch.setattr("sasrec_fast.cli.reproduce.RECIPES", {"tiny": short})
    assert reproduce(folder / "out") == 0
    other = replace(short, model={**TINY.model, "hidden_dim": 4})
    monkeypatch.setattr("sasrec_fast.cli.reproduce.RECIPES", {"tiny": other})
    assert reproduce(folder / "out") == 2
    error = capsys.readouterr().err
    assert "holds a run with model={'hidden_dim': 8" in error
    assert "choose another folder" in error


def test_other_data_is_held_to_nothing_published(folder, monkeypatch, capsys):
    sampled = replace(TINY, training=Training(epochs=1), candidates=("uniform", 9, 0))
    monkeypatch.setattr("sasrec_fast.cli.reproduce.RECIPES", {"tiny": sampled})
    path = folder / "mine.csv"
    table = read_sequences(folder / "data" / TINY.file)
    rows = np.column_stack(list(table.values()))
    path.write_text("user_id,item_id,timestamp\n" + "\n".join(",".join(map(str, r)) for r in rows))
    assert reproduce(folder / "out", "--data", str(path)) == 0
    assert result(folder / "out")["file"] == str(path)
    assert not result(folder / "out")["reached"]
    printed = capsys.readouterr().out
    assert "published" not in printed
    assert "last item but one, among 9 random items" in printed
    protocol = result(folder / "out")["runs"]["seed 0"]["protocol"]
    assert protocol.startswith("sampled ranking, each target among 9 uniform negatives of 50")


def test_missing_data_is_named(folder, monkeypatch, capsys):
    (folder / "data" / TINY.file).unlink()
    assert reproduce(folder / "out") == 2
    assert f"{TINY.file}: there is no such file" in capsys.readouterr().err
    monkeypatch.delenv("SASREC_FAST_DATA")
    assert reproduce(folder / "out") == 2
    assert "with --data or SASREC_FAST_DATA" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_files_of_sequences_have_pairs_or_whole_histories(tmp_path):
    (tmp_path / "pairs.txt").write_text("2 5\n2 6\n\n7 5\n")
    (tmp_path / "lists.txt").write_text("2 5 6\n7 5\n")
    tables = [read_sequences(tmp_path / name) for name in ("pairs.txt", "lists.txt")]
    for table in tables:
        columns = {name: column.tolist() for name, column in table.items()}
        assert columns == {"user_id": [2, 2, 7], "item_id": [5, 6, 5], "timestamp": [0, 1, 2]}


@pytest.mark.parametrize("line", ["3", "3 x", "3 4.5", f"3 {2**63}"])
def test_a_bad_line_of_sequences_is_named(tmp_path, line):
    path = tmp_path / "rows.txt"
    path.write_text(f"1 2 3\n\n{line}\n")
    with pytest.raises(sf.DataError, match=f"line 3 is '{line[:9]}"):
        read_sequences(path)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_plain_options_of_what_they_call(name):
    recipe = RECIPES[name]
    assert json.loads(json.dumps(asdict(recipe)))["summary"] == recipe.summary
    assert set(recipe.prepare) <= set(inspect.signature(sf.prepare).parameters)
    assert set(recipe.model) <= set(inspect.signature(sf.SASRec).parameters)
    assert recipe.required.keys() <= recipe.published.keys()
    loss = {key: value for key, value in recipe.training.loss.items() if value != "train"}
    sf.losses.get(loss.pop("name"), **loss)


def test_without_a_name_it_is_the_default_recipe(monkeypatch, capsys):
    monkeypatch.delenv("SASREC_FAST_DATA", raising=False)
    assert RECIPES[DEFAULT].file != RECIPES["beauty"].file
    for arguments, name in ((), DEFAULT), (("beauty",), "beauty"):
        assert main(["reproduce", *arguments]) == 2
        assert f"this recipe reads {RECIPES[name].file}: name the" in capsys.readouterr().err


def test_the_learning_rate_rises_and_falls():
    from sasrec_fast.recipes.training import optimizer

    training = Training(learning_rate=0.5, schedule="cosine", warmup_epochs=2, epochs=10)
    rate = optimizer(training, steps_per_epoch=5)._learning_rate
    rates = [float(rate(step)) for step in (0, 5, 10, 30, 50)]
    np.testing.assert_allclose(rates, [0, 0.25, 0.5, 0.25, 0], atol=1e-6)
    with pytest.raises(ValueError, match="allowed are 'constant' and 'cosine'"):
        optimizer(replace(training, schedule="linear"), 5)
    with pytest.raises(ValueError, match="warmup_epochs is 2 of 2 epochs, expected fewer"):
        optimizer(replace(training, epochs=2), 5)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_small_version_comes_near_the_best_possible(name, tmp_path):
    command = [sys.executable, "-m", "sasrec_fast.cli", "reproduce", name, "--smoke"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((tmp_path / "reproduced" / name / f"{name}.json").read_text())
    best = sf.datasets.synthetic().best_hit_rate(10)
    assert 0.75 * best <= written["mean"]["hit_rate@10"] <= 1.03 * best
