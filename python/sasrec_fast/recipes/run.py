"""Runs a recipe on data: prepare, train, validate each epoch, test the best one in the end.

The rooms that do it are loaded when they are needed: options alone are read at once.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sasrec_fast import checks
from sasrec_fast.errors import DataError
from sasrec_fast.recipes.catalogue import RECIPES, Recipe, Training
from sasrec_fast.recipes.progress import Progress
from sasrec_fast.saving import replaced_file

if TYPE_CHECKING:
    from sasrec_fast.evaluation import Metrics
    from sasrec_fast.model import SASRec
    from sasrec_fast.preparing import Prepared

OPTIONS = "options.json"
SEQUENCES = (".txt", ".txt.gz")
CUTOFFS = (1, 5, 10, 20)
SAID = ("summary", "required", "published", "source", "seeds")
"""What a recipe says of its runs, and does not decide."""


@dataclass(frozen=True, eq=False)
class Run:
    """A recipe that was run.

    Attributes:
        recipe: Its options.
        data: What it was trained on.
        model: With the weights of the best epoch by NDCG@10 of the validation rows.
        epochs: A record of each epoch: its number from 1, seconds, loss, validation metrics.
    """

    recipe: Recipe
    data: Prepared
    model: SASRec
    epochs: list[dict[str, Any]]

    @property
    def best(self) -> dict[str, Any]:
        """The record of the best epoch, the first of equal ones."""
        return max(self.epochs, key=lambda record: float(record["val_ndcg@10"]))

    @property
    def validation(self) -> dict[str, float]:
        """Metrics of the best epoch on the validation rows."""
        return {k.removeprefix("val_"): v for k, v in self.best.items() if k.startswith("val_")}

    @cached_property
    def test(self) -> Metrics:
        """Metrics of the model on the test rows, which are read here for the first time."""
        return self._tested(self.model)

    @cached_property
    def baselines(self) -> dict[str, Metrics]:
        """Metrics of popularity, a Markov chain and item neighbours on the test rows."""
        from sasrec_fast.evaluation import ItemNeighbours, MarkovChain, Popularity

        train = self.data.train
        models = {
            "popularity": Popularity(train),
            "Markov chain": MarkovChain(train),
            "neighbours": ItemNeighbours(train),
        }
        return {name: self._tested(model) for name, model in models.items()}

    def _tested(self, scorer: Any) -> Metrics:
        from sasrec_fast.evaluation import evaluate

        if self.data.test is None:
            raise ValueError("the data has no test rows: prepare it with holdout=2")
        return evaluate(scorer, self.data.test, k=CUTOFFS, candidates=self.recipe.candidates)


def run(
    recipe: str | Recipe,
    data: Any,
    *,
    seed: int | None = None,
    callback: Progress | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Run:
    """Train as a recipe says, and keep the best epoch by validation.

    Args:
        recipe: A name in `RECIPES`, or a `Recipe`, such as `RECIPES[name].changed(model=...)`.
        data: `Prepared`, as it is; or what `prepare` takes, or a .txt file of sequences, prepared
            with the recipe's options.
        seed: Of everything random, instead of the recipe's.
        callback: Told how it goes on.
        folder: Holds the run until it is done: one that was interrupted goes on from there.

    Returns:
        The run; its `test` and `baselines` are measured when they are asked for.

    Raises:
        ValueError: There is no such recipe, or the folder holds a run of another one.
        DataError: No user has enough interactions for training, validation and test.

    Example:
        >>> import sasrec_fast as sf
        >>> recipe = sf.recipes.Recipe(
        ...     prepare={"max_sequence_length": 8},
        ...     model={"hidden_dim": 8, "num_layers": 1},
        ...     training=sf.recipes.Training(epochs=2, learning_rate=1e-2),
        ... )
        >>> made = sf.datasets.synthetic(60, 100, interactions=(6, 10))
        >>> done = sf.recipes.run(recipe, made.ratings)
        >>> len(done.epochs), sorted(done.validation)
        (2, ['hit_rate@10', 'mrr', 'ndcg@10'])
        >>> 0 <= done.test["ndcg@10"] <= 1
        True
    """
    from sasrec_fast.preparing import Prepared

    if isinstance(recipe, str):
        recipe = RECIPES[checks.one_of("recipe", recipe, tuple(RECIPES))]
    if folder is not None:
        folder = Path(folder)
        claim(folder, recipe)
    if seed is not None:
        recipe = replace(recipe, training=replace(recipe.training, seed=seed))
    if not isinstance(data, Prepared):
        data = prepare_for(recipe, data)
    _require_rows(data)
    from sasrec_fast.recipes.training import train_model

    model, epochs = train_model(recipe, data, callback or Progress(), folder)
    return Run(recipe, data, model, epochs)


def prepare_for(recipe: Recipe, interactions: Any) -> Prepared:
    """What `prepare` makes of interactions, or of a .txt file of sequences, for a recipe.

    Raises:
        DataError: As `prepare`; or there is nothing to train on or to validate with.
    """
    from sasrec_fast.preparing import prepare

    options = {"seed": recipe.training.seed, **recipe.prepare}
    loss = recipe.training.loss
    draws = loss["name"] == "sampled_softmax" and loss.get("num_negatives", 1) is not None
    if draws or loss["name"] == "softmax":  # it needs none of the data's
        options.setdefault("num_negatives", 0)
    data = prepare(readable(interactions), **options)
    _require_rows(data)
    return data


def readable(interactions: Any) -> Any:
    """What `prepare` and `read_interactions` take: the table, for a .txt file of sequences."""
    if isinstance(interactions, str | os.PathLike) and str(interactions).endswith(SEQUENCES):
        from sasrec_fast.reading import read_sequences

        return read_sequences(Path(interactions))
    return interactions


def _require_rows(data: Prepared) -> None:
    if data.validation is None:
        raise ValueError("the data has no validation rows: prepare it with holdout=1 or 2")
    if not len(data.train) or not len(data.validation):
        raise DataError(
            "no user has 4 interactions: two to learn from, the last but one for validation and "
            "the last for the test"
        )


def claim(folder: Path, recipe: Recipe) -> None:
    """Make the folder that of this recipe, which decides its run.

    Raises:
        ValueError: It is that of another one.
    """
    decisive = json.loads(json.dumps(asdict(recipe)))
    for name in SAID:
        del decisive[name]
    path = folder / OPTIONS
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with replaced_file(path) as temporary:
            temporary.write_text(json.dumps(decisive, indent=1) + "\n", encoding="utf-8")
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    defaults = json.loads(json.dumps(asdict(Training())))  # an earlier version had fewer options
    before["training"] = {**defaults, **before.get("training", {})}
    for name in decisive:
        if before.get(name) != decisive[name]:
            raise ValueError(
                f"{folder} holds a run with {name}={before.get(name)}, this one has "
                f"{name}={decisive[name]}: choose another folder, or delete that one"
            )
