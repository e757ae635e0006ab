"""Training losses of SASRec, for `model.compile(loss=...)`, by name or as objects.

| name | class | source |
|---|---|---|
| "bce" | `BinaryCrossEntropy` | SASRec, Kang & McAuley 2018 |
| "gbce" | `GeneralizedBinaryCrossEntropy` | gSASRec, Petrov & Macdonald 2023 |
| "sampled_softmax" | `SampledSoftmax` | Bengio & Senecal 2008; Jean et al. 2015 |
| "softmax" | `Softmax` | the full catalogue |

The last two need Keras on JAX.
"""

from typing import Any

from sasrec_fast.losses.base import NextItemLoss, Positions, target_weights
from sasrec_fast.losses.binary import BinaryCrossEntropy, GeneralizedBinaryCrossEntropy
from sasrec_fast.losses.sampled_softmax import SampledSoftmax
from sasrec_fast.losses.softmax import Softmax

__all__ = [
    "BinaryCrossEntropy",
    "GeneralizedBinaryCrossEntropy",
    "NextItemLoss",
    "Positions",
    "SampledSoftmax",
    "Softmax",
    "get",
    "target_weights",
]

_NAMED: dict[str, type[NextItemLoss]] = {
    "bce": BinaryCrossEntropy,
    "gbce": GeneralizedBinaryCrossEntropy,
    "sampled_softmax": SampledSoftmax,
    "softmax": Softmax,
}


def get(loss: Any = None, **options: Any) -> NextItemLoss:
    """The loss of a name; an object is returned as it is.

    Args:
        loss: "bce" (also where None), "gbce", "sampled_softmax", "softmax", or a `NextItemLoss`.
        **options: Arguments of the loss of that name.

    Raises:
        ValueError: Another name.
        TypeError: Anything else.
    """
    loss = "bce" if loss is None else loss
    if isinstance(loss, NextItemLoss):
        return loss
    if not isinstance(loss, str):
        raise TypeError(
            f"loss is a name or an object of sasrec_fast.losses, received {type(loss).__name__}"
        )
    if loss not in _NAMED:
        raise ValueError(f"loss is {loss!r}; the names are {sorted(_NAMED)}")
    return _NAMED[loss](**options)
