"""Binary cross-entropy of targets against negatives, plain and calibrated."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from sasrec_fast import checks
from sasrec_fast.losses.base import NextItemLoss, Positions
from sasrec_fast.losses.chunked import gathered_sum

Tensor = Any


@keras.saving.register_keras_serializable(package="sasrec_fast")
class BinaryCrossEntropy(NextItemLoss):
    """Binary cross-entropy of SASRec (Kang & McAuley 2018, section 3.5), name "bce".

    With the score p of a target, n_1..n_K of its negatives, and weights w, w':

        w softplus(-p) + w' mean_k softplus(n_k)

    softplus(-p) = -log sigmoid(p) and softplus(n) = -log(1 - sigmoid(n)), without overflow for
    scores of any size. The mean over K keeps both parts at the same weight whatever K is.

    Args:
        max_bytes: See `NextItemLoss`.
    """

    needs_negatives = True

    def __call__(self, positions: Positions) -> Tensor:
        """Sum over the positions, a float32 scalar."""
        weights = {"target": positions.weight, "negatives": positions.negative_weight}
        return gathered_sum(self.of_logits, positions, weights, self.max_bytes)

    @staticmethod
    def of_logits(target: Tensor, negatives: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """The sum from scores of targets [n] and negatives [n, K] and weights [n]."""
        rejected = ops.mean(ops.softplus(negatives), axis=-1)
        return ops.sum(weights["target"] * ops.softplus(-target) + weights["negatives"] * rejected)


@keras.saving.register_keras_serializable(package="sasrec_fast")
class GeneralizedBinaryCrossEntropy(NextItemLoss):
    """gBCE of gSASRec (Petrov & Macdonald 2023, "gSASRec"), name "gbce".

    Sampled negatives make a model overconfident; the exponent beta on the target's probability
    undoes it. With K negatives out of I items, sampling rate a = K / (I - 1) and calibration t:

        beta = a (t (1 - 1/a) + 1/a)
        (w beta softplus(-p) + w' sum_k softplus(n_k)) / (K + 1)

    t = 0 is binary cross-entropy over K negatives (beta = 1), t = 1 full calibration (beta = a).
    Use many negatives: `prepare(num_negatives=256)`.

    Args:
        calibration: t in [0, 1].
        max_bytes: See `NextItemLoss`.

    Raises:
        ValueError: `calibration` outside [0, 1].
    """

    needs_negatives = True

    def __init__(self, calibration: float = 0.75, max_bytes: int | None = None) -> None:
        super().__init__(max_bytes)
        self.calibration = checks.fraction("calibration", calibration, most=1.0)

    def __call__(self, positions: Positions) -> Tensor:
        """Sum over the positions, a float32 scalar."""
        sampled = int(positions.negatives.shape[-1])  # type: ignore[union-attr]
        beta = self.beta(sampled, positions.num_items)
        weights = {
            "target": positions.weight * (beta / (sampled + 1)),
            "negatives": positions.negative_weight * (sampled / (sampled + 1)),
        }
        return gathered_sum(BinaryCrossEntropy.of_logits, positions, weights, self.max_bytes)

    def beta(self, num_negatives: int, num_items: int) -> float:
        """Exponent of the target's probability."""
        rate = num_negatives / max(num_items - 1, 1)
        return rate * (self.calibration * (1 - 1 / rate) + 1 / rate)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal loss."""
        return {**super().get_config(), "calibration": self.calibration}
