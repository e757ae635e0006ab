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
from sasrec_fast import backend as _backend  # noqa: F401  (before anybody imports keras)

if TYPE_CHECKING:
    from sasrec_fast import baselines, datasets, losses, plots, recipes
    from sasrec_fast.artifact import load
    from sasrec_fast.batches import Batches
    from sasrec_fast.compilation import keep_compilations
    from sasrec_fast.errors import DataError, DataWarning
    from sasrec_fast.evaluation import Metrics, evaluate
    from sasrec_fast.model import SASRec
    from sasrec_fast.preparation import KERAS_EXAMPLE, Prepared, prepare
    from sasrec_fast.ranking_metrics import RankingMetrics
    from sasrec_fast.recommendation import recommend
    from sasrec_fast.report import Report
    from sasrec_fast.saved_model import load_model
    from sasrec_fast.similarity import similar_items
    from sasrec_fast.splits import Arrays, Split
    from sasrec_fast.vocabulary import Vocabulary

__version__ = "0.1.0"

__all__ = [
    "KERAS_EXAMPLE",
    "Arrays",
    "Batches",
    "DataError",
    "DataWarning",
    "Metrics",
    "Prepared",
    "RankingMetrics",
    "Report",
    "SASRec",
    "Split",
    "Vocabulary",
    "baselines",
    "datasets",
    "evaluate",
    "keep_compilations",
    "load",
    "load_model",
    "losses",
    "plots",
    "prepare",
    "recipes",
    "recommend",
    "similar_items",
]

_HOMES = {
    "KERAS_EXAMPLE": "preparation",
    "Arrays": "splits",
    "Batches": "batches",
    "DataError": "errors",
    "DataWarning": "errors",
    "Metrics": "evaluation",
    "Prepared": "preparation",
    "RankingMetrics": "ranking_metrics",
    "Report": "report",
    "SASRec": "model",
    "Split": "splits",
    "Vocabulary": "vocabulary",
    "baselines": "baselines",
    "datasets": "datasets",
    "evaluate": "evaluation",
    "keep_compilations": "compilation",
    "load": "artifact",
    "load_model": "saved_model",
    "losses": "losses",
    "plots": "plots",
    "prepare": "preparation",
    "recipes": "recipes",
    "recommend": "recommendation",
    "similar_items": "similarity",
}

if _core.DEBUG_BUILD:
    warnings.warn(
        "sasrec_fast was built without optimisation and is many times slower; "
        "build it with `maturin develop --release` or `pip install .`",
        RuntimeWarning,
        stacklevel=2,
    )


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    value = module if name == _HOMES[name] else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names, loaded or not."""
    return [*__all__, "__version__"]
