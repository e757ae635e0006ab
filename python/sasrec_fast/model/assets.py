"""Item ids and counts as files inside a saved model, bound to its weights by digests."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.columns import Clock
from sasrec_fast.store import MAX_ITEMS, Vocabulary

VOCABULARY = "items.json"
COUNTS = "item_counts.npy"
CLOCK = "clock.json"
DESCRIBED = "described.npy"
BINDING = "binding.json"
_DTYPES = ("str", "int64", "uint64")


@dataclass(frozen=True)
class Assets:
    """What is saved beside the weights.

    Attributes:
        items: The item ids.
        counts: Interactions of each item index.
        weights: Digest of the weights they belong to; None where a file does not say.
        clock: How timestamps become seconds, for a model that looks at times.
        described: Which item indices need no interaction.
    """

    items: Vocabulary | None = None
    counts: NDArray[np.int64] | None = None
    weights: str | None = None
    clock: Clock | None = None
    described: NDArray[np.bool_] | None = None


def digest_of_weights(weights: Iterable[Any]) -> str:
    """SHA-256 of the weights' values; states of random generators are none."""
    total = hashlib.sha256()
    for weight in weights:
        if keras.backend.is_float_dtype(weight.dtype):
            values = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
            total.update(f"{values.dtype.name} {list(values.shape)}\n".encode("ascii"))
            total.update(values.view(np.uint8).data if values.size else b"")
    return total.hexdigest()


def save_assets(assets: Assets, directory: str) -> None:
    """Write the ids in index order (an identity vocabulary's size alone), and the counts."""
    items, binding = assets.items, {"weights": assets.weights}
    if items is not None:
        content: dict[str, object] = {"identity": len(items)}
        if not items.is_identity:
            dtype = "str" if items.ids.dtype.kind in "OU" else str(items.ids.dtype)
            content = {"dtype": dtype, "ids": items.ids.tolist()}
        Path(directory, VOCABULARY).write_text(json.dumps(content), encoding="utf-8")
    if assets.counts is not None:
        np.save(Path(directory, COUNTS), assets.counts, allow_pickle=False)
    if assets.clock is not None:
        text = json.dumps(assets.clock.to_dict())
        Path(directory, CLOCK).write_text(text, encoding="utf-8")
    if assets.described is not None:
        np.save(Path(directory, DESCRIBED), assets.described, allow_pickle=False)
    there = {CLOCK: assets.clock, DESCRIBED: assets.described}
    for name in (VOCABULARY, COUNTS, CLOCK, DESCRIBED):
        if name not in there or there[name] is not None:
            binding[name] = _digest(Path(directory, name))
    Path(directory, BINDING).write_text(json.dumps(binding), encoding="utf-8")


def load_assets(directory: str | None, vocabulary_size: int) -> Assets:
    """Read what `save_assets` wrote; None for what there is not.

    Files of earlier versions bind nothing.

    Raises:
        ValueError: They are not those that were saved together, or no ids and counts.
        TypeError: Values of another kind.
    """
    if directory is None:
        return Assets()
    folder = Path(directory)
    binding: Any = {}
    if (folder / BINDING).exists():
        binding = json.loads((folder / BINDING).read_text(encoding="utf-8"))
        if not isinstance(binding, dict) or not isinstance(binding.get("weights"), str):
            raise ValueError(f"{BINDING} is {checks.received(binding)}, expected digests")
        for name in (VOCABULARY, COUNTS, CLOCK, DESCRIBED):
            if _digest(folder / name) != binding.get(name):
                raise ValueError(f"{name} is not the one that the model was saved with")
    items = counts = None
    if (folder / VOCABULARY).exists():
        items = _items(json.loads((folder / VOCABULARY).read_text(encoding="utf-8")))
    if (folder / COUNTS).exists():
        counts = _array(folder / COUNTS, vocabulary_size, "<i8")
    clock = None
    if (folder / CLOCK).exists():
        clock = Clock.from_dict(json.loads((folder / CLOCK).read_text(encoding="utf-8")))
    described = None
    if (folder / DESCRIBED).exists():
        described = _array(folder / DESCRIBED, vocabulary_size, "|b1")
    return Assets(items, counts, binding.get("weights"), clock, described)


def _items(content: Any) -> Vocabulary:
    """The vocabulary of what is written of one."""
    if not isinstance(content, dict):
        raise TypeError(f"{VOCABULARY} is {checks.received(content)}, expected a mapping")
    if "identity" in content:
        return Vocabulary.identity(checks.integer("identity", content["identity"], 1, MAX_ITEMS))
    dtype = checks.one_of("dtype of items", content.get("dtype"), _DTYPES)
    ids, kind = content.get("ids"), str if dtype == "str" else int
    if not isinstance(ids, list):
        raise TypeError(f"ids of items are {checks.received(ids)}, expected a list")
    wrong = [value for value in ids if type(value) is not kind]
    if wrong:
        raise TypeError(f"ids of items hold {checks.received(wrong[0])}, expected {dtype}")
    return Vocabulary(np.array(ids, object if dtype == "str" else dtype))


def _array(path: Path, vocabulary_size: int, dtype: str) -> NDArray[Any]:
    """A value for each item index, of which the header is read first: it could ask for any size."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"{path.name} is of version {version}, expected 1")
        found = np.lib.format.read_array_header_1_0(file)
        if found != ((vocabulary_size,), False, np.dtype(dtype)):
            raise ValueError(
                f"{path.name} has shape {found[0]} of {found[2]}, expected ({vocabulary_size},) of "
                f"{np.dtype(dtype)}"
            )
        return np.frombuffer(file.read(), dtype, vocabulary_size)


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
