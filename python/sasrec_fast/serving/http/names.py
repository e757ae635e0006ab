"""Items by a part of their titles, or ids: what the page completes."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sasrec_fast.serving import Recommender
    from sasrec_fast.store import Vocabulary


@dataclass(frozen=True)
class Names:
    """Titles and ids of items, in one text that is searched at once.

    Attributes:
        items: The vocabulary.
        titles: By item index, or None.
        text: A line for each item, in order of index, with title and id in lower case.
        starts: Where each line starts.
    """

    items: Vocabulary
    titles: list[str | None] | None
    text: str
    starts: list[int]

    @classmethod
    def of(cls, recommender: Recommender) -> Names:
        """That of a recommender."""
        ids, titles = recommender.items.ids.tolist(), recommender.titles
        lines = [
            f"\n{_folded(title or '')}\t{_folded(str(external))}"
            for external, title in zip(ids, titles[1:] if titles else [""] * len(ids), strict=True)
        ]
        starts, start = [], 0
        for line in lines:
            starts.append(start)
            start += len(line)
        return cls(recommender.items, titles, "".join(lines) + "\n", starts)

    def find(self, query: str, limit: int) -> list[dict[str, Any]]:
        """Up to `limit` items: the id itself, then beginnings, then other places it stands at."""
        wanted = _folded(query)
        found: list[int] = []
        for part in (f"\t{wanted}\n", f"\n{wanted}", f"\t{wanted}", f" {wanted}", wanted):
            for place in self._places(part):
                if len(found) == limit:
                    break
                if place not in found:
                    found.append(place)
        return [self._named(place) for place in found]

    def _places(self, part: str) -> Iterator[int]:
        """Items whose lines hold a text, each once."""
        at = self.text.find(part)
        while at >= 0:
            place = bisect.bisect_right(self.starts, at) - 1
            yield place
            if place + 1 == len(self.starts):
                return
            at = self.text.find(part, self.starts[place + 1])

    def _named(self, place: int) -> dict[str, Any]:
        external = self.items.ids[place]
        title = self.titles[place + 1] if self.titles else None
        return {"id": external if isinstance(external, str) else int(external), "title": title}


def _folded(text: str) -> str:
    """For comparing: case and kinds of white space do not matter."""
    return " ".join(text.casefold().split())
