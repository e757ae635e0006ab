"""Sizes of a SASRec: those that its config asks for, and those that its weights have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sasrec_fast import checks
from sasrec_fast.store import MAX_ITEMS, unpacked

_OVERHEAD = 1 << 26
_LONGEST_UNBACKED = 1 << 20
"""Rotary positions have no weights that say how many there are; attention takes their square."""


@dataclass(frozen=True)
class Sizes:
    """What decides the shapes of the weights."""

    vocabulary_size: int
    num_layers: int
    num_members: int
    max_sequence_length: int
    hidden_dim: int
    feed_forward_dim: int
    is_rotary: bool
    is_tied: bool

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Sizes:
        """Those of a config, each within what any model can have.

        Raises:
            TypeError: One is no integer.
            ValueError: One is out of range.
        """

        def size(name: str, least: int, most: int) -> int:
            return checks.integer(name, config.get(name), least, most)

        rotary = config.get("positions") == "rotary"
        hidden = size("hidden_dim", 1, 1 << 24)
        size("num_heads", 1, hidden)
        if config.get("feed_forward_dim") is None:
            wide = hidden * (4 if config.get("block") == "ligr" else 1)
        else:
            wide = size("feed_forward_dim", 1, 1 << 24)
        return cls(
            vocabulary_size=size("vocabulary_size", 2, MAX_ITEMS + 1),
            num_layers=size("num_layers", 0, 1 << 20),
            num_members=checks.integer("num_members", config.get("num_members", 1), 1, 1 << 20),
            max_sequence_length=size(
                "max_sequence_length", 1, _LONGEST_UNBACKED if rotary else 2**31 - 1
            ),
            hidden_dim=hidden,
            feed_forward_dim=wide,
            is_rotary=rotary,
            is_tied=config.get("tie_embeddings") is not False,
        )

    @property
    def vector_dim(self) -> int:
        """Width of tables."""
        return self.num_members * self.hidden_dim

    @property
    def blocks(self) -> int:
        """Of all members."""
        return self.num_members * self.num_layers

    @property
    def _tables(self) -> int:
        rows = self.vocabulary_size * (1 if self.is_tied else 2)
        return self.vector_dim * (rows + (0 if self.is_rotary else self.max_sequence_length))

    def require_bytes(self, found: int) -> None:
        """Refuse weights of which these sizes would make far fewer or more bytes.

        From 1 byte a weight (quantised) to 8, and up to 6 copies: an optimizer keeps some.
        """
        block = 2 * self.hidden_dim * self.feed_forward_dim
        least = self._tables + self.blocks * block
        per_layer = 2 * block + 8 * self.hidden_dim**2 + 64 * (self.hidden_dim + 64)
        most = _OVERHEAD + 48 * (self._tables + self.blocks * per_layer)
        if not least <= found <= most:
            raise ValueError(
                f"its weights have {found:,} bytes, but a model of vocabulary_size="
                f"{self.vocabulary_size:,}, hidden_dim={self.hidden_dim:,}, num_layers="
                f"{self.num_layers:,} and max_sequence_length={self.max_sequence_length:,} has "
                f"{least:,} to {most:,}"
            )


def require_weights(file: Any, sizes: Sizes) -> None:
    """Refuse weights of other shapes, and arrays of which the file holds no more than a header.

    Args:
        file: An HDF5 file, opened.
        sizes: What the config asks for.

    Raises:
        ValueError: Names the array.
    """
    import h5py  # type: ignore[import-untyped]

    shapes: Counter[tuple[int, ...]] = Counter()

    def look(name: str, part: Any) -> None:
        if not isinstance(part, h5py.Dataset):
            return
        if part.id.get_storage_size() != part.nbytes or part.is_virtual or part.external:
            raise ValueError(f"{name} of its weights is not all in the file")
        if part.dtype.kind not in "fiubV" or part.dtype.hasobject:
            raise ValueError(f"{name} of its weights holds {part.dtype}, expected numbers")
        if not name.startswith("optimizer/"):
            shapes[part.shape] += 1

    with h5py.File(file, "r") as opened:
        opened.visititems(look)
    expected = Counter({(sizes.vocabulary_size, sizes.vector_dim): 1 if sizes.is_tied else 2})
    if not sizes.is_rotary:
        expected[sizes.max_sequence_length, sizes.vector_dim] += 1
    expected[sizes.hidden_dim, sizes.feed_forward_dim] += sizes.blocks
    for shape, count in expected.items():
        if shapes[shape] < count:
            raise ValueError(
                f"the config asks for {count} arrays of shape {shape}, its weights have "
                f"{shapes[shape]}"
            )


def require_packed(content: Mapping[str, Any], sizes: Sizes) -> None:
    """Refuse packed candidates and counts of another length than there are items."""
    candidates = content["config"].get("candidates")
    if candidates is not None:
        bits = _unpacked("candidates", candidates, -(-sizes.vocabulary_size // 8))
        mask = np.unpackbits(np.frombuffer(bits, np.uint8))
        if mask[0] or not mask.any() or mask[sizes.vocabulary_size :].any():
            raise ValueError("candidates of the config are no items of the model")
    loss = (content.get("compile_config") or {}).get("loss")
    options = loss.get("config") if isinstance(loss, dict) else None
    counts = options.get("item_counts") if isinstance(options, dict) else None
    if isinstance(counts, str):
        packed = _unpacked("item_counts", counts, 8 * sizes.vocabulary_size)
        if np.frombuffer(packed, np.int64).min() < 0:
            raise ValueError("item_counts of the loss are negative")


def _unpacked(name: str, text: Any, length: int) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"{name} must be text, received {checks.received(text)}")
    try:
        return unpacked(text, length)
    except ValueError as failure:
        raise ValueError(f"{name} of the file is damaged: {failure}") from None
