"""What a shop asks of lists besides the model's scores."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.ranking.compiled import NO_CAP, CompiledRules
from sasrec_fast.ranking.values import groups_by_item, named, numbers_by_item
from sasrec_fast.store import Vocabulary, given_ids, given_mask, indices_of, kind_note, shown


def require_rules(rules: Any) -> None:
    """A TypeError where rules are something else than `Rules` or None."""
    if not isinstance(rules, Rules | None):
        raise TypeError(f"rules must be sasrec_fast.Rules(...), received {checks.received(rules)}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Rules:
    """Rules of the lists that `recommend` makes and `evaluate` measures.

    What is by item takes external ids: a mapping, a Series indexed by item id, or a table with the
    columns item_id and "boost", "factor" or "group"; or an array with a value for each item index,
    [vocabulary_size]. Unknown ids are counted in a warning.

    A list is the k best by the scores after factors and boosts, among equal ones the items of
    smaller index, in which a group has at most so many, and which `always` is part of.

    Attributes:
        boosts: Numbers added to the scores of items, after the factors.
        factors: Positive numbers: a score s >= 0 becomes s * factor, one below 0 s / factor, so
            that a factor above 1 lifts an item whatever its score, and one below 1 lowers it.
        groups: The group of items, text or integers: a category, a brand. Items without one, or
            with None, are in no group.
        most_per_group: Most items of a group among the k, those that are always there included.
        always: External ids of items among the k of everybody who may get them (so not where
            `exclude_seen` or `exclude` forbids it), each at the place of its score; the lowest of
            the others make room.
        never: External ids of items that nobody gets, or a bool for each item index.
        diversity: In [0, 1); above 0 lists are chosen by maximal marginal relevance (Carbonell &
            Goldstein 1998), item after item: the next one i of the pool has the highest
            (1 - diversity) * r(i) - diversity * max over the items j chosen before of cos(i, j),
            with the cosine of the vectors that score items, and as relevance r the score on a scale
            from 0, the least of the pool, to 1, its greatest. The list is in the order of choice.
        pool: Best items of each user that are chosen from, with those that would be in the list
            without diversity; None: 100, or 10 k where that is more.

    Raises:
        TypeError: An argument of another kind.
        ValueError: A number out of range, or a cap without groups or groups without a cap.

    Example:
        >>> import sasrec_fast as sf
        >>> table = {"user_id": [1, 1, 1, 2, 2, 2, 3], "item_id": list("abcabdd")}
        >>> data = sf.prepare(table, timestamp=None, holdout=0, min_user_interactions=1)
        >>> popular, histories = sf.baselines.Popularity(data), {"me": ["c"]}
        >>> rules = sf.Rules(boosts={"d": 5}, groups={"a": 1, "b": 1}, most_per_group=1)
        >>> sf.recommend(popular, data, histories=histories, k=2, rules=rules).item_id.tolist()
        ['d', 'a']
    """

    boosts: Any = None
    factors: Any = None
    groups: Any = None
    most_per_group: int | None = None
    always: Iterable[Any] | None = None
    never: Iterable[Any] | None = None
    diversity: float = 0.0
    pool: int | None = None

    def __post_init__(self) -> None:
        if self.most_per_group is not None:
            checks.integer("most_per_group", self.most_per_group, 1)
        if (self.groups is None) != (self.most_per_group is None):
            lacking, given = "most_per_group", "groups"
            if self.groups is None:
                lacking, given = given, lacking
            raise ValueError(f"{given} has no effect without {lacking}: give both")
        checks.fraction("diversity", self.diversity, below=1.0)
        if self.pool is not None:
            checks.integer("pool", self.pool, 1)
            if not self.diversity:
                raise ValueError("pool has no effect without diversity: give both")
        for name in ("always", "never"):  # read once, iterators too
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, given_ids(name, given, "item"))

    def compiled(self, items: Vocabulary | None, mask: NDArray[np.bool_]) -> CompiledRules:
        """The rules as arrays over the items of a catalogue.

        Args:
            items: The vocabulary of item ids; None where everything is by item index.
            mask: bool [vocabulary_size], what anybody may get but for `never`.

        Raises:
            ValueError: An item is always there and cannot be; no item is left; see also `Rules`.
            TypeError: Values of another kind.

        Warns:
            UserWarning: Unknown ids.
        """
        allowed, size = mask.copy(), len(mask)
        if self.never:
            allowed &= ~given_mask("never", self.never, items, size, "have no effect")
        if not allowed.any():
            raise ValueError("no item is left to recommend: never leaves none of the candidates")
        columns = np.flatnonzero(allowed)
        groups, names = np.zeros(0, np.int32), list[Any]()
        if self.groups is not None:
            of_items, names = groups_by_item(self.groups, items, size)
            groups = of_items[columns]
        indices = self._always(items, mask, allowed)
        if self.groups is not None:
            self._require_room(indices, of_items, names, items)
        return CompiledRules(
            mask=allowed,
            factors=self._numbers("factors", items, 1.0, columns, size),
            boosts=self._numbers("boosts", items, 0.0, columns, size),
            groups=groups,
            most_per_group=self.most_per_group or NO_CAP,
            always=np.searchsorted(columns, indices).astype(np.int32),
            diversity=float(self.diversity),
            pool=self.pool or 0,
        )

    def _numbers(
        self,
        name: str,
        items: Vocabulary | None,
        default: float,
        columns: NDArray[np.intp],
        size: int,
    ) -> NDArray[np.float32]:
        given = getattr(self, name)
        if given is None:
            return np.zeros(0, np.float32)
        found = numbers_by_item(name, given, items, np.full(size, default, np.float32))
        if name == "factors" and (found <= 0).any():
            index = int(np.argmax(found <= 0))
            raise ValueError(
                f"factors must be above 0, received {found[index]:g} for item "
                f"{named(index, items)}; never keeps an item out of all lists"
            )
        return found[columns]

    def _always(
        self, items: Vocabulary | None, mask: NDArray[np.bool_], allowed: NDArray[np.bool_]
    ) -> NDArray[np.intp]:
        """Indices, ascending, of the items that are always there."""
        ids = list(self.always or ())
        if not ids:
            return np.zeros(0, np.intp)
        if items is None:
            raise ValueError(
                "always is by item id, but no item vocabulary says what they are: make the model "
                "with items=data.items"
            )
        indices = indices_of("always", ids, items)
        for external, index in zip(ids, indices.tolist(), strict=True):
            why = ""
            if not index:
                why = f"it is unknown{kind_note(external, items, 'item')}"
            elif not mask[index]:
                why = (
                    "it has no interaction, the model may not recommend it, or candidates and "
                    "exclude leave it out"
                )
            elif not allowed[index]:
                why = "never has it, too"
            if why:
                raise ValueError(f"item {shown(external)} cannot always be there: {why}")
        return np.unique(indices).astype(np.intp)

    def _require_room(
        self,
        always: NDArray[np.intp],
        groups: NDArray[np.int32],
        names: list[Any],
        items: Vocabulary | None,
    ) -> None:
        """Refuse more items of a group that are always there than a list may have of it."""
        most = self.most_per_group or NO_CAP
        of_always = groups[always]
        counts = np.bincount(of_always[of_always >= 0], minlength=1)
        if counts.max() > most:
            group = int(counts.argmax())
            which = ", ".join(named(int(i), items) for i in always[of_always == group])
            raise ValueError(
                f"always has {counts[group]} items of group {names[group]!r}, {which}, where "
                f"most_per_group is {most}"
            )
