"""MovieLens folders, and the MovieLens-1M download."""

import hashlib
import os
import shutil
import tempfile
import urllib.request
import zipfile
from http.client import HTTPException
from pathlib import Path

import pandas as pd

from sasrec_fast.errors import DataError
from sasrec_fast.reading import read_movies, read_table

_URL = "https://files.grouplens.org/datasets/movielens/ml-1m.zip"
_SHA256 = "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20"
_FILES = ("ratings.dat", "movies.dat")
_STALLED_SECONDS = 60.0


def movielens(folder: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a folder in the layout of MovieLens-1M: ratings.dat and movies.dat.

    Args:
        folder: The folder that holds the two files.

    Returns:
        The ratings (user_id, item_id, rating, timestamp; in file order, int64 where the file has
        integers) and the movies (item_id, title, genres).

    Raises:
        FileNotFoundError: The folder or one of its files is missing.
        DataError: A file is malformed; the message names the line.
    """
    folder = Path(folder)
    missing = [name for name in _FILES if not (folder / name).exists()]
    if missing:
        what = f"has no {' and no '.join(missing)}" if folder.is_dir() else "is no folder"
        raise FileNotFoundError(f"{folder} {what}; expected a folder with {' and '.join(_FILES)}")
    ratings = read_table(folder / "ratings.dat").to_pandas()
    return ratings, read_movies(folder / "movies.dat")


def movielens_1m(cache_dir: str | Path | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """MovieLens-1M: 1,000,209 ratings of 3,706 movies by 6,040 users.

    Downloaded once (6 MB), checked by its SHA-256 and kept, extracted, in
    `cache_dir/datasets/ml-1m`. On a machine without a network, put ml-1m.zip from
    https://files.grouplens.org/datasets/movielens/ml-1m.zip into `cache_dir/datasets` yourself.
    See https://grouplens.org/datasets/movielens/1m/ for the terms of use.

    Args:
        cache_dir: Where to keep it; by default Keras' folder, `$KERAS_HOME` or `~/.keras`.

    Returns:
        The ratings and the movies, as `movielens`.

    Raises:
        ConnectionError: The download failed; the message says what to put where.
        DataError: The file downloaded or found is not the published one.
        OSError: The folder cannot be written.
    """
    home = cache_dir or os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    datasets = Path(home).expanduser() / "datasets"
    folder = datasets / "ml-1m"
    if not all((folder / name).is_file() for name in _FILES):
        archive = datasets / "ml-1m.zip"
        datasets.mkdir(parents=True, exist_ok=True)
        if not archive.exists():
            _download(archive)
        _verify(archive, f"delete it, and it is downloaded again from {_URL}")
        _extract(archive, folder)
    return movielens(folder)


def _download(archive: Path) -> None:
    """Put the verified download in place, or nothing."""
    try:
        with urllib.request.urlopen(_URL, timeout=_STALLED_SECONDS) as response:
            content = response.read()
    except (OSError, HTTPException) as failure:
        raise ConnectionError(
            f"{_URL} could not be downloaded: {failure}. "
            f"Download it by other means and save it as {archive}, then call this again."
        ) from None
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".ml-1m-") as folder:
        got = Path(folder, archive.name)
        got.write_bytes(content)
        _verify(got, f"try again, or save a good copy of it as {archive}")
        got.replace(archive)


def _verify(archive: Path, remedy: str) -> None:
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != _SHA256:
        raise DataError(
            f"{archive} is not the published ml-1m.zip: its SHA-256 is {found}, "
            f"expected {_SHA256}; {remedy}"
        )


def _extract(archive: Path, folder: Path) -> None:
    """Extract the two files into place at once, so that a folder that exists is complete."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".ml-1m-") as temporary:
        with zipfile.ZipFile(archive) as content:
            for name in _FILES:
                content.extract(f"{folder.name}/{name}", temporary)
        shutil.rmtree(folder, ignore_errors=True)
        (Path(temporary) / folder.name).replace(folder)
