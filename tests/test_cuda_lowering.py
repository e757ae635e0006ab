"""The whole training step can be compiled for CUDA, on a machine without a GPU too."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from jax import export

from sasrec_fast import losses
from small_models import ITEMS, keras, make_model, make_rows, step_state, weights_like

LOSSES = {
    "bce": losses.BinaryCrossEntropy(),
    "bce in chunks": losses.BinaryCrossEntropy(max_bytes=500),
    "gbce": losses.GeneralizedBinaryCrossEntropy(),
    "softmax": losses.Softmax(),
    "shared": losses.SampledSoftmax(6, item_counts=np.arange(ITEMS + 1)),
    "own": losses.SampledSoftmax(6, shared=False),
    "of the batch": losses.SampledSoftmax(None, max_bytes=500),
}


def lowered(loss: Any, **options: Any) -> Any:
    """The step of `fit`, from weights and a batch to new weights, lowered for CUDA."""
    model = make_model(**options)
    model.compile(keras.optimizers.Adam(0.01), loss=loss)
    x, y = make_rows([6, 3])
    model.build()
    model.optimizer.build(model.trainable_variables)
    batch = (x, y, weights_like(x["padding_mask"].astype(np.float32)))
    return export.export(jax.jit(model.train_step), platforms=["cuda"])(step_state(model), batch)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_step_of_every_loss_is_lowered(loss):
    exported = lowered(LOSSES[loss])
    assert exported.platforms == ("cuda",)
    assert "stablehlo.dot_general" in exported.mlir_module()


@pytest.mark.parametrize(
    "options",
    [
        {"block": "ligr", "num_heads": 2},
        {"pre_norm": False, "positions": "start"},
        {"tie_embeddings": False, "l2": 0.1},
        {"dtype": "mixed_bfloat16", "block": "ligr"},
    ],
    ids=["ligr", "post-norm", "separate", "bfloat16"],
)
def test_the_step_of_every_block_is_lowered(options):
    text = lowered("softmax", **options).mlir_module()
    assert ("bf16" in text) == (options.get("dtype") == "mixed_bfloat16")
