"""Several devices: the same loss as on one, batches they can share, no late compilation."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import training_run
from compilations import Compilations
from small_models import compiled, keras, make_model

TWO = {"XLA_FLAGS": os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=2"}


def on_two(**options):
    command = [sys.executable, training_run.__file__, json.dumps({**options, "distribute": True})]
    environment = {**os.environ, **TWO}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_two_devices_train_to_the_loss_of_one():
    options = {"epochs": 3, "dropout": 0.0, "run_length": 3}
    options |= {"ema_momentum": 0.5, "position_shift": 11, "num_members": 2}
    one = training_run.run(**options)
    two = on_two(**options)
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=2e-5)
    np.testing.assert_allclose(two["val_loss"], one["val_loss"], rtol=2e-5)
    np.testing.assert_allclose(two["embeddings"], one["embeddings"], atol=1e-3)
    assert two["loss"][0] != two["loss"][-1]


@pytest.fixture
def distribution(monkeypatch):
    """Pretends that a distribution over six devices is in force."""

    class Mesh:
        axis_names, shape = ["model", "batch"], (3, 6)

    class Distribution:
        batch_dim_name, device_mesh = "batch", Mesh()

    monkeypatch.setattr(keras.distribution, "distribution", Distribution)


def test_rows_of_a_batch_are_a_multiple_of_devices_and_shards(distribution):
    data = training_run.small_data()
    batches = data.train.batches(16, num_shards=4, shard=1)
    assert all(bucket.batch_rows % 12 == 0 for bucket in batches.buckets)
    assert batches[0][0]["item_ids"].shape[0] % 3 == 0


def test_batches_made_before_the_distribution_are_refused(request):
    batches = training_run.small_data().train.batches(13, max_buckets=1)
    assert batches.buckets[0].batch_rows % 6
    request.getfixturevalue("distribution")
    model = compiled(make_model(vocabulary_size=51, max_sequence_length=12), 0.01)
    with pytest.raises(ValueError, match=r"rows cannot be shared by 6 devices: make the batches"):
        model.fit(batches, verbose=0)


class EpochCompilations(keras.callbacks.Callback):
    """Counts the compilations of each epoch, its validation included."""

    def __init__(self, seen):
        super().__init__()
        self.seen, self.counts = seen, []

    def on_epoch_end(self, epoch, logs=None):
        self.counts.append(self.seen.count - sum(self.counts))


@pytest.mark.parametrize("options", [{}, {"steps_per_epoch": 2, "validation_steps": 1}])
def test_nothing_compiles_after_the_first_epoch(options):
    data = training_run.small_data()
    model = compiled(make_model(vocabulary_size=51, max_sequence_length=12), 0.01)
    batches = data.train.batches(16, max_buckets=2)
    counter = EpochCompilations(Compilations())
    model.fit(
        batches,
        epochs=5,
        validation_data=data.validation.batches(16, max_buckets=2),
        callbacks=[counter],
        verbose=0,
        **options,
    )
    assert counter.counts[0] >= 2
    if not options:
        assert counter.counts[1:] == [0, 0, 0, 0]
    assert counter.counts[-1] == 0  # every shape was seen by then
