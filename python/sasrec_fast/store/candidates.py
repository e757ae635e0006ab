"""Which items may be recommended, as a mask over item indices."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sasrec_fast import checks
from sasrec_fast.errors import note
from sasrec_fast.store.external import shown
from sasrec_fast.store.given import given_ids, indices_of, kind_note
from sasrec_fast.store.packing import packed, unpacked
from sasrec_fast.store.vocabulary import Vocabulary

Mask = NDArray[np.bool_]


def given_mask(
    name: str, given: Iterable[Any], items: Vocabulary | None, size: int, consequence: str
) -> Mask:
    """The items that a person named, by external ids or by a mask.

    Args:
        name: Of the argument, "candidates" or "exclude".
        given: External item ids, see `given_ids`; or a bool for each item index, [size].
        items: Their vocabulary.
        size: Number of items + 1.
        consequence: What becomes of an unknown id, for the warning.

    Returns:
        bool [size]; index 0, the padding, is never set.

    Raises:
        TypeError: No list of ids.
        ValueError: A mask of another length, ids where there is no vocabulary, or candidates none
            of which is known.

    Warns:
        UserWarning: Unknown ids; says how many, and the first.
    """
    wanted = given_ids(name, given, "item")
    if wanted and all(isinstance(value, bool | np.bool_) for value in wanted):
        return _checked_mask(name, wanted, size)
    if items is None:
        raise ValueError(
            f"{name} are item ids, but no item vocabulary says what they are: make the model with "
            f"items=data.items, or give a mask, bool [{size}]"
        )
    indices = indices_of(name, wanted, items)
    unknown = np.flatnonzero(indices == 0)
    if name == "candidates" and unknown.size == len(wanted):
        received = f"first {shown(wanted[0])}" if wanted else "an empty list"
        kind = kind_note(wanted[0], items, "item") if wanted else ""
        raise ValueError(
            f"none of the {len(wanted)} candidates is a known item, {received}; the items are "
            f"such as {shown(items.ids[0])}{kind}"
        )
    if unknown.size:
        first = wanted[unknown[0]]
        note(
            f"{unknown.size} of {len(wanted)} item ids in {name} are unknown and {consequence}, "
            f"first {shown(first)}{kind_note(first, items, 'item')}"
        )
    mask = np.zeros(size, np.bool_)
    mask[indices] = True
    mask[0] = False
    return mask


def model_candidates(
    candidates: Iterable[Any] | str | None,
    indices: ArrayLike | None,
    items: Vocabulary | None,
    size: int,
) -> Mask:
    """What a model may recommend: of external ids or of item indices, or everything.

    Raises:
        TypeError: Candidates of another kind.
        ValueError: Both are given, ids without a vocabulary, an index out of range, or no
            candidate is left.
    """
    if candidates is None or isinstance(candidates, str):
        if candidates is not None and indices is not None:
            raise ValueError("give candidates (item ids) or candidate_indices, not both")
        return candidate_mask(indices if candidates is None else candidates, size)
    if indices is not None:
        raise ValueError("give candidates (item ids) or candidate_indices, not both")
    mask = given_mask("candidates", candidates, items, size, "are left out")
    if not mask.any():
        raise ValueError("candidates is a mask without any item; at least one is needed")
    return mask


def candidate_mask(candidates: ArrayLike | str | None, vocabulary_size: int) -> Mask:
    """Which item indices may be recommended.

    Args:
        candidates: Item indices from 1 to vocabulary_size - 1 (None: all of them), a bool mask
            of shape [vocabulary_size], or the text that `pack_mask` returns.
        vocabulary_size: Number of items + 1.

    Returns:
        bool [vocabulary_size]; index 0, the padding, is never set.

    Raises:
        ValueError: An index outside 1..vocabulary_size - 1, or no candidate at all.
        TypeError: Candidates that are not integers, or another text.
    """
    mask = np.zeros(vocabulary_size, dtype=np.bool_)
    if candidates is None:
        mask[1:] = True
        return mask
    if isinstance(candidates, str):
        return _unpacked(candidates, vocabulary_size)
    try:
        indices = np.asarray(candidates)
    except ValueError:  # lists of unequal length
        indices = np.asarray(None)
    if indices.dtype == np.bool_ and indices.shape == mask.shape:
        indices = np.flatnonzero(indices)
    if indices.ndim != 1 or indices.size == 0:
        raise ValueError(
            f"candidate_indices has shape {indices.shape}; at least one item index in a flat array "
            "is needed, or None for every item"
        )
    if not np.issubdtype(indices.dtype, np.integer):
        raise TypeError(f"candidate_indices must be integers, received {indices.dtype}")
    outside = (indices < 1) | (indices >= vocabulary_size)
    if outside.any():
        raise ValueError(
            f"candidate_indices holds {int(outside.sum())} indices outside "
            f"1..{vocabulary_size - 1} (vocabulary_size - 1), first {int(indices[outside][0])}"
        )
    mask[indices] = True
    return mask


def pack_mask(mask: Mask) -> str:
    """The mask as short text for a model's config; `candidate_mask` reads it."""
    return packed(np.packbits(mask).tobytes())


def _unpacked(text: str, size: int) -> Mask:
    """The mask that `pack_mask` made text of."""
    try:
        content = unpacked(text, -(-size // 8))
    except ValueError:
        raise TypeError(
            f"candidates must be a list of item ids, received {checks.received(text)}"
        ) from None
    mask = np.unpackbits(np.frombuffer(content, np.uint8), count=size).astype(np.bool_)
    mask[0] = False
    return mask


def _checked_mask(name: str, wanted: list[Any], size: int) -> Mask:
    if len(wanted) != size:
        raise ValueError(
            f"{name} is a mask of {len(wanted)} entries, expected {size}: one for each item index, "
            "that of padding, 0, included"
        )
    mask = np.array(wanted, np.bool_)
    mask[0] = False
    return mask
