"""Compiled programs, kept on disk from one process to the next."""

import os
from pathlib import Path


def keep_compilations(folder: str | os.PathLike[str]) -> None:
    """Keep compiled programs in a folder: the next process loads them instead of compiling.

    JAX's persistent compilation cache, for programs of any size. It may be called at any time;
    what is compiled from then on is kept. The folder may be shared by models and runs, and
    deleted whenever wanted.

    Args:
        folder: Created where it does not exist.
    """
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    path = Path(folder).resolve()
    path.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    # JAX looks at the folder once, at the first compilation.
    compilation_cache.reset_cache()
