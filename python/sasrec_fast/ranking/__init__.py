"""What may be served to whom: one rule for what is recommended and what is measured."""

from sasrec_fast.ranking.catalogue import Catalogue
from sasrec_fast.ranking.servable import Servable, servable_items

__all__ = ["Catalogue", "Servable", "servable_items"]
