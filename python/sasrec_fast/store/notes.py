"""Warnings that point at the line of the caller, however deep the package is in its own code."""

import sys
import warnings
from pathlib import Path

_PACKAGE = str(Path(__file__).parents[1] / "_")[:-1]


def note(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the first line outside this package that led here."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
