"""Ranking metrics the slow and obvious way: every row's items in a list, every order of ties."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

import reference
import sasrec_fast as sf

Sampled = tuple[str, int, int]


def metrics_of(
    model: Any,
    data: sf.Prepared,
    split: sf.Split,
    cutoffs: tuple[int, ...],
    exclude_seen: bool = True,
    candidates: Any = None,
) -> dict[str, float]:
    """What `sf.evaluate` returns, where candidates are item indices."""
    allowed = set(data.sequences.items.tolist()) & set(np.flatnonzero(model.candidate_mask))
    sampled = isinstance(candidates, tuple)
    if candidates is not None and not sampled:
        allowed &= set(candidates)
    columns: dict[str, list[Any]] = {}
    for user in split.sequence_rows.users.tolist():
        *history, target = sequence(data, split.name, user)
        scores = scores_after(model, history)
        if sampled:
            rejected = sequence(data, split.name, user, training=True) if exclude_seen else []
            others = negatives(data, split.name, user, allowed, {*rejected, target}, candidates)
        else:
            others = [i for i in allowed - (set(history) if exclude_seen else set()) if i != target]
        served = target in allowed and scores[target] > -np.inf
        served &= not (exclude_seen and target in history)
        others = [item for item in others if sampled or scores[item] > -np.inf]
        add_row(columns, scores, target if served else None, others, cutoffs)
        listed = [item for item in allowed if not (exclude_seen and item in history)]
        listed = [item for item in listed if scores[item] > -np.inf]
        listed.sort(key=lambda item: (-scores[item], item))
        for k in () if sampled else cutoffs:
            columns.setdefault(f"coverage@{k}", []).append(listed[:k])
    return {
        name: len(set(chain(*values))) / len(allowed)
        if name.startswith("coverage")
        else float(np.mean(values))
        for name, values in columns.items()
    }


def add_row(
    columns: dict[str, list[Any]],
    scores: np.ndarray,
    target: int | None,
    others: list[int],
    cutoffs: tuple[int, ...],
) -> None:
    """Means over all ranks that the target may have; one that nobody is served has none."""
    ranks: list[int] = []
    if target is not None:
        above = sum(scores[item] > scores[target] for item in others)
        level = sum(scores[item] == scores[target] for item in others)
        ranks = list(range(above + 1, above + level + 2))
    for k in cutoffs:
        hits = [rank <= k for rank in ranks] or [0.0]
        gains = [(rank <= k) / np.log2(rank + 1) for rank in ranks] or [0.0]
        columns.setdefault(f"hit_rate@{k}", []).append(np.mean(hits))
        columns.setdefault(f"ndcg@{k}", []).append(np.mean(gains))
    columns.setdefault("mrr", []).append(np.mean([1 / rank for rank in ranks] or [0.0]))


def scores_after(model: Any, history: list[int]) -> np.ndarray:
    recent = history[-model.max_sequence_length :]
    padding = [0] * (model.max_sequence_length - len(recent))
    x = {
        "item_ids": np.array([recent + padding], np.int32),
        "padding_mask": np.array([[True] * len(recent) + [False] * len(padding)]),
    }
    scores: np.ndarray = model.score_items(x)[0]
    return scores


def sequence(data: sf.Prepared, split: str, user: int, training: bool = False) -> list[int]:
    """The items of a user's row; or those before any of the held-out ones."""
    whole = data.sequences.items[data.sequences.offsets[user] : data.sequences.offsets[user + 1]]
    holdout = data.options["holdout"]
    held_back = holdout - reference.SPLITS.index(split)
    end = len(whole) - (holdout if training else held_back)
    items: list[int] = whole[:end].tolist()
    return items[:-1] if training and split == "train" else items


def negatives(
    data: sf.Prepared,
    split: str,
    user: int,
    allowed: set[int],
    rejected: set[int],
    sampled: Sampled,
) -> list[int]:
    """Draws of NumPy's own generator among the candidates, by the contract in the README."""
    _, count, seed = sampled
    ordered = sorted(allowed)
    key = int(data.sequences.user_keys[user])
    words = np.array([0, key, 5, reference.SPLITS.index(split)], np.uint64)
    stream = np.random.Philox(counter=words, key=np.array([seed, 0], np.uint64))
    draws = iter(lambda: int(stream.random_raw()), None)
    places = {place for place, item in enumerate(ordered, start=1) if item in rejected}
    if len(places) == len(ordered):
        return []
    proposals = reference.Uniform(len(ordered))
    drawn = [reference.negative(draws, places, proposals)[0] for _ in range(count)]
    return [ordered[place - 1] for place in drawn]
