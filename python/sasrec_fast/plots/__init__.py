"""Pictures of data, training and quality, drawn with matplotlib (the extra "plots").

| function | what it shows |
|---|---|
| `learning_curves(history)` | losses and validation metrics over epochs, the best epoch marked |
| `history_lengths(data)` | how many interactions users have, and what a row leaves out |
| `item_popularity(data)` | how many training interactions items have |
| `ndcg_by_history_length(metrics, data)` | quality for users with short and with long histories |
| `ndcg_by_popularity(metrics, data)` | quality for targets from the long tail and from the head |
| `exposure(metrics)` | how evenly lists show the items |
| `accuracy_and(measure, metrics)` | what novelty, diversity and the like cost in accuracy |

Every function returns the `matplotlib.figure.Figure`, to be saved with `savefig` or shown by a
notebook; with `ax=` it draws into Axes of yours. None of them shows anything, needs a display, or
touches pyplot, its backend or its settings.
"""

from sasrec_fast.plots.curves import learning_curves
from sasrec_fast.plots.histograms import history_lengths, item_popularity
from sasrec_fast.plots.lists import accuracy_and, exposure
from sasrec_fast.plots.ndcg import ndcg_by_history_length, ndcg_by_popularity

__all__ = [
    "accuracy_and",
    "exposure",
    "history_lengths",
    "item_popularity",
    "learning_curves",
    "ndcg_by_history_length",
    "ndcg_by_popularity",
]
