"""SASRec in PyTorch as it is commonly written: left-padded batches of random users.

Rows and negatives are drawn in Python by worker processes, attention is `MultiheadAttention`, the
feed-forward layer a pair of convolutions of width 1.
"""

from __future__ import annotations

import multiprocessing
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

WORKERS = 2


class FeedForward(torch.nn.Module):
    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv1d(width, width, 1),
            torch.nn.Dropout(dropout),
            torch.nn.ReLU(),
            torch.nn.Conv1d(width, width, 1),
            torch.nn.Dropout(dropout),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x.transpose(1, 2)).transpose(1, 2)


class TorchSASRec(torch.nn.Module):
    def __init__(self, vocabulary_size: int, length: int, width: int, layers: int, dropout: float):
        super().__init__()
        self.items = torch.nn.Embedding(vocabulary_size, width, padding_idx=0)
        self.positions = torch.nn.Embedding(length + 1, width, padding_idx=0)
        self.dropout = torch.nn.Dropout(dropout)
        norms = [torch.nn.LayerNorm(width, eps=1e-8) for _ in range(2 * layers + 1)]
        self.norms = torch.nn.ModuleList(norms)
        self.attention = torch.nn.ModuleList(
            torch.nn.MultiheadAttention(width, 1, dropout) for _ in range(layers)
        )
        self.feed_forward = torch.nn.ModuleList(FeedForward(width, dropout) for _ in range(layers))

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        length = items.shape[1]
        places = torch.arange(1, length + 1, device=items.device) * (items != 0)
        x = self.items(items) * self.items.embedding_dim**0.5 + self.positions(places)
        x = self.dropout(x)
        causal = ~torch.tril(torch.ones(length, length, dtype=torch.bool, device=items.device))
        for number, (attention, feed_forward) in enumerate(
            zip(self.attention, self.feed_forward, strict=True)
        ):
            queries = self.norms[2 * number](x).transpose(0, 1)
            keys = x.transpose(0, 1)
            seen, _ = attention(queries, keys, keys, attn_mask=causal)
            x = feed_forward(self.norms[2 * number + 1]((queries + seen).transpose(0, 1)))
        return self.norms[-1](x)


def draw(histories: list[list[int]], length: int, num_items: int, size: int, seed: int) -> Any:
    """A batch: inputs, targets and negatives of `size` random users, int64 [size, length]."""
    generator = np.random.default_rng(seed)
    rows = np.zeros((3, size, length), np.int64)
    for row in range(size):
        history = histories[generator.integers(len(histories))]
        known, place, target = set(history), length - 1, history[-1]
        for item in reversed(history[:-1]):
            negative = int(generator.integers(1, num_items + 1))
            while negative in known:
                negative = int(generator.integers(1, num_items + 1))
            rows[:, row, place] = item, target, negative
            target, place = item, place - 1
            if place < 0:
                break
    return rows


def _work(queue: Any, seed: int, *options: Any) -> None:
    while True:
        queue.put(draw(*options, seed=seed))
        seed += WORKERS


def train(
    histories: list[list[int]], vocabulary_size: int, setting: Any, epochs: int, device: str
) -> dict[str, Any]:
    """Seconds of each epoch of len(histories) // batch_size steps, and of waiting for batches."""
    torch.manual_seed(0)
    model = TorchSASRec(
        vocabulary_size, setting.length, setting.width, setting.layers, setting.dropout
    ).to(device)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, (0.9, 0.98))
    context = multiprocessing.get_context("fork")
    queue = context.Queue(10 * WORKERS)
    options = (histories, setting.length, vocabulary_size - 1, setting.batch_size)
    workers = [
        context.Process(target=_work, args=(queue, seed, *options), daemon=True)
        for seed in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    seconds, waits, targets = [], [], 0
    try:
        for _ in range(epochs):
            began, waited, targets = time.perf_counter(), 0.0, 0
            for _ in range(max(1, len(histories) // setting.batch_size)):
                asked = time.perf_counter()
                rows: NDArray[np.int64] = queue.get()
                waited += time.perf_counter() - asked
                targets += int((rows[1] != 0).sum())
                _step(model, optimizer, torch.from_numpy(rows).to(device))
            if device != "cpu":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - began)
            waits.append(waited)
    finally:
        for worker in workers:
            worker.terminate()
    steps = max(1, len(histories) // setting.batch_size)
    return {"seconds": seconds, "wait_seconds": waits, "targets": targets, "steps": steps}


def _step(model: TorchSASRec, optimizer: Any, rows: torch.Tensor) -> None:
    inputs, targets, negatives = rows
    hidden = model(inputs)
    real = targets != 0
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    losses = []
    for items, label in ((targets, torch.ones_like), (negatives, torch.zeros_like)):
        logits = (hidden * model.items(items)).sum(-1)[real]
        losses.append(entropy(logits, label(logits)))
    optimizer.zero_grad()
    sum(losses).backward()
    optimizer.step()
