"""Plots: what the bars and lines stand for, against plain NumPy, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

import sasrec_fast as sf
from sasrec_fast.plots.histograms import bin_edges
from sasrec_fast.plots.ndcg import quantile_groups

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

LENGTH = 10


def table(histories: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    return {"user_id": users, "item_id": np.concatenate(histories)}


def prepared(histories: Sequence[Sequence[int]], **options: Any) -> sf.Prepared:
    return sf.prepare(table(histories), timestamp=None, max_sequence_length=LENGTH, **options)


def long_tailed() -> list[np.ndarray]:
    """500 users of 4 to about 200 interactions, a few items far more popular than most."""
    rng = np.random.default_rng(3)
    lengths = np.minimum(4 + rng.pareto(1.2, 500) * 4, 200).astype(int)
    chances = 1 / np.arange(1, 1001)
    return [rng.choice(1000, length, p=chances / chances.sum()) for length in lengths]


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return prepared(long_tailed())


class Scorer:
    """Scores without ties that prefer items of small index, more or less."""

    def __init__(self, data: sf.Prepared, noise: float) -> None:
        self.vocabulary_size = data.vocabulary_size
        self.candidate_mask = np.arange(self.vocabulary_size) > 0
        shift = np.random.default_rng(0).normal(size=self.vocabulary_size)
        self.scores = noise * shift - np.log(np.arange(1, self.vocabulary_size + 1))

    def score_items(self, x: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.tile(self.scores, (len(x["item_ids"]), 1))


@pytest.fixture(scope="module")
def metrics(data: sf.Prepared) -> dict[str, sf.Metrics]:
    models = {"good": Scorer(data, 0.1), "noisy": Scorer(data, 3.0)}
    return {name: sf.evaluate(model, data.test, k=(5, 10)) for name, model in models.items()}


def axes_of(figure: Figure, count: int = 1) -> list[Axes]:
    figure.draw_without_rendering()  # a warning of the layout is an error
    assert len(figure.axes) == count
    return list(figure.axes)


def bars(ax: Axes) -> np.ndarray:
    """[bars, (left, right, height)]"""
    found = [(b.get_x(), b.get_x() + b.get_width(), b.get_height()) for b in series(ax)[0]]
    return np.array(found)


def series(ax: Axes) -> list[BarContainer]:
    return [container for container in ax.containers if isinstance(container, BarContainer)]


def legend(ax: Axes) -> list[str]:
    shown = ax.get_legend()
    return [] if shown is None else [text.get_text() for text in shown.get_texts()]


def test_history_lengths_are_those_of_the_table(data: sf.Prepared) -> None:
    (ax,) = axes_of(sf.plots.history_lengths(data, data_name="tail"))
    lengths = np.array([len(history) for history in long_tailed()])
    for left, right, height in bars(ax):
        assert height == np.count_nonzero((lengths >= left) & (lengths < right))
    assert bars(ax)[:, 2].sum() == len(lengths)
    assert ax.get_xscale() == "symlog"
    assert (ax.get_xlabel(), ax.get_ylabel()) == (
        "interactions of a user, held-out ones included",
        "users",
    )
    assert ax.get_title(loc="left") == (
        "History lengths\ntail, 500 users, "
        f"median {np.median(lengths):.0f}, longest {lengths.max()} interactions"
    )


def test_history_lengths_mark_what_a_row_does_not_show(data: sf.Prepared) -> None:
    (ax,) = axes_of(sf.plots.history_lengths(data))
    lengths = np.array([len(history) for history in long_tailed()])
    longer = np.count_nonzero(lengths > LENGTH + 1)
    assert legend(ax) == [
        f"longer than the 11 items of a row: {longer} of 500 users ({longer / 5:.1f} %)"
    ]
    assert ax.lines[0].get_xdata()[0] == LENGTH + 1.5
    whole = prepared([[1, 2, 3, 4]] * 3 + [[5, 6, 7, 8, 9]])
    (ax,) = axes_of(sf.plots.history_lengths(whole))
    assert legend(ax) == []
    assert ax.get_title(loc="left").endswith("all of them fit into a row of 11 items")
    np.testing.assert_array_equal(bars(ax), [[3.5, 4.5, 3], [4.5, 5.5, 1]])


def test_item_popularity_is_that_of_training(data: sf.Prepared) -> None:
    (ax,) = axes_of(sf.plots.item_popularity(data))
    training = np.concatenate([history[:-2] for history in long_tailed()])
    every = np.unique(np.concatenate(long_tailed()))
    counts = np.array([np.count_nonzero(training == item) for item in every])
    for left, right, height in bars(ax):
        assert height == np.count_nonzero((counts >= left) & (counts < right))
    cold = np.count_nonzero(counts == 0)
    assert bars(ax)[0].tolist() == [-0.5, 0.5, cold]
    assert cold > 0
    assert bars(ax)[:, 2].sum() == len(every)
    assert ax.get_xticklabels()[0].get_text() == "0"
    top = np.sort(counts)[::-1][: -(-len(every) // 10)]
    assert legend(ax) == [
        f"most popular {len(top)} of {len(every)} items ({len(top) / len(every):.1%}): ".replace(
            "%", " %"
        )
        + f"{100 * top.sum() / counts.sum():.1f} % of interactions"
    ]
    assert ax.lines[0].get_xdata()[0] == top[-1] - 0.5
    assert f"{len(every)} items, {cold} of them held out only, " in ax.get_title(loc="left")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("training interactions of an item", "items")


@given(st.lists(st.integers(0, 10**6), min_size=1))
def test_every_value_is_in_one_bin_and_zero_in_one_of_its_own(values: list[int]) -> None:
    edges = bin_edges(np.array(values))
    assert (np.diff(edges) > 0).all()
    assert edges[0] <= min(values) < edges[1]
    assert edges[-2] <= max(values) < edges[-1]
    assert len(edges) <= 62
    equal_widths = np.ptp(np.diff(edges)) == 0
    assert equal_widths or edges[0] > 0 or edges[1] == 1


def ranges(ax: Axes) -> list[tuple[int, int, int]]:
    """Least and greatest value, and number of users, of each group by its tick."""
    found = []
    for tick in ax.get_xticklabels():
        shown, users = tick.get_text().split("\nn=")
        low, _, high = shown.partition("–")  # noqa: RUF001
        found.append((int(low), int(high or low), int(users.replace(",", ""))))
    return found


def check_groups(
    ax: Axes, metrics: Mapping[str, sf.Metrics], values: np.ndarray, model_number: int, k: int
) -> None:
    """One model's bars and errors are means and standard errors of the users in each range."""
    ranks = list(metrics.values())[model_number].ranks
    gains = np.where(ranks <= k, 1 / np.log2(ranks + 1), 0.0)
    container = series(ax)[model_number]
    segments = container.errorbar[2][0].get_segments()
    for (low, high, users), bar, segment in zip(ranges(ax), container, segments, strict=True):
        group = gains[(values >= low) & (values <= high)]
        assert users == len(group)
        assert bar.get_height() == pytest.approx(group.mean())
        error = group.std(ddof=1) / np.sqrt(users)
        expected = [group.mean() - error, group.mean() + error]
        np.testing.assert_allclose(segment[:, 1], expected, atol=1e-12)


@pytest.mark.parametrize("model_number", [0, 1])
def test_ndcg_by_history_length(
    data: sf.Prepared, metrics: dict[str, sf.Metrics], model_number: int
) -> None:
    (ax,) = axes_of(sf.plots.ndcg_by_history_length(metrics, data, groups=5, data_name="tail"))
    before = np.array([len(history) - 1 for history in long_tailed()])
    check_groups(ax, metrics, before, model_number, 10)
    assert 3 <= len(ranges(ax)) <= 5
    assert sum(users for *_, users in ranges(ax)) == 500
    assert legend(ax) == [f"{name}, mean {one['ndcg@10']:.4f}" for name, one in metrics.items()]
    assert ax.get_xlabel() == "items before the target (a model sees the latest 10); n = users"
    assert ax.get_ylabel() == "NDCG@10, mean ± standard error"
    title = ax.get_title(loc="left").replace("\n", " ")
    assert title.startswith("NDCG@10 by history length tail, test: 500 users, full ranking of ")


@pytest.mark.parametrize("model_number", [0, 1])
def test_ndcg_by_popularity(
    data: sf.Prepared, metrics: dict[str, sf.Metrics], model_number: int
) -> None:
    (ax,) = axes_of(sf.plots.ndcg_by_popularity(metrics, data, k=5))
    training = np.concatenate([history[:-2] for history in long_tailed()])
    targets = [history[-1] for history in long_tailed()]
    popularity = np.array([np.count_nonzero(training == target) for target in targets])
    check_groups(ax, metrics, popularity, model_number, 5)
    assert ranges(ax)[0] == (0, 0, np.count_nonzero(popularity == 0))
    assert ax.get_ylabel() == "NDCG@5, mean ± standard error"
    assert ax.get_xlabel() == "training interactions of the target; n = users"


def test_group_means_of_tied_scores_are_expected_values() -> None:
    data = prepared([[1, 2, 3, 4, 5 + user % 3] for user in range(9)])
    model = Scorer(data, 0.0)
    model.scores = np.zeros(data.vocabulary_size)
    found = sf.evaluate(model, data.test, k=2)
    (ax,) = axes_of(sf.plots.ndcg_by_history_length(found, data, k=2))
    assert bars(ax)[0, 2] == pytest.approx((1 + 1 / np.log2(3)) / 3)  # three unseen items
    assert ranges(ax) == [(4, 4, 9)]


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=200),
    st.integers(1, 10),
    st.booleans(),
)
def test_groups_part_users_by_value(values: list[int], count: int, zeros_apart: bool) -> None:
    array = np.array(values)
    members = quantile_groups(array, count, zeros_apart=zeros_apart)
    sizes = np.bincount(members)
    assert len(sizes) <= max(count, 2 if zeros_apart else 1)
    assert (sizes > 0).all()
    parts = [array[members == number] for number in range(len(sizes))]
    assert all(part.max() < following.min() for part, following in pairwise(parts))
    zeros = int(zeros_apart and 0 in values and max(values) > 0)
    assert not zeros or parts[0].max() == 0
    others, wanted = sizes[zeros:], max(count - zeros, 1)
    assert len(others) == 1 or (2 * wanted * others >= others.sum()).all()


def test_distinct_values_make_groups_of_equal_size() -> None:
    members = quantile_groups(np.random.default_rng(0).permutation(80), 8)
    assert np.bincount(members).tolist() == [10] * 8


@pytest.mark.parametrize("values", [[1] * 9 + [2], [1] + [2] * 9])
def test_few_users_of_another_value_join_a_group(values: list[int]) -> None:
    assert quantile_groups(np.array(values), 2).tolist() == [0] * 10


EXTREMES = {
    "one user": [[1, 2, 3, 4, 5]],
    "equal lengths": [[user, user + 1, user + 2, user + 3] for user in range(20)],
    "one item popular": [[0, *range(5 * user, 5 * user + 5), 0] for user in range(1, 40)],
    "all targets new": [[1, 2, 3, 100 + 2 * user, 101 + 2 * user] for user in range(20)],
    "nothing to train on": [[user, user + 1, user + 2] for user in range(5)],
}


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_data_can_be_drawn(name: str) -> None:
    items = sf.Vocabulary(np.arange(1000))
    data = prepared(EXTREMES[name], items=items)
    found = sf.evaluate(Scorer(data, 1.0), data.test)
    figures = [
        sf.plots.history_lengths(data),
        sf.plots.item_popularity(data),
        sf.plots.ndcg_by_history_length(found, data),
        sf.plots.ndcg_by_popularity({"a rather long name of a model": found}, data),
    ]
    for figure in figures:
        (ax,) = axes_of(figure)
        heights = bars(ax)[:, 2]
        assert np.isfinite(heights).all()
        assert ax.get_ylim()[1] > heights.max(initial=0.0)
        labels = [tick.get_text() for tick in ax.get_xticklabels()]
        assert len(set(labels)) == len(labels)


def test_the_error_of_one_user_is_not_drawn() -> None:
    data = prepared(EXTREMES["one user"], items=sf.Vocabulary(np.arange(30)))
    found = sf.evaluate(Scorer(data, 1.0), data.test)
    (ax,) = axes_of(sf.plots.ndcg_by_history_length(found, data))
    (segment,) = series(ax)[0].errorbar[2][0].get_segments()
    assert not len(segment)


def test_axes_of_ones_own(data: sf.Prepared, metrics: dict[str, sf.Metrics]) -> None:
    figure = Figure(figsize=(10, 8))
    above, below = figure.subfigures(2)
    left, right = above.subplots(1, 2)
    assert sf.plots.history_lengths(data, ax=left) is figure
    assert sf.plots.ndcg_by_popularity(metrics, data, ax=right) is figure
    curves = below.subplots(2)
    assert sf.plots.learning_curves(LOGS, ax=curves) is figure
    axes_of(figure, 4)
    with pytest.raises(ValueError, match="ax holds 1 Axes, expected 2: one for each panel"):
        sf.plots.learning_curves(LOGS, ax=left)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metrics": {}}, "metrics is empty"),
        ({"k": 7}, r"metrics\['good'\] has no 'ndcg@7'; it has hit_rate@5, "),
        ({"groups": 0}, "groups must be at least 1, received 0"),
        ({"data": "other"}, r"is of 500 users of test, where the data has 4$"),
        ({"data": "no test"}, r"is of 500 users of test, where the data has 0$"),
        ({"metrics": "both splits"}, "different ways: 'test' is of test: .*; 'val' is of valid"),
        ({"metrics": "eleven"}, "11 names in one plot; at most 10 can be told apart"),
    ],
)
def test_metrics_of_other_data_are_refused(
    change: dict[str, Any], said: str, data: sf.Prepared, metrics: dict[str, sf.Metrics]
) -> None:
    small = [[1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 6], [4, 5, 6, 7]]
    model = Scorer(data, 1.0)
    stand_ins: dict[str, Any] = {
        "other": lambda: prepared(small),
        "no test": lambda: prepared(small, holdout=1),
        "both splits": lambda: {
            "test": metrics["good"],
            "val": sf.evaluate(model, data.validation),
        },
        "eleven": lambda: {str(number): metrics["good"] for number in range(11)},
    }
    options: dict[str, Any] = {"metrics": metrics, "data": data, **change}
    for name in ("metrics", "data"):
        if isinstance(options[name], str):
            options[name] = stand_ins[options[name]]()
    with pytest.raises(ValueError, match=said):
        sf.plots.ndcg_by_popularity(options.pop("metrics"), options.pop("data"), **options)


LOGS = {
    "loss": [3.0, 2.0, 1.5, 1.2],
    "val_loss": [3.1, 2.4, 2.5, 2.9],
    "val_ndcg@10": [0.1, 0.2, 0.3, 0.25],
}


class History:
    """What `fit` returns, as far as it matters."""

    history = LOGS
    epoch = (0, 1, 2, 3)


def drawn(ax: Axes) -> list[tuple[list[float], list[float]]]:
    """Curves: lines of more than one point that are no marks across the Axes."""
    lines = [line for line in ax.lines if len(line.get_xdata()) > 1 and line.get_linestyle() != ":"]
    return [(np.asarray(x).tolist(), np.asarray(y).tolist()) for x, y in map(xy, lines)]


def xy(line: Any) -> tuple[Any, Any]:
    return line.get_xdata(), line.get_ydata()


def stars(ax: Axes) -> list[tuple[float, float]]:
    found = [line for line in ax.lines if line.get_marker() == "*" and len(line.get_xdata())]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in found]


@pytest.mark.parametrize("history", [LOGS, History()], ids=["dict", "History"])
def test_learning_curves(history: Any) -> None:
    loss, ndcg = axes_of(sf.plots.learning_curves(history, data_name="tail"), 2)
    epochs = [1, 2, 3, 4]
    assert drawn(loss) == [(epochs, LOGS["loss"]), (epochs, LOGS["val_loss"])]
    assert drawn(ndcg) == [(epochs, LOGS["val_ndcg@10"])]
    assert stars(ndcg) == [(3, 0.3)]
    assert stars(loss) == [(3, 1.5), (3, 2.5)]
    assert legend(loss) == ["training", "validation"]
    assert legend(ndcg) == ["best 0.3, epoch 3"]
    assert (loss.get_ylabel(), ndcg.get_ylabel()) == ("loss", "validation NDCG@10")
    assert ndcg.get_xlabel() == "epoch"
    assert loss.get_title(loc="left") == "Learning curves\ntail, 4 epochs"


def test_without_metrics_the_least_validation_loss_is_best() -> None:
    logs = {name: LOGS[name] for name in ("loss", "val_loss")}
    (ax,) = axes_of(sf.plots.learning_curves(logs))
    assert stars(ax) == [(2, 2.0), (2, 2.4)]
    assert legend(ax) == ["best 2.4, epoch 2", "training", "validation"]


def test_runs_by_name_are_overlaid() -> None:
    other = {"loss": [2.0, 1.0], "val_ndcg@10": [0.4, 0.1], "val_mrr": [0.5, 0.6]}
    runs = {"first": LOGS, "second": other}
    axes = axes_of(sf.plots.learning_curves(runs, metrics=["val_ndcg@10", "val_mrr"]), 3)
    assert [len(drawn(ax)) for ax in axes] == [3, 2, 1]
    assert [line.get_linestyle() for line in axes[0].lines if len(line.get_xdata()) == 4] == [
        "-",
        "--",
    ]
    assert stars(axes[1]) == [(3, 0.3), (1, 0.4)]
    assert stars(axes[2]) == [(1, 0.5)]  # of the epoch that is best by the first metric
    assert legend(axes[1]) == ["first: best 0.3, epoch 3", "second: best 0.4, epoch 1"]
    assert axes[2].get_ylabel() == "validation MRR"
    assert axes[0].get_title(loc="left") == "Learning curves\n2 runs, 4 epochs"
    with pytest.raises(ValueError, match=r"'val_hit', which was not logged; logged are \['loss', "):
        sf.plots.learning_curves(runs, metrics=["val_hit"])


def test_a_diverged_run_is_drawn_as_far_as_it_is_finite() -> None:
    logs = {"loss": [2.0, float("nan"), float("inf")], "val_mrr": [float("nan")] * 3}
    loss, mrr = axes_of(sf.plots.learning_curves({"run": logs}), 2)
    assert [xy(line) for line in loss.lines if len(line.get_xdata())] == [([1], [2.0])]
    assert legend(mrr) == ["run: nothing finite"]


def test_the_file_of_a_csv_logger(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(
        "epoch,loss,val_mrr\n0,3.0,0.1\n1,2.0,NA\n2,9.0,0.9\n3,9.0,0.8\n2,1.5,0.2\n3,1.0,0.15\n"
    )
    loss, mrr = axes_of(sf.plots.learning_curves(path), 2)
    assert drawn(loss) == [([1, 2, 3, 4], [3.0, 2.0, 1.5, 1.0])]  # resumed after two epochs
    assert drawn(mrr) == [([1, 3, 4], [0.1, 0.2, 0.15])]
    assert stars(mrr) == [(3, 0.2)]
    axes_of(sf.plots.learning_curves({"a": str(path), "b": LOGS}), 2)


def test_the_epochs_of_a_recipes_run() -> None:
    epochs = [{"epoch": n, "seconds": 1.5, "loss": 4.0 - n, "val_mrr": n / 10} for n in (1, 2, 3)]
    loss, mrr = axes_of(sf.plots.learning_curves({"a": epochs, "b": epochs[:2]}), 2)
    assert drawn(loss) == [([1, 2, 3], [3.0, 2.0, 1.0]), ([1, 2], [3.0, 2.0])]
    assert stars(mrr) == [(3, 0.3), (2, 0.2)]
    axes_of(sf.plots.learning_curves(epochs), 2)


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ({}, "history has no epochs"),
        ({"loss": []}, "history has no epochs"),
        ({"a": {"loss": [1.0]}, "b": {}}, r"history\['b'\] has no epochs"),
        ({"loss": [1.0, 2.0], "val_loss": [1.0]}, "1 values of 'val_loss' in 2 epochs, so nothing"),
        ({str(i): {"loss": [1.0]} for i in range(11)}, "11 names in one plot"),
        ("no,epochs\n1,2\n", "has no column 'epoch' of numbers; the columns are 'no', 'epochs'"),
        ("epoch,loss\n", "has no epochs"),
        ("", "was not written by a CSVLogger"),
        ("epoch,loss\nx,1\n", "has no column 'epoch' of numbers"),
    ],
)
def test_bad_histories_are_refused(history: Any, said: str, tmp_path: Path) -> None:
    if isinstance(history, str):
        (tmp_path / "log.csv").write_text(history)
        history = tmp_path / "log.csv"
    with pytest.raises(ValueError, match=said):
        sf.plots.learning_curves(history)


def test_another_kind_of_history_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="history is a list, expected what fit"):
        sf.plots.learning_curves([1.0, 2.0])


def test_without_matplotlib_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, data: sf.Prepared
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    remedy = r'pip install "sasrec-fast\[plots\]", or, from a clone, pip install "\.\[plots\]"'
    for draw in (sf.plots.history_lengths, sf.plots.item_popularity):
        with pytest.raises(ImportError, match=remedy):
            draw(data)
    with pytest.raises(ImportError, match=remedy):
        sf.plots.learning_curves(LOGS)


MANNERS = """
import sys
import sasrec_fast as sf
data = sf.prepare({"user_id": [1] * 4 + [2] * 4, "item_id": [1, 2, 3, 4, 2, 3, 4, 5]},
                  timestamp=None)
sf.plots
assert "matplotlib" not in sys.modules
import matplotlib
before = dict(matplotlib.rcParams)
sf.plots.history_lengths(data).savefig("lengths.png")
sf.plots.learning_curves({"loss": [1.0]}).savefig("curves.pdf")
assert "matplotlib.pyplot" not in sys.modules
assert dict(matplotlib.rcParams) == before
"""


def test_plots_load_matplotlib_when_drawing_and_leave_its_state_alone(tmp_path: Path) -> None:
    environment = {**os.environ, "MPLBACKEND": "tkagg"}
    done = subprocess.run(
        [sys.executable, "-c", MANNERS],
        cwd=tmp_path,
        env={**environment, "DISPLAY": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"lengths.png", "curves.pdf"}
