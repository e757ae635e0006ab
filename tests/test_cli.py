"""The command line: what it prints, what it writes, and how it refuses."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import re
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from sasrec_fast import datasets
from sasrec_fast.cli import interrupts, main, options, reading
from sasrec_fast.cli.audience import read_audience
from sasrec_fast.cli.display import history_and_recommendations
from sasrec_fast.cli.recommend import _of_kind
from sasrec_fast.cli.screen import Screen, seconds
from sasrec_fast.model import read_preparation, save_model
from sasrec_fast.reading import ColumnNames, read_interactions, read_movies, read_table
from sasrec_fast.recipes import RECIPES, Recipe

TINY = "--hidden-dim 8 --num-layers 1 --max-sequence-length 8 --num-negatives 1 --batch-size 512"


def write_dat(path: Path, table: pd.DataFrame) -> Path:
    lines = ("::".join(map(str, row)) + "\n" for row in table.to_numpy().tolist())
    path.write_text("".join(lines), encoding="latin-1")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ratings.dat and movies.dat of 60 users; the first movie has no title."""
    folder = tmp_path_factory.mktemp("cli")
    ratings, movies = datasets.synthetic(60, 100, interactions=(6, 10))
    write_dat(folder / "ratings.dat", ratings)
    write_dat(folder / "movies.dat", movies[1:])
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> str:
    """What `train` printed; the model is in model.keras."""
    printed = io.StringIO()
    arguments = ["--ratings", f"{folder}/ratings.dat", "--movies", f"{folder}/movies.dat"]
    arguments += ["--output", f"{folder}/model.keras", "--epochs", "3", "--min-rating", "3"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", printed)
        assert main(["train", *arguments, *TINY.split()]) == 0
    return printed.getvalue()


def recommend(folder: Path, *arguments: str, ratings: str = "ratings.dat") -> int:
    files = ["--model", f"{folder}/model.keras", "--ratings", f"{folder}/{ratings}"]
    return main(["recommend", *files, *arguments])


def test_train_prints_the_whole_job(folder: Path, trained: str) -> None:
    assert f"preparing {folder}/ratings.dat ... " in trained
    assert re.search(r"^users +60$", trained, re.MULTILINE)
    assert f"note: 1 item has no title in {folder}/movies.dat" in trained
    assert "SASRec: 1 layer, 1 head, 8 dimensions, " in trained
    epochs = re.findall(r"^ +(\d)  \d\.\d{4}  +0\.\d{4}  +0\.\d{4}  +\d", trained, re.MULTILINE)
    assert epochs == ["1", "2", "3"]
    assert re.search(r"^SASRec +0\.\d{4}  +0\.\d{4}$", trained, re.MULTILINE)
    assert re.search(r"^popularity +0\.\d{4}  +0\.\d{4}$", trained, re.MULTILINE)
    assert re.search(r"^user 1: the latest \d+ of \d+ items$", trained, re.MULTILINE)
    ranks = re.findall(r"^  ( \d|10)  \w+ \w+ \w+$", trained, re.MULTILINE)
    assert len(ranks) >= 9  # at most one of the ten has no title
    assert trained.splitlines()[-1].startswith("done in ")
    assert "\r" not in trained


def test_train_writes_one_file(folder: Path, trained: str) -> None:
    assert {path.name for path in folder.iterdir()} >= {"model.keras"}
    assert not list(folder.glob(".*"))
    options, fingerprint = read_preparation(folder / "model.keras")
    assert options is not None
    assert fingerprint is not None
    assert (options["min_rating"], options["max_sequence_length"]) == (3, 8)


def test_train_keeps_the_best_epoch(folder: Path, trained: str) -> None:
    import keras

    model = keras.saving.load_model(folder / "model.keras")
    data = sf.prepare(folder / "ratings.dat", max_sequence_length=8)
    lines = [line for line in trained.splitlines() if line.endswith("  best")]
    kept = re.search(r"kept: the weights of epoch (\d)", trained)
    assert kept
    epoch, _, hit_rate, ndcg, *_ = lines[-1].split()
    assert epoch == kept[1]
    metrics = sf.evaluate(model, data.validation, k=10)
    assert metrics["hit_rate@10"] == pytest.approx(float(hit_rate), abs=6e-5)
    assert metrics["ndcg@10"] == pytest.approx(float(ndcg), abs=6e-5)


def test_train_stops_without_progress_and_keeps_the_best_weights(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import keras

    scores = [0.2, 0.5, 0.4, 0.5, 0.9]
    weights: list[Any] = []

    def scripted(model: sf.SASRec, *_: object, **__: object) -> dict[str, float]:
        weights.append(model.get_weights())
        return {"hit_rate@10": 0.0, "ndcg@10": scores[len(weights) - 1]}

    monkeypatch.setattr("sasrec_fast.evaluation.ranking_metrics.evaluate", scripted)
    output = tmp_path / "m.keras"
    files = ["--ratings", f"{folder}/ratings.dat", "--output", str(output)]
    assert main(["train", *files, *TINY.split(), "--epochs", "9", "--patience", "2"]) == 0
    printed = capsys.readouterr().out
    assert len(weights) == 4
    assert "no better NDCG@10 for 2 epochs: stopped\nkept: the weights of epoch 2\n" in printed
    assert re.search(r"^   1  item \d+$", printed, re.MULTILINE)
    kept = keras.saving.load_model(output).get_weights()
    assert all(np.array_equal(own, best) for own, best in zip(kept, weights[1], strict=True))
    assert not np.array_equal(kept[0], weights[3][0])


@pytest.mark.usefixtures("trained")
def test_recommend_prints_what_the_library_recommends(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    movies = f"{folder}/movies.dat"
    assert recommend(folder, "--users", "7,3", "11", "--k", "4", "--movies", movies) == 0
    printed = capsys.readouterr().out
    blocks = re.findall(r"^user (\d+): .*\n((?:  +\d+  .*\n)+)", printed, re.MULTILINE)
    assert [user for user, _ in blocks] == ["7", "3", "11"]
    model = keras.saving.load_model(folder / "model.keras")
    data = sf.prepare(folder / "ratings.dat", max_sequence_length=8)
    expected = sf.recommend(model, data, users=[7, 3, 11], k=4, titles=read_movies(movies))
    titles = [line.split("  ")[-1] for _, block in blocks for line in block.splitlines()]
    assert titles == [title if isinstance(title, str) else "item 1" for title in expected["title"]]


@pytest.mark.usefixtures("trained")
def test_recommend_writes_a_file_for_all_users(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "all.csv"
    assert recommend(folder, "--all", "--output", str(output), "--k", "3") == 0
    table = pd.read_csv(output)
    assert table.columns.tolist() == ["user_id", "item_id", "rank", "score"]
    assert table["user_id"].tolist() == np.repeat(np.arange(1, 61), 3).tolist()
    seen = read_table(folder / "ratings.dat").to_pandas().groupby("user_id")["item_id"].agg(set)
    assert not any(row.item_id in seen[row.user_id] for row in table.itertuples())

    everything = ["--all", "--k", "100", "--include-seen", "--movies", f"{folder}/movies.dat"]
    assert recommend(folder, *everything, "--output", str(tmp_path / "all.parquet")) == 0
    table = pd.read_parquet(tmp_path / "all.parquet")
    assert all(seen[user] <= set(items) for user, items in table.groupby("user_id")["item_id"])
    assert table.columns.tolist() == ["user_id", "item_id", "rank", "score", "title"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.csv", "all.parquet"]


@pytest.mark.usefixtures("trained")
def test_recommend_answers_for_a_history_without_ratings(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["recommend", "--model", f"{folder}/model.keras", "--movies", f"{folder}/movies.dat"]
    assert main([*files, "--history", "5,7", "9", "x", "--k", "4"]) == 0
    printed = capsys.readouterr().out
    assert "note: 1 of 4 item ids are unknown and were skipped, first 'x' in history 0" in printed
    model = sf.load_model(folder / "model.keras")
    titles = read_movies(folder / "movies.dat")
    expected = sf.recommend(model, histories=[[5, 7, 9]], k=4, titles=titles)
    block = re.search(r"^history: 3 items, last .*\n((?:  +\d+  .*\n)+)", printed, re.MULTILINE)
    assert block
    shown = [line.split("  ")[-1] for line in block[1].splitlines()]
    assert shown == [t if isinstance(t, str) else "item 1" for t in expected["title"]]

    output = tmp_path / "one.csv"
    assert main([*files[:3], "--history", "x", "--k", "3", "--output", str(output)]) == 0
    assert "known item: 1, first history 0: the most popular items" in capsys.readouterr().out
    popular = np.argsort(-model.item_counts[1:], kind="stable")[:3]
    assert pd.read_csv(output)["item_id"].tolist() == model.items.ids[popular].tolist()


@pytest.mark.usefixtures("trained")
def test_recommend_serves_users_and_items_training_has_not_seen(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "who,what,when,stars\nann,5,1,4\nann,7,2,2\nann,998,3,5\nbob,999,1,5\n"
    (folder / "new.csv").write_text(text)
    names = ["--user", "who", "--item", "what", "--timestamp", "when", "--rating", "stars"]
    assert recommend(folder, *names, "--users", "ann", "bob", ratings="new.csv") == 0
    printed = capsys.readouterr().out
    assert "note: left out 2 interactions with items new to the model" in printed
    assert "note: histories without a known item: 1, first user bob: the most popular" in printed
    assert re.search(r"^user bob: 0 items\n   1  item \d+$", printed, re.MULTILINE)
    assert "user ann: 1 item, last item 5\n" in printed  # one is new, one is under --min-rating


def frame(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user": rng.integers(1, 6, rows),
            "item": rng.choice(["a", "b", "c", "d", "e"], rows),
            "time": rng.integers(0, 4, rows),
            "stars": rng.integers(1, 6, rows),
        }
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("min_rating", [None, 3])
@pytest.mark.parametrize(("duplicates", "ties"), [("keep", "input"), ("first", "hash")])
def test_histories_are_those_of_prepare(
    seed: int,
    min_rating: int | None,
    duplicates: Literal["keep", "first"],
    ties: Literal["input", "hash"],
) -> None:
    table = frame(np.random.default_rng(seed), 40)
    spare = pd.DataFrame({"user": 9, "item": ["x"], "time": 0, "stars": 5})
    table = pd.concat([table, spare], ignore_index=True)  # so that no user has all items
    names = {"user": "user", "item": "item", "timestamp": "time"}
    rating = None if min_rating is None else "stars"
    data = sf.prepare(
        table,
        **names,
        rating=rating,
        min_rating=min_rating,
        min_user_interactions=1,
        duplicates=duplicates,
        ties=ties,
    )
    columns = ColumnNames(*names.values(), rating)
    audience, items = read_audience(table, columns, data.options, None)
    assert audience.values.tolist() == data.users.ids.tolist()
    rows, indices = audience.histories.pairs()
    offsets = data.sequences.offsets
    assert rows.tolist() == np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)).tolist()
    assert items.lookup(indices).tolist() == data.items.lookup(data.sequences.items).tolist()
    audience, _ = read_audience(table, columns, data.options, ["9", "2", "9"])
    assert audience.values.tolist() == [9, 2]


def test_demo_compares_with_the_best_possible(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    for name in ("best possible", "SASRec", "popularity"):
        assert re.search(rf"^{name} +0\.\d{{4}}", printed, re.MULTILINE)
    assert re.search(r"^SASRec reaches \d+% of the best possible hit rate$", printed, re.MULTILINE)
    assert "what came next, hidden from the model: " in printed
    assert len(re.findall(r"^  ( \d|10)  ", printed, re.MULTILINE)) >= 10


def test_the_hidden_last_item_is_not_in_the_history_and_can_be_recommended() -> None:
    table = {
        "user_id": [1, 1, 1, 2, 2, 2, 3, 3, 3],
        "item_id": [10, 11, 12, 12, 13, 14, 12, 15, 11],
    }
    data = sf.prepare(table, timestamp=None)
    model = sf.baselines.Popularity(data.item_counts)
    hidden = history_and_recommendations(model, data, 1, {12: "Twelve"}, hide_last=True)
    assert hidden.startswith("user 1: the latest 2 of 2 items\n      item 10\n      item 11\nwhat")
    assert "came next, hidden from the model: Twelve\n" in hidden
    assert "\n   1  Twelve   <- came next\n" in hidden
    whole = history_and_recommendations(model, data, 1, {12: "Twelve"}, hide_last=False)
    assert whole.startswith("user 1: the latest 3 of 3 items\n")
    assert whole.count("Twelve") == 1


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr of a command that exits with code 2."""
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.endswith("\n")
    assert "Traceback" not in error
    return error.removesuffix("\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "Missing command"),
        ("fly", "No such command 'fly'"),
        ("train", "Missing option '--ratings'"),
        ("train --ratings {d}/none.dat", "none.dat: there is no such file"),
        ("train --ratings {d}", "is a folder, expected a file"),
        (
            "train --ratings {d}/bad.dat",
            "bad.dat, line 2: expected user_id::item_id::rating::times",
        ),
        (
            "train --ratings {d}/r.csv",
            "r.csv is missing; the columns are 'user_id', 'item_id', ",
        ),
        (
            "train --ratings {d}/r.csv --timestamp when",
            "line 3: column 'when' is 'x', expected a f",
        ),
        ("train --ratings {d}/short.dat", "has 4 interactions: two to learn from"),
        ("train --ratings {d}/ok.dat --min-rating 9", "nothing is left of 9 rows"),
        ("train --ratings {d}/ok.dat --movies {d}/none.dat", "none.dat: there is no such file"),
        ("train --ratings {d}/ok.dat --output {d}/m.h5", "expected a name that ends in .keras"),
        ("train --ratings {d}/ok.dat --output {d}/no/m.keras", "there is no folder {d}/no"),
        ("train --ratings {d}/ok.dat --hidden-dim 8 --num-heads 3", "is not divisible by --num-h"),
        ("train --ratings {d}/ok.dat --epochs 0", "'--epochs': '0', expected an integer from 1"),
        (
            "train --ratings {d}/ok.dat --dropout 1",
            "'--dropout': '1', expected a number from 0 below 1",
        ),
        ("train --ratings {d}/ok.dat --min-rating nan", "'--min-rating': 'nan', expected a number"),
        (
            "train --ratings {d}/ok.dat --recipe ml-1m-softmax --num-negatives 2",
            "--num-negatives: softmax looks at every item and takes none",
        ),
        ("train --ratings {d}/ok.dat --seed x", "'--seed': 'x', expected an integer from 0"),
        ("train --ratings {d}/ok.dat --epoch 3", "No such option"),
        ("recommend --ratings {d}/ok.dat --users 1", "Missing option '--model'"),
        ("recommend --model {d}/none.keras --ratings x --users 1", "none.keras: there is no such"),
        ("recommend --model {d}/ok.dat --ratings x --users 1", "ok.dat is no .keras file, "),
        ("recommend --model {d}/py.keras --ratings x --users 1", "was not saved by `sasrec-fast t"),
        ("recommend --model {d}/x --ratings x", "one of --users, --history and --all is needed"),
        ("recommend --model {d}/x --ratings x --all", "--all needs --output, a .parquet or .csv"),
        (
            "recommend --model {d}/x --ratings x --all --output {d}/r.txt",
            "ends in .parquet or .csv",
        ),
        ("recommend --model {d}/x --all --output {d}/r.csv", "--users and --all need --ratings"),
        ("recommend --model {d}/x --ratings x --users ,", "--users ',' holds no id"),
        ("recommend --model {d}/x --ratings x --history 1", "--history takes no --ratings"),
        ("recommend --model {d}/none.keras --history 1", "none.keras: there is no such file"),
        ("recommend --model {d}/py.keras --history 1", "py.keras cannot be loaded by Keras: "),
        ("recommend --model {d}/ok.dat --history 1", "ok.dat is no .keras file"),
    ],
)
def test_bad_input_is_one_line(
    arguments: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.dat").write_text("1::2::3::4\n1::2::3\n")
    (tmp_path / "r.csv").write_text("user_id,item_id,when\n1,2,3\n1,3,x\n")
    (tmp_path / "short.dat").write_text(
        "1::2::3::4\n1::3::3::5\n1::4::3::6\n2::5::5::5\n2::6::5::6\n2::7::5::7\n"
    )
    (tmp_path / "ok.dat").write_text("".join(f"{1 + i // 5}::{i}::3::{i}\n" for i in range(9)))
    with zipfile.ZipFile(tmp_path / "py.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    before = {path.name for path in tmp_path.iterdir()}
    message = refused(arguments.format(d=tmp_path).split(), capsys)
    assert message.startswith("sasrec-fast")
    assert said.format(d=tmp_path) in message
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.usefixtures("trained")
def test_recommend_refuses_other_users_and_items(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["recommend", "--model", f"{folder}/model.keras", "--ratings"]
    message = refused([*files, f"{folder}/ratings.dat", "--users", "1", "77", "x"], capsys)
    assert "no rating to go by for 2 users of 3: 77, x; there are ratings of 60 users" in message
    (folder / "other.dat").write_text("1::abc::5::1\n")
    message = refused([*files, f"{folder}/other.dat", "--users", "1"], capsys)
    assert "knows no item of these users, such as 'abc'; its 100 items are " in message
    (folder / "low.dat").write_text("1::1::2::1\n")
    message = refused([*files, f"{folder}/low.dat", "--users", "1"], capsys)
    assert "nothing is left of 1 rows: 1 are under min_rating=3.0, " in message


@pytest.mark.usefixtures("trained")
def test_recommend_refuses_a_damaged_model(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "damaged.keras"
    with (
        zipfile.ZipFile(folder / "model.keras") as whole,
        zipfile.ZipFile(damaged, "w") as part,
    ):
        for name in ("config.json", "metadata.json", "sasrec_fast.json"):
            part.writestr(name, whole.read(name))
    files = ["--model", str(damaged), "--ratings", f"{folder}/ratings.dat", "--users", "1"]
    assert "damaged.keras cannot be loaded by Keras: " in refused(["recommend", *files], capsys)


class Interrupted:
    """A model whose saving is interrupted half-way."""

    weights = ()

    def save(self, path: Path) -> None:
        path.write_bytes(b"half a model")
        raise KeyboardInterrupt


def test_an_interrupted_save_leaves_the_old_file(tmp_path: Path) -> None:
    output = tmp_path / "model.keras"
    output.write_bytes(b"the old one")
    with pytest.raises(KeyboardInterrupt):
        save_model(Interrupted(), output, SimpleNamespace(options={}, fingerprint=""))
    assert output.read_bytes() == b"the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_an_interrupted_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sasrec_fast.datasets.synthetic", interrupt)
    assert main(["demo"]) == 130
    printed, error = capsys.readouterr()
    assert printed.endswith("making ratings ... \n")
    assert error == "sasrec-fast: interrupted\n"


def start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sasrec_fast.cli", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_keeps_the_best_weights(
    number: signal.Signals, folder: Path, tmp_path: Path
) -> None:
    """And is quiet, but for what is left and how to go on; it ends as the signal has it."""
    arguments = ["--ratings", f"{folder}/ratings.dat", "--epochs", "100000", "--patience", "99999"]
    arguments += ["--output", "m.keras", "--resume", "run"] if number == signal.SIGINT else []
    process = start("train", *arguments, *TINY.split(), folder=tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.lstrip().startswith("2  "):  # the second epoch
            process.send_signal(number)
            break
    printed, error = process.communicate(timeout=120)
    assert "Traceback" not in printed + error
    pattern = r"interrupted after (\d+) epochs: (\S+) has the weights of epoch (\d+), the best"
    said = re.search(pattern, printed)
    assert said, printed
    assert 1 <= int(said[3]) <= int(said[1])
    assert sf.load_model(tmp_path / said[2]).vocabulary_size == 101
    assert read_preparation(tmp_path / said[2])[1] is not None
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert error.endswith("sasrec-fast: interrupted\n")  # TensorFlow talks, where it is
        assert "the same command goes on from there" in printed
        assert {path.name for path in tmp_path.iterdir()} == {"m.keras", "run"}
        assert not list((tmp_path / "run").glob(".*"))
    else:
        assert process.returncode == -signal.SIGTERM
        assert error.endswith("sasrec-fast: terminated\n")
        assert "with --resume FOLDER a run can go on" in printed
        assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_a_reader_that_leaves_ends_the_command_quietly(tmp_path: Path) -> None:
    process = start("train", "--ratings", "none.dat", folder=tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_that_got_lost_is_raised_at_the_next_check() -> None:
    with interrupts.remembered():
        interrupts.check()
        with contextlib.suppress(KeyboardInterrupt):  # as a callback from C does
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with interrupts.remembered():
        interrupts.check()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_for_terminals_alone() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        screen = Screen(stream)
        with screen.step("reading"):
            pass
        screen.bar("epoch 1", 1, 4)
        screen.bar("epoch 1", 2, 4)
        screen.say("epoch 1 done")
    assert re.fullmatch(r"reading \.\.\. \d\.\d s\nepoch 1 done\n", file.getvalue())
    assert "━" in terminal.getvalue()
    assert "2/4" in terminal.getvalue()
    assert terminal.getvalue().splitlines()[-1].endswith("\x1b[2Kepoch 1 done")
    assert "\x1b" not in file.getvalue()


@pytest.mark.parametrize(
    ("duration", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (125.4, "2 min 05 s")],
)
def test_seconds(duration: float, text: str) -> None:
    assert seconds(duration) == text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sasrec-fast {sf.__version__}\n"


@pytest.mark.usefixtures("trained")
def test_options_are_readable_by_anyone(folder: Path) -> None:
    with zipfile.ZipFile(folder / "model.keras") as archive:
        content = json.loads(archive.read("sasrec_fast.json"))
    assert content["prepare"]["user"] == "user_id"


def recipe_of(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The recipe that `train` would run."""
    found: list[Recipe] = []

    def look(recipe: Recipe, *_: object) -> None:
        found.append(recipe)
        raise ValueError("seen")

    monkeypatch.setattr("sasrec_fast.cli.reading.prepared", look)
    assert main(["train", "--ratings", "x.csv", *arguments]) == 2
    return found[0]


def test_train_has_the_defaults_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recipe_of(monkeypatch=monkeypatch) == Recipe()


def test_what_is_given_to_train_wins_over_its_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "--recipe ml-1m-softmax --max-sequence-length 50 --dropout .1 --epochs 3 --seed 7"
    recipe = recipe_of(*line.split(), monkeypatch=monkeypatch)
    base = RECIPES["ml-1m-softmax"]
    assert recipe.prepare == {"max_sequence_length": 50, "windows": ("stride", 50), "seed": 7}
    assert recipe.model == {**base.model, "dropout": 0.1}
    assert recipe.training == replace(base.training, epochs=3, seed=7)


@pytest.mark.parametrize(
    ("line", "loss", "negatives"),
    [
        ("--loss gbce --num-negatives 4", {"name": "gbce"}, 4),
        ("--num-negatives 4", {"name": "bce"}, 4),
        ("--dropout 0", {"name": "softmax"}, None),
        ("--recipe ml-1m-bce --loss softmax", {"name": "softmax"}, 1),
        ("--loss sampled_softmax", {"name": "sampled_softmax", "item_counts": "train"}, None),
        ("--recipe beauty --loss sampled_softmax", dict(RECIPES["beauty"].training.loss), None),
        (
            "--recipe beauty --num-negatives 9",
            {**RECIPES["beauty"].training.loss, "num_negatives": 9},
            None,
        ),
    ],
)
def test_negatives_go_where_the_loss_has_them(
    line: str, loss: dict[str, Any], negatives: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(*line.split(), monkeypatch=monkeypatch)
    assert recipe.training.loss == loss
    assert recipe.prepare.get("num_negatives") == negatives


def test_columns_are_names_or_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "--user 0 --item 1 --timestamp none"
    recipe = recipe_of(*line.split(), monkeypatch=monkeypatch)
    assert recipe.prepare == {"user": 0, "item": 1, "timestamp": None}
    line = "--user who --timestamp 7th"
    recipe = recipe_of(*line.split(), monkeypatch=monkeypatch)
    assert recipe.prepare == {"user": "who", "timestamp": "7th"}
    line = "--user -1 --item 01 --timestamp 1.0"
    recipe = recipe_of(*line.split(), monkeypatch=monkeypatch)
    assert recipe.prepare == {"user": "-1", "item": "01", "timestamp": "1.0"}


@pytest.mark.parametrize("name", ["n.csv", "n.tsv", "n.csv.gz", "n.parquet", "folder"])
def test_columns_that_are_called_by_numbers_are_names(name: str, tmp_path: Path) -> None:
    """As pandas writes a table without names: the header is no row of ratings."""
    table = frame(np.random.default_rng(0), 9).set_axis(list("0123"), axis=1)
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    target = path / "part-0.parquet" if name == "folder" else path
    if target.suffix == ".parquet":
        table.to_parquet(target, index=False)
    else:
        table.to_csv(target, index=False, sep="\t" if ".tsv" in name else ",")
    texts = dict.fromkeys(reading.ROLES) | {"user": "0", "item": "1", "timestamp": "none"}
    found = reading.columns(SimpleNamespace(ratings=path, **texts))
    assert found == {"user": "0", "item": "1", "timestamp": None}
    names = ColumnNames(found["user"], found["item"], None, None)
    assert len(read_interactions(path, names)) == 9
    (tmp_path / "plain.csv").write_text("0,7,2,3\n1,5,2,3\n")
    found = reading.columns(SimpleNamespace(ratings=tmp_path / "plain.csv", **texts))
    assert found == {"user": 0, "item": 1, "timestamp": None}


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("header", [False, True])
def test_titles_have_names_or_positions(
    header: bool, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    titles = pd.DataFrame({"item_id": range(1, 101), "title": [f"T{i}" for i in range(1, 101)]})
    titles.to_csv(tmp_path / "titles.csv", header=header, index=False)
    files = ["--model", f"{folder}/model.keras", "--movies", f"{tmp_path}/titles.csv"]
    # The ratings of a model may have had positions where the titles have names.
    columns = ["--item", "1"] if header else ["--item", "0", "--title", "1"]
    assert main(["recommend", *files, *columns, "--history", "5", "7", "--k", "3"]) == 0
    printed = capsys.readouterr().out
    assert "2 items, last T7" in printed
    assert len(re.findall(r"^   \d  T\d+$", printed, re.MULTILINE)) == 3


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("007", "'007'.*did you mean 7"),
        ("+7", "'.7'.*mean 7"),
        ("7.0", "mean 7"),
        ("1e3", "1000"),
        ("7.5", "integers"),
        ("-0", "mean 0"),
    ],
)
@pytest.mark.usefixtures("trained")
def test_an_id_that_is_written_as_no_integer_is_refused(
    typed: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(["recommend", "--model", f"{folder}/model.keras", "--history", typed], capsys)
    assert re.search(f"--history {said}|{said}", message), message


def test_an_id_of_text_is_what_was_typed() -> None:
    texts, numbers = sf.Vocabulary(["007", "7"]), sf.Vocabulary([7, -5])
    assert _of_kind(["007", "7", "+7", "1e3"], texts) == ["007", "7", "+7", "1e3"]
    assert _of_kind(["7", "-5", "x", "nan", "--7"], numbers) == [7, -5, "x", "nan", "--7"]


def test_the_defaults_in_the_help_are_those_of_the_library() -> None:
    for known, function in ((options.PREPARE, sf.prepare), (options.MODEL, sf.SASRec)):
        parameters = inspect.signature(function).parameters.values()
        theirs = {p.name: p.default for p in parameters if p.default is not p.empty}
        assert known.keys() == theirs.keys() - {"output", "max_bytes"}
        assert all(value in (theirs[name], None) for name, value in known.items())
        assert sum(value is not None for value in known.values()) > 8


def test_help_is_quick(tmp_path: Path) -> None:
    code = (
        "import sys; from sasrec_fast.cli import main; assert main(['train', '--help']) == 0; "
        "print([m for m in ('keras', 'jax', 'pandas', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("\n[]\n")
    assert "\x1b" not in done.stdout
    files = (".parquet", "JSON", "lines", ".gz", ".zip", "folder", "(default: user_id)")
    for shown in (*files, "--recipe", "--resume"):
        assert shown in done.stdout


@pytest.mark.parametrize(
    ("typed", "repeated"),
    [
        ("--users 1 -2 --k 3", "--users 1 --users -2 --k 3"),
        ("--users --k 3 4", "--users --k 3 4"),
        ("--users=1 2", "--users=1 2"),
    ],
)
def test_several_values_follow_one_option(
    typed: str, repeated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = options.Command(None)
    command.params = [SimpleNamespace(name="users", multiple=True), SimpleNamespace(name="k")]
    monkeypatch.setattr("typer.core.TyperCommand.parse_args", lambda _, __, args: args)
    assert command.parse_args(None, typed.split()) == repeated.split()


@pytest.mark.parametrize("suffix", ["parquet", "tsv", "txt.gz"])
def test_what_prepare_reads_is_trained_measured_and_served(
    suffix: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = read_table(folder / "ratings.dat").to_pandas()
    ratings, columns = tmp_path / f"r.{suffix}", ""
    if suffix == "parquet":
        table.to_parquet(ratings)
    elif suffix == "tsv":
        table.to_csv(ratings, sep="\t", index=False, header=False)
        columns = "--user 0 --item 1 --timestamp 3"
    else:
        pairs = table.sort_values(["user_id", "timestamp"])[["user_id", "item_id"]]
        pairs.to_csv(ratings, sep=" ", index=False, header=False)
    files = ["--ratings", str(ratings)]
    train = ["train", *files, "--output", f"{tmp_path}/m.keras", *columns.split()]
    recipe = "--recipe ml-1m-softmax --hidden-dim 8 --num-layers 1 --max-sequence-length 8"
    train += [*recipe.split(), "--epochs", "2", "--resume", f"{tmp_path}/run"]
    assert main(train) == 0
    assert main(["evaluate", "--model", f"{tmp_path}/m.keras", *files]) == 0
    capsys.readouterr()
    serve = ["recommend", "--model", f"{tmp_path}/m.keras", *files, "--users", "1", "2"]
    assert main([*serve, "--k", "2"]) == 0
    assert re.findall(r"^user (\d): ", capsys.readouterr().out, re.MULTILINE) == ["1", "2"]
    if suffix == "parquet":
        assert main(train) == 0  # the run is found again, and another one refused
        assert "1  0." not in capsys.readouterr().out.split("epoch    loss")[1].split("kept")[0]
        assert main([*train, "--l2", "0.1"]) == 2
        assert "run holds a run with model=" in capsys.readouterr().err
