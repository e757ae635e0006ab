"""From a trained model to a service: answers at once, and files that need no Keras to answer."""

from sasrec_fast.serving.exporting import export
from sasrec_fast.serving.lists import Recommendations
from sasrec_fast.serving.recommender import Recommender

__all__ = ["Recommendations", "Recommender", "export"]
