"""The command line, `sasrec-fast demo | train | recommend | evaluate | reproduce | export`."""

from sasrec_fast.cli.app import main

__all__ = ["main"]
