"""What an exported graph has an operator of its own for, where JAX has many: layer normalisation.

As one operator of ONNX in place of some 17, an encoder takes two thirds of the time.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME = "sasrec_fast.layer_norm"


@cache
def layer_norm() -> Callable[[Any, Any, Any, float], Any]:
    """A function of inputs, scale, shift and epsilon that jax2onnx, and nothing else, can trace."""
    from jax.core import ShapedArray
    from jax.extend.core import Primitive
    from jax2onnx.plugins.plugin_system import PrimitiveLeafPlugin, register_primitive

    primitive = Primitive(_NAME)
    primitive.def_abstract_eval(lambda x, *_, epsilon: ShapedArray(x.shape, x.dtype))

    @register_primitive(jaxpr_primitive=_NAME, testcases=[])
    class LayerNormOperator(PrimitiveLeafPlugin):  # type: ignore[misc]
        def lower(self, ctx: Any, eqn: Any) -> None:
            given = [
                ctx.get_value_for_var(var, name_hint=ctx.fresh_name(_NAME)) for var in eqn.invars
            ]
            made = ctx.builder.LayerNormalization(
                *given, axis=-1, epsilon=eqn.params["epsilon"], _outputs=[ctx.fresh_name(_NAME)]
            )
            made.type, made.shape = given[0].type, given[0].shape
            ctx.bind_value_for_var(eqn.outvars[0], made)

    return lambda x, scale, shift, epsilon: primitive.bind(x, scale, shift, epsilon=epsilon)
