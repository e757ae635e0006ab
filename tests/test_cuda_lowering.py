"""The whole training step as a GPU gets it, looked at on a machine without one."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import jax
import numpy as np
import pytest
from jax import export
from jax._src.cudnn import fused_attention_stablehlo as cudnn

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

LENGTH = 24
"""A multiple of 8, as batches have off the CPU, and no other size of the model."""

FORWARD, BACKWARD = "__cudnn$fmhaSoftmax", "__cudnn$fmhaSoftmaxBackward"


@pytest.fixture(autouse=True)
def _on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What JAX and this package ask before they choose, answered as on a GPU of today."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(cudnn, "check_cudnn_version", lambda: 91000)
    monkeypatch.setattr(cudnn, "check_compute_capability", lambda _: True)
    monkeypatch.setattr(cudnn, "is_cuda_compute_capability_equal", lambda _: False)


def step(loss: Any, length: int = LENGTH, **options: Any) -> tuple[Any, ...]:
    """The step of `fit`, from weights and a batch to new weights, and what it is given."""
    sizes = {"max_sequence_length": length, "hidden_dim": 16, "num_heads": 2}
    model = make_model(**{**sizes, **options})
    model.compile(keras.optimizers.Adam(0.01), loss=loss)
    x, y = make_rows([20, 3], columns=length)
    if model.looks_at_times:
        moments = np.cumsum(np.ones((2, length), np.int32), axis=1, dtype=np.int32)
        x = {**x, "times": moments, "query_times": moments + 1}
    model.build()
    model.optimizer.build(model.trainable_variables)
    batch = (x, y, weights_like(x["padding_mask"].astype(np.float32)))
    return jax.jit(model.train_step, donate_argnums=0), step_state(model), batch


def lowered(loss: Any, **options: Any) -> str:
    """The step, lowered for CUDA."""
    function, *given = step(loss, **options)
    known = [export.DisabledSafetyCheck.custom_call(name) for name in (FORWARD, BACKWARD)]
    exported = export.export(function, platforms=["cuda"], disabled_checks=known)(*given)
    assert exported.platforms == ("cuda",)
    text: str = exported.mlir_module()
    return text


def calls(text: str) -> Counter[str]:
    """What the program calls that is none of XLA's own operations."""
    assert "callback" not in text
    return Counter(re.findall(r"custom_call @([\w$]+)", text))


def scores(text: str, length: int = LENGTH) -> list[str]:
    """Types of the tensors that have an entry for each pair of positions."""
    return re.findall(rf"tensor<(?:\d+x)*{length}x{length}x\w+>", text)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_step_of_every_loss_is_lowered_and_never_asks_the_host(loss):
    text = lowered(LOSSES[loss])
    assert "stablehlo.dot_general" in text
    assert not calls(text)


@pytest.mark.parametrize(
    "options",
    [
        {"block": "ligr", "num_heads": 4},
        {"pre_norm": False, "position_shift": 3},
        {"tie_embeddings": False, "l2": 0.1},
        {"dtype": "mixed_bfloat16", "block": "ligr"},
        {"attention_dropout": 0.0},
        {"time": "buckets"},
        {"time": "decay", "block": "ligr", "dtype": "mixed_bfloat16", "dropout": 0.0},
        {"num_members": 2},
    ],
    ids=["ligr", "post-norm", "separate", "bfloat16", "float32", "times", "decay", "members"],
)
def test_the_step_of_every_block_is_lowered(options):
    text = lowered("softmax", **options)
    assert ("bf16" in text) == (options.get("dtype") == "mixed_bfloat16")
    assert not calls(text)
    assert scores(text)


@pytest.mark.parametrize(
    "options",
    [
        {"attention_dropout": 0.0},
        {"dropout": 0.0, "block": "ligr"},
        {"dropout": 0.0, "positions": "rotary", "num_layers": 2},
        {"dropout": 0.0, "dtype": "mixed_float16"},
    ],
    ids=["transformer", "ligr", "rotary", "float16"],
)
def test_half_precision_without_dropout_of_shares_is_cudnns_causal_attention(options):
    text = lowered("bce", **{"dtype": "mixed_bfloat16", **options})
    layers = options.get("num_layers", 1)
    assert calls(text) == {FORWARD: layers, BACKWARD: layers}
    kinds = re.findall(r"mask_type\\22: \\22(\w+)\\22", text)
    assert kinds == ["CAUSAL"] * 2 * layers
    assert not scores(text)


def test_an_odd_length_is_not_offered_to_cudnn(caplog):
    text = lowered("bce", length=23, dtype="mixed_bfloat16", attention_dropout=0.0)
    assert not calls(text)
    assert scores(text, 23)
    assert not caplog.records


_FREE = ["parameter", "constant", "tuple", "get-tuple-element", "bitcast", "iota", "broadcast"]


def kernels(loss: Any, **options: Any) -> int:
    """Operations that run one after the other, as XLA fuses this step on a CPU.

    A GPU's compiler fuses more: about half as many were seen there.
    """
    function, *given = step(loss, **options)
    text = function.lower(*given).compile().as_text()
    program = text[text.index("\nENTRY ") :]
    names = re.findall(r"^ +(?:ROOT )?%?[\w.-]+ = (?:\(.*?\)|\S+) ([\w-]+)\(", program, re.M)
    return len([name for name in names if name not in _FREE])


@pytest.mark.parametrize(
    ("loss", "options", "counted"),
    [
        ("bce", {}, 203),
        ("softmax", {}, 204),
        ("shared", {}, 225),
        ("bce", {"block": "ligr"}, 235),
    ],
)
def test_a_step_has_few_kernels(loss, options, counted):
    assert kernels(LOSSES[loss], **options) <= 1.05 * counted
