"""The commands gathered, and what ends one: a code, and a line on stderr where it failed."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

import sasrec_fast
from sasrec_fast.cli import interrupts
from sasrec_fast.cli.demo import demo
from sasrec_fast.cli.evaluate import evaluate
from sasrec_fast.cli.options import Command
from sasrec_fast.cli.recommend import recommend
from sasrec_fast.cli.reproduce import reproduce
from sasrec_fast.cli.screen import Screen
from sasrec_fast.cli.train import train

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "sasrec-fast"
UsageError: Any = typer.BadParameter.__base__  # which typer does not name
BAD_INPUT = 2
INTERRUPTED = 130
BROKEN_PIPE = 141

app = typer.Typer(add_completion=False)
for command in (demo, train, recommend, evaluate, reproduce):
    app.command(cls=Command)(command)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"{NAME} {sasrec_fast.__version__}")
        raise typer.Exit


@app.callback()
def _describe(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Sequential recommendation with SASRec: ratings in, recommendations out."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments without the program's name; those of the process where None.

    Returns:
        0, or 130 after Ctrl-C, or 2 for input that cannot be used, with one line on stderr; 1 where
        a recipe misses what it must reach, 141 where nobody reads on.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a title is no reason to stop
    screen = Screen(sys.stdout)
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with interrupts.remembered(), screen:
            _run(arguments, screen)
    except typer.Exit as end:
        return int(end.exit_code)
    except UsageError as failure:
        path = failure.ctx.command_path if failure.ctx else NAME
        message = failure.format_message().removesuffix(".")
        return _fail(f"{path}: error: {message} (see {path} --help)", BAD_INPUT)
    except KeyboardInterrupt:
        return _fail(f"{NAME}: interrupted", INTERRUPTED)
    except BrokenPipeError:  # as in `| head`; the interpreter would complain when it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (ValueError, KeyError, OSError) as failure:
        reason = failure.args[0] if isinstance(failure, KeyError) else failure
        return _fail(f"{NAME}: error: {reason}", BAD_INPUT)
    return 0


def _run(arguments: list[str], screen: Screen) -> None:
    """As `app()`, which would end the process itself, with codes of its own."""
    group = typer.main.get_command(app)
    with group.make_context(NAME, arguments, obj=screen) as context:
        group.invoke(context)


def _fail(message: str, code: int) -> int:
    print(" ".join(message.split()), file=sys.stderr, flush=True)
    return code
