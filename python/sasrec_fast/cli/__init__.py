"""The command line, `sasrec-fast demo | train | recommend | evaluate | reproduce`."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

from sasrec_fast.cli import interrupts
from sasrec_fast.cli.arguments import parse
from sasrec_fast.cli.keras_loading import without_tensorflow
from sasrec_fast.cli.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

BAD_INPUT = 2
INTERRUPTED = 130
BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments without the program's name; those of the process where None.

    Returns:
        0, or 130 after Ctrl-C, or 2 for input that cannot be used, with one line on stderr.

    Raises:
        SystemExit: After --help and --version (code 0), for wrong arguments (code 2), and where a
            recipe misses what it must reach (code 1).
    """
    arguments = parse(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a title is no reason to stop
    screen = Screen(sys.stdout)
    try:
        with interrupts.remembered(), without_tensorflow():
            arguments.run(arguments, screen)
    except KeyboardInterrupt:
        return _fail("interrupted", screen, INTERRUPTED)
    except BrokenPipeError:  # as in `| head`; the interpreter would complain when it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (ValueError, KeyError, OSError) as failure:
        message = failure.args[0] if isinstance(failure, KeyError) else failure
        return _fail(f"error: {' '.join(str(message).split())}", screen, BAD_INPUT)
    return 0


def _fail(message: str, screen: Screen, code: int) -> int:
    screen.end_line()
    print(f"sasrec-fast: {message}", file=sys.stderr, flush=True)
    return code
