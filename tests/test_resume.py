"""A killed run goes on from its last epoch to the weights of an uninterrupted one."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import training_run
from sasrec_fast.model.checkpoint import FILE
from small_models import compiled, keras, make_model, make_rows

SCRIPT = Path(training_run.__file__)


def start(**options):
    command = [sys.executable, str(SCRIPT), json.dumps(options)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kill", [(2, 1)])
def test_a_killed_process_ends_in_the_weights_of_an_uninterrupted_one(tmp_path, kill):
    cache = str(tmp_path / "compiled")
    whole = json.loads(start(epochs=4, cache=cache).stdout)
    folder = str(tmp_path / "run")
    killed = start(epochs=4, resume=folder, kill=kill, cache=cache)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = json.loads(start(epochs=4, resume=folder, cache=cache).stdout)
    assert resumed["loss"] == whole["loss"][2:]
    assert resumed["val_loss"] == whole["val_loss"][2:]
    assert resumed["weights"] == whole["weights"]
    assert resumed["optimizer"] == whole["optimizer"]
    assert resumed["loaded"] > 0  # of the cache the first run filled


def fitted(model, folder, epochs, callbacks=(), batch_size=16):
    batches = training_run.small_data().train.batches(batch_size, max_buckets=2)
    return model.fit(batches, epochs=epochs, callbacks=list(callbacks), resume=folder, verbose=0)


def small_model(**options):
    settings = {"vocabulary_size": 51, "max_sequence_length": training_run.LENGTH}
    return compiled(make_model(**{**settings, **options}), 1e-2, "Adam")


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
    drawn = [counter for _, counter in seeds[0] if counter > 0]
    assert len(drawn) == 4  # embeddings, attention, its output, the feed-forward layer's


def test_a_write_that_was_cut_off_leaves_the_checkpoint_before(run):
    folder, _ = run
    (folder / "training.partial").write_bytes(b"PK half a file")
    assert fitted(small_model(), folder, 2).history == {}


def test_a_damaged_checkpoint_is_refused(run, tmp_path):
    content = (run[0] / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"training.npz is no readable checkpoint .* delete it"):
        fitted(small_model(), tmp_path, 3)


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
