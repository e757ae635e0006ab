"""Loads the model half of the package, with Keras, quickly and quietly."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sasrec_fast.cli.screen import Screen


def load_keras(screen: Screen) -> None:
    """Import Keras and the model; a step of its own where it was not imported before."""
    if "sasrec_fast.model" not in sys.modules:
        with screen.step("loading Keras"):
            importlib.import_module("sasrec_fast.model")


@contextmanager
def without_tensorflow() -> Iterator[None]:
    """Nothing finds TensorFlow, unless it is the backend chosen or imported already.

    Keras and keras-hub import it wherever it is installed, for text layers and its random seed:
    that is half of the time of loading Keras, 600 MB of memory, and its notes on stderr.
    """
    names = ("tensorflow", "tensorflow_text")
    needed = os.environ.get("KERAS_BACKEND") == "tensorflow"
    hidden = [name for name in names if not needed and name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: no such module
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
