"""Item ids and counts as files inside a saved model."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.store import Vocabulary

VOCABULARY = "items.json"
COUNTS = "item_counts.npy"


def save_vocabulary(items: Vocabulary, directory: str) -> None:
    """Write the vocabulary's ids in index order (an identity vocabulary's size alone)."""
    if items.is_identity:
        content: dict[str, object] = {"identity": len(items)}
    else:
        dtype = "str" if items.ids.dtype.kind in "OU" else str(items.ids.dtype)
        content = {"dtype": dtype, "ids": items.ids.tolist()}
    Path(directory, VOCABULARY).write_text(json.dumps(content), encoding="utf-8")


def load_vocabulary(directory: str | None) -> Vocabulary | None:
    """Read the vocabulary that `save_vocabulary` wrote; None where there is none."""
    if directory is None or not (path := Path(directory, VOCABULARY)).exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    if "identity" in content:
        return Vocabulary.identity(content["identity"])
    dtype = object if content["dtype"] == "str" else content["dtype"]
    return Vocabulary(np.array(content["ids"], dtype=dtype))


def save_counts(counts: NDArray[np.int64], directory: str) -> None:
    """Write the interactions of each item index."""
    np.save(Path(directory, COUNTS), counts, allow_pickle=False)


def load_counts(directory: str | None) -> NDArray[np.int64] | None:
    """Read what `save_counts` wrote; None where there is nothing."""
    if directory is None or not (path := Path(directory, COUNTS)).exists():
        return None
    counts: NDArray[np.int64] = np.load(path, allow_pickle=False)
    return counts
