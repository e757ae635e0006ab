"""SASRec in PyTorch in its best form for a GPU: everything stays on the device.

Fused causal attention, the loss compiled with its gradients (and replayed as CUDA graphs), a fused
Adam, bfloat16 by autocast. Rows are padded on the right and drawn, with their negatives, on the
device; negatives may be items of the user, which is less work than avoiding them. Shares of
attention are not dropped out, as the fused kernels want it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Training:
    """What is trained, and how; `loss` is "bce" or "softmax", `dtype` of the arithmetic."""

    loss: str
    dtype: str
    batch_size: int
    device: str = "cuda"
    compiled: bool = True


class Block(torch.nn.Module):
    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(width) for _ in range(2))
        self.project = torch.nn.Linear(width, 3 * width)
        self.out = torch.nn.Linear(width, width)
        self.dropout = torch.nn.Dropout(dropout)
        self.feed_forward = torch.nn.Sequential(
            torch.nn.Linear(width, width),
            torch.nn.ReLU(),
            torch.nn.Dropout(dropout),
            torch.nn.Linear(width, width),
            torch.nn.Dropout(dropout),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.project(self.norms[0](x)).unsqueeze(1).chunk(3, dim=-1)
        seen = functional.scaled_dot_product_attention(*parts, is_causal=True).squeeze(1)
        x = x + self.dropout(self.out(seen))
        return x + self.feed_forward(self.norms[1](x))


class FusedSASRec(torch.nn.Module):
    def __init__(self, vocabulary_size: int, length: int, width: int = 64, dropout: float = 0.2):
        super().__init__()
        self.items = torch.nn.Embedding(vocabulary_size, width, padding_idx=0)
        self.positions = torch.nn.Parameter(0.02 * torch.randn(length, width))
        torch.nn.init.normal_(self.items.weight, std=0.02)
        self.dropout = torch.nn.Dropout(dropout)
        self.blocks = torch.nn.ModuleList(Block(width, dropout) for _ in range(2))
        self.norm = torch.nn.LayerNorm(width)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        x = self.items(items) * self.items.embedding_dim**0.5 + self.positions
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def loss_of(model: FusedSASRec, training: Training) -> Callable[..., torch.Tensor]:
    """The mean loss per target of rows of items, right-padded, and negatives; compiled."""
    low = training.dtype != "float32"

    def loss(rows: torch.Tensor, negatives: torch.Tensor) -> torch.Tensor:
        targets = rows[:, 1:]
        real = targets != 0
        with torch.autocast(training.device, torch.bfloat16, enabled=low):
            hidden = model(rows[:, :-1])
            if training.loss == "softmax":
                scores = functional.linear(hidden, model.items.weight).flatten(0, 1)
                return functional.cross_entropy(scores, targets.flatten(), ignore_index=0)
            own, drawn = ((hidden * model.items(items)).sum(-1) for items in (targets, negatives))
            each = functional.softplus(-own.float()) + functional.softplus(drawn.float())
            return (each * real).sum() / real.sum()

    if not training.compiled:
        return loss
    graphs = "reduce-overhead" if training.device == "cuda" else None
    return torch.compile(loss, mode=graphs, fullgraph=True)


class Trainer:
    """Trains on all rows, an epoch at a time.

    Args:
        rows: Items, right-padded with 0, int [n, length + 1].
        vocabulary_size: Number of items + 1.
        training: What is trained, and how.
    """

    def __init__(self, rows: np.ndarray, vocabulary_size: int, training: Training) -> None:
        torch.manual_seed(0)
        torch.set_float32_matmul_precision("high")  # TF32, as JAX has it
        self.rows = torch.as_tensor(rows, dtype=torch.int64, device=training.device)
        self.vocabulary_size, self.training = vocabulary_size, training
        model = FusedSASRec(vocabulary_size, rows.shape[1] - 1).to(training.device)
        self.loss = loss_of(model, training)
        self.optimizer = torch.optim.Adam(model.parameters(), 1e-3, (0.9, 0.98), fused=True)
        self.steps = max(1, len(rows) // training.batch_size)

    def epoch(self) -> float:
        """Train on all rows but those that fill no batch; the seconds it took."""
        began = time.perf_counter()
        order = torch.randperm(len(self.rows), device=self.rows.device)
        for batch in order.split(self.training.batch_size)[: self.steps]:
            rows = self.rows[batch]
            size = (len(rows), rows.shape[1] - 1)
            negatives = torch.randint(1, self.vocabulary_size, size, device=rows.device)
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(rows, negatives)
            loss.backward()
            self.optimizer.step()
        self.last_loss = float(loss.detach())  # waits for the device
        return time.perf_counter() - began


def memory(device: str) -> Any:
    """Peak bytes of the device's memory that tensors had; None on a CPU."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else None
