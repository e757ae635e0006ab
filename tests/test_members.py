"""An ensemble in one model is its members, each made and trained by itself."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import sasrec_fast as sf
from sasrec_fast.layers.norm import LayerNorm, layer_norm_by
from small_models import LENGTH, keras, make_model, make_rows

MEMBERS = 2
LAYERS = 2
RATE = 1e-2
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "ligr": ("softmax", {"block": "ligr", "positions": "rotary"}),
    "two tables": ("gbce", {"tie_embeddings": False, "pre_norm": False, "l2": 0.05}),
}


def parts(weight: Any, whole: dict[str, Any], member: int) -> np.ndarray:
    """What a member's weight is in the ensemble: a layer of its own, or a part of an axis."""
    name = weight.path.split("/", 1)[1]
    if found := re.match(r"transformer_layer_(\d+)/(.*)", name):
        layer, rest = int(found[1]), found[2]
        return np.array(whole[f"transformer_layer_{LAYERS * member + layer}/{rest}"])
    return np.split(np.array(whole[name]), MEMBERS, axis=-1)[member]


def by_name(model: Any) -> dict[str, Any]:
    return {weight.path.split("/", 1)[1]: weight for weight in model.weights}


def members_of(ensemble: Any, **options: Any) -> list[Any]:
    """Models of one member each, with the weights that it has in the ensemble."""
    models = [make_model(num_layers=LAYERS, dropout=0.0, **options) for _ in range(MEMBERS)]
    for member, model in enumerate(models):
        model.build()
        for weight in model.trainable_weights:
            weight.assign(parts(weight, by_name(ensemble), member))
    return models


@pytest.mark.parametrize(("loss", "options"), KINDS.values(), ids=list(KINDS))
def test_it_answers_and_learns_as_its_members_do(loss, options):
    ensemble = make_model(num_members=MEMBERS, num_layers=LAYERS, dropout=0.0, **options)
    ensemble.build()
    singles = members_of(ensemble, **options)
    x, y = make_rows([6, 4, 1, 3, 6, 2])
    real = x["padding_mask"]
    y = {name: values * real for name, values in y.items()}

    def agree(bound: float) -> None:
        found, *each = (np.asarray(m(x)["item_sequence_embedding"])[real] for m in models)
        np.testing.assert_allclose(found, np.concatenate(each, axis=-1), atol=bound)
        tables = [np.asarray(one.scoring_table) for one in models[1:]]
        scores = sum(states @ table.T for states, table in zip(each, tables, strict=True))
        np.testing.assert_allclose(found @ ensemble.item_vectors().T, scores, atol=bound)

    models = [ensemble, *singles]
    agree(1e-5)
    for model in models:  # the least of epsilons: Adam's steps have no scale then
        model.compile(keras.optimizers.Adam(RATE, epsilon=1e-30), loss=loss, run_eagerly=True)
        for _ in range(4):
            model.train_on_batch(x, y)
    agree(2e-3)  # the gradient of what has none is rounding, and makes a step
    losses = [model.test_on_batch(x, y) for model in models]
    assert losses[0] == pytest.approx(np.mean(losses[1:]), rel=1e-4)
    assert losses[1] != losses[2]


def test_members_drop_and_sample_by_themselves():
    """Two members with the same weights see other bits, so that they do not stay the same."""
    model = make_model(num_members=2, dropout=0.5)
    model.build()
    for weight in model.trainable_weights:
        if not re.search("transformer_layer_", weight.path):
            half = np.split(np.array(weight), 2, axis=-1)[0]
            weight.assign(np.concatenate([half, half], axis=-1))
    first, second = model.transformer_layers
    for one, other in zip(first.trainable_weights, second.trainable_weights, strict=True):
        other.assign(np.array(one))
    x, y = make_rows([6, 4, 3])
    model.compile("adam", loss=sf.losses.SampledSoftmax(3))
    left, right = np.split(model.encode_last(x), 2, axis=-1)
    np.testing.assert_array_equal(left, right)
    model.train_on_batch(x, y)
    left, right = np.split(model.encode_last(x), 2, axis=-1)
    assert np.abs(left - right).max() > 1e-4


def test_vectors_are_the_members_side_by_side():
    model = make_model(num_members=3, hidden_dim=8)
    assert (model.hidden_dim, model.vector_dim) == (8, 24)
    assert model.item_vectors().shape == (model.vocabulary_size, 24)
    assert model.encode_last(make_rows([2, 3])[0]).shape == (2, 24)
    assert make_model().vector_dim == 8


def test_a_single_model_is_written_as_before_there_were_members():
    assert "num_members" not in make_model().get_config()
    assert make_model(num_members=2).get_config()["num_members"] == 2


@pytest.mark.parametrize("number", [0, -1, 1.5, "2"])
def test_a_number_of_members_that_none_can_have_is_refused(number):
    with pytest.raises((ValueError, TypeError), match="num_members must be"):
        make_model(num_members=number)


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("by_operator", [False, True], ids=["plain", "operator"])
def test_each_part_is_normalised_by_itself(number, by_operator):
    width = 4
    whole = LayerNorm(number, epsilon=1e-6)
    x = np.random.default_rng(0).normal(3, 2, (2, LENGTH, number * width)).astype(np.float32)
    whole.build(x.shape)
    scale, shift = np.linspace(1, 2, number * width), np.linspace(-1, 1, number * width)
    whole.gamma.assign(scale)
    whole.beta.assign(shift)

    def operator(part: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
        mean = part.mean(-1, keepdims=True)
        return (part - mean) / (part.var(-1, keepdims=True) + epsilon) ** 0.5 * gamma + beta

    each = zip(*(np.split(v, number, -1) for v in (x, scale, shift)), strict=True)
    expected = np.concatenate([operator(*part, 1e-6) for part in each], axis=-1)
    if by_operator:
        with layer_norm_by(operator):
            found = whole(x)
    else:
        found = whole(x)
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-5)


def test_a_file_of_other_members_than_its_weights_is_refused(tmp_path):
    import json
    import zipfile

    model = make_model(num_members=2, items=sf.Vocabulary.identity(20))
    model.build()
    model.save(tmp_path / "model.keras")
    damaged = tmp_path / "damaged.keras"
    with zipfile.ZipFile(tmp_path / "model.keras") as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["num_members"] = 3
                content = json.dumps(config).encode()
            new.writestr(name, content)
    with pytest.raises(ValueError, match="asks for"):
        sf.load_model(damaged)
