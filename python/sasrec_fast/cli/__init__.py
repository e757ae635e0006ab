"""The command line, `sasrec-fast demo | train | recommend | serve | evaluate | ...`."""

from sasrec_fast.cli.app import main

__all__ = ["main"]
