"""A killed run goes on from its last epoch to the weights of an uninterrupted one."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sasrec_fast as sf
import training_run
from sasrec_fast.model.checkpoint import FILE, FINISHED
from small_models import compiled, keras, make_model, make_rows

SCRIPT = Path(training_run.__file__)


def start(**options):
    command = [sys.executable, str(SCRIPT), json.dumps(options)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kill", [(2, 1)])
def test_a_killed_process_ends_in_the_weights_of_an_uninterrupted_one(tmp_path, kill):
    cache = str(tmp_path / "compiled")
    options = {"epochs": 4, "cache": cache, "position_shift": 3, "num_members": 2}
    whole = training_run.run(**options | {"cache": None})
    folder = str(tmp_path / "run")
    killed = start(**options, resume=folder, kill=kill)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = json.loads(start(**options, resume=folder).stdout)
    assert resumed["loss"] == whole["loss"][2:]
    assert resumed["val_loss"] == whole["val_loss"][2:]
    assert resumed["weights"] == whole["weights"]
    assert resumed["optimizer"] == whole["optimizer"]
    assert resumed["loaded"] > 0  # of the cache that the killed run filled
    assert names(tmp_path / "run") == [FINISHED]


def fitted(model, folder, epochs, callbacks=(), batch_size=16, **options):
    batches = training_run.small_data().train.batches(batch_size, max_buckets=2)
    return model.fit(
        batches, epochs=epochs, callbacks=list(callbacks), resume=folder, verbose=0, **options
    )


def small_model(**options):
    settings = {"vocabulary_size": 51, "max_sequence_length": training_run.LENGTH}
    return compiled(make_model(**{**settings, **options}), 1e-2, "Adam")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two epochs."""
    folder = tmp_path_factory.mktemp("run")
    model = small_model()
    fitted(model, folder, 2)
    return folder, model


def test_a_finished_run_is_loaded_and_not_trained_further(run):
    folder, model = run
    other = small_model()
    history = fitted(other, folder, 2)
    assert history.history == {}
    for value, expected in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_the_seeds_of_dropout_are_part_of_the_checkpoint(run):
    folder, model = run
    other = small_model()
    fitted(other, folder, 2)
    seeds = [
        [np.asarray(v).tolist() for v in m.non_trainable_variables if "seed" in v.path]
        for m in (model, other)
    ]
    assert seeds[0] == seeds[1]
    # The loss; embeddings, which count for all; attention, its output, the feed-forward layer's.
    assert len({seed for seed, _ in seeds[0]}) == 5
    assert [counter > 0 for _, counter in seeds[0]] == [False, True, False, False, False]


def test_a_write_that_was_cut_off_leaves_the_checkpoint_before(run):
    folder, _ = run
    (folder / "training.partial").write_bytes(b"PK half a file")
    assert fitted(small_model(), folder, 2).history == {}
    assert names(folder) == [FINISHED]


def test_a_damaged_checkpoint_is_refused(run, tmp_path):
    content = (run[0] / FINISHED).read_bytes()
    for bad in (
        content[: len(content) // 2],
        b"",
        b"PK",
        content.replace(b'"epochs"', b'"epochz"'),
    ):
        (tmp_path / FILE).write_bytes(bad)
        said = r"training.npz is no readable checkpoint .* delete it"
        with pytest.raises(ValueError, match=said):
            fitted(small_model(), tmp_path, 3)


def test_a_finished_run_goes_on_to_more_epochs(run, tmp_path):
    """The checkpoint of a run under way goes before that of a finished one."""
    shutil.copytree(run[0], tmp_path / "run")
    assert fitted(small_model(), tmp_path / "run", 3).epoch == [2]
    assert names(tmp_path / "run") == [FINISHED]
    (tmp_path / "run" / FINISHED).rename(tmp_path / "run" / FILE)
    shutil.copy(run[0] / FINISHED, tmp_path / "run")
    assert fitted(small_model(), tmp_path / "run", 3).epoch == []
    assert names(tmp_path / "run") == [FINISHED]


def other_items():
    """The same users, counts and lengths, with other items."""
    data = training_run.small_data()
    offsets, items = data.sequences.offsets, data.sequences.items.tolist()
    users = np.repeat(np.arange(60), np.diff(offsets))
    return sf.prepare(
        {"user_id": users, "item_id": items[1:] + items[:1]}, timestamp=None, max_sequence_length=12
    )


def rates():
    return keras.optimizers.schedules.ExponentialDecay(1e-2, 10, 0.9)


def compiled_by(optimizer="adam", loss=None, **options):
    model = small_model(**options)
    model.compile(optimizer, loss=loss)
    return model


def adam(**options):
    return keras.optimizers.Adam(**{"learning_rate": 1e-2, **options})


OTHER_RUNS = {
    "dropout": lambda: compiled_by(adam(), dropout=0.5),
    "scale_embeddings": lambda: compiled_by(adam(), scale_embeddings=False),
    "l2": lambda: compiled_by(adam(), l2=0.1),
    "loss": lambda: compiled_by(adam(), loss="gbce"),
    "loss.max_bytes": lambda: compiled_by(adam(), sf.losses.BinaryCrossEntropy(max_bytes=10**6)),
    "optimizer": lambda: compiled_by(keras.optimizers.AdamW(1e-2)),
    "optimizer.learning_rate": lambda: compiled_by(adam(learning_rate=5e-2)),
    "optimizer.learning_rate(.class_name)?": lambda: compiled_by(adam(learning_rate=rates())),
    "optimizer.beta_2": lambda: compiled_by(adam(beta_2=0.9)),
    "optimizer.clipnorm": lambda: compiled_by(adam(clipnorm=1.0)),
}


@pytest.mark.parametrize("name", OTHER_RUNS)
def test_a_checkpoint_of_another_model_loss_or_optimizer_is_refused(name, run):
    said = rf"finished\.npz was written with (model\.)?{name}=.*, this run has (model\.)?{name}="
    with pytest.raises(ValueError, match=said):
        fitted(OTHER_RUNS[name](), run[0], 3)


def test_a_checkpoint_of_other_interactions_or_options_is_refused(run):
    data = training_run.small_data()
    others = {
        "interactions": other_items().train,
        "reject_all": training_run.small_data(negative_scope="all").train,
        "exponent": training_run.small_data(negatives="popularity").train,
        "prefixes|stride": training_run.small_data(windows="prefixes").train,
        "stride": training_run.small_data(windows=("stride", 6)).train,
        "split seed|seed": training_run.small_data(seed=1).train,
    }
    for name, split in others.items():
        assert split.name == data.train.name
        with pytest.raises(ValueError, match=f"was written with ({name}|interactions)="):
            small_model().fit(split.batches(16, max_buckets=2), epochs=3, resume=run[0], verbose=0)
    with pytest.raises(ValueError, match="was written with seed=0, this run has seed=5"):
        small_model().fit(
            data.train.batches(16, max_buckets=2, seed=5), epochs=3, resume=run[0], verbose=0
        )
    validation = data.validation.batches(16, max_buckets=2)
    with pytest.raises(ValueError, match="was written with validation "):
        fitted(small_model(), run[0], 3, validation_data=validation)


def test_a_rate_that_a_callback_has_lowered_is_no_other_optimizer(tmp_path):
    """In a notebook the same model goes on, in a new process one with the rate of the beginning."""

    class Lower(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 1e-3

    model = small_model()
    fitted(model, tmp_path, 1, [Lower()])
    assert fitted(model, tmp_path, 2).epoch == [1]
    other = small_model()
    assert fitted(other, tmp_path, 2).epoch == []
    assert float(other.optimizer.learning_rate) == pytest.approx(1e-3)


def test_a_run_of_an_earlier_version_goes_on_with_a_warning(run, tmp_path):
    with np.load(run[0] / FINISHED) as file:
        arrays = dict(file)
    content = json.loads(bytes(arrays["run"]))
    for name in ("settings", "optimizer"):
        del content[name]
    for name in ("interactions", "validation data", "stride", "exponent"):
        del content["data"][name]
    arrays["run"] = np.frombuffer(json.dumps(content).encode(), np.uint8)
    np.savez(tmp_path / FILE, **arrays)
    with pytest.warns(UserWarning, match="written by an earlier version, which recorded"):
        assert fitted(small_model(), tmp_path, 2).epoch == []


def test_a_checkpoint_of_another_model_or_other_data_is_refused(run):
    folder, _ = run
    with pytest.raises(ValueError, match=r"holds shape \(51, 8\) for .*, which has shape \(51, 4"):
        fitted(small_model(hidden_dim=4), folder, 3)
    with pytest.raises(ValueError, match=r"holds \d+ variables, the model and its optimizer \d+"):
        fitted(small_model(num_layers=2), folder, 3)
    with pytest.raises(ValueError, match="was written with batches="):
        fitted(small_model(), folder, 3, batch_size=8)


def test_a_run_that_a_callback_stopped_stays_stopped(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

        def on_train_end(self, logs=None):
            self.model.item_embedding.embeddings.assign(
                np.ones_like(self.model.item_embedding.embeddings)
            )

    assert len(fitted(small_model(), tmp_path, 9, [Stop()]).history["loss"]) == 2
    other = small_model()
    assert fitted(other, tmp_path, 9).history == {}
    assert (np.asarray(other.item_embedding.embeddings) == 1).all()


def test_resume_needs_batches(tmp_path):
    x, y = make_rows([6, 4])
    with pytest.raises(ValueError, match="resume needs Batches"):
        small_model().fit(x, y, resume=tmp_path, verbose=0)
    assert not os.listdir(tmp_path)  # noqa: PTH208
