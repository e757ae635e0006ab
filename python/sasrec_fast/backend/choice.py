"""Chooses the Keras backend before keras is first imported.

The choice is JAX unless the user has made one: the KERAS_BACKEND environment variable, a keras
already imported, or a `keras.json` that names torch or openvino. A `keras.json` that says
"tensorflow" is no choice: Keras writes that file by itself on first import.
"""

import json
import os
import sys
import warnings
from pathlib import Path


def _configured_backend() -> str | None:
    """The backend named in the user's keras.json, or None."""
    folder = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        config = json.loads((Path(folder) / "keras.json").read_text())
    except (OSError, ValueError):
        return None
    backend = config.get("backend") if isinstance(config, dict) else None
    return backend if isinstance(backend, str) else None


def choose_backend() -> None:
    """Set KERAS_BACKEND to "jax" unless the user has chosen a backend."""
    if "keras" in sys.modules or os.environ.get("KERAS_BACKEND"):
        return
    if _configured_backend() in (None, "tensorflow"):
        os.environ["KERAS_BACKEND"] = "jax"


def warn_of_default_backend() -> None:
    """Warn where keras was imported first and runs on TensorFlow, which nobody has chosen."""
    import keras

    if keras.backend.backend() == "tensorflow" and not os.environ.get("KERAS_BACKEND"):
        warnings.warn(
            "Keras was imported before sasrec_fast and runs on TensorFlow, its default; "
            "sasrec_fast is made for JAX: import sasrec_fast first, or set KERAS_BACKEND=jax",
            stacklevel=2,
        )
