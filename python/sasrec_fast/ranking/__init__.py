"""Who may get which items, and the k best of them, by what a shop adds to a model's scores.

Arrays in, arrays out: what is here serves `recommend`, `evaluate` and services alike, and needs no
Keras.
"""

from sasrec_fast.ranking.best import best, best_of_scores
from sasrec_fast.ranking.catalogue import Catalogue
from sasrec_fast.ranking.compiled import CompiledRules, ShortListError
from sasrec_fast.ranking.directions import directions
from sasrec_fast.ranking.files import read_rules
from sasrec_fast.ranking.rules import Rules, require_rules
from sasrec_fast.ranking.servable import Servable, servable_items
from sasrec_fast.ranking.values import values_by_item
from sasrec_fast.ranking.widths import width_for, widths_of

__all__ = [
    "Catalogue",
    "CompiledRules",
    "Rules",
    "Servable",
    "ShortListError",
    "best",
    "best_of_scores",
    "directions",
    "read_rules",
    "require_rules",
    "servable_items",
    "values_by_item",
    "width_for",
    "widths_of",
]
