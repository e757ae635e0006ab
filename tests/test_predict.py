"""Answers of the Keras model: what it is asked, in which order it answers, what it refuses."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
import training_run
from small_models import ITEMS, LENGTH, compiled, keras, make_model, make_rows


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return training_run.small_data()


@pytest.fixture(scope="module")
def model(data: sf.Prepared) -> Any:
    made = make_model(vocabulary_size=51, max_sequence_length=12, items=data.items, num_layers=1)
    return compiled(made, 0.1)


@pytest.fixture(scope="module")
def expected(data: sf.Prepared, model: Any) -> Any:
    """Answers to the rows of the test split, in its order."""
    return model.predict(data.test.arrays().xyw()[0], verbose=0)


def test_a_split_is_answered_row_by_row(data, model, expected):
    found = model.predict(data.test, verbose=0)
    assert found["predictions"].shape == (len(data.test), 4)
    np.testing.assert_array_equal(found["predictions"], expected["predictions"])
    length = found["item_sequence_embedding"].shape[1]
    real = data.test.arrays().padding_mask[:, :length]
    np.testing.assert_allclose(
        found["item_sequence_embedding"][real],
        expected["item_sequence_embedding"][:, :length][real],
        atol=1e-5,
    )
    of_arrays = model.predict(data.test.arrays(), verbose=0)
    np.testing.assert_array_equal(of_arrays["predictions"], expected["predictions"])


@pytest.mark.parametrize(
    ("options", "steps"), [({"shuffle": False}, None), ({"shuffle": True}, None), ({}, 2)]
)
def test_batches_are_answered_in_the_order_they_show_their_rows(
    data, model, expected, options, steps
):
    batches = data.test.batches(13, **options)
    assert len({bucket.length for bucket in batches.buckets}) > 1
    shown = np.concatenate([batches.rows(i) for i in range(steps or len(batches))])
    found = model.predict(batches, verbose=0, steps=steps)
    np.testing.assert_array_equal(found["predictions"], expected["predictions"][shown[shown >= 0]])


def test_prepared_data_and_tables_are_no_rows(data, model):
    with pytest.raises(TypeError, match=r"^predict takes rows: .*data\.test.*data\.inputs\(\)"):
        model.predict(data)
    for table in (pd.DataFrame({"item_id": [1]}), None, [1, 2], np.zeros((2, 3)), "rows.csv"):
        for use in (model.predict, model.fit, model.evaluate):
            with pytest.raises(TypeError, match=r"fit, evaluate and predict take a split"):
                use(table)
        if table is not None:
            with pytest.raises(TypeError, match=r"validation_data is a|fit, evaluate and predict"):
                model.fit(data.train, validation_data=table)


def test_evaluate_of_prepared_data_is_of_its_test_split(data, model):
    assert model.evaluate(data, verbose=0) == pytest.approx(model.evaluate(data.test, verbose=0))


ROWS = make_rows([6, 4])[0]
USES = ["__call__", "predict", "predict_on_batch", "encode", "encode_last", "score_items"]
TRAINING = ["fit", "evaluate", "train_on_batch", "test_on_batch"]


def wrong(**changes: Any) -> Any:
    return {**ROWS, **changes}


def with_item(index: Any, dtype: Any = np.int32) -> Any:
    ids = ROWS["item_ids"].astype(dtype)
    ids[1, 2] = index
    return wrong(item_ids=ids)


WRONG = {
    "beyond": (with_item(ITEMS + 1), ValueError, rf"item_ids holds .* to {ITEMS + 1}"),
    "far beyond": (with_item(2**32 + 1, np.int64), ValueError, r"item_ids holds .* to 4294967297"),
    "negative": (with_item(-1), ValueError, r"item_ids holds item indices from -1"),
    "float": (with_item(3, np.float32), TypeError, r"item_ids must be item indices \(integers\)"),
    "NaN": (with_item(np.nan, np.float64), TypeError, r"integers\), received float64"),
    "text": (wrong(item_ids=ROWS["item_ids"].astype(str)), TypeError, r"integers\), received <U"),
    "one axis": (
        {k: v[0] for k, v in ROWS.items()},
        ValueError,
        r"\[rows, length\], received \(6,\)",
    ),
    "no columns": ({k: v[:, :0] for k, v in ROWS.items()}, ValueError, r"at least one position"),
    "mask of another shape": (
        wrong(padding_mask=ROWS["padding_mask"][:, :3]),
        ValueError,
        r"one and the same shape",
    ),
    "float mask": (
        wrong(padding_mask=ROWS["padding_mask"].astype(np.float32)),
        TypeError,
        r"padding_mask must be bool",
    ),
    "mask of ids": (wrong(padding_mask=ROWS["item_ids"]), ValueError, r"True for a real item"),
    "no mask": ({"item_ids": ROWS["item_ids"]}, ValueError, r"a mapping with 'item_ids'"),
    "ids alone": (ROWS["item_ids"], (ValueError, TypeError), r"mapping|inputs by name"),
    "ragged": (
        {"item_ids": [[1, 2], [3]], "padding_mask": [[True, True], [True]]},
        ValueError,
        r"lists of different lengths",
    ),
}


@pytest.fixture(scope="module")
def small() -> Any:
    return compiled(make_model(num_layers=0), 0.1)


@pytest.mark.parametrize("case", WRONG)
def test_inputs_without_sense_are_refused_in_one_sentence(small, case):
    rows, kind, message = WRONG[case]
    targets = make_rows([6, 4])[1]
    for use in USES:
        with pytest.raises(kind, match=message) as refused:
            getattr(small, use)(rows)
        assert "\n" not in str(refused.value)
    for use in TRAINING:
        with pytest.raises(kind, match=message):
            getattr(small, use)(rows, targets)


def test_arrays_of_jax_are_looked_at_too(small):
    rows = {name: jax.numpy.asarray(values) for name, values in with_item(ITEMS + 1).items()}
    for use in USES:
        with pytest.raises(ValueError, match="item_ids holds"):
            getattr(small, use)(rows)


def test_lists_and_masks_of_0_and_1_are_taken(small):
    expected = small.predict(ROWS, verbose=0)["predictions"]
    lists = {name: values.tolist() for name, values in ROWS.items()}
    whole = wrong(padding_mask=ROWS["padding_mask"].astype(np.int64))
    for rows in (lists, whole):
        for use in (small, small.predict_on_batch, lambda x: small.predict(x, verbose=0)):
            np.testing.assert_array_equal(use(rows)["predictions"], expected)


def test_targets_outside_the_vocabulary_are_refused(small):
    x, y = make_rows([6, 4])
    y["negative_sequence"][0, 0] = ITEMS + 1
    for use in TRAINING:
        with pytest.raises(ValueError, match=f"negative_sequence holds .* to {ITEMS + 1}"):
            getattr(small, use)(x, y)
        with pytest.raises(ValueError, match="y is a mapping with 'positive_sequence'"):
            getattr(small, use)(x)


def test_no_rows_have_no_predictions(small):
    none = {name: values[:0] for name, values in ROWS.items()}
    for use in (small, small.predict, small.predict_on_batch):
        found = use(none)
        assert found["predictions"].shape == (0, 4)
        assert found["item_sequence_embedding"].shape == (0, LENGTH, 8)
    assert small.encode_last(none).shape == (0, 8)


def test_within_a_compiled_function_a_row_without_states_has_no_items(small):
    ids = ROWS["item_ids"].copy()
    ids[1, 3] = ITEMS + 1
    predictions = jax.jit(lambda x: small(x)["predictions"])(wrong(item_ids=ids))
    np.testing.assert_array_equal(predictions[1], [0] * 4)
    assert (predictions[0] > 0).all()


@pytest.mark.parametrize("place", ["table", "one item", "norm"])
def test_weights_that_are_not_finite_are_no_answers(place):
    model = compiled(make_model(num_layers=0), 0.1)
    model.build()
    variable = model.layer_norm.trainable_variables[0] if place == "norm" else model.scoring_table
    values = np.array(variable)
    values[5 if place == "one item" else slice(None)] = np.nan
    variable.assign(values)
    uses = (model, model.predict, model.predict_on_batch, model.score_items)
    for use in (*uses, lambda _: model.item_vectors()) if place != "norm" else uses:
        with pytest.raises(ValueError, match=r"not finite: the model's weights are NaN"):
            use(ROWS)


@pytest.mark.parametrize(
    ("dtype", "options"),
    [("mixed_float16", {}), ("float16", {"dropout": 0.0, "positions": "rotary"})],
    ids=["mixed", "pure"],
)
def test_half_precision_answers_on_a_cpu(dtype, options):
    model = compiled(make_model(dtype=dtype, **options), 1e-3, "Adam")
    model.fit(*make_rows([6, 4]), verbose=0)
    found = model.predict(ROWS, verbose=0)
    exact = make_model(**options)
    exact.build()
    exact.set_weights([np.float32(values) for values in model.get_weights()])
    np.testing.assert_allclose(
        found["item_sequence_embedding"][ROWS["padding_mask"]],
        exact.predict(ROWS, verbose=0)["item_sequence_embedding"][ROWS["padding_mask"]],
        atol=0.03,
    )
    np.testing.assert_allclose(model.encode_last(ROWS), exact.encode_last(ROWS), atol=0.03)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("block", ["transformer", "ligr"])
def test_rows_of_one_item_make_nobody_warn(block):
    model = compiled(make_model(block=block), 0.1)
    x, y = make_rows([1, 1], columns=1)
    model.fit(x, y, verbose=0)
    assert model.predict(x, verbose=0)["predictions"].shape == (2, 4)


def test_few_items_are_all_predicted():
    model = sf.SASRec(8, num_layers=0, hidden_dim=8, max_sequence_length=4)
    rows = {"item_ids": np.array([[1, 2]]), "padding_mask": np.ones((1, 2), bool)}
    found = model.predict(rows, verbose=0)["predictions"]
    assert sorted(found[0].tolist()) == [1, 2, 3, 4, 5, 6, 7]


def weights_run(**options: Any) -> list[np.ndarray]:
    model = make_model(num_layers=0)
    model.build()
    model.compile(keras.optimizers.SGD(0.1), **options)
    x, y = make_rows([6, 4, 3])
    model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    assert model.predict(x, batch_size=2, verbose=0)["predictions"].shape == (3, 4)
    assert np.isfinite(model.evaluate(x, y, batch_size=2, verbose=0))
    return model.get_weights()


@pytest.fixture(scope="module")
def weights_run_as_usual() -> list[np.ndarray]:
    return weights_run()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"jit_compile": False}, marks=pytest.mark.slow),
        {"run_eagerly": True},
        {"steps_per_execution": 2},
    ],
    ids=["not compiled", "eagerly", "two steps"],
)
def test_ways_of_keras_to_run_a_step_give_the_same_weights(options, weights_run_as_usual):
    for first, second in zip(weights_run(**options), weights_run_as_usual, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"optimizer": None}, TypeError, "optimizer is a Keras optimizer or its name"),
        ({"optimizer": 0.1}, TypeError, "optimizer is a Keras optimizer or its name"),
        ({"loss": ["bce"]}, TypeError, "a name or an object of sasrec_fast.losses"),
        ({"loss": "mse"}, ValueError, "the names are"),
        ({"loss": keras.losses.MeanSquaredError()}, TypeError, "MeanSquaredError"),
        ({"loss_weights": [1.0]}, ValueError, "there is one loss"),
        ({"metrics": ["accuracy"]}, ValueError, "RankingMetrics"),
        ({"weighted_metrics": [keras.metrics.Mean()]}, ValueError, "RankingMetrics"),
        ({"metrics": {"predictions": "accuracy"}}, ValueError, "RankingMetrics"),
    ],
)
def test_what_training_cannot_do_is_refused_at_compile(small, options, kind, message):
    with pytest.raises(kind, match=message):
        small.compile(**{"optimizer": "adam", **options})
