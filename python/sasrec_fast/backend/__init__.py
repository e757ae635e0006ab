"""What computes: the choice of the Keras backend, the device, seeds, and compiled programs kept."""

from sasrec_fast.backend.choice import choose_backend, warn_of_default_backend
from sasrec_fast.backend.device import keep_compilations, on_cpu, on_jax, set_random_seed
from sasrec_fast.backend.interrupts import Uninterrupted
from sasrec_fast.backend.known import Known

__all__ = [
    "Known",
    "Uninterrupted",
    "choose_backend",
    "keep_compilations",
    "on_cpu",
    "on_jax",
    "set_random_seed",
    "warn_of_default_backend",
]
