"""The k best items for whom: users or raw histories in, external ids out; and similar items."""

from sasrec_fast.recommendation.audience import Audience, clock_of, raw_histories
from sasrec_fast.recommendation.catalogue import open_catalogue
from sasrec_fast.recommendation.delivery import SUFFIXES, Written
from sasrec_fast.recommendation.recommendation import Request, recommend, serve
from sasrec_fast.recommendation.similarity import similar_items
from sasrec_fast.recommendation.titles import Titles, item_titles

__all__ = [
    "SUFFIXES",
    "Audience",
    "Request",
    "Titles",
    "Written",
    "clock_of",
    "item_titles",
    "open_catalogue",
    "raw_histories",
    "recommend",
    "serve",
    "similar_items",
]
