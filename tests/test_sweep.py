"""A sweep goes on where it was interrupted, reads no test row, and chooses by validation."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import sasrec_fast as sf
import small_models  # noqa: F401  (quick compilation)
from sasrec_fast.cli import main
from sasrec_fast.recipes import Progress, Recipe, Sweep, Training, Trial, sweep

TINY = Recipe(
    prepare={"max_sequence_length": 8},
    model={"hidden_dim": 8, "num_layers": 0},
    training=Training(epochs=2, learning_rate=1e-2, max_buckets=1),
)
GRID = {"training.learning_rate": [1e-4, 2e-2]}
RATINGS = sf.datasets.synthetic(60, 100, interactions=(6, 10)).ratings


class Told(Progress):
    """Which runs and epochs there were; interrupts the second epoch of the second run."""

    def __init__(self, interrupts: bool = False) -> None:
        self.runs: list[Any] = []
        self.epochs: list[tuple[int, int]] = []
        self.interrupts = interrupts

    def trial(self, number: int, total: int, options: Any, seed: int) -> None:
        self.runs.append((number, total, dict(options), seed))

    def batch(self, epoch: int, done: int, total: int) -> None:
        if self.interrupts and (len(self.runs), epoch, done) == (2, 2, 1):
            raise KeyboardInterrupt

    def epoch(self, record: Any, best: bool) -> None:
        self.epochs.append((len(self.runs), record["epoch"]))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told, Told, Sweep]:
    """A sweep that was interrupted, and then went on."""
    folder, first, second = tmp_path_factory.mktemp("sweep"), Told(interrupts=True), Told()
    with pytest.MonkeyPatch.context() as patched:
        test = property(lambda run: pytest.fail("the test was read"))
        patched.setattr(sf.recipes.Run, "test", test)
        with pytest.raises(KeyboardInterrupt):
            sweep(TINY, GRID, RATINGS, folder, callback=first)
        done = sweep(TINY, GRID, RATINGS, folder, callback=second)
    return folder, first, second, done


def test_it_goes_on_from_the_epoch_in_which_it_was_interrupted(swept):
    folder, first, second, done = swept
    assert first.epochs == [(1, 1), (1, 2), (2, 1)]
    assert second.epochs == [(2, 2)]
    assert second.runs == [
        (1, 2, {"training.learning_rate": 1e-4}, 0),
        (2, 2, {"training.learning_rate": 2e-2}, 0),
    ]
    assert [len(trial.runs[0]["epochs"]) for trial in done.trials] == [2, 2]
    assert sum(path.is_dir() for path in folder.iterdir()) == 0  # no checkpoint is left


def test_the_best_is_that_of_the_highest_validation(swept):
    folder, _, _, done = swept
    assert done.best is max(done.trials, key=lambda trial: trial.runs[0]["validation"]["ndcg@10"])
    rate = done.best.options["training.learning_rate"]
    assert done.best_recipe.training.learning_rate == rate
    assert done.best_recipe.training.seed == 0
    record = done.best.runs[0]
    best = max(record["epochs"], key=lambda epoch: epoch["val_ndcg@10"])
    assert (record["best_epoch"], record["validation"]["mrr"]) == (best["epoch"], best["val_mrr"])
    kept = [json.loads(path.read_text()) for path in folder.glob("*-seed-0.json")]
    assert all(trial.runs[0] in kept for trial in done.trials)
    lines = str(done).splitlines()
    assert lines[0].split()[0] == "training.learning_rate"
    assert lines[1].split()[:3] == [str(rate), "1", f"{done.best.mean():.4f}"]


def test_results_of_a_folder_are_those_of_its_recipe_and_data(swept):
    folder, *_ = swept
    with pytest.raises(ValueError, match="holds a run with model="):
        sweep(TINY.changed(model={"hidden_dim": 4}), GRID, RATINGS, folder)
    with pytest.raises(ValueError, match="is of other data: choose another folder"):
        sweep(TINY, GRID, RATINGS[RATINGS.user_id > 2], folder)


def test_means_are_over_seeds():
    runs = [{"validation": {"ndcg@10": v, "hit_rate@10": 2 * v}} for v in (0.1, 0.2)]
    trial = Trial({}, runs)
    assert trial.mean() == pytest.approx(0.15)
    assert trial.mean("hit_rate@10") == pytest.approx(0.3)
    assert trial.standard_error() == pytest.approx(0.05)
    assert math.isnan(Trial({}, runs[:1]).standard_error())


@pytest.mark.parametrize(
    ("grid", "options", "message"),
    [
        ({"dropout": [0.1]}, {}, "'dropout' is no option: expected 'prepare.', 'model.' or"),
        ({"training.rate": [0.1]}, {}, "training.rate is no option of a sweep; those of training"),
        ({"training.seed": [1]}, {}, "training.seed is no option of a sweep"),
        ([], {}, "the grid has no combination"),
        ({"model.dropout": []}, {}, "the grid has no combination"),
        ({"model.dropout": 0.1}, {}, "model.dropout in the grid must be a list of values"),
        ("dropout", {}, "grid is a mapping of lists, or a list of mappings"),
        ([{}], {"seeds": []}, "seeds is empty"),
        ([{}], {"data": iter([RATINGS])}, "data can be read only once"),
        ([{"prepare.windows": "last"}], {"data": None}, "prepare.windows is in the grid, and the"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_any_run(grid, options, message, tmp_path):
    if options.get("data", ...) is None:
        options = {"data": sf.prepare(RATINGS)}
    given = {"data": RATINGS, **options}
    with pytest.raises((ValueError, TypeError), match=message):
        sweep(TINY, grid, given.pop("data"), tmp_path / "new", **given)
    assert not (tmp_path / "new").exists()


def test_an_error_in_a_run_names_the_trial(tmp_path):
    with pytest.raises(ValueError, match="dropout must be in") as caught:
        sweep(TINY, [{"model.dropout": 2.0}], RATINGS, tmp_path)
    assert caught.value.__notes__ == ["in the trial {'model.dropout': 2.0} with seed 0"]


def test_the_command_prints_the_table_of_a_grid_in_a_file(tmp_path, capsys):
    data, grid, folder = tmp_path / "ratings.csv", tmp_path / "grid.json", tmp_path / "sweep"
    RATINGS.to_csv(data, index=False)
    options = {
        "prepare.max_sequence_length": 8,
        "model.hidden_dim": 8,
        "model.num_layers": 0,
        "training.loss": {"name": "softmax"},
        "training.epochs": 2,
        "training.max_buckets": 1,
    }
    grid.write_text(json.dumps([options]))
    line = ["sweep", str(grid), "--recipe", "s3-beauty", "--data", str(data)]
    assert main([*line, "--output", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "run 1 of 1: prepare.max_sequence_length 8" in printed
    (record,) = [json.loads(path.read_text()) for path in folder.glob("*-seed-0.json")]
    last = printed.rstrip().splitlines()[-3]
    assert f"{record['validation']['ndcg@10']:.4f}" in last.split()
    grid.write_text("{")
    assert main(line) == 2
    assert "grid.json is no JSON" in capsys.readouterr().err
