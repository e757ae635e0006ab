"""Histories of users in a file of ratings, as indices of the items that a model knows."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from sasrec_fast import checks
from sasrec_fast.cli.screen import Screen, counted
from sasrec_fast.errors import DataError
from sasrec_fast.preparing import Options, group
from sasrec_fast.reading import ColumnNames, read_interactions
from sasrec_fast.recommendation import Audience
from sasrec_fast.store import Histories, Moments, TimedSequences, shown, slices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sasrec_fast.model import SASRec
    from sasrec_fast.store import Vocabulary

SERVED = {"min_user_interactions": 1, "min_item_interactions": 1, "split_at": None, "items": None}
"""Options of `prepare` that differ for histories to recommend from."""


def read_audience(
    table: Any,
    names: ColumnNames,
    prepared: Mapping[str, Any],
    wanted: Sequence[str] | None,
) -> tuple[Audience, Vocabulary]:
    """Users with their items in the order in which `prepare` puts them, and the items' ids.

    Users and items with few interactions are kept: they were of no use for training, but can be
    served.

    Args:
        table: The ratings, as `prepare` takes them.
        names: Its columns.
        prepared: The options of `prepare` that the model was trained with.
        wanted: The users, in the order of the result, as text; None for all, by ascending id.

    Raises:
        DataError: As `prepare`; or no row has the rating, or a user has no row.
    """
    given = {field.name: prepared[field.name] for field in fields(Options)}
    grouped = group(read_interactions(table, names), Options(**given | SERVED), names)
    positions = _positions(grouped.users.ids.tolist(), wanted)
    store, offsets = grouped.sequences, grouped.sequences.offsets
    moments = Moments(store.times) if isinstance(store, TimedSequences) else None
    histories = Histories(store.items, offsets[positions], offsets[positions + 1], moments)
    return Audience("user_id", grouped.users.ids[positions], histories), grouped.items


def _positions(ids: Sequence[Any], wanted: Sequence[str] | None) -> NDArray[np.int64]:
    """Where in `ids` the wanted users are, each once."""
    if wanted is None:
        return np.arange(len(ids))
    positions = {str(user): position for position, user in enumerate(ids)}
    missing = [text for text in wanted if text not in positions]
    if missing:
        listed = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise DataError(
            f"no rating to go by for {counted(len(missing), 'user')} of {len(wanted):,}: "
            f"{checks.received(listed)[1:-1]}; there are ratings of {counted(len(ids), 'user')}, "
            f"such as {shown(ids[0])}"
        )
    return np.array([positions[text] for text in dict.fromkeys(wanted)], np.int64)


def known_audience(
    audience: Audience, items: Vocabulary, model: SASRec, screen: Screen
) -> Audience:
    """The histories in the model's indices, without items it does not know; says what was left out.

    Users who are left without an item are left out too if the model cannot tell what is popular.

    Raises:
        DataError: The model knows none of the items.
    """
    assert model.items is not None
    moments = audience.histories.moments
    rows, places = slices(audience.histories.starts, audience.histories.ends)
    indices = audience.histories.items[places]
    mapped = np.concatenate([[0], model.items.index(items.ids)]).astype(np.int32)[indices]
    known = mapped > 0
    if not known.any():
        example = items.lookup(indices[:1]).tolist()[0]
        raise DataError(
            f"the model knows no item of these users, such as {example!r}; "
            f"its {len(model.items):,} items are such as {model.items.ids[:1].tolist()[0]!r}"
        )
    if unknown := int(np.count_nonzero(~known)):
        screen.say(f"note: left out {counted(unknown, 'interaction')} with items new to the model")
    counts = np.bincount(rows[known], minlength=len(audience.histories))
    ends = np.cumsum(counts)
    values = audience.values
    served = np.full(len(values), True) if model.item_counts is not None else counts > 0
    if unserved := int(np.count_nonzero(~served)):
        screen.say(
            f"note: no recommendation for {counted(unserved, 'user')} without an item known to the "
            f"model, first {values[~served][0]}"
        )
    moments = None if moments is None else Moments(moments.times[places[known]])
    kept = Histories(mapped[known], (ends - counts)[served], ends[served], moments)
    return Audience(audience.label, values[served], kept)
