"""The commands gathered, and what ends one: a code, and a line on stderr where it failed."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

import sasrec_fast
from sasrec_fast.cli import interrupts
from sasrec_fast.cli.demo import demo
from sasrec_fast.cli.evaluate import evaluate
from sasrec_fast.cli.export import export
from sasrec_fast.cli.options import Command
from sasrec_fast.cli.recommend import recommend
from sasrec_fast.cli.reproduce import reproduce
from sasrec_fast.cli.screen import Screen
from sasrec_fast.cli.serve import serve
from sasrec_fast.cli.sweep import sweep_command
from sasrec_fast.cli.train import train
from sasrec_fast.saving import Terminated, tidy_termination

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "sasrec-fast"
UsageError: Any = typer.BadParameter.__base__  # which typer does not name
BAD_INPUT = 2
INTERRUPTED = 130
BROKEN_PIPE = 141
KNOWN = (ValueError, KeyError, OSError, ImportError)
"""What says in its message what is wrong with the input."""
TRACEBACK = "SASREC_FAST_TRACEBACK"
LONGEST = 2000

app = typer.Typer(add_completion=False)
for command in (demo, train, recommend, export, serve, evaluate, reproduce):
    app.command(cls=Command)(command)
app.command("sweep", cls=Command)(sweep_command)


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
    code = _code(arguments, screen)
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as failure:
        _leave_output()
        return BROKEN_PIPE if isinstance(failure, BrokenPipeError) else code or BAD_INPUT
    return code


def _code(arguments: list[str], screen: Screen) -> int:
    """Run a command, and turn what ends it into a code and a line on stderr."""
    try:
        with tidy_termination(), interrupts.remembered(), screen:
            _run(arguments, screen)
    except typer.Exit as end:
        return int(end.exit_code)
    except UsageError as failure:
        path = failure.ctx.command_path if failure.ctx else NAME
        message = failure.format_message().removesuffix(".")
        return _fail(f"{path}: error: {message} (see {path} --help)", BAD_INPUT)
    except KeyboardInterrupt:
        return _fail(f"{NAME}: interrupted", INTERRUPTED)
    except BrokenPipeError:  # as in `| head`
        _leave_output()
        return BROKEN_PIPE
    except KNOWN as failure:
        reason = failure.args[0] if isinstance(failure, KeyError) and failure.args else failure
        return _fail(f"{NAME}: error: {str(reason) or type(failure).__name__}", BAD_INPUT)
    except MemoryError as failure:
        return _fail(f"{NAME}: error: not enough memory: {failure}", BAD_INPUT)
    except Exception as failure:
        if os.environ.get(TRACEBACK):
            raise
        what = f"{type(failure).__name__}: {failure}"
        return _fail(f"{NAME}: error: {what} ({TRACEBACK}=1 shows where)", BAD_INPUT)
    return 0


def _leave_output() -> None:
    """Write what nobody reads, or what has no place, to nowhere: the interpreter flushes again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str], screen: Screen) -> None:
    """As `app()`, which would end the process itself, with codes of its own."""
    group = typer.main.get_command(app)
    try:
        with group.make_context(NAME, arguments, obj=screen) as context:
            group.invoke(context)
    except Terminated:  # the process ends by the signal
        _fail(f"{NAME}: terminated", 0)
        raise


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    short = line if len(line) <= LONGEST else f"{line[:LONGEST]}..."
    with suppress(OSError):
        print(short, file=sys.stderr, flush=True)
    return code
