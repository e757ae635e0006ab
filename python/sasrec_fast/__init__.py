"""Sequential recommendation with SASRec: native data preparation, Keras 3 on JAX.

Each name is loaded on first use. The data half (`prepare`, `Prepared`, `datasets`) needs neither
Keras nor JAX; the model half brings them in. Import it before keras: it makes JAX the backend,
unless one has been chosen.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

from sasrec_fast import _core
from sasrec_fast.backend.choice import choose_backend

if TYPE_CHECKING:
    from sasrec_fast import datasets, losses, optimizers, plots, recipes
    from sasrec_fast.backend import keep_compilations
    from sasrec_fast.batching import Batches
    from sasrec_fast.errors import DataError, DataWarning
    from sasrec_fast.evaluation import Beyond, Comparison, Metrics, baselines, compare, evaluate
    from sasrec_fast.evaluation.ranking_metrics import RankingMetrics
    from sasrec_fast.model import SASRec, load_model
    from sasrec_fast.preparing import KERAS_EXAMPLE, Prepared, load, prepare
    from sasrec_fast.ranking import Rules
    from sasrec_fast.recommendation import recommend, similar_items
    from sasrec_fast.serving import Recommendations, Recommender, export
    from sasrec_fast.store import Arrays, Report, Split, Vocabulary

__version__ = "0.1.0"

__all__ = [
    "KERAS_EXAMPLE",
    "Arrays",
    "Batches",
    "Beyond",
    "Comparison",
    "DataError",
    "DataWarning",
    "Metrics",
    "Prepared",
    "RankingMetrics",
    "Recommendations",
    "Recommender",
    "Report",
    "Rules",
    "SASRec",
    "Split",
    "Vocabulary",
    "baselines",
    "compare",
    "datasets",
    "evaluate",
    "export",
    "keep_compilations",
    "load",
    "load_model",
    "losses",
    "optimizers",
    "plots",
    "prepare",
    "recipes",
    "recommend",
    "similar_items",
]

_HOMES = {
    "KERAS_EXAMPLE": "preparing",
    "Arrays": "store",
    "Batches": "batching",
    "Beyond": "evaluation",
    "Comparison": "evaluation",
    "DataError": "errors",
    "DataWarning": "errors",
    "Metrics": "evaluation",
    "Prepared": "preparing",
    "RankingMetrics": "evaluation.ranking_metrics",
    "Recommendations": "serving",
    "Recommender": "serving",
    "Report": "store",
    "Rules": "ranking",
    "SASRec": "model",
    "Split": "store",
    "Vocabulary": "store",
    "baselines": "evaluation",
    "compare": "evaluation",
    "evaluate": "evaluation",
    "export": "serving",
    "keep_compilations": "backend",
    "load": "preparing",
    "load_model": "model",
    "prepare": "preparing",
    "recommend": "recommendation",
    "similar_items": "recommendation",
}
"""The room of each public name; the others are rooms themselves."""

choose_backend()  # before anybody imports keras

if _core.DEBUG_BUILD:
    warnings.warn(
        "sasrec_fast was built without optimisation and is many times slower; "
        "build it with `maturin develop --release` or `pip install .`",
        RuntimeWarning,
        stacklevel=2,
    )


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name)
    module = importlib.import_module(f"{__name__}.{home or name}")
    value = getattr(module, name) if home else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names, loaded or not."""
    return [*__all__, "__version__"]
