"""What computes: the choice of the Keras backend, the device, and compiled programs kept."""

from sasrec_fast.backend.choice import choose_backend
from sasrec_fast.backend.compilation import compilations, keep_compilations
from sasrec_fast.backend.device import on_cpu, on_jax

__all__ = [
    "choose_backend",
    "compilations",
    "keep_compilations",
    "on_cpu",
    "on_jax",
]
