"""The synthetic data and its best hit rate, MovieLens folders, and the download."""

from __future__ import annotations

import hashlib
import http.server
import importlib
import io
import pickle
import sys
import threading
import time
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from sasrec_fast import datasets
from sasrec_fast.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS = ["user_id", "item_id", "rating", "timestamp"]

DOWNLOAD = importlib.import_module("sasrec_fast.datasets.movielens")


@pytest.fixture(scope="module")
def made() -> datasets.Synthetic:
    return datasets.synthetic(4_000, 500, interactions=(20, 40), seed=3)


def test_synthetic_tables(made: datasets.Synthetic) -> None:
    ratings, movies = made
    assert ratings.columns.tolist() == COLUMNS
    assert (ratings.dtypes == "int64").all()
    assert movies.columns.tolist() == ["item_id", "title", "genres"]
    assert movies["item_id"].tolist() == list(range(1, 501))
    assert movies["title"].is_unique
    assert ratings["timestamp"].is_monotonic_increasing
    assert not ratings.duplicated(["user_id", "timestamp"]).any()
    assert not ratings.duplicated(["user_id", "item_id"]).any()
    assert set(ratings["rating"]) == {3, 4, 5}
    counts = ratings["user_id"].value_counts()
    assert (counts.min(), counts.max(), len(counts)) == (20, 40, 4_000)
    assert movies["title"][movies["genres"] != "Single"].str.fullmatch(r"\w+ \w+ \d\d").all()


def test_synthetic_items_are_equally_popular(made: datasets.Synthetic) -> None:
    counts = made.ratings["item_id"].value_counts().reindex(made.movies["item_id"], fill_value=0)
    expected = len(made.ratings) / len(counts)
    # A user takes an item at most once, so a count is binomial: its variance is at most its mean.
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert statistic < len(counts) + 5 * np.sqrt(2 * len(counts))
    single = counts[(made.movies["genres"] == "Single").to_numpy()].mean()
    assert single == pytest.approx(expected, rel=0.03)


def test_synthetic_is_its_arguments() -> None:
    small = {"interactions": (5, 9), "seed": 1}
    first, again = datasets.synthetic(50, 100, **small), datasets.synthetic(50, 100, **small)
    other = datasets.synthetic(50, 100, interactions=(5, 9), seed=2)
    pd.testing.assert_frame_equal(first.ratings, again.ratings)
    pd.testing.assert_frame_equal(first.movies, again.movies)
    assert not first.ratings.equals(other.ratings)
    copy = pickle.loads(pickle.dumps(first))
    assert copy.best_hit_rate() == first.best_hit_rate()


def candidates(history: list[int], titles: dict[int, str], ids: dict[str, int]) -> list[int]:
    """What can come next, likeliest first, from nothing but the history and the titles."""
    latest: dict[str, int] = {}
    for item in history:
        if not titles[item].startswith("The "):
            series, part = titles[item].rsplit(" ", 1)
            latest[series] = int(part)
    parts = max(int(title[-2:]) for title in ids if title[-2:].isdigit())
    follow = [ids[f"{series} {part % parts + 1:02d}"] for series, part in latest.items()]
    return follow + [ids[t] for t in ids if t.startswith("The ") and ids[t] not in history]


@pytest.mark.parametrize("k", [1, 2, 10, 50])
def test_best_hit_rate_is_reached_and_its_candidates_are_all(
    made: datasets.Synthetic, k: int
) -> None:
    ratings, movies = made
    titles = dict(zip(movies["item_id"], movies["title"], strict=True))
    ids = {title: item for item, title in titles.items()}
    hits = []
    for _, items in ratings[ratings["user_id"] <= 2_000].groupby("user_id")["item_id"]:
        *history, last = items.tolist()
        possible = candidates(history, titles, ids)
        assert last in possible
        assert len(set(possible) & set(history)) == 0
        hits.append(last in possible[:k])
    best = made.best_hit_rate(k)
    assert np.mean(hits) == pytest.approx(best, abs=3.5 * np.sqrt(best * (1 - best) / len(hits)))


def test_next_parts_are_likelier_than_single_items_at_every_size() -> None:
    for low, high, items in [(5, 5, 50), (5, 6, 60), (5, 5, 59), (7, 13, 130), (20, 40, 439)]:
        made = datasets.synthetic(20, items, interactions=(low, high))
        p, singles = made.single_probability, (made.movies["genres"] == "Single").sum()
        assert (1 - p) / 3 > p / (singles - (high - 4))
        assert made.best_hit_rate(items) == pytest.approx(1.0)


def test_popularity_finds_nothing(made: datasets.Synthetic) -> None:
    last = made.ratings.drop_duplicates("user_id", keep="last")["item_id"]
    top = made.ratings["item_id"].value_counts().index[:10]
    assert last.isin(top).mean() < 0.035
    assert made.best_hit_rate(10) > 0.85


def test_synthetic_takes_seconds() -> None:
    start = time.perf_counter()
    datasets.synthetic()
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"users": 0}, ValueError, "users must be at least 1, received 0"),
        ({"items": 399}, ValueError, "items, ten times .* must be at least 400, received 399"),
        (
            {"interactions": (4, 9)},
            ValueError,
            "least of interactions .* 5, received 4",
        ),
        (
            {"interactions": (9, 8)},
            ValueError,
            "most of interactions .* 9, received 8",
        ),
        ({"users": 1.5}, TypeError, "users must be an integer, received 1.5"),
        ({"interactions": (5.0, 9)}, TypeError, r"interactions must be an integer, received 5\.0"),
    ],
)
def test_synthetic_errors(arguments: dict[str, object], error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        datasets.synthetic(**arguments)
    with pytest.raises(ValueError, match="k must be at least 1, received 0"):
        datasets.synthetic(5, 100, interactions=(5, 6)).best_hit_rate(0)


RATINGS = b"1::10::5::978300760\n2::11::3::978302109\n"
MOVIES = "10::Caf\xe9: Noir (1990)::Drama\n11::B::Comedy|War\n".encode("latin-1")


def test_movielens_reads_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none is no folder; expected a folder with rat"):
        datasets.movielens(tmp_path / "none")
    (tmp_path / "ratings.dat").write_bytes(RATINGS)
    with pytest.raises(FileNotFoundError, match=r"has no movies\.dat; expected"):
        datasets.movielens(tmp_path)
    (tmp_path / "movies.dat").write_bytes(MOVIES)
    ratings, movies = datasets.movielens(tmp_path)
    assert ratings.to_numpy().tolist() == [[1, 10, 5, 978300760], [2, 11, 3, 978302109]]
    assert ratings.columns.tolist() == COLUMNS
    assert movies.to_numpy().tolist() == [
        [10, "Café: Noir (1990)", "Drama"],
        [11, "B", "Comedy|War"],
    ]


def test_movielens_100k(real_data: Path) -> None:
    ratings, movies = datasets.movielens(real_data / "ml-100k")
    assert (len(ratings), ratings["user_id"].nunique(), len(movies)) == (100_000, 943, 1_682)
    assert (ratings.dtypes == "int64").all()
    assert ratings["item_id"].isin(movies["item_id"]).all()
    assert "Misérables, Les (1995)" in set(movies["title"])


class Server(http.server.ThreadingHTTPServer):
    """Serves `content`, announcing `announced` bytes, and counts the requests."""

    content = b""
    announced = 0
    requests = 0


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        if not self.server.content:
            self.send_error(503, "Down for maintenance")
            return
        self.send_response(200)
        self.send_header("Content-Length", str(self.server.announced))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content:
        content.writestr("ml-1m/ratings.dat", RATINGS)
        content.writestr("ml-1m/movies.dat", MOVIES)
        content.writestr("ml-1m/README", "read me")
    return buffer.getvalue()


@pytest.fixture
def server(archive: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.content, server.announced = archive, len(archive)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/ml-1m.zip"
        monkeypatch.setattr(DOWNLOAD, "_URL", url)
        monkeypatch.setattr(DOWNLOAD, "_SHA256", hashlib.sha256(archive).hexdigest())
        yield server
        server.shutdown()
        thread.join()


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


WANTED = {"datasets/ml-1m.zip", "datasets/ml-1m/ratings.dat", "datasets/ml-1m/movies.dat"}


def test_download(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)  # importing it fails
    cache = tmp_path / "new" / "cache"
    ratings, movies = datasets.movielens_1m(cache)
    assert (len(ratings), len(movies)) == (2, 2)
    assert files_in(cache) == WANTED
    assert len(datasets.movielens_1m(cache)[0]) == 2
    assert server.requests == 1


def test_download_into_the_folder_of_keras(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    datasets.movielens_1m()
    assert files_in(tmp_path) == WANTED


def test_download_with_another_hash_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.content = server.content[:-1] + b"x"
    with pytest.raises(DataError, match=r"is not the published ml-1m\.zip: its SHA-256 is"):
        datasets.movielens_1m(tmp_path)
    assert files_in(tmp_path) == set()


def test_truncated_download_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.content = server.content[:100]
    with pytest.raises(ConnectionError, match=r"100 bytes read, \d+ more expected") as failure:
        datasets.movielens_1m(tmp_path)
    assert files_in(tmp_path) == set()
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__


def test_server_error_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.content = b""
    with pytest.raises(ConnectionError, match="could not be downloaded: HTTP Error 503: Down"):
        datasets.movielens_1m(tmp_path)
    assert files_in(tmp_path) == set()


def test_refused_download_says_what_to_put_where_and_that_works(
    archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(("127.0.0.1", 0), Handler) as closed:
        port = closed.server_address[1]
    monkeypatch.setattr(DOWNLOAD, "_URL", f"http://127.0.0.1:{port}/ml-1m.zip")
    monkeypatch.setattr(DOWNLOAD, "_SHA256", hashlib.sha256(archive).hexdigest())
    place = tmp_path / "datasets" / "ml-1m.zip"
    with pytest.raises(ConnectionError, match="refused") as failure:
        datasets.movielens_1m(tmp_path)
    assert f"save it as {place}, then" in str(failure.value)
    assert files_in(tmp_path) == set()

    place.write_bytes(b"half of it")
    with pytest.raises(DataError, match=r"is not the published ml-1m\.zip.*; delete it"):
        datasets.movielens_1m(tmp_path)
    assert place.read_bytes() == b"half of it"

    place.write_bytes(archive)
    assert len(datasets.movielens_1m(tmp_path)[0]) == 2
    assert files_in(tmp_path) == WANTED


def test_stalled_download_ends(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.announced += 10
    monkeypatch.setattr(DOWNLOAD, "_STALLED_SECONDS", 0.2)
    monkeypatch.setattr(Handler, "finish", lambda self: time.sleep(1))
    with pytest.raises(ConnectionError, match="timed out"):
        datasets.movielens_1m(tmp_path)
    assert files_in(tmp_path) == set()
