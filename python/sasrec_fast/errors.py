"""The exception for data that cannot be used, the warning for data to be careful with.

And how messages show what was found: values are cut, since one may be as long as a file; and where
warnings point: at the line of the caller, however deep the package is in its own code.
"""

import sys
import warnings
from pathlib import Path
from typing import Any

_LONGEST_SHOWN = 80
_PACKAGE = str(Path(__file__).parent / "_")[:-1]


class DataError(ValueError):
    """Interactions, a file or an id column cannot be used; the message says what, where and why."""


class DataWarning(UserWarning):
    """Something in the interactions changes what results mean; the message says what and how much.

    `warnings.simplefilter("ignore", sasrec_fast.DataWarning)` silences it.
    """


def cut(text: object, most: int = _LONGEST_SHOWN) -> str:
    """The text, such as the name of a column, without its end where it is long."""
    text = str(text)
    return text if len(text) <= most else text[: most - 3] + "..."


def shorten(value: Any, most: int = _LONGEST_SHOWN) -> str:
    """The value as Python writes it, cut where it is long; its kind where Python does not."""
    if isinstance(value, str):
        return repr(cut(value, most))
    try:
        text = repr(value)
    except Exception:  # a huge int, or an object of another library
        return f"a {type(value).__name__}"
    return text if len(text) <= most else f"{text[:most]}..."


def note(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the first line outside this package that led here."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
