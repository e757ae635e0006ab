"""`sasrec-fast evaluate`: the metrics of the library, its files, and data it refuses."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from sasrec_fast import datasets
from sasrec_fast.cli import main
from sasrec_fast.evaluation import MarkovChain, Popularity
from sasrec_fast.model import save_model
from small_models import make_model

if TYPE_CHECKING:
    from pathlib import Path

PLOTS = ("history_lengths", "item_popularity", "ndcg_by_history_length", "ndcg_by_popularity")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ratings.csv of 60 users under other column names, movies.csv, and an untrained model."""
    folder = tmp_path_factory.mktemp("evaluate")
    ratings, movies = datasets.synthetic(60, 100, interactions=(6, 10))
    ratings.columns = pd.Index(["who", "what", "stars", "when"])
    ratings.to_csv(folder / "ratings.csv", index=False)
    movies.to_csv(folder / "movies.csv", index=False)
    save(folder / "model.keras", prepared(folder))
    return folder


def prepared(folder: Path, **options: object) -> sf.Prepared:
    names = {"user": "who", "item": "what", "timestamp": "when"}
    return sf.prepare(
        folder / "ratings.csv", **names, **{"max_sequence_length": 8, "seed": 5} | options
    )


def save(path: Path, data: sf.Prepared, *, fingerprint: bool = True) -> None:
    model = make_model(
        vocabulary_size=data.vocabulary_size,
        max_sequence_length=data.max_sequence_length,
        items=data.items,
    )
    model.build()
    save_model(model, path, data)
    if not fingerprint:
        without_fingerprint(path)


def without_fingerprint(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content = json.loads(members["sasrec_fast.json"])
    members["sasrec_fast.json"] = json.dumps({"prepare": content["prepare"]}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)


def evaluate(folder: Path, *arguments: str, model: str = "model", ratings: str = "ratings") -> int:
    files = ["--model", f"{folder}/{model}.keras", "--ratings", f"{folder}/{ratings}.csv"]
    return main(["evaluate", *files, *arguments])


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err
    assert error.startswith("sasrec-fast: error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("split", ["test", "validation"])
def test_prints_and_writes_what_the_library_measures(
    folder: Path, tmp_path: Path, split: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    output = tmp_path / "metrics.json"
    assert evaluate(folder, "--split", split, "--k", "10", "3", "--output", str(output)) == 0
    data = prepared(folder)
    rows = getattr(data, split)
    scorers = {
        "SASRec": keras.saving.load_model(folder / "model.keras"),
        "popularity": Popularity(data.train.item_counts),
        "Markov chain": MarkovChain(data.train),
    }
    expected = {name: sf.evaluate(scorer, rows, k=(3, 10)) for name, scorer in scorers.items()}
    written = json.loads(output.read_text(encoding="utf-8"))
    for name, metrics in expected.items():
        assert written["metrics"][name] == pytest.approx(dict(metrics))
        for key, error in metrics.standard_errors.items():
            found = written["standard_errors"][name][key]
            assert found is None if np.isnan(error) else found == pytest.approx(error)
        assert written["protocol"][name] == str(metrics).splitlines()[0]
    assert written["model"] == f"{folder}/model.keras"
    assert written["ratings"] == f"{folder}/ratings.csv"

    printed = capsys.readouterr().out
    assert f"\n{split}: 60 users, full ranking of " in printed
    assert re.search(r"^ +SASRec +popularity +Markov chain$", printed, re.MULTILINE)
    means = [f"{metrics['ndcg@3']:.4f} ± 0" for metrics in expected.values()]
    pattern = r"\.\d+ +".join(map(re.escape, means))
    assert re.search(rf"^ndcg@3 +{pattern}", printed, re.MULTILINE)
    assert "user 1" not in printed
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_draws_every_plot(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    movies = ["--movies", f"{folder}/movies.csv"]
    assert evaluate(folder, *movies, "--item", "what", "--plots", f"{tmp_path}/new") == 2
    assert re.search(r"column 'what' of \S*movies.csv is missing", refused(capsys))
    titles = pd.read_csv(folder / "movies.csv").rename(columns={"item_id": "what"})
    titles.to_csv(folder / "titles.csv", index=False)
    movies = ["--movies", f"{folder}/titles.csv"]
    assert evaluate(folder, *movies, "--plots", f"{tmp_path}/new", "--k", "3", "5") == 0
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [f"{n}.png" for n in PLOTS]
    assert all(path.read_bytes().startswith(PNG) for path in (tmp_path / "new").iterdir())
    printed = capsys.readouterr().out
    assert f"drawing into {tmp_path}/new ... " in printed
    assert "what came next, hidden from the model: " in printed


def test_a_plot_that_fails_leaves_the_old_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    def half(self: Figure, path: Path, **_: object) -> None:
        path.write_bytes(PNG)
        raise OSError("no space left on device")

    (tmp_path / "history_lengths.png").write_bytes(b"the old one")
    monkeypatch.setattr(Figure, "savefig", half)
    assert evaluate(folder, "--plots", str(tmp_path)) == 2
    assert (tmp_path / "history_lengths.png").read_bytes() == b"the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["history_lengths.png"]


def test_other_data_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sasrec_fast.evaluation.evaluate", lambda *_, **__: pytest.fail("ranked"))
    ratings = pd.read_csv(folder / "ratings.csv")
    changed = ratings.copy()
    changed.loc[0, "what"] = 9999
    changed.to_csv(folder / "changed.csv", index=False)
    assert evaluate(folder, ratings="changed") == 2
    new = len(set(changed["what"]) - set(ratings["what"]))
    message = refused(capsys)
    assert "changed.csv is not the data that " in message
    assert f"{new:,} are new to the model" in message

    counts = ratings["who"].value_counts()
    repeated = ratings[ratings["who"] == counts.index[0]].assign(who=1000)
    pd.concat([ratings, repeated]).to_csv(folder / "more.csv", index=False)
    assert evaluate(folder, ratings="more") == 2
    assert "it has the same items, but other users or interactions" in refused(capsys)


def test_columns_may_be_called_otherwise(folder: Path) -> None:
    table = pd.read_csv(folder / "ratings.csv")
    table.rename(columns={"who": "person"}).to_csv(folder / "renamed.csv", index=False)
    assert evaluate(folder, "--user", "person", ratings="renamed") == 0


def test_a_file_without_a_fingerprint_is_noted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(folder / "old.keras", prepared(folder), fingerprint=False)
    assert evaluate(folder, model="old") == 0
    assert "old.keras does not say which ratings it was trained on; " in capsys.readouterr().out


def test_a_split_that_training_had_not_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(folder / "one.keras", "w") as archive:
        options = {**prepared(folder).options, "holdout": 1}
        archive.writestr("sasrec_fast.json", json.dumps({"prepare": options}))
    assert evaluate(folder, model="one") == 2
    assert "--split test: with the options of " in refused(capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--output {d}/m.csv", "expected a name that ends in .json"),
        ("--plots {d}/file", "file is a file, expected a folder"),
        ("--plots {d}/no/plots", "there is no folder {d}/no"),
    ],
)
def test_outputs_are_checked_first(
    arguments: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert evaluate(tmp_path, *arguments.format(d=tmp_path).split()) == 2
    assert said.format(d=tmp_path) in refused(capsys)


def test_plots_without_matplotlib_are_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert evaluate(tmp_path, "--plots", str(tmp_path)) == 2
    assert 'pip install "sasrec-fast[plots]"' in refused(capsys)


def test_wrong_cut_offs_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(tmp_path, "--k", "5", "0") == 2
    assert "'--k': '0', expected an integer from 1" in capsys.readouterr().err
