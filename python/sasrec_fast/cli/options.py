"""Options of commands as tables, a line each, from which typer makes the command line."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from inspect import Parameter, Signature
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from sasrec_fast.recipes import Training

if TYPE_CHECKING:
    from sasrec_fast.cli.screen import Screen

METAVARS = {Path: "PATH", int: "N", float: "X", str: "NAME", list[int]: "N...", list[str]: "ID..."}
_NEGATIVE = re.compile(r"-\d+")


@dataclass(frozen=True)
class Flag:
    """An option, or an argument by position.

    Attributes:
        kind: Its type; several values are a list.
        text: What it is, for the help.
        default: ... where it is required.
        parse: Makes a value, or each of several, of its text.
        positional: Whether it is an argument.
    """

    kind: Any
    text: str
    default: Any = None
    parse: Callable[[Any], Any] | None = None
    positional: bool = False

    def parameter(self, name: str, panel: str, defaults: Mapping[str, Any]) -> Parameter:
        """What typer takes; the default is in the help, be it that of what it is handed on to."""
        default = defaults.get(name) if self.default is None else self.default
        shown = all(default is not none for none in (None, ..., False))
        text = f"{self.text} (default: {default})" if shown else self.text
        make, names = (typer.Argument, ()) if self.positional else (typer.Option, (_option(name),))
        info = make(
            self.default,
            *names,
            help=text,
            show_default=False,
            metavar=name.upper() if self.positional else METAVARS.get(self.kind),
            parser=self.parse,
            rich_help_panel=panel,
        )
        return Parameter(name, Parameter.KEYWORD_ONLY, default=info, annotation=self.kind)


class Command(TyperCommand):
    """Takes several values after one option, as in `--users 1 2 3`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the names of such options, as typer wants it."""
        several = {_option(p.name) for p in self.params if getattr(p, "multiple", False)}
        repeated: list[str] = []
        option = ""
        for text in args:
            if text.startswith("-") and not _NEGATIVE.fullmatch(text):
                option = text if text in several else ""
            elif option and repeated[-1] != option:
                repeated.append(option)
            repeated.append(text)
        return super().parse_args(ctx, repeated)


def command(
    panels: Mapping[str, Mapping[str, Flag]], defaults: Mapping[str, Any] | None = None
) -> Callable[[Callable[[Any, Screen], None]], Callable[..., None]]:
    """Make a typer command of a function of its arguments and of what it prints on.

    Args:
        panels: Options by name, by the heading they have in the help.
        defaults: What holds for an option that is not given, for the help.
    """

    def decorate(function: Callable[[Any, Screen], None]) -> Callable[..., None]:
        def run(context: typer.Context, **given: Any) -> None:
            function(SimpleNamespace(**given), context.obj)

        context = Parameter("context", Parameter.POSITIONAL_ONLY, annotation=typer.Context)
        flags = (
            flag.parameter(name, panel, defaults or {})
            for panel, flags in panels.items()
            for name, flag in flags.items()
        )
        run.__signature__ = Signature([context, *flags])  # type: ignore[attr-defined]
        run.__name__, run.__doc__ = function.__name__, function.__doc__
        return run

    return decorate


def whole(text: str, least: int, default: Any = None, kind: Any = int) -> Flag:
    """An option that is an integer from the least on, or several of them."""
    return Flag(kind, text, default, lambda typed: _number(typed, int, least))


def real(text: str, least: float = -math.inf, below: float = math.inf) -> Flag:
    """An option that is a number in [least, below)."""
    return Flag(float, text, parse=lambda typed: _number(typed, float, least, below))


def _number(typed: Any, kind: Any, least: float, below: float = math.inf) -> Any:
    try:
        value = kind(typed)
    except ValueError:
        value = math.nan
    if not (least <= value < below and math.isfinite(value)):
        bounds = [f"from {least:g}"] * (least > -math.inf) + [f"below {below:g}"] * (
            below < math.inf
        )
        allowed = " ".join(["an integer" if kind is int else "a number", *bounds])
        raise typer.BadParameter(f"{typed!r}, expected {allowed}")
    return value


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _defaults(file: str, function: str) -> dict[str, Any]:
    """Defaults of a function's arguments, where they are literals, read from its source.

    Importing it would bring in pandas, or even Keras, just to print a help text.
    """
    tree = ast.parse((Path(__file__).parents[1] / file).read_text(encoding="utf-8"))
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    signature = next(node.args for node in found if node.name == function)
    named = signature.args[len(signature.args) - len(signature.defaults) :] + signature.kwonlyargs
    values = [*signature.defaults, *signature.kw_defaults]
    return {a.arg: getattr(v, "value", None) for a, v in zip(named, values, strict=True) if v}


PREPARE = {
    name: default
    for name, default in _defaults("preparing/preparation.py", "prepare").items()
    if name not in ("output", "max_bytes")  # where data goes; `--output` is that of the command
}
"""Defaults of `prepare` by name; None where they are no literal."""
MODEL = _defaults("model/sasrec.py", "__init__")
"""Those of `SASRec`."""
TRAINING: Mapping[str, Any] = asdict(Training())
"""Those of `Training`."""

RATINGS = Flag(
    Path,
    "a file or folder of .parquet, .csv, .tsv, .dat (user::item::rating::timestamp) or .jsonl "
    "(JSON lines), text also as .gz or .zip; or .txt, .txt.gz: a user and its items a line",
    ...,
)
MOVIES = Flag(Path, ".dat (item::title::genres), or another with named columns, for titles")
TITLE = Flag(str, "of titles, in --movies", "title")
TRAINED_MODEL = Flag(Path, "a .keras file saved by train", ...)
COLUMNS = {
    "user": Flag(str, "of user ids"),
    "item": Flag(str, "of item ids"),
    "timestamp": Flag(str, "of timestamps; none: rows are in time order"),
    "rating": Flag(str, "of ratings, for a least rating"),
    "title": TITLE,
}
AS_TRAINED = {"Columns (names, or positions from 0), as in training unless given": COLUMNS}
