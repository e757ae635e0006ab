"""Made-up readers of made-up series: data with an order to learn and a known best hit rate."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sasrec_fast import checks

FOLLOWED = 3
"""How many series each user follows."""

_SERIES_SHARE = 0.9
_PLACES = (
    "Harbour Meadow Winter Copper Silver Hollow Northern Garden Lantern River Amber Distant Hidden "
    "Orchard Paper Quiet Crimson Marble Saffron Thunder Velvet Willow Coral Desert Ember Forest "
    "Granite Island Juniper Midnight"
)
_KINDS = (
    "Tales Mysteries Chronicles Voyages Letters Songs Stories Secrets Legends Diaries Journeys "
    "Fables Riddles Memoirs Adventures Nights Echoes Crossings Promises Shadows"
)
_THINGS = (
    "Clockmaker Lighthouse Painter Gardener Locksmith Astronomer Beekeeper Ferry Librarian Piano "
    "Compass Mirror Parcel Bridge Window Orchestra Umbrella Suitcase Photograph Carousel"
)
_GENRES = ("Adventure", "Comedy", "Crime", "Drama", "Fantasy", "Mystery", "Romance", "Thriller")
_SINGLE = "Single"
_YEAR_2001 = 978_307_200
_DAY = 86_400


class _Tables(NamedTuple):
    ratings: pd.DataFrame
    movies: pd.DataFrame


class Synthetic(_Tables):
    """A pair (ratings, movies) that knows the best hit rate anyone can reach on it.

    Attributes:
        ratings: Columns user_id, item_id, rating, timestamp, all int64; one row an interaction.
        movies: Columns item_id (int64), title, genres (strings); one row an item.
        single_probability: The chance that an interaction is with a single item, for all but the
            first three of each user.
    """

    single_probability: float

    def best_hit_rate(self, k: int = 10) -> float:
        """The expected hit rate at k of the best possible guess at each user's last item.

        A history shows all three series a user follows, since the first three interactions open
        them. Given the history, with p the single probability, F = 3, and m of the M single items
        seen, the last item is the next part of each followed series with probability (1 - p) / F
        and each unseen single item with probability p / (M - m); no other item is possible. The
        best list holds the k likeliest items. As (1 - p) / F > p / (M - m) for all sizes that
        `synthetic` accepts, those are the F next parts, then any single items:

            (1 - p) min(k, F) / F + p min(max(k - F, 0) / (M - m), 1),  averaged over the users.

        This is an expectation over the last draw: the rate h that this guess reaches on n users
        has a standard deviation of sqrt(h (1 - h) / n), 0.7 % for 2,000 users.

        Args:
            k: Length of the list, at least 1.

        Raises:
            TypeError: k is not an integer.
            ValueError: k is below 1.
        """
        checks.integer("k", k, 1)
        single = self.movies["item_id"][self.movies["genres"] == _SINGLE]
        history = self.ratings[self.ratings.duplicated("user_id", keep="last")]
        seen = history["item_id"].isin(single).groupby(history["user_id"]).sum().to_numpy()
        lucky = np.minimum(max(k - FOLLOWED, 0) / (len(single) - seen), 1.0).mean()
        p = self.single_probability
        return float((1 - p) * min(k, FOLLOWED) / FOLLOWED + p * lucky)


def synthetic(
    users: int = 2_000,
    items: int = 500,
    *,
    interactions: tuple[int, int] = (20, 40),
    seed: int = 0,
) -> Synthetic:
    """Interactions whose order can be learned and whose popularity says nothing.

    Nine tenths of the items are parts of series ("Harbour Tales 03"), all of one length and cyclic:
    after the last part comes the first. The rest are single items. Every user follows three series
    at once and first opens each of them at a random part. From then on, each interaction is with
    one of the three at random, and then it is the next part of that series, or, about one time in
    nine, with a random single item the user has not seen. No item comes twice for a user.

    A sequence model can learn which part follows which and read from a history which series are
    followed, so it can name the three candidates for the next item. Popularity cannot: a series
    and its first part are drawn uniformly, and single items are as frequent as parts, so all items
    are equally popular up to chance. Item ids are shuffled and say nothing either.

    `best_hit_rate(k)` of the result is the best expected hit rate of the last item of each user.

    Args:
        users: Number of users.
        items: Number of items, at least ten for each of the most interactions a user can have.
        interactions: Least and most interactions of a user, drawn uniformly; from 5.
        seed: Equal arguments give equal tables.

    Returns:
        A pair `ratings, movies`, ordered by time and by item id; ratings are from 3 to 5.

    Raises:
        TypeError: A number is not an integer.
        ValueError: A number is outside its range.
    """
    low, high = _checked_sizes(users, items, interactions, seed)
    rng = np.random.default_rng(seed)
    series = int(_SERIES_SHARE * items) // high
    parts = int(_SERIES_SHARE * items) // series
    singles = items - series * parts
    mean = (low + high) / 2
    single_probability = singles / items * mean / (mean - FOLLOWED)

    lengths = rng.integers(low, high + 1, users)
    taken = np.arange(high) < lengths[:, None]
    single = (rng.random((users, high)) < single_probability) & taken
    single[:, :FOLLOWED] = False
    positions = _series_positions(rng, taken & ~single, series, parts)
    choices = _distinct(rng, users, int(single.sum(axis=1).max()), singles)
    positions[single] = (
        series * parts + choices[np.arange(choices.shape[1]) < single.sum(1)[:, None]]
    )

    ids = rng.permutation(items) + 1
    ratings = _ratings(rng, ids[positions], taken)
    result = Synthetic(ratings, _movies(ids, series, parts))
    result.single_probability = single_probability
    return result


def _checked_sizes(
    users: int, items: int, interactions: tuple[int, int], seed: int
) -> tuple[int, int]:
    low, high = interactions
    checks.integer("least of interactions", low, 5)
    checks.integer("most of interactions", high, low)
    checks.integer("users", users, 1)
    checks.integer("items, ten times the most interactions,", items, 10 * high)
    checks.integer("seed", seed, 0)
    return low, high


def _series_positions(
    rng: np.random.Generator, followed: NDArray[np.bool_], series: int, parts: int
) -> NDArray[np.int64]:
    """Positions in the catalogue of the series items, [users, time]; zero elsewhere."""
    users, high = followed.shape
    choice = _distinct(rng, users, FOLLOWED, series)
    start = rng.integers(0, parts, (users, FOLLOWED))
    turn = rng.integers(0, FOLLOWED, (users, high))
    turn[:, :FOLLOWED] = np.arange(FOLLOWED)
    positions = np.zeros((users, high), np.int64)
    for slot in range(FOLLOWED):
        here = followed & (turn == slot)
        part = start[:, slot, None] + np.cumsum(here, axis=1) - 1
        positions += here * (choice[:, slot, None] * parts + part % parts)
    return positions


def _distinct(rng: np.random.Generator, rows: int, count: int, below: int) -> NDArray[np.int64]:
    """Uniform draws from 0..below - 1, [rows, count], without repetition in a row."""
    drawn = np.empty((rows, count), np.int64)
    for column in range(count):
        rank = rng.integers(0, below - column, rows)  # among the numbers not drawn yet
        for earlier in np.sort(drawn[:, :column], axis=1).T:
            rank += rank >= earlier
        drawn[:, column] = rank
    return drawn


def _ratings(
    rng: np.random.Generator, items: NDArray[np.int64], taken: NDArray[np.bool_]
) -> pd.DataFrame:
    users = np.broadcast_to(np.arange(1, len(items) + 1)[:, None], items.shape)
    gaps = rng.integers(_DAY // 24, 3 * _DAY, items.shape)
    gaps[:, 0] += _YEAR_2001 + rng.integers(0, 365 * _DAY, len(items))
    columns = {
        "user_id": users[taken],
        "item_id": items[taken],
        "rating": rng.integers(3, 6, items.shape)[taken],
        "timestamp": np.cumsum(gaps, axis=1)[taken],
    }
    order = np.argsort(columns["timestamp"], kind="stable")
    return pd.DataFrame({name: column[order] for name, column in columns.items()})


def _movies(ids: NDArray[np.int64], series: int, parts: int) -> pd.DataFrame:
    width = len(str(parts))
    titles = [
        f"{_name(number, _KINDS)} {part:0{width}d}"
        for number in range(series)
        for part in range(1, parts + 1)
    ]
    genres = [_GENRES[number % len(_GENRES)] for number in range(series) for _ in range(parts)]
    singles = len(ids) - len(titles)
    titles += [f"The {_name(number, _THINGS)}" for number in range(singles)]
    genres += [_SINGLE] * singles
    movies = pd.DataFrame({"item_id": ids, "title": titles, "genres": genres})
    return movies.sort_values("item_id", ignore_index=True)


def _name(number: int, words: str) -> str:
    """A name of its own for every number."""
    places, nouns = _PLACES.split(), words.split()
    volume, pair = divmod(number, len(places) * len(nouns))
    noun, place = divmod(pair, len(places))
    name = f"{places[place]} {nouns[(noun + place) % len(nouns)]}"
    return name if volume == 0 else f"{name} Volume {volume + 1}"
