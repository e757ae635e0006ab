"""Loads Keras, KerasHub and KerasRS without TensorFlow's start-up notes on standard error.

KerasHub imports TensorFlow for its text layers. Its C++ half writes notes about absent GPUs before
its log level is read, so standard error is held back while the three are imported; whatever is not
such a note is written out afterwards. Importing this module is enough.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator

from sasrec_fast import backend as _backend  # noqa: F401  (chooses the backend first)

_NOTE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|"
    rb"[IW]\d{4} [\d:. ]+ +\d+ \w+\.cc:\d+\]|"
    rb"\d{4}-\d\d-\d\d [\d:.]+: [IW] "
)


@contextlib.contextmanager
def notes_held_back() -> Iterator[None]:
    """Write to standard error, on leaving, what was written to it but TensorFlow's notes."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error to keep quiet
        yield
        return
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush() if sys.stderr else None
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush() if sys.stderr else None
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not _NOTE.match(line):
                    os.write(2, line)


def _load() -> None:
    chosen = bool(os.environ.get("KERAS_BACKEND"))
    with notes_held_back():
        for name in ("keras", "keras_hub", "keras_rs"):
            importlib.import_module(name)
    import keras

    if not chosen and keras.backend.backend() == "tensorflow":
        warnings.warn(
            "Keras was imported before sasrec_fast and runs on TensorFlow, its default; "
            "sasrec_fast is made for JAX: import sasrec_fast first, or set KERAS_BACKEND=jax",
            stacklevel=2,
        )


_load()
