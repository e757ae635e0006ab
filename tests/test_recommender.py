"""A recommender for a service answers as `recommend` does, from a model or from files alone."""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import pytest

import sasrec_fast as sf
from lean_process import answered_alone
from sasrec_fast.ranking import widths_of
from sasrec_fast.serving import encoders, folder
from sasrec_fast.serving.catalogue import Selection
from sasrec_fast.store import Histories
from served_models import running

LENGTH = 9
HISTORIES = [
    [3, 5, 9],
    [7],
    list(range(1, 31)),
    [4, 4, 4],
    [10_000, 2],
    [10_000, 20_000],
    [],
    [2**80, "x", 11],
]


def interactions() -> dict[str, Any]:
    """Of 80 users with 60 items, each of which occurs."""
    rng = np.random.default_rng(3)
    items = np.concatenate([np.arange(1, 61), (61 * rng.random(900) ** 2).astype(int).clip(1, 60)])
    return {"user_id": rng.integers(1, 81, 960), "item_id": items, "timestamp": np.arange(960)}


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return sf.prepare(interactions(), max_sequence_length=LENGTH)


def trained(data: sf.Prepared, **options: Any) -> Any:
    import keras

    keras.utils.set_random_seed(1)
    settings = {"hidden_dim": 8, "num_layers": 2, "positions": "end", **options}
    model = sf.SASRec.for_data(data, **settings)
    model.build()
    for weight in model.trainable_weights:
        waves = np.cos(np.arange(np.prod(weight.shape)))
        weight.assign(weight + 0.3 * waves.reshape(weight.shape))
    return model


@pytest.fixture(scope="module")
def model(data: sf.Prepared) -> Any:
    return trained(data)


@pytest.fixture(scope="module")
def exported(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("jax2onnx")
    titles = {1: "one", 7: "seven, grün"}
    return sf.export(model, tmp_path_factory.mktemp("exported") / "model", titles=titles)


@pytest.fixture(scope="module", params=["model", "folder"])
def recommender(request: Any, model: Any, exported: Any, data: sf.Prepared) -> sf.Recommender:
    return sf.Recommender({"model": model, "folder": exported}[request.param], data=data)


def served(table: Any, label: str) -> list[list[Any]]:
    found = [[] for _ in range(len(HISTORIES))]
    for row, item in zip(table[label], table["item_id"], strict=True):
        found[row].append(item)
    return found


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 3, "exclude_seen": False},
        {"k": 100},
        {"candidates": [2, 3, 9, 30, 31, 777], "k": 4},
        {"exclude": [5, 6, 7, 777]},
        {"candidates": list(range(1, 20)), "exclude": range(3, 9), "exclude_seen": False},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_answers_as_recommend_does(recommender, model, data, options):
    answers = recommender.recommend(HISTORIES, **options)
    table = sf.recommend(model, data, histories=HISTORIES, **options)
    assert [answer.item_ids for answer in answers] == served(table, "history")
    scores = np.concatenate([answer.scores for answer in answers])
    np.testing.assert_allclose(scores, table["score"], rtol=1e-5, atol=1e-5)
    assert [answer.unknown for answer in answers] == [0, 0, 0, 0, 1, 2, 0, 2]
    assert all(answer.scores.dtype == np.float32 for answer in answers)


def test_users_of_the_data_are_served_from_all_they_had(recommender, model, data):
    users = data.users.ids[[5, 0, 7]].tolist()
    found = recommender.recommend(users=users, k=5)
    table = sf.recommend(model, data, users=users, k=5)
    assert [one.item_ids for one in found] == table["item_id"].to_numpy().reshape(3, 5).tolist()
    with pytest.raises(KeyError, match="-3"):
        recommender.recommend(users=[-3])


def test_similar_items_and_scores_are_the_models(recommender, model):
    asked = [7, 3]
    table = sf.similar_items(model, asked, k=4)
    answers = recommender.similar(asked, k=4)
    assert [item for one in answers for item in one.item_ids] == table["item_id"].tolist()
    np.testing.assert_allclose(
        np.concatenate([one.scores for one in answers]), table["score"], atol=1e-6
    )
    rows = np.array([[3, 5, 9], [0, 0, 7]])[:, ::-1].copy()
    rows = np.array([[3, 5, 9], [7, 0, 0]])
    indices = np.where(rows, recommender.items.index(rows.ravel()).reshape(rows.shape), 0)
    x = {"item_ids": indices.astype(np.int32), "padding_mask": rows > 0}
    wanted = model.items.index([2, 30])
    assert recommender.score([], [2, 30]).shape == (0, 2)
    assert recommender.recommend([]) == recommender.similar([]) == []
    found = recommender.score([[3, 5, 9], [7]], [2, 30])
    np.testing.assert_allclose(found, model.score_items(x)[:, wanted], atol=1e-5)
    assert found.dtype == np.float32


def test_titles_travel_along(exported, model, data):
    recommender = sf.Recommender(exported)
    assert recommender.titles[int(recommender.items.index([7])[0])] == "seven, grün"
    answer = recommender.recommend([[3]], k=60, exclude_seen=False)[0]
    assert dict(zip(answer.item_ids, answer.titles, strict=True))[1] == "one"
    other = sf.Recommender(model, titles={3: "three"})
    assert "three" in other.recommend([[1]], k=60)[0].titles
    assert sf.Recommender(model).recommend([[1]])[0].titles is None


@pytest.mark.parametrize(
    "options",
    [
        {"block": "ligr", "positions": "rotary", "num_heads": 2, "num_members": 2},
        {"tie_embeddings": False, "pre_norm": False, "num_layers": 1, "positions": "start"},
    ],
    ids=["ligr, members", "two tables"],
)
def test_every_kind_of_model_is_exported(data, tmp_path, options):
    pytest.importorskip("jax2onnx")
    model = trained(data, **options)
    exported = sf.Recommender(sf.export(model, tmp_path / "model"))
    own = sf.Recommender(model)
    for one, other in zip(own.recommend(HISTORIES), exported.recommend(HISTORIES), strict=True):
        assert one.item_ids == other.item_ids
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-5, atol=1e-5)


def test_ids_that_are_text_are_exported(tmp_path):
    pytest.importorskip("jax2onnx")
    table = {"user_id": [1, 1, 1, 2, 2, 2], "item_id": list("abcbcd"), "timestamp": range(6)}
    data = sf.prepare(table, max_sequence_length=4, num_negatives=0)
    model = trained(data, num_layers=1)
    exported = sf.Recommender(sf.export(model, tmp_path / "model"))
    (answer,) = exported.recommend([["a", "zebra", 7]])
    assert answer.item_ids == sf.Recommender(model).recommend([["a"]])[0].item_ids
    assert answer.unknown == 2
    assert set(answer.item_ids) == {"b", "c", "d"}


def test_a_snapshot_does_not_follow_the_training(data):
    model = trained(data, num_layers=1)
    recommender = sf.Recommender(model)
    before = recommender.recommend(HISTORIES[:2])
    model.compile("adam", sf.losses.Softmax())
    model.fit(data.train, epochs=1, verbose=0)
    after = recommender.recommend(HISTORIES[:2])
    assert [a.item_ids for a in before] == [a.item_ids for a in after]
    assert not np.array_equal(before[0].scores, sf.Recommender(model).recommend([HISTORIES[0]])[0])


def test_threads_share_it(recommender):
    expected = [one.item_ids for one in recommender.recommend(HISTORIES[:6])]
    wrong = []

    def ask(row: int) -> None:
        for _ in range(20):
            (found,) = recommender.recommend([HISTORIES[row]])
            if found.item_ids != expected[row]:
                wrong.append(row)

    threads = [threading.Thread(target=ask, args=(row,)) for row in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_rows_are_put_into_few_shapes(model):
    shapes = []

    def states(inputs: Any) -> Any:
        shapes.append(inputs["item_ids"].shape)
        return np.zeros((shapes[-1][0], 2))

    encoder = encoders.ModelEncoder(states, 200)
    ends = np.cumsum([1, 13, 14, 50, 51, 999] * 5)
    items = np.ones(ends[-1], np.int32)
    encoders.encode(encoder, Histories(items, np.append(0, ends[:-1]), ends))
    assert set(shapes) <= {(rows, width) for rows in encoders.ROWS for width in (13, 50, 200)}
    assert widths_of(6) == (6,)
    assert widths_of(50) == (8, 13, 50)


def test_columns_are_looked_up_among_any_selection():
    selection = Selection(np.array([2, 5, 9]), np.zeros((3, 1), np.float32))
    np.testing.assert_array_equal(selection.columns_of(np.array([9, 10, 1, 2, 9])), [0, 2, 2])
    whole = Selection(np.arange(3, 6), np.zeros((3, 1), np.float32))
    np.testing.assert_array_equal(whole.columns_of(np.array([9, 5, 1, 3, 5])), [0, 2, 2])
    np.testing.assert_array_equal(selection.columns_of(np.zeros(0, np.int32)), [])
    numbers, items = np.array([2, 0, 2, 0]), np.array([9, 9, 2, 3])
    for among, expected, ends in (
        (selection, [2, 0, 2], [0, 1, 1, 3, 3]),
        (whole, [0], [0, 1, 1, 1, 1]),
    ):
        offsets, columns = among.excluded(numbers, items, 4)
        np.testing.assert_array_equal(columns, expected)
        np.testing.assert_array_equal(offsets, ends)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda r: r.recommend(), ValueError, "give histories, or users"),
        (lambda r: r.recommend("abc"), TypeError, "must be a list of lists"),
        (lambda r: r.recommend([3]), TypeError, "history 0 must be a list"),
        (lambda r: r.recommend([{3}]), TypeError, "history 0 is a set"),
        (lambda r: r.recommend([[3], [[4]]]), TypeError, "history 1: an id is an integer"),
        (lambda r: r.recommend([[3]], k=0), ValueError, "k must be at least 1"),
        (lambda r: r.recommend([[3]], candidates=[777]), ValueError, "none of the 1 candidates"),
        (lambda r: r.recommend([[3]], exclude="3"), TypeError, "exclude must be a list"),
        (lambda r: r.recommend([[3]], exclude_seen=1), TypeError, "True or False"),
        (lambda r: r.similar([3, 777]), KeyError, "777 is no known item"),
        (lambda r: r.score([[777]], [3]), ValueError, "history 0 has no known item"),
        (lambda r: r.score([[3]], [777]), KeyError, "777 is no known item"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(recommender, ask, error, message):
    with pytest.raises(error, match=message):
        ask(recommender)


def test_what_is_no_model_is_refused(data, model, tmp_path):
    with pytest.raises(TypeError, match="made of a SASRec"):
        sf.Recommender(sf.baselines.Popularity(data.train))
    with pytest.raises(FileNotFoundError, match="no such file"):
        sf.Recommender(tmp_path / "none.keras")
    with pytest.raises(sf.DataError, match=r"no manifest\.json"):
        sf.Recommender(tmp_path)
    with pytest.raises(ValueError, match="users are known by their data"):
        sf.Recommender(model).recommend(users=[1])


def test_a_folder_needs_neither_keras_nor_jax_nor_pandas(exported, model):
    answers, kilobytes = answered_alone(exported, HISTORIES[:6])
    assert answers == [one.item_ids for one in sf.Recommender(model).recommend(HISTORIES[:6])]
    assert kilobytes < 200_000


def test_an_export_replaces_another_and_nothing_else(exported, data, tmp_path):
    target = tmp_path / "model"
    sf.export(trained(data, num_layers=1), target)
    before = sf.Recommender(target)
    expected = before.recommend(HISTORIES)
    sf.export(trained(data, num_layers=1, hidden_dim=4), target)
    sf.export(trained(data, num_layers=1, hidden_dim=2), target)
    assert [a.item_ids for a in before.recommend(HISTORIES)] == [a.item_ids for a in expected]
    assert sf.Recommender(target).score([[3]], [5]).shape == (1, 1)
    names = {path.name.split("-")[0] for path in target.iterdir()}
    assert names == {"manifest.json", "encoder_8", "encoder_9", "item_ids", "item_counts"} | {
        "item_vectors",
        "served",
    }
    assert len([*target.glob("item_vectors-*")]) == 2  # that of the one before stays
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"notes\.txt"):
        sf.export(trained(data, num_layers=1), tmp_path / "other")


def test_an_export_that_fails_leaves_what_was(data, tmp_path, monkeypatch):
    pytest.importorskip("jax2onnx")
    target = tmp_path / "model"
    model = trained(data, num_layers=1)
    sf.export(model, target)
    before = (target / "manifest.json").read_bytes()

    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(folder.FolderWriter, "ids", full)
    with pytest.raises(OSError, match="no space"):
        sf.export(trained(data, num_layers=1, hidden_dim=4), target)
    assert (target / "manifest.json").read_bytes() == before
    assert len(sf.Recommender(target).recommend([[3]])[0]) == 10
    assert not [*target.glob(".*")]


@pytest.mark.parametrize("part", ["encoder_9", "item_vectors", "served", "item_counts", "titles"])
def test_damage_is_named(exported, tmp_path, part):
    files = json.loads((exported / "manifest.json").read_text())["files"]
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in exported.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    path = copy / files[part]["file"]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(sf.DataError, match=f"{part}.* is damaged: its content does not match"):
        sf.Recommender(copy)
    path.unlink()
    with pytest.raises(sf.DataError, match=f"{part}.* cannot be read"):
        sf.Recommender(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "has format 'other'"),
        ({"version": 99}, "has version 99"),
        ({"vocabulary_size": 3}, r"expected <f4 \(3, 8\)"),
        ({"widths": None}, "is damaged"),
        ({"widths": [9, 400]}, "encoder_400"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(exported, tmp_path, change, message):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in exported.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    content = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(sf.DataError, match=message):
        sf.Recommender(copy)
    entry = next(iter(content["files"].values()))
    entry["file"] = "../" + entry["file"]
    (copy / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(sf.DataError, match="names a file"):
        sf.Recommender(copy)


def test_the_command_line_exports(data, tmp_path, capsys):
    pytest.importorskip("jax2onnx")
    from sasrec_fast.cli import main

    trained(data, num_layers=1).save(tmp_path / "model.keras")
    (tmp_path / "movies.csv").write_text("item_id,title\n1,first\n2,second\n")
    files = {"model": "model.keras", "movies": "movies.csv", "output": "exported"}
    arguments = [part for name, file in files.items() for part in (f"--{name}", tmp_path / file)]
    assert main(["export", *map(str, arguments)]) == 0
    assert "wrote 60 items and an encoder" in capsys.readouterr().out
    found = sf.Recommender(tmp_path / "exported")
    assert found.titles[:3] == [None, "first", "second"]
    assert main(["export", "--model", "none.keras", "--output", str(tmp_path / "other")]) == 2
    assert "none.keras: there is no such file" in capsys.readouterr().err


def test_a_model_that_is_not_built_yet_is_built() -> None:
    counts = np.arange(7)
    model = sf.SASRec(7, hidden_dim=4, items=sf.Vocabulary(range(1, 7)), item_counts=counts)
    (answer,) = sf.Recommender(model).recommend([[2, 3]], k=2)
    assert len(answer) == 2


def test_a_service_answers_for_users_and_by_rules(model: Any, data: sf.Prepared) -> None:
    first, second = data.items.ids[:2].tolist()
    recommender = sf.Recommender(model, data=data, rules=sf.Rules(always=[first, second]))
    users = data.users.ids[:3].tolist()
    with running(lambda: recommender) as served:
        found = served.recommend(users=users, k=5, exclude_seen=False)
        expected = recommender.recommend(users=users, k=5, exclude_seen=False)
        assert [one["items"] for one in found] == [one.item_ids for one in expected]
        assert all({first, second} <= {*one["items"]} for one in found)
        status, content, _ = served.ask("POST", "/recommend", {"histories": [[5]], "k": 1})
        assert (status, content["field"], content["received"]) == (422, "k", "1")
        assert content["allowed"] == "at least 2, the items that are always there"
