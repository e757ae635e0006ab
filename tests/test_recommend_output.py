"""recommend(output=...): the same rows in a file, written as they come, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import sasrec_fast as sf
from groceries import HISTORIES, STRINGS, prepared
from sasrec_fast.evaluation import Popularity
from sasrec_fast.recommendation import ranking
from sasrec_fast.saving import replaced_file

TITLES = {"tea": "Tea", "wine": "Wine"}


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return prepared()


@pytest.fixture(scope="module")
def numbers() -> sf.Prepared:
    codes = {name: number for number, name in enumerate(STRINGS, start=7)}
    return prepared({i: [codes[x] for x in items] for i, items in enumerate(HISTORIES.values())})


def popularity(data: sf.Prepared) -> Popularity:
    return Popularity(data.item_counts)


@pytest.mark.filterwarnings("ignore:0 of 2 titles match an item")  # text, for integers
@pytest.mark.parametrize("kind", ["text", "numbers"])
@pytest.mark.parametrize("titles", [None, TITLES])
def test_the_file_holds_what_is_returned_otherwise(
    kind: str, titles: Any, data: sf.Prepared, numbers: sf.Prepared, tmp_path: Path
) -> None:
    chosen = data if kind == "text" else numbers
    options = {"k": 3, "titles": titles}
    expected = sf.recommend(popularity(chosen), chosen, **options)
    done = sf.recommend(popularity(chosen), chosen, **options, output=tmp_path / "r.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(done.path), expected)
    done = sf.recommend(popularity(chosen), chosen, **options, output=str(tmp_path / "r.csv"))
    from_csv = pd.read_csv(done.path).astype(expected.dtypes.to_dict())
    untitled = {"title": ""}  # None or NaN, as the version of pandas has it
    pd.testing.assert_frame_equal(from_csv.fillna(untitled), expected.fillna(untitled))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv", "r.parquet"]


def test_each_window_is_a_row_group(
    data: sf.Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "WINDOW", 2)
    histories = [["tea"], ["milk"], ["rice"], ["salt"], ["oil"]]
    done = sf.recommend(
        popularity(data), data, histories=histories, k=2, output=tmp_path / "r.parquet"
    )
    file = pq.ParquetFile(done.path)
    assert [file.metadata.row_group(i).num_rows for i in range(3)] == [4, 4, 2]
    assert file.read()["history"].to_pylist() == np.repeat(np.arange(5), 2).tolist()


def test_the_summary_counts(data: sf.Prepared, tmp_path: Path) -> None:
    histories = [["tea"], [], HISTORIES["zoe"]]
    with pytest.warns(UserWarning, match="histories without a known item: 1"):
        done = sf.recommend(
            popularity(data), data, histories=histories, k=3, output=tmp_path / "r.csv"
        )
    assert done.path == tmp_path / "r.csv"
    assert (done.rows, done.histories, done.popular, done.short) == (8, 3, 1, 1)


def test_nobody_gives_a_file_with_columns_and_types(data: sf.Prepared, tmp_path: Path) -> None:
    full = sf.recommend(popularity(data), data)
    for name, read in (("r.parquet", pd.read_parquet), ("r.csv", pd.read_csv)):
        done = sf.recommend(popularity(data), data, users=[], output=tmp_path / name)
        assert (done.rows, done.histories) == (0, 0)
        assert read(done.path).columns.tolist() == full.columns.tolist()
    pd.testing.assert_series_equal(pd.read_parquet(tmp_path / "r.parquet").dtypes, full.dtypes)


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("name", ["r.parquet", "r.csv"])
def test_an_interrupt_half_way_leaves_the_old_file(
    failure: type[BaseException],
    name: str,
    data: sf.Prepared,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Failing(Popularity):
        def score_items(self, x: Any) -> Any:
            if (tmp_path / name).stat().st_size and len(list(tmp_path.iterdir())) == 2:
                self.calls = getattr(self, "calls", 0) + 1
            if self.calls > 1:
                raise failure
            return super().score_items(x)

    (tmp_path / name).write_text("the old one")
    monkeypatch.setattr(ranking, "WINDOW", 1)
    with pytest.raises(failure):
        sf.recommend(Failing(data.item_counts), data, output=tmp_path / name)
    assert (tmp_path / name).read_text() == "the old one"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("output", "error", "said"),
    [
        ("r.txt", ValueError, "output .*r.txt: expected a name that ends in .parquet or .csv"),
        ("folder.csv", ValueError, "is a folder, expected a file"),
        ("none/r.csv", ValueError, "there is no folder .*none"),
        (5, TypeError, "output must be a path, received 5"),
    ],
)
def test_outputs_that_cannot_be_written_are_refused(
    output: Any, error: type[Exception], said: str, data: sf.Prepared, tmp_path: Path
) -> None:
    (tmp_path / "folder.csv").mkdir()
    path = tmp_path / output if isinstance(output, str) else output
    with pytest.raises(error, match=said):
        sf.recommend(popularity(data), data, output=path)


WRITER = """
import sys, time
from pathlib import Path
from sasrec_fast.saving import replaced_file
with replaced_file(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_writer_left_is_removed_and_a_living_one_kept(tmp_path: Path) -> None:
    target = tmp_path / "r.csv"
    command = [sys.executable, "-c", WRITER, str(target)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as alive,
    ):
        for process in (killed, alive):
            assert process.stdout is not None
            assert process.stdout.readline() == "writing\n"
        killed.kill()
        killed.wait()
        time.sleep(0.05)
        with replaced_file(target) as temporary:
            temporary.write_text("whole")
        left = [path.name for path in tmp_path.iterdir()]
        alive.kill()
    assert target.read_text() == "whole"
    assert len(left) == 2
    assert target.name in left
