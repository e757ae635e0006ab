"""LazyAdam leaves rows alone that have no gradient, and is Adam for the others."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from sasrec_fast import optimizers
from sasrec_fast.optimizers import lazy_adam
from small_models import embeddings, keras, make_model, make_rows

ROWS, WIDTH, STEPS = 37, 3, 6
RATE, BETA_1, BETA_2, EPSILON = 0.1, 0.8, 0.95, 1e-6


@pytest.fixture(autouse=True)
def few_rows_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy_adam, "_ROUND", 4)


def start() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) for shape in ((ROWS, WIDTH), (2, WIDTH))]


def gradients(touched: list[int]) -> list[np.ndarray]:
    """Of a table, some of whose rows have one in each step, and of a small matrix."""
    rng = np.random.default_rng(1)
    table, small = (rng.normal(size=(STEPS, *part.shape)).astype(np.float32) for part in start())
    for step, count in enumerate(touched):
        table[step, rng.permutation(ROWS)[count:]] = 0
    table[:, :, 0] = 0  # one column with a gradient is enough
    return [table, small]


def trajectory(optimizer: Any, given: list[np.ndarray]) -> list[np.ndarray]:
    """Variables, and the moments of the table, after each of the steps of one scan."""
    variables = [keras.Variable(part) for part in start()]
    optimizer.build(variables)

    def step(state: Any, gradients: Any) -> Any:
        state = optimizer.stateless_apply(state[1], gradients, state[0])
        return state, (*state[0], state[1][2], state[1][3])

    state = [v.value for v in variables], [v.value for v in optimizer.variables]
    scanned = jax.jit(lambda state, given: lax.scan(step, state, given)[1])
    return [np.asarray(x) for x in scanned(state, [jnp.asarray(g) for g in given])]


def plain(gradients: np.ndarray) -> list[np.ndarray]:
    """The table and its moments after each step, one row after another, in float64."""
    table = start()[0].astype(float)
    m, v, after = np.zeros_like(table), np.zeros_like(table), []
    for step, gradient in enumerate(gradients.astype(float), 1):
        for row in range(ROWS):
            if not gradient[row].any():
                continue
            m[row] = BETA_1 * m[row] + (1 - BETA_1) * gradient[row]
            v[row] = BETA_2 * v[row] + (1 - BETA_2) * gradient[row] ** 2
            mean, square = m[row] / (1 - BETA_1**step), v[row] / (1 - BETA_2**step)
            table[row] -= RATE * mean / (np.sqrt(square) + EPSILON / np.sqrt(1 - BETA_2**step))
        after.append([table.copy(), m.copy(), v.copy()])
    return [np.array(part) for part in zip(*after, strict=True)]


def test_rows_with_a_gradient_are_adams_and_the_others_bitwise_as_they_were():
    given = gradients([5, 0, ROWS, 1, 4, 8])
    optimizer = optimizers.LazyAdam(RATE, BETA_1, BETA_2, EPSILON, min_rows=ROWS)
    table, _, m, v = trajectory(optimizer, given)
    for found, expected in zip((table, m, v), plain(given[0]), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    before = np.concatenate([start()[:1], table[:-1]])
    changed = (table != before).any(axis=-1)
    np.testing.assert_array_equal(changed, given[0].any(axis=-1))


def test_with_a_gradient_for_every_row_and_for_small_weights_it_is_adam():
    given = gradients([ROWS] * STEPS)
    options = {"beta_1": BETA_1, "clipnorm": 0.5}
    lazy = trajectory(optimizers.LazyAdam(RATE, **options, min_rows=ROWS), given)
    adam = trajectory(keras.optimizers.Adam(RATE, **options), given)
    for found, expected in zip(lazy, adam, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    given = gradients([3] * STEPS)
    none = trajectory(optimizers.LazyAdam(RATE, **options, min_rows=ROWS + 1), given)
    adam = trajectory(keras.optimizers.Adam(RATE, **options), given)
    for found, expected in zip(none, adam, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_step_makes_no_copy_of_the_table():
    def step(tables: Any, gradient: Any) -> Any:
        return lazy_adam._update_touched(lambda g, rows: (rows[0] - g, *rows[1:]), gradient, tables)

    table = jnp.zeros((500, WIDTH))
    as_users_do = {"xla_backend_optimization_level": 3, "xla_cpu_use_fusion_emitters": True}
    lowered = jax.jit(step, donate_argnums=0).lower((table,) * 3, table)
    text = lowered.compile(as_users_do).as_text()
    made = [line for line in text.splitlines() if "f32[500,3]" in line.partition(" = ")[2][:20]]
    assert any(" scatter(" in line for line in made)
    assert not any(" copy(" in line or " copy-start(" in line for line in made)


def test_a_model_trains_by_it_and_is_loaded_with_it(tmp_path):
    model = make_model(dropout=0.0)
    model.compile(optimizers.LazyAdam(0.05, min_rows=10))
    before = embeddings(model)
    x, y = make_rows([5, 2])
    losses = model.fit(x, y, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    seen = np.zeros(len(before), bool)
    seen[np.concatenate([np.ravel(ids) for ids in (x["item_ids"], *y.values())])] = True
    np.testing.assert_array_equal((embeddings(model)[1:] != before[1:]).any(axis=1), seen[1:])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is optimizers.LazyAdam
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    for found, expected in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_decay": 0.1}, r"received weight_decay=0.1, which concerns every row"),
        ({"use_ema": True}, "received use_ema=True"),
        ({"amsgrad": True}, "received amsgrad=True"),
        ({"gradient_accumulation_steps": 2}, "received gradient_accumulation_steps=2"),
        ({"min_rows": 0}, "min_rows must be at least 1"),
    ],
)
def test_options_that_concern_every_row_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        optimizers.LazyAdam(**options)


def test_elsewhere_than_on_jax_it_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ValueError, match=r"LazyAdam needs JAX and Keras runs on torch"):
        optimizers.LazyAdam()
