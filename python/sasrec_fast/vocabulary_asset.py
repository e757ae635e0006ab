"""An item vocabulary as a file inside a saved model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sasrec_fast.vocabulary import Vocabulary

FILE_NAME = "items.json"


def save_vocabulary(items: Vocabulary, directory: str) -> None:
    """Write the vocabulary's ids in index order (an identity vocabulary's size alone)."""
    if items.is_identity:
        content: dict[str, object] = {"identity": len(items)}
    else:
        dtype = "str" if items.ids.dtype.kind in "OU" else str(items.ids.dtype)
        content = {"dtype": dtype, "ids": items.ids.tolist()}
    Path(directory, FILE_NAME).write_text(json.dumps(content), encoding="utf-8")


def load_vocabulary(directory: str | None) -> Vocabulary | None:
    """Read the vocabulary that `save_vocabulary` wrote; None where there is none."""
    if directory is None or not (path := Path(directory, FILE_NAME)).exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    if "identity" in content:
        return Vocabulary.identity(content["identity"])
    dtype = object if content["dtype"] == "str" else content["dtype"]
    return Vocabulary(np.array(content["ids"], dtype=dtype))
