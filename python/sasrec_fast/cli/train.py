"""`sasrec-fast train`: a file of ratings in, a trained and tested model out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sasrec_fast.cli import reading
from sasrec_fast.cli.drawing import Drawing
from sasrec_fast.cli.options import (
    COLUMNS,
    MODEL,
    MOVIES,
    PREPARE,
    RATINGS,
    TRAINING,
    Flag,
    command,
    real,
    whole,
)
from sasrec_fast.cli.screen import load_keras, seconds
from sasrec_fast.recipes import RECIPES, Recipe, run
from sasrec_fast.saving import require_writable

if TYPE_CHECKING:
    from sasrec_fast.cli.screen import Screen

GOES_ON = "the same command goes on from there"
RESUME = f"a folder that keeps the run: after an interruption {GOES_ON}"
START = f"start from one's options; what is given here wins: {', '.join(RECIPES)}"
ORDER = "order of equal timestamps: that of the file, or of a hash of the item"
NEGATIVES = "random items against each target, for bce (then the default), gbce, sampled_softmax"
LOSS = "what is minimised; for a large catalogue: sampled_softmax"
BLOCK = "the paper's, with learned gates, or keras-hub's decoder"
WINDOWS = "rows of a training history: its last items, or each prefix of it"
SHIFT = "in training, move the places of a row at random by up to so many"
MEMBERS = "models in one, each trained by itself, whose scores are added"
PATIENCE = "stop after so many epochs without a better validation NDCG@10"
PANELS = {
    "Files": {
        "ratings": RATINGS,
        "movies": MOVIES,
        "output": Flag(Path, "where the model is saved", Path("model.keras")),
        "resume": Flag(Path, RESUME),
    },
    "Columns (names, or positions from 0 in text without a header)": COLUMNS,
    "Preparation": {
        "min_rating": real("keep ratings from this one on"),
        "min_user_interactions": whole("drop users with fewer", 1),
        "min_item_interactions": whole("drop items with fewer, until all have enough", 1),
        "duplicates": Flag(Literal["keep", "first", "last"], "same user and item, in time"),
        "ties": Flag(Literal["input", "hash"], ORDER),
        "max_sequence_length": whole("most items the model looks at", 1),
        "windows": Flag(Literal["last", "prefixes"], WINDOWS),
        "num_negatives": whole(NEGATIVES, 1),
    },
    "Model": {
        "hidden_dim": whole("width", 1),
        "num_layers": whole("Transformer blocks", 0),
        "num_heads": whole("attention heads", 1),
        "block": Flag(Literal["transformer", "ligr", "keras_hub"], BLOCK),
        "positions": Flag(Literal["end", "start", "rotary"], "how places in a history are told"),
        "position_shift": whole(SHIFT, 0),
        "num_members": whole(MEMBERS, 1),
        "dropout": real("dropout rate", 0, below=1),
        "attention_dropout": real("of attention's shares; where not given, that rate", 0, below=1),
        "l2": real("penalty on item embeddings", 0),
        "dtype": Flag(str, "of Keras, such as mixed_bfloat16"),
    },
    "Training": {
        "recipe": Flag(str, START),
        "loss": Flag(Literal["bce", "gbce", "sampled_softmax", "softmax"], LOSS),
        "epochs": whole("most passes over the data", 1),
        "patience": whole(PATIENCE, 1),
        "batch_size": whole("mean users a batch", 1),
        "learning_rate": real("of Adam", 0),
        "schedule": Flag(Literal["constant", "cosine"], "of the rate; cosine ends at 0"),
        "warmup_epochs": whole("in which a cosine first rises from 0", 0),
        "weight_decay": real("of AdamW", 0),
        "ema_momentum": real("of averaged weights, which are kept instead; 0: none", 0, below=1),
        "seed": whole("of negatives and training", 0),
    },
}


@command(PANELS, {**MODEL, **TRAINING, "loss": TRAINING["loss"]["name"], **PREPARE})
def train(arguments: Any, screen: Screen) -> None:
    """Train a model on ratings and save it."""
    start = time.perf_counter()
    require_writable("--output", arguments.output, (".keras",))
    recipe = _recipe(arguments)
    movies = reading.read_titles(arguments, recipe.prepare.get("item", PREPARE["item"]), screen)
    data = reading.prepared(recipe, arguments.ratings, screen)
    from sasrec_fast.cli import display

    titles = display.titles_of(movies)
    untitled = sum(item not in titles for item in data.items.ids.tolist())
    if movies is not None and untitled:
        have = "item has" if untitled == 1 else "items have"
        screen.say(f"note: {untitled:,} {have} no title in {arguments.movies}\n")
    load_keras(screen)
    from sasrec_fast.model import save_model

    def saved(model: Any, best: int) -> str:
        save_model(model, arguments.output, data)
        how = "with --resume FOLDER a run can go on" if arguments.resume is None else GOES_ON
        return f"{arguments.output} has the weights of epoch {best}, the best so far; {how}"

    done = run(recipe, data, callback=Drawing(screen, saved), folder=arguments.resume)
    with screen.step(f"saving {arguments.output}"):
        save_model(done.model, arguments.output, data)
    screen.say(display.tested(done, {}) + "\n")
    screen.say(display.first_user(done.model, data, titles, hide_last=False))
    screen.say(f"\ndone in {seconds(time.perf_counter() - start)}")


def _recipe(arguments: Any) -> Recipe:
    """The recipe asked for, or the defaults, with the options given.

    Raises:
        ValueError: There is no such recipe, or options do not go together.
    """
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    name = given.pop("recipe", None)
    if name is not None and name not in RECIPES:
        raise ValueError(f"--recipe {name}: the recipes are {', '.join(RECIPES)}")
    recipe = RECIPES[name] if name else Recipe()
    if not name and "num_negatives" in given:
        given.setdefault("loss", "bce")
    loss = dict(recipe.training.loss)
    if given.get("loss", loss["name"]) != loss["name"]:
        loss = {"name": given["loss"]}
        if loss["name"] == "sampled_softmax":  # proposes items as often as training has them
            loss["item_counts"] = "train"
    if loss["name"] == "softmax" and "num_negatives" in given:
        raise ValueError("--num-negatives: softmax looks at every item and takes none")
    if loss["name"] == "sampled_softmax" and "num_negatives" in given:
        loss["num_negatives"] = given.pop("num_negatives")
    recipe = recipe.changed(
        {name: given[name] for name in given if name in PREPARE} | reading.columns(arguments),
        {name: given[name] for name in given if name in PANELS["Model"]},
        {name: given[name] for name in given if name in TRAINING} | {"loss": loss},
    )
    width, heads = ({**MODEL, **recipe.model}[name] for name in ("hidden_dim", "num_heads"))
    if width % heads:
        raise ValueError(f"--hidden-dim {width} is not divisible by --num-heads {heads}")
    return recipe
