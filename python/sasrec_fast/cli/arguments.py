"""The arguments of every command, checked as far as they can be without data."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import sasrec_fast
from sasrec_fast.cli import demo, evaluate, recommend, reproduce, train
from sasrec_fast.recipes import DEFAULT, RECIPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DESCRIPTION = "Sequential recommendation with SASRec: ratings in, recommendations out."


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with code 2."""
        print(f"{self.prog}: error: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


class HelpFormatter(argparse.HelpFormatter):
    """Shows a default where there is one to show."""

    def _get_help_string(self, action: argparse.Action) -> str:
        if action.default in (None, argparse.SUPPRESS) or action.default is False:
            return str(action.help)
        return f"{action.help} (default: %(default)s)"


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The checked arguments; `run` is the function of the command."""
    parser = Parser(prog="sasrec-fast", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument(
        "--version", action="version", version=f"sasrec-fast {sasrec_fast.__version__}"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_train(commands)
    _add_recommend(commands)
    _add_evaluate(commands)
    _add_reproduce(commands)
    return parser.parse_args(argv)


def _add_command(
    commands: Any, name: str, run: Callable[..., None], summary: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        allow_abbrev=False,
        formatter_class=HelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def _add_demo(commands: Any) -> None:
    command = _add_command(
        commands, "demo", demo.run, "train on made-up data and compare with the best possible"
    )
    command.add_argument(
        "--epochs", type=_integer(1), metavar="N", default=24, help="passes over the data"
    )
    command.add_argument(
        "--seed", type=_integer(0), metavar="N", default=0, help="of data and training"
    )


def _add_train(commands: Any) -> None:
    command = _add_command(
        commands, "train", train.run, "train a model on a file of ratings and save it"
    )
    files = command.add_argument_group("files")
    _add_files(files)
    files.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        default=Path("model.keras"),
        help="where the model is saved",
    )
    _add_columns(command, defaults=True)
    _add_preparation(command.add_argument_group("preparation"))
    _add_model(command.add_argument_group("model"))
    _add_training(command.add_argument_group("training"))


def _add_recommend(commands: Any) -> None:
    command = _add_command(
        commands, "recommend", recommend.run, "recommend items with a model saved by train"
    )
    files = command.add_argument_group("files")
    _add_model_file(files)
    _add_files(files, ratings_required=False)
    files.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="a .parquet or .csv file for the recommendations, instead of printing them",
    )
    whom = command.add_argument_group("for whom").add_mutually_exclusive_group(required=True)
    whom.add_argument(
        "--users",
        nargs="+",
        metavar="ID",
        help="user ids, separated by spaces or commas, with their histories in --ratings",
    )
    whom.add_argument(
        "--history",
        nargs="+",
        metavar="ID",
        help="item ids, oldest first, separated by spaces or commas; needs no --ratings",
    )
    whom.add_argument("--all", action="store_true", help="every user in --ratings; needs --output")
    command.add_argument(
        "--k", type=_integer(1), metavar="N", default=10, help="items for each user"
    )
    command.add_argument(
        "--include-seen", action="store_true", help="also recommend items of the user's history"
    )
    _add_columns(command, defaults=False)


def _add_reproduce(commands: Any) -> None:
    command = _add_command(
        commands, "reproduce", reproduce.run, "run a recipe and compare with what was published"
    )
    command.add_argument(
        "recipe",
        nargs="?",
        choices=tuple(RECIPES),
        default=DEFAULT,
        metavar="RECIPE",
        help=f"one of {', '.join(RECIPES)}",
    )
    command.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help=f"the folder of data, or a file of other data; default: ${reproduce.FOLDER_VARIABLE}",
    )
    command.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="for results and models (default: reproduced/RECIPE); a run that was interrupted "
        "goes on from there",
    )
    command.add_argument(
        "--seeds", nargs="+", type=_integer(0), metavar="N", help="one run each (default: 0)"
    )
    command.add_argument(
        "--smoke", action="store_true", help="a small version on made-up data, within two minutes"
    )


def _add_evaluate(commands: Any) -> None:
    command = _add_command(
        commands, "evaluate", evaluate.run, "measure a model saved by train on held-out ratings"
    )
    files = command.add_argument_group("files")
    _add_model_file(files)
    _add_files(files)
    files.add_argument(
        "--output", type=Path, metavar="PATH", help="a .json file for what is printed"
    )
    files.add_argument(
        "--plots", type=Path, metavar="DIR", help="a folder for plots as .png; needs matplotlib"
    )
    command.add_argument(
        "--split",
        choices=("test", "validation"),
        default="test",
        help="each user's last item, or the one before",
    )
    command.add_argument(
        "--k",
        type=_integer(1),
        nargs="+",
        metavar="N",
        default=[1, 5, 10, 20],
        help="cut-offs of hit rate and NDCG",
    )
    _add_columns(command, defaults=False)


def _add_model_file(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model", type=Path, metavar="PATH", required=True, help="a .keras file saved by train"
    )


def _add_files(group: argparse._ArgumentGroup, *, ratings_required: bool = True) -> None:
    group.add_argument(
        "--ratings",
        type=Path,
        metavar="PATH",
        required=ratings_required,
        help=".dat (user::item::rating::timestamp), or .csv or .tsv with a header",
    )
    group.add_argument(
        "--movies",
        type=Path,
        metavar="PATH",
        help=".dat (item::title::genres), or .csv or .tsv with a header, for titles",
    )


def _add_columns(command: argparse.ArgumentParser, *, defaults: bool) -> None:
    """Column names; those of a model file hold where there are no defaults, unless given."""
    group = command.add_argument_group(
        "columns of .csv and .tsv files", None if defaults else "As in training, unless given."
    )
    names = {"user": "user_id", "item": "item_id", "timestamp": "timestamp", "rating": "rating"}
    for name, column in names.items():
        group.add_argument(
            f"--{name}",
            metavar="COLUMN",
            default=column if defaults else None,
            help=f"of {name} ids" if name in ("user", "item") else f"of {name}s",
        )
    group.add_argument("--title", metavar="COLUMN", default="title", help="of titles, in --movies")


def _add_preparation(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--min-rating", type=_number(), metavar="X", help="keep ratings from this one on"
    )
    group.add_argument(
        "--min-user-interactions",
        type=_integer(1),
        metavar="N",
        default=3,
        help="drop users with fewer",
    )
    group.add_argument(
        "--min-item-interactions",
        type=_integer(1),
        metavar="N",
        default=1,
        help="drop items with fewer; users and items in turn, until all have enough",
    )
    group.add_argument(
        "--duplicates",
        choices=("keep", "first", "last"),
        default="keep",
        help="ratings of one item by one user: keep all, or the first or last in time",
    )
    group.add_argument(
        "--ties",
        choices=("input", "hash"),
        default="input",
        help="order of equal timestamps: that of the file, or of a hash of the item",
    )
    group.add_argument(
        "--max-sequence-length",
        type=_integer(1),
        metavar="N",
        default=100,
        help="most items the model looks at",
    )
    group.add_argument(
        "--num-negatives",
        type=_integer(1),
        metavar="N",
        default=8,
        help="random items against each target",
    )


def _add_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--hidden-dim", type=_integer(1), metavar="N", default=50, help="width")
    group.add_argument(
        "--num-layers", type=_integer(0), metavar="N", default=2, help="Transformer blocks"
    )
    group.add_argument(
        "--num-heads", type=_integer(1), metavar="N", default=1, help="attention heads"
    )
    group.add_argument(
        "--dropout", type=_number(0, below=1), metavar="X", default=0.2, help="dropout rate"
    )
    group.add_argument(
        "--l2", type=_number(0), metavar="X", default=0.0, help="penalty on item embeddings"
    )


def _add_training(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--epochs", type=_integer(1), metavar="N", default=100, help="most passes over the data"
    )
    group.add_argument(
        "--patience",
        type=_integer(1),
        metavar="N",
        default=10,
        help="stop after so many epochs without a better validation NDCG@10",
    )
    group.add_argument(
        "--batch-size", type=_integer(1), metavar="N", default=64, help="mean users a batch"
    )
    group.add_argument(
        "--learning-rate",
        type=_number(0),
        metavar="X",
        default=2e-3,
        help="of Adam with beta_2 = 0.98",
    )
    group.add_argument(
        "--seed", type=_integer(0), metavar="N", default=0, help="of negatives and training"
    )


def _integer(least: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r}, expected an integer from {least}")
        return value

    return integer


def _number(least: float = -math.inf, below: float = math.inf) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (least <= value < below and math.isfinite(value)):
            bounds = [f"from {least:g}"] * (least > -math.inf) + [f"below {below:g}"] * (
                below < math.inf
            )
            raise argparse.ArgumentTypeError(
                f"{text!r}, expected a number {' '.join(bounds)}".rstrip()
            )
        return value

    return number
