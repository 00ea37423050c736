"""What a benchmark says: ours beside a baseline of the same run, their ratio, and its bar.

On a machine that other work shares, seconds swing by half and more; a ratio inside one run swings
far less. So both sides take turns, the medians of their times are compared, and only the ratio is
held against a bar.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

Direction: TypeAlias = Literal["at least", "at most"]
Verdict: TypeAlias = Literal["ok", "missed", "recorded, not gating"]

FEWEST_ROUNDS = 3
WIDENED = 1.5
"""By how much a bar gives way in a quick run, whose sizes leave more to chance."""


class Job(NamedTuple):
    """Something to time, and how often in a row it is done in each round."""

    do: Callable[[], object]
    repeat: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: median seconds of `baseline` (called `baseline_name`) and of `ours`.

    "at least" N: we are N times as fast or faster. "at most" N: we take N times as long or less.
    """

    name: str
    baseline_name: str
    baseline: float
    ours: float
    bar: float
    direction: Direction = "at least"
    gating: bool = True

    @property
    def ratio(self) -> float:
        """In the bar's own terms: how many times as fast, or how many times as long."""
        if self.direction == "at least":
            return self.baseline / self.ours
        return self.ours / self.baseline

    @property
    def verdict(self) -> Verdict:
        """Whether the ratio keeps its bar; one that does not gate is at worst recorded."""
        kept = self.ratio >= self.bar if self.direction == "at least" else self.ratio <= self.bar
        if kept:
            return "ok"
        return "missed" if self.gating else "recorded, not gating"


def bar(full: float, direction: Direction = "at least", *, quick: bool) -> float:
    """The bar to use: the full one, or in a quick run a wider one."""
    if not quick:
        return full
    return full / WIDENED if direction == "at least" else full * WIDENED


def interleaved(jobs: Mapping[str, Job], *, rounds: int, limit: float) -> dict[str, float]:
    """Median seconds of each job, over rounds in which every job has its turn.

    No round begins after `limit` seconds, once there were `FEWEST_ROUNDS`.
    """
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    began = perf_counter()
    for number in range(rounds):
        if number >= FEWEST_ROUNDS and perf_counter() - began > limit:
            say(f"stopped after {number} of {rounds} rounds: {limit:.0f} s are over")
            break
        for name, job in jobs.items():
            taken[name] += [_seconds(job.do) for _ in range(job.repeat)]
    return {name: median(times) for name, times in taken.items()}


def say(text: str) -> None:
    """Progress, for people, on standard error."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned columns."""
    head = ("what", "baseline", "baseline ms", "ours ms", "ratio", "bar", "verdict")
    cells = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    return "\n".join("  ".join(_aligned(line, widths)).rstrip() for line in cells)


def write_json(path: Path, rows: Sequence[Row], about: Mapping[str, object]) -> None:
    """The same for machines: seconds, ratios and verdicts, with what they were measured on."""
    found = [
        {
            "name": row.name,
            "baseline_name": row.baseline_name,
            "baseline_seconds": row.baseline,
            "ours_seconds": row.ours,
            "ratio": row.ratio,
            "direction": row.direction,
            "bar": row.bar,
            "gating": row.gating,
            "verdict": row.verdict,
        }
        for row in rows
    ]
    path.write_text(json.dumps({**about, "rows": found}, indent=2) + "\n", encoding="utf-8")


def exit_code(rows: Sequence[Row]) -> int:
    """1 when a row missed its bar, or when there is none at all; else 0."""
    return int(not rows or any(row.verdict == "missed" for row in rows))


def _seconds(do: Callable[[], object]) -> float:
    began = perf_counter()
    do()
    return perf_counter() - began


def _cells(row: Row) -> tuple[str, ...]:
    sign = ">=" if row.direction == "at least" else "<="
    return (
        row.name,
        row.baseline_name,
        f"{row.baseline * 1000:.2f}",
        f"{row.ours * 1000:.2f}",
        f"{row.ratio:.2f}x",
        f"{sign} {row.bar:.3g}x",
        row.verdict,
    )


def _aligned(line: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for column, (cell, width) in enumerate(zip(line, widths, strict=True)):
        # Words to the left; milliseconds and ratios to the right.
        yield cell.rjust(width) if column in {2, 3, 4} else cell.ljust(width)
