"""Recipes from Python: what a run returns, tells, keeps and refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import sasrec_fast as sf
from sasrec_fast.recipes import RECIPES, Progress, Recipe, Training, claim
from sasrec_fast.recipes.training import optimizer
from small_models import keras

TINY = Recipe(
    prepare={"max_sequence_length": 8},
    model={"hidden_dim": 8, "num_layers": 1},
    training=Training(epochs=2, learning_rate=1e-2, max_buckets=1, seed=3),
)


class Recorded(Progress):
    def __init__(self) -> None:
        self.told: list[Any] = []

    def begins(self, model: Any, candidates: Any) -> None:
        self.told.append(("begins", model.built, candidates))

    def batch(self, epoch: int, done: int, total: int) -> None:
        self.told.append(("batch", epoch, done, total))

    def epoch(self, record: Any, best: bool) -> None:
        self.told.append(("epoch", record["epoch"]))

    def ends(self, best: int, waited: int) -> None:
        self.told.append(("ends", best, waited))


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .txt file of the sequences of 60 users."""
    ratings, _ = sf.datasets.synthetic(60, 100, interactions=(6, 10))
    ordered = ratings.sort_values(["user_id", "timestamp"])
    path = tmp_path_factory.mktemp("recipes") / "rows.txt"
    pairs = zip(ordered["user_id"], ordered["item_id"], strict=True)
    path.write_text("".join(f"{user} {item}\n" for user, item in pairs))
    return path


@pytest.fixture(scope="module")
def told() -> Recorded:
    return Recorded()


@pytest.fixture(scope="module")
def done(sequences: Path, told: Recorded) -> sf.recipes.Run:
    keras.utils.set_random_seed(0)  # may import what draws random numbers
    return sf.recipes.run(TINY, sequences, callback=told)


def test_a_run_has_the_weights_of_its_best_epoch(done: sf.recipes.Run) -> None:
    assert [record["epoch"] for record in done.epochs] == [1, 2]
    assert done.data.seed == 3
    metrics = sf.evaluate(done.model, done.data.validation, k=10)
    expected = {name: value for name, value in metrics.items() if name != "coverage@10"}
    assert done.validation == pytest.approx(expected)
    assert done.validation["ndcg@10"] == max(record["val_ndcg@10"] for record in done.epochs)


def test_the_test_is_read_once_when_it_is_asked_for(
    done: sf.recipes.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "test" not in vars(done)
    expected = sf.evaluate(done.model, done.data.test, k=(1, 5, 10, 20))
    assert dict(done.test) == dict(expected)
    assert set(done.baselines) == {"popularity", "Markov chain", "neighbours"}
    monkeypatch.setattr("sasrec_fast.evaluation.evaluate", lambda *_, **__: pytest.fail("again"))
    assert dict(done.test) == dict(expected)
    assert done.baselines["popularity"]["mrr"] > 0


@pytest.mark.usefixtures("done")
def test_a_run_tells_how_it_goes_on(told: Recorded) -> None:
    kinds = [told[0] for told in told.told]
    assert kinds == ["begins", *["batch", "batch", "epoch"] * 2, "ends"]
    assert told.told[0] == ("begins", True, None)
    assert told.told[1:3] == [("batch", 1, 0, 1), ("batch", 1, 1, 1)]
    assert told.told[4] == ("batch", 2, 0, 1)
    assert told.told[-1][2] == 0


def test_prepared_data_is_taken_as_it_is_and_a_seed_wins(done: sf.recipes.Run) -> None:
    again = sf.recipes.run(replace(TINY, prepare={"max_sequence_length": 99}), done.data)
    assert again.data is done.data
    assert again.epochs[-1]["loss"] == pytest.approx(done.epochs[-1]["loss"])
    other = sf.recipes.run(TINY, done.data, seed=4)
    assert other.recipe.training.seed == 4
    assert other.epochs[-1]["loss"] != done.epochs[-1]["loss"]


def test_a_run_in_a_folder_is_found_again(done: sf.recipes.Run, tmp_path: Path) -> None:
    told = Recorded()
    for _ in range(2):
        kept = sf.recipes.run(TINY, done.data, folder=tmp_path, callback=told)
        assert kept.validation == pytest.approx(done.validation)
    assert sum(kind == "epoch" for kind, *_ in told.told) == 2
    with pytest.raises(ValueError, match=r"holds a run with model=.*choose another folder"):
        sf.recipes.run(TINY.changed(model={"hidden_dim": 4}), done.data, folder=tmp_path)


def test_what_cannot_be_run_is_refused() -> None:
    table = {"user_id": [1, 1, 1, 2, 2, 2], "item_id": [1, 2, 3, 3, 4, 5]}
    with pytest.raises(ValueError, match=r"must be one of \['ml-1m-bce', .*received 'nix'"):
        sf.recipes.run("nix", table)
    with pytest.raises(sf.DataError, match="no user has 4 interactions: two to learn from"):
        sf.recipes.run(TINY.changed(prepare={"timestamp": None}), table)
    with pytest.raises(ValueError, match="no validation rows: prepare it with holdout=1 or 2"):
        sf.recipes.run(TINY, sf.prepare(table, timestamp=None, holdout=0))


def test_changed_options_win_and_hold_to_nothing_published() -> None:
    changed = RECIPES["ml-1m-softmax"].changed(
        {"max_sequence_length": 50}, {"block": "transformer"}, {"epochs": 3}
    )
    assert changed.prepare == {"max_sequence_length": 50, "windows": ("stride", 50)}
    assert (changed.model["block"], changed.model["positions"]) == ("transformer", "rotary")
    assert (changed.training.epochs, changed.training.schedule) == (3, "cosine")
    assert not changed.required
    assert not changed.published


def test_recipes_are_read_without_keras_and_pandas() -> None:
    code = (
        "import sys, sasrec_fast as sf; sf.recipes.run, sf.recipes.RECIPES; "
        "print([m for m in ('keras', 'jax', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_interrupted_run_hands_over_the_best_weights(done: sf.recipes.Run) -> None:
    class Interrupting(Recorded):
        def batch(self, epoch: int, done: int, total: int) -> None:
            if (epoch, done) == (2, 1):
                raise KeyboardInterrupt

        def interrupted(self, model: Any, best: int, done: int) -> None:
            self.told.append((model, best, done))

    told = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        sf.recipes.run(TINY, done.data, callback=told)
    model, *numbers = told.told[-1]
    assert numbers == [1, 1]
    metrics = sf.evaluate(model, done.data.validation, k=10)
    assert metrics["ndcg@10"] == pytest.approx(done.epochs[0]["val_ndcg@10"])
    assert model.items == done.data.items


@pytest.mark.parametrize(
    ("figures", "name", "says", "changed"),
    [
        ((6040, 3416, 999_611, 96), "ml-1m-softmax", r"median 96 interactions, density 4\.84%", {}),
        ((22_363, 12_101, 198_502, 6), "s3-beauty", "short .median 6 interactions.$", {}),
        (
            (943, 1682, 100_000, 65),
            "ml-1m-softmax",
            "100,000 are few, 59 an item: an ensemble of three, dropout 0.3",
            {0.3},
        ),
        ((9000, 50_000, 900_000, 40), "ml-1m-softmax", "50,000 items are many", {"sampled"}),
        ((1000, 500, 15_000, 12), "ml-1m-softmax", "density 3.00%.*few, 30 an item", {0.5}),
        ((9000, 9000, 110_000, 12), "s3-beauty", "median 12", {}),
    ],
)
def test_a_recipe_is_suggested_by_the_report(done, figures, name, says, changed):
    users, items, rows, median = figures
    report = done.data.report
    lengths = replace(report.sequence_lengths, median=float(median))
    report = replace(report, users=users, items=items, rows_kept=rows, sequence_lengths=lengths)
    found = sf.recipes.suggest(report)
    assert found.name == name
    assert re.search(says, str(found))
    whole, recipe = RECIPES[name], found.recipe
    assert (recipe.model["dropout"], recipe.training.batch_size) == (
        (min(changed), 8)
        if changed and "sampled" not in changed
        else (whole.model["dropout"], whole.training.batch_size)
    )
    small = recipe.training.batch_size == 8
    assert recipe.model.get("num_members", 1) == (3 if small else whole.model.get("num_members", 1))
    assert (recipe.training.loss != whole.training.loss) == ("sampled" in changed)
    assert not recipe.required


@pytest.mark.parametrize(("rows", "members"), [(1_999_999, 3), (2_000_000, 1)])
def test_one_member_is_suggested_for_much_data(done, rows, members):
    report = replace(done.data.report, users=200_000, items=9000, rows_kept=rows)
    found = sf.recipes.suggest(report)
    assert (found.name, found.recipe.model["num_members"]) == ("s3-beauty", members)
    assert ("are many: one member" in str(found)) == (members == 1)


def test_a_suggestion_is_of_prepared_data_and_can_be_run(done):
    found = sf.recipes.suggest(done.data)
    assert str(found) == "s3-beauty: histories are short (median 8 interactions)"
    small = found.recipe.changed(TINY.prepare, TINY.model, {"epochs": 2, "warmup_epochs": 0})
    assert small.prepare["max_sequence_length"] == 8
    with pytest.raises(TypeError, match="suggest takes what prepare"):
        sf.recipes.suggest([1, 2])


def test_training_options_become_those_of_the_optimizer():
    averaged = optimizer(Training(ema_momentum=0.9, weight_decay=0.1), 10)
    assert (averaged.use_ema, averaged.ema_momentum, averaged.weight_decay) == (True, 0.9, 0.1)
    plain = optimizer(Training(), 10)
    assert (type(plain), plain.use_ema) == (keras.optimizers.Adam, False)
    with pytest.raises(ValueError, match=r"ema_momentum must be in \[0, 1\), received 1"):
        optimizer(Training(ema_momentum=1.0), 10)


def test_what_a_recipe_says_of_its_runs_may_change_in_their_folder(tmp_path):
    claim(tmp_path, TINY)
    claim(tmp_path, replace(TINY, summary="told better", source="found", seeds=(0, 1)))
    claim(tmp_path, replace(TINY, published={"ndcg@10": 0.1}, required={"ndcg@10": 0.2}))
    with pytest.raises(ValueError, match="holds a run with candidates=None"):
        claim(tmp_path, replace(TINY, candidates=("uniform", 100, 0)))


def test_a_folder_of_an_earlier_version_has_the_defaults_of_later_options(tmp_path):
    claim(tmp_path, TINY)
    path = tmp_path / "options.json"
    before = json.loads(path.read_text())
    del before["training"]["ema_momentum"]
    path.write_text(json.dumps(before))
    claim(tmp_path, TINY)
    with pytest.raises(ValueError, match="holds a run with training="):
        claim(tmp_path, TINY.changed(training={"ema_momentum": 0.9}))
