"""Rankings that need no training, for comparison under the same `evaluate`."""

from sasrec_fast.evaluation.baselines.counting import Popularity
from sasrec_fast.evaluation.baselines.markov_chain import MarkovChain
from sasrec_fast.evaluation.baselines.neighbours import ItemNeighbours

__all__ = ["ItemNeighbours", "MarkovChain", "Popularity"]
