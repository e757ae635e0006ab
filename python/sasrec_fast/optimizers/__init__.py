"""Optimizers for `model.compile(optimizer=...)` beside those of Keras.

`LazyAdam` is Adam for item tables of which a step touches few rows.
"""

from sasrec_fast.optimizers.lazy_adam import LazyAdam

__all__ = ["LazyAdam"]
