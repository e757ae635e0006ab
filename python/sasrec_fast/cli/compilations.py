"""Compiled programs kept from one command to the next, in the user's cache folder.

A command on the same shapes then begins with training, where the first one compiled for a while.
"""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from sasrec_fast.backend import keep_compilations, on_jax

FOLDER = "SASREC_FAST_CACHE"
"""Names another folder; set to nothing, nothing is kept."""

CHOSEN = "JAX_COMPILATION_CACHE_DIR"
"""JAX's own, which wins."""


def keep() -> None:
    """Keep what is compiled from now on, where a folder can be written."""
    wanted = os.environ.get(FOLDER)
    if wanted == "" or os.environ.get(CHOSEN) or not on_jax():
        return
    with suppress(OSError, RuntimeError):  # without a home, or one that can be written
        folder = Path(wanted) if wanted else _cache() / "sasrec_fast"
        keep_compilations(folder / "compiled" / _processor())


def _cache() -> Path:
    """Where the programs of a user keep what can be made again."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home())
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _processor() -> str:
    """A name for processors that run each other's programs: a home may be shared by many."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text(errors="replace").splitlines() if known.exists() else []
    features = [line for line in lines if line.startswith(("flags", "Features"))][:1]
    return sha256(
        "".join([platform.machine(), platform.processor(), *features]).encode()
    ).hexdigest()[:12]
