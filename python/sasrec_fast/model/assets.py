"""Item ids and counts as files inside a saved model."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.store import Vocabulary

VOCABULARY = "items.json"
COUNTS = "item_counts.npy"


def save_assets(items: Vocabulary | None, counts: NDArray[np.int64] | None, directory: str) -> None:
    """Write the ids in index order (an identity vocabulary's size alone), and the counts."""
    if items is not None:
        content: dict[str, object] = {"identity": len(items)}
        if not items.is_identity:
            dtype = "str" if items.ids.dtype.kind in "OU" else str(items.ids.dtype)
            content = {"dtype": dtype, "ids": items.ids.tolist()}
        Path(directory, VOCABULARY).write_text(json.dumps(content), encoding="utf-8")
    if counts is not None:
        np.save(Path(directory, COUNTS), counts, allow_pickle=False)


def load_assets(directory: str | None) -> tuple[Vocabulary | None, NDArray[np.int64] | None]:
    """Read what `save_assets` wrote; None for what there is not."""
    items = counts = None
    if directory is not None and (path := Path(directory, VOCABULARY)).exists():
        content = json.loads(path.read_text(encoding="utf-8"))
        if "identity" in content:
            items = Vocabulary.identity(content["identity"])
        else:
            dtype = object if content["dtype"] == "str" else content["dtype"]
            items = Vocabulary(np.array(content["ids"], dtype=dtype))
    if directory is not None and (path := Path(directory, COUNTS)).exists():
        counts = np.load(path, allow_pickle=False)
    return items, counts
