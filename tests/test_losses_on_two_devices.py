"""Under data parallelism each device sums over its own positions, and the sums agree."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import jax, jax.numpy as jnp, numpy as np
import sasrec_fast as sf
from sasrec_fast import losses
from sasrec_fast.losses import chunked
import keras

rng = np.random.default_rng(0)
states, table = rng.normal(size=(24, 4)), rng.normal(size=(9, 4))
targets, negatives = rng.integers(1, 9, 24), rng.integers(1, 9, (24, 3))
weight = (np.arange(24) < 15) * rng.random(24)  # the second device has fewer that count


def computed(loss, shard):
    def total(states, table, targets, negatives, weight):
        return loss(losses.Positions(states, table, targets, negatives, weight, weight, 0))

    compute = jax.jit(jax.value_and_grad(total, (0, 1)))
    part = [shard(jnp.asarray(x, t)) for x, t in (
        (states, "float32"), (targets, "int32"), (negatives, "int32"), (weight, "float32"))]
    arguments = part[0], jnp.asarray(table, "float32"), *part[1:]
    text = compute.lower(*arguments).compile().as_text()
    return jax.tree.leaves(compute(*arguments)), text


chosen = [losses.Softmax(max_bytes=100), losses.SampledSoftmax(5, max_bytes=100),
          losses.BinaryCrossEntropy(max_bytes=100)]
alone = [computed(loss, lambda x: x)[0] for loss in chosen]
parallel = keras.distribution.DataParallel()
keras.distribution.set_distribution(parallel)
mesh = parallel.device_mesh.backend_mesh
assert mesh.size == 2
split = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
for loss, expected, on_cpu in zip([*chosen, chosen[0]], [*alone, alone[0]], [1, 1, 1, 0]):
    chunked.on_cpu = lambda: on_cpu
    found, text = computed(loss, lambda x: jax.device_put(x, split))
    for a, b in zip(found, expected):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5, atol=1e-6)
    assert "all-reduce" in text and "all-gather" not in text
    assert found[1].sharding.is_equivalent_to(split, 2)
print("equal")
"""


def test_two_devices_give_the_value_and_gradients_of_one():
    flags = os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=2"
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "XLA_FLAGS": flags, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == "equal"
