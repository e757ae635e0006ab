"""RankingMetrics: the metrics of `evaluate` in the logs of `fit`, for every callback."""

from __future__ import annotations

import csv
import warnings

import pytest

import sasrec_fast as sf
from small_models import compiled, keras, make_model
from training_run import LENGTH, small_data

DATA = small_data()


def fitted(callbacks, epochs=3, model=None, **options):
    model = model or small_model()
    batches = DATA.train.batches(16, max_buckets=1)
    history = model.fit(batches, epochs=epochs, callbacks=callbacks, verbose=0, **options)
    return history.history, model


def small_model():
    model = make_model(vocabulary_size=51, max_sequence_length=LENGTH, dropout=0.5)
    return compiled(model, 1e-2, "Adam")


class Record(keras.callbacks.Callback):
    """Keeps the logs as a callback sees them."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(dict(logs))


def test_the_logs_hold_what_evaluate_returns():
    metrics = sf.RankingMetrics(DATA.validation, k=(5, 10), coverage=True)
    history, model = fitted([metrics], epochs=2)
    expected = sf.evaluate(model, DATA.validation, k=(5, 10))
    assert {name: values[-1] for name, values in history.items() if name != "loss"} == {
        f"val_{name}": mean for name, mean in expected.items()
    }
    assert dict(metrics.metrics) == dict(expected)
    assert len(history["val_ndcg@10"]) == 2


@pytest.mark.parametrize("contained", [False, True])
def test_callbacks_before_it_see_the_metrics_too(tmp_path, contained):
    record = Record()
    callbacks = [
        record,
        keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
        keras.callbacks.EarlyStopping("val_ndcg@10", patience=1),
        keras.callbacks.ModelCheckpoint(
            str(tmp_path / "{epoch}.weights.h5"),
            monitor="val_mrr",
            save_best_only=True,
            save_weights_only=True,
        ),
        sf.RankingMetrics(DATA.validation),
    ]
    model = small_model()
    if contained:
        callbacks = keras.callbacks.CallbackList(callbacks, add_history=True, model=model)
    fitted(callbacks, 3, model)
    if contained:
        assert len(callbacks.callbacks) == 6  # with the history, and nothing of this run
    names = {"val_hit_rate@10", "val_ndcg@10", "val_mrr"}  # and no coverage, which takes longer
    first, second, *third = (logs["val_ndcg@10"] for logs in record.seen)
    assert bool(third) == (second > first)
    assert all(names == set(logs) - {"loss"} for logs in record.seen)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_mrr"]) for row in rows] == [logs["val_mrr"] for logs in record.seen]
    best, better = 0.0, []
    for epoch, logs in enumerate(record.seen, start=1):
        if logs["val_mrr"] > best:
            best = logs["val_mrr"]
            better.append(f"{epoch}.weights.h5")
    assert sorted(path.name for path in tmp_path.glob("*.h5")) == better


def test_more_is_better_unless_said_otherwise():
    def stopper(monitor, **options):
        return keras.callbacks.EarlyStopping(monitor, patience=99, **options)

    callbacks = [
        stopper("val_ndcg@10"),
        stopper("val_coverage@10", mode="min"),
        stopper("loss"),
        sf.RankingMetrics(DATA.validation, coverage=True),
    ]
    fitted(callbacks, 1)
    assert [callback.mode for callback in callbacks[:3]] == ["max", "min", "auto"]


def test_every_and_sample_users_save_time(monkeypatch):
    evaluated = []

    def counted(model, split, **options):
        evaluated.append(split.user_ids.tolist())
        return {"ndcg@10": float(len(evaluated))}

    monkeypatch.setattr("sasrec_fast.evaluation.ranking_metrics.evaluate", counted)
    metrics = sf.RankingMetrics(DATA.validation, sample_users=7, seed=4, every=2)
    history, _ = fitted([metrics], 5)
    assert history["val_ndcg@10"] == [1, 1, 2, 2, 3]
    assert evaluated == [DATA.validation.sample(7, seed=4).user_ids.tolist()] * 3


def test_a_resumed_run_logs_the_same_metrics(tmp_path):
    metrics = sf.RankingMetrics(DATA.validation, candidates=("uniform", 9, 0))
    whole, _ = fitted([metrics], 3)
    first, _ = fitted([metrics], 1, resume=tmp_path)
    rest, _ = fitted([metrics], 3, resume=tmp_path)
    assert {name: first[name] + rest[name] for name in whole} == whole


def test_options_are_checked():
    with pytest.raises(ValueError, match="every must be at least 1, received 0"):
        sf.RankingMetrics(DATA.validation, every=0)
    with pytest.raises(ValueError, match="users must be at least 1, received 0"):
        sf.RankingMetrics(DATA.validation, sample_users=0)
    with pytest.raises(TypeError, match=r"k must be an integer, received 2\.5"):
        sf.RankingMetrics(DATA.validation, k=2.5)


def test_repeats_are_warned_of_once_and_not_in_every_epoch():
    rows = [(user, item) for user in range(30) for item in (user % 7, 7, 8, 9, user % 7)]
    table = dict(zip(("user_id", "item_id"), map(list, zip(*rows, strict=True)), strict=True))
    data = sf.prepare(table, timestamp=None, holdout=1, max_sequence_length=LENGTH)
    with pytest.warns(sf.DataWarning, match="30 of 30 validation targets") as caught:
        metrics = sf.RankingMetrics(data.validation)
    assert caught[0].filename == __file__
    model = make_model(vocabulary_size=data.vocabulary_size, max_sequence_length=LENGTH)
    batches = data.train.batches(16, max_buckets=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both = [metrics, sf.RankingMetrics(data.validation, exclude_seen=False, prefix="all_")]
        history = compiled(model, 1e-2).fit(batches, epochs=2, callbacks=both, verbose=0).history
    assert history["val_hit_rate@10"] == [0, 0]
    assert history["all_hit_rate@10"] == [1, 1]
