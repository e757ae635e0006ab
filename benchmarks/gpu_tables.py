"""The tables of `gpu.py`, in Markdown, with the goals beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gpu_plan import BF16, OURS

Row = Mapping[str, Any]
EPOCH_GOAL = 0.12
"""Seconds of an epoch of MovieLens-1M: d 64, L 200, last windows, batch 128."""

RATE_GOALS = {128: 50_000, 1024: 80_000, 4096: 100_000}
"""Sequences a second by batch size; the last in bfloat16."""


def table(part: str, rows: Iterable[Row], where: Callable[[Row], str]) -> str:
    """The table of a part.

    Args:
        part: Its name.
        rows: What was told; those that were not measured are lines, too.
        where: What a row was measured on.
    """
    head, cells, names = TABLES[part]
    lines = [[*head, "measured on"]]
    for row in rows:
        if reason := not_measured(row):
            missing = ["not measured", *[""] * (len(head) - len(names) - 1)]
            lines.append([*(names_of(row, names)), *missing, reason])
        else:
            lines.append([*cells(row), where(row)])
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    rows.insert(1, "|" + "---|" * len(lines[0]))
    body = "\n".join(rows)
    return f"### {TITLES[part]}\n\n{body}"


def not_measured(row: Row) -> str:
    """Why it was not, in a line; empty where it was."""
    reasons = [str(row[name]) for name in ("failed", "not_measured", "missing") if row.get(name)]
    return " ".join(reasons).strip().splitlines()[-1][:120].replace("|", "/") if reasons else ""


def names_of(row: Row, names: Iterable[str]) -> list[str]:
    """The cells that say what a row is of."""
    return [_name(row.get(name)) for name in names]


def goal_of(row: Row) -> str:
    """The goal of a row of steps, and whether it was met; empty where there is none."""
    if row["implementation"] != OURS or row["loss"] != "bce" or row["data"] != "ml-1m":
        return ""
    size = row["batch_size"]
    if row["buckets"] > 1:
        return f"{EPOCH_GOAL:g} s an epoch: {_verdict(row['epoch_s'] <= EPOCH_GOAL)}"
    if size not in RATE_GOALS or (size == max(RATE_GOALS) and row["dtype"] != BF16):
        return ""
    return f"{RATE_GOALS[size]:,}: {_verdict(row['sequences_per_s'] >= RATE_GOALS[size])}"


def _verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def _numbers(row: Row) -> list[str]:
    loss, gradients = (f"{100 * limit:.2g} %" for limit in row["limits"])
    return [
        *names_of(row, NUMBERS),
        f"{row['cpu_loss']:.6f}",
        f"{row['device_loss']:.6f}",
        f"{100 * row['loss_difference']:.2g} %",
        f"{100 * row['gradient_difference']:.2g} %",
        f"{loss}, {gradients}: {'kept' if row['within'] else '**EXCEEDED**'}",
    ]


def _steps(row: Row) -> list[str]:
    names = names_of(row, STEPS)
    if row.get("not_compiled"):
        names[STEPS.index("implementation")] += ", not compiled"
    return [*names, *_rates(row), goal_of(row)]


def _catalogue(row: Row) -> list[str]:
    return [*names_of(row, CATALOGUE), *_rates(row)]


def _rates(row: Row) -> list[str]:
    share = row.get("host_share")
    return [
        _number(row["step_ms"]),
        _number(row.get("device_ms")),
        "-" if share is None else f"{100 * share:.0f} %",
        f"{row['sequences_per_s']:,.0f}",
        f"{row['targets_per_s']:,.0f}",
        _number(row["epoch_s"]),
        _gigabytes(row.get("memory")),
    ]


def _recipe(row: Row) -> list[str]:
    required, test = row["required"], row["test"]
    return [
        *names_of(row, RECIPE),
        f"{row['tested_s']:.1f}",
        f"{row['compiling_s']:.0f}",
        _number(row["seconds_to_seen"]),
        f"{row['best_epoch']} of {row['epochs']}",
        f"{row['best_validation']:.4f}",
        *(f"{test[name]:.4f}" for name in ("hit_rate@10", "ndcg@10")),
        ", ".join(f"{value:g}" for value in required.values()) or "-",
    ]


def _answers(row: Row) -> list[str]:
    seconds = row["seconds"]
    shown = ", ".join(f"{name} {1000 * taken:.1f}" for name, taken in seconds.items())
    rate = f"{row['users'] / min(seconds.values()):,.0f}" if "items" in row else "-"
    return [*names_of(row, ANSWERS), shown, rate, _gigabytes(row["memory"])]


def _name(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value or "-")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _gigabytes(value: int | None) -> str:
    return "-" if value is None else f"{value / 2**30:.2f} GB"


NUMBERS = ("loss", "dtype")
STEPS = ("loss", "batch_size", "dtype", "implementation", "buckets")
CATALOGUE = ("items", "loss", "optimizer")
RECIPE = ("recipe",)
ANSWERS = ("answers", "users", "items")

_RATES = ("ms a step", "of the device", "host", "sequences/s", "targets/s", "s an epoch", "memory")
TABLES: dict[str, tuple[tuple[str, ...], Callable[[Row], list[str]], tuple[str, ...]]] = {
    "numbers": (
        (*NUMBERS, "on the CPU", "here", "loss differs", "gradients differ", "limits"),
        _numbers,
        NUMBERS,
    ),
    "steps": (
        ("loss", "batch", "dtype", "implementation", "lengths", *_RATES, "goal"),
        _steps,
        STEPS,
    ),
    "recipe": (
        (
            *RECIPE,
            "s from file to test",
            "s compiling before",
            "s to NDCG@10 .18",
            "best epoch",
            "validation NDCG@10",
            "test HR@10",
            "test NDCG@10",
            "required",
        ),
        _recipe,
        RECIPE,
    ),
    "catalogue": ((*CATALOGUE, *_RATES), _catalogue, CATALOGUE),
    "answers": ((*ANSWERS, "ms", "users/s", "memory"), _answers, ANSWERS),
}
"""Of each part: names of the columns, the cells of a row, and those of them that name it."""

TITLES = {
    "numbers": "Losses and gradients, against float32 on the CPU",
    "steps": "Training steps, MovieLens-1M",
    "recipe": "A recipe from the file to the test",
    "catalogue": "Training steps, large catalogues",
    "answers": "Answers",
}
