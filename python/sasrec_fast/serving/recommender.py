"""Recommendations for a service: everything that is one for all questions is computed before."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.ranking import Rules, best_of_scores, directions, require_rules
from sasrec_fast.serving.catalogue import Selection, VectorCatalogue
from sasrec_fast.serving.encoders import ROWS, Encoder, Timing, encode
from sasrec_fast.serving.given import histories_of_users, known_histories
from sasrec_fast.serving.lists import Recommendations
from sasrec_fast.serving.searching import NONE, Ids, Ruled, left_out, search
from sasrec_fast.store import Histories, Moments, require_told

if TYPE_CHECKING:
    from sasrec_fast.columns import Clock
    from sasrec_fast.model import SASRec
    from sasrec_fast.preparing import Prepared
    from sasrec_fast.recommendation import Titles
    from sasrec_fast.store import Vocabulary


class Recommender:
    """Answers as `recommend` does, at the speed a service needs.

    What is the same for every question is there once: vectors, ids, counts, what is ever served;
    and the encoder is compiled for a few shapes of inputs. It is a snapshot: a model may be trained
    on meanwhile. Threads may share it.

    Args:
        source: A `SASRec`; the path of a .keras file; or of a folder that `export` wrote, which
            needs neither Keras nor JAX nor pandas.
        data: The prepared data, for `recommend(users=)` and, of a model without `item_counts`,
            for how popular items are.
        titles: As of `recommend`; of a folder, instead of those in it.
        rules: Of all lists for which no others are given.

    Attributes:
        items: The item ids, a `Vocabulary`.
        max_sequence_length: How many of the latest items of a history count.
        about: Where it is from: "source", "fingerprint" of vectors and encoder, and more, by name.

    Raises:
        ValueError: The model has no item ids, was made for other items than the data's, or looks at
            times and does not say how timestamps become seconds.
        TypeError: Something else is given.
        FileNotFoundError: There is no such file or folder.
        DataError: A ValueError: the file or folder is damaged, or of another kind.

    Example:
        >>> import sasrec_fast as sf
        >>> data = sf.prepare(sf.datasets.synthetic(60, 100, interactions=(6, 10)).ratings)
        >>> model = sf.SASRec.for_data(data, hidden_dim=8, num_layers=1)
        >>> recommender = sf.Recommender(model)
        >>> [first, second] = recommender.recommend([[3, 5], [9]], k=4)
        >>> len(first.item_ids), second.scores.shape
        (4, (4,))
    """

    def __init__(
        self,
        source: SASRec | str | os.PathLike[str],
        *,
        data: Prepared | None = None,
        titles: Titles | None = None,
        rules: Rules | None = None,
    ) -> None:
        from sasrec_fast.serving.sources import opened

        require_rules(rules)
        found = opened(source, data, titles)
        self._encoder: Encoder = found.encoder
        self._catalogue: VectorCatalogue = found.catalogue
        self._timing: Timing | None = found.timing
        self._data, self._rules = data, rules
        self._compiled: WeakKeyDictionary[Rules, Ruled] = WeakKeyDictionary()
        self._lock = threading.Lock()
        self.about: Mapping[str, Any] = found.about
        self.items: Vocabulary = found.catalogue.items
        self.max_sequence_length = found.encoder.widths[-1]
        _ = self._catalogue.everything  # once, before threads share it
        if self._catalogue.counts is not None:
            _ = self._catalogue.popular

    @property
    def vocabulary_size(self) -> int:
        """Number of items + 1."""
        return len(self.items) + 1

    @property
    def shortest_list(self) -> int:
        """The least k that its own rules allow."""
        always = None if self._rules is None else self._rules.always
        return max(1, len(set(always or ())))

    @property
    def knows_counts(self) -> bool:
        """Whether it knows how popular items are, and answers a history without a known one."""
        return self._catalogue.counts is not None

    @property
    def clock(self) -> Clock | None:
        """How timestamps become seconds, of a model that looks at times; None: it looks at none."""
        return None if self._timing is None else self._timing.clock

    @property
    def knows_query_time(self) -> bool:
        """Whether it is told the moment at which the next items are asked for."""
        return self._timing is not None and self._timing.knows_query_time

    @property
    def titles(self) -> list[str | None] | None:
        """By item index, None where one has none; None where no titles are known."""
        return self._catalogue.titles

    def __repr__(self) -> str:
        return f"Recommender({self.about['source']}, {len(self.items):,} items)"

    def ruled(self, rules: Rules | None) -> Recommender:
        """The same recommender with other rules of its own; it shares everything else."""
        require_rules(rules)
        other = copy.copy(self)
        other._rules = rules
        return other

    def warm(self) -> None:
        """Compile what the first questions would otherwise wait for."""
        rows = self._encoder.rows or ROWS[:1]
        for width in self._encoder.widths:
            for count in rows:
                ends = np.arange(1, count + 1) * width
                items = np.ones(count * width, np.int32)
                moments = None if self._timing is None else Moments(np.zeros_like(items))
                encode(self._encoder, Histories(items, ends - width, ends, moments))
        _ = self._catalogue.directions

    def recommend(
        self,
        histories: Sequence[Sequence[Any]] | None = None,
        *,
        users: Iterable[Any] | None = None,
        times: Any = None,
        at: Any = None,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Iterable[Any] | None = None,
        exclude: Iterable[Any] | None = None,
        rules: Rules | None = None,
    ) -> list[Recommendations]:
        """The k items each history is most likely to go on with, best first, as by `recommend`.

        Args:
            histories: A list of lists of external item ids, oldest first. Unknown ones are skipped
                and counted. One without any known item gets the most popular items, whose scores
                are numbers of interactions.
            users: Instead: ids of users of `data`, with their whole kept histories.
            times: When the items of histories were, a list for each, of a model that looks at
                times: of the kind of the timestamps it was trained on.
            at: The moment at which the items are asked for, of such a model: one for all, or one
                for each. None, and moments before that: the time of each last item.
            k: Items for each; fewer where fewer are left.
            exclude_seen: Never recommend an item of the history.
            candidates: Ids of the only items to recommend; unknown ones have no effect.
            exclude: Ids of items not to recommend; unknown ones have no effect.
            rules: What else lists must be like, as of `recommend`; None: the recommender's own. The
                same object is made ready once.

        Raises:
            KeyError: A user is not in the data.
            ValueError: No candidate is known; a history has no known item and no counts are known;
                rules cannot be met; times do not fit the histories, or the model.
            TypeError: Histories, candidates or exclude are no lists of ids; times are of another
                kind.
        """
        checks.integer("k", k, 1)
        checks.flag("exclude_seen", exclude_seen)
        require_rules(rules)
        found, unknown = self._histories(histories, users, times, at)
        among = self._selection(candidates, self._rules if rules is None else rules)
        never = NONE if exclude is None else self._catalogue.known("exclude", exclude)
        known = found.ends > found.starts
        rows = np.flatnonzero(known).tolist()
        answers = {
            row: self._popular(among, never, k, row, unknown[row])
            for row in np.flatnonzero(~known).tolist()
        }
        if rows:
            if answers:
                found = found.take(np.array(rows))
            states = encode(self._encoder, found)
            best = search(states, among, left_out(found, exclude_seen, never), k)
            made = self._answers(best, among[0], [unknown[row] for row in rows])
            answers.update(zip(rows, made, strict=True))
        return [answers[row] for row in range(len(answers))]

    def similar(self, item_ids: Iterable[Any], k: int = 10) -> list[Recommendations]:
        """The k items most similar to each item by the cosine of their vectors, never itself.

        Args:
            item_ids: A list of external ids.
            k: Items for each.

        Raises:
            KeyError: An item is not known.
        """
        checks.integer("k", k, 1)
        asked = self._catalogue.named("item_ids", item_ids)
        vectors = directions(self._catalogue.vectors[asked])
        selection = self._catalogue.directions
        best = search(vectors, (selection, None), (np.arange(len(asked)), asked), k)
        return self._answers(best, selection, [0] * len(asked))

    def score(
        self,
        histories: Sequence[Sequence[Any]],
        item_ids: Iterable[Any],
        *,
        times: Any = None,
        at: Any = None,
    ) -> NDArray[np.float32]:
        """Scores of given items after each history, whether or not they would be served.

        Args:
            histories: n lists of external item ids, each with at least one known item.
            item_ids: m external ids.
            times: When the items of histories were, as of `recommend`.
            at: When the next ones are asked for, likewise.

        Returns:
            float32 [n, m].

        Raises:
            KeyError: An item is not known.
            ValueError: A history has no known item.
        """
        found, _ = self._histories(histories, None, times, at)
        empty = np.flatnonzero(found.ends == found.starts)
        if len(empty):
            raise ValueError(f"history {empty[0]} has no known item: nothing follows from it")
        vectors = self._catalogue.vectors[self._catalogue.named("item_ids", item_ids)]
        if not len(found):
            return np.zeros((0, len(vectors)), np.float32)
        scores: NDArray[np.float32] = encode(self._encoder, found) @ vectors.T
        return scores

    def _histories(
        self, histories: Any, users: Iterable[Any] | None, times: Any, at: Any
    ) -> tuple[Histories, list[int]]:
        if (histories is None) == (users is None):
            raise ValueError("give histories, or users of the data, and not both")
        timing = self._timing
        require_told(times, at, timing is not None, self.knows_query_time)
        if users is None:
            return known_histories(histories, self._catalogue, times, at, timing)
        found = histories_of_users(users, self._data, times, at, timing)
        return found, [0] * len(found)

    def _selection(self, candidates: Iterable[Any] | None, rules: Rules | None) -> Ruled:
        """What is searched, and the rules as arrays over it."""
        if rules is None:
            if candidates is None:
                return self._catalogue.everything, None
            return self._catalogue.selected(self._catalogue.only(candidates)), None
        if candidates is not None:
            compiled = rules.compiled(self.items, self._catalogue.only(candidates))
            return self._catalogue.selected(compiled.mask), compiled
        with self._lock:
            if rules not in self._compiled:
                compiled = rules.compiled(self.items, self._catalogue.mask)
                self._compiled[rules] = self._catalogue.kept(compiled.mask), compiled
            return self._compiled[rules]

    def _popular(self, among: Ruled, never: Ids, k: int, row: int, unknown: int) -> Recommendations:
        """The most popular items, for a history without a known one."""
        counts, (selection, rules) = self._catalogue.counts, among
        if counts is None:
            raise ValueError(
                f"history {row} has no known item, and how popular items are is not known: make "
                "the model with item_counts=data.item_counts, or give the data"
            )
        if rules is not None:
            scores = counts[selection.indices].astype(np.float64)
            scores[selection.columns_of(never)] = -np.inf
            k = min(k, len(scores))
            best = best_of_scores(scores[None], k, rules.of_counts(), selection.vectors)
            found = (best[0].astype(np.float32), best[1])
            return self._answers(found, selection, [unknown])[0]
        allowed = np.zeros(len(counts), np.bool_)
        allowed[selection.indices] = True
        allowed[never] = False
        order = self._catalogue.popular
        indices = order[allowed[order]][:k]
        return self._answer(indices, counts[indices].astype(np.float32), unknown)

    def _answers(
        self,
        best: tuple[NDArray[np.float32], NDArray[np.int32]],
        selection: Selection,
        unknown: Sequence[int],
    ) -> list[Recommendations]:
        scores, columns = best
        there = columns >= 0
        indices = selection.indices[columns[there]]
        ids, titles = self.items.lookup(indices).tolist(), self._catalogue.titles
        named = None if titles is None else [titles[index] for index in indices.tolist()]
        answers, end = [], 0
        for own, count, skipped in zip(scores, there.sum(axis=1).tolist(), unknown, strict=True):
            start, end = end, end + count
            of_them = None if named is None else named[start:end]
            answers.append(Recommendations(ids[start:end], own[:count], of_them, skipped))
        return answers

    def _answer(
        self, indices: NDArray[np.int64], scores: NDArray[np.float32], unknown: int
    ) -> Recommendations:
        titles = self._catalogue.titles
        shown_titles = None if titles is None else [titles[index] for index in indices.tolist()]
        ids = self.items.lookup(indices).tolist()
        return Recommendations(ids, scores, shown_titles, unknown)
