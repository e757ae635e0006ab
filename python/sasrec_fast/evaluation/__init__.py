"""How good it is: the ranks of held-out items by a model or a baseline, and metrics of them.

`ranking_metrics` is not loaded here: as a callback it needs Keras, all else does not.
"""

from sasrec_fast.evaluation.baselines import ItemNeighbours, MarkovChain, Popularity
from sasrec_fast.evaluation.beyond import Beyond, Outlook
from sasrec_fast.evaluation.comparison import Comparison, compare
from sasrec_fast.evaluation.evaluation import evaluate
from sasrec_fast.evaluation.metrics import Metrics, digest_of
from sasrec_fast.evaluation.scoring import (
    Scorer,
    VectorScorer,
    checked_scores,
    input_length,
    is_vector_scorer,
    knows_query_time,
    looks_at_times,
    refuse_times,
    require_scorer,
    top_k,
)
from sasrec_fast.evaluation.shipped import Shipped, lists_of
from sasrec_fast.evaluation.spark import chosen_columns, items_of

__all__ = [
    "Beyond",
    "Comparison",
    "ItemNeighbours",
    "MarkovChain",
    "Metrics",
    "Outlook",
    "Popularity",
    "Scorer",
    "Shipped",
    "VectorScorer",
    "checked_scores",
    "chosen_columns",
    "compare",
    "digest_of",
    "evaluate",
    "input_length",
    "is_vector_scorer",
    "items_of",
    "knows_query_time",
    "lists_of",
    "looks_at_times",
    "refuse_times",
    "require_scorer",
    "top_k",
]
