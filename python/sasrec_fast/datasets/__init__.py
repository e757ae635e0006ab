"""Ready-made data: MovieLens folders, the MovieLens-1M download, and made-up readers.

Every data set is a pair (ratings, movies) of DataFrames: ratings with columns user_id, item_id,
rating, timestamp, movies with columns item_id, title, genres.
"""

from sasrec_fast.datasets.movielens import movielens, movielens_1m
from sasrec_fast.datasets.synthetic import Synthetic, synthetic

__all__ = ["Synthetic", "movielens", "movielens_1m", "synthetic"]
