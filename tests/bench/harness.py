"""What a benchmark says: ours beside a baseline of the same run, their ratio, and its bar.

On a machine that other work shares, seconds swing by half and more; a ratio inside one run swings
far less. So both sides take turns, the medians of their times are compared, and only the ratio is
held against a bar. What cannot be measured here is told with its reason, never left out in silence.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

Direction: TypeAlias = Literal["at least", "at most"]
Unit: TypeAlias = Literal["seconds", "megabytes", "percent", "days"]
Verdict: TypeAlias = Literal["ok", "missed", "recorded, not gating"]

SIGNS: dict[Unit, str] = {"percent": "%", "days": "d"}

FEWEST_ROUNDS = 3
WIDENED = 1.5
"""By how much a bar gives way in a quick run, whose sizes leave more to chance."""


class Job(NamedTuple):
    """Something to time, and how often in a row it is done in each round."""

    do: Callable[[], object]
    repeat: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: what `baseline` (called `baseline_name`) takes, and what `ours` takes.

    "at least" N: the baseline takes N times as much as we do, or more. "at most" N: we take N times
    as much as the baseline, or less. Without a bar the ratio is only told.
    """

    name: str
    baseline_name: str
    baseline: float
    ours: float
    bar: float | None
    direction: Direction = "at least"
    gating: bool = True
    unit: Unit = "seconds"

    @property
    def ratio(self) -> float:
        """In the bar's own terms: how many times as little, or how many times as much."""
        if self.direction == "at least":
            return self.baseline / self.ours
        return self.ours / self.baseline

    @property
    def verdict(self) -> Verdict:
        """Whether the ratio keeps its bar; one that does not gate is at worst recorded."""
        if self.bar is None:
            return "recorded, not gating"
        kept = self.ratio >= self.bar if self.direction == "at least" else self.ratio <= self.bar
        if kept:
            return "ok"
        return "missed" if self.gating else "recorded, not gating"


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A comparison that cannot be made here, and why."""

    name: str
    baseline_name: str
    reason: str

    @property
    def verdict(self) -> str:
        """What the table says of it."""
        return f"not measured: {self.reason}"


Result: TypeAlias = Row | NotMeasured


def within(
    name: str, used: float, limit: float, unit: Unit = "megabytes", *, slack: float = 1
) -> Row:
    """Something against a fixed limit, which may be exceeded `slack` times.

    A megabyte is 1,000,000 bytes.
    """
    return Row(name, "limit", limit, used, slack, "at most", unit=unit)


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


def percentile99(samples: Sequence[float]) -> float:
    """What 99 of 100 samples do not exceed."""
    return quantiles(samples, n=100, method="inclusive")[98]


def say(text: str) -> None:
    """Progress, for people, on standard error."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


def table(results: Sequence[Result]) -> str:
    """The results as aligned columns."""
    head = ("what", "baseline", "baseline's", "ours", "ratio", "bar", "verdict")
    cells = [head, *(_cells(result) for result in results)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    return "\n".join("  ".join(_aligned(line, widths)).rstrip() for line in cells)


def write_json(path: Path, results: Sequence[Result], about: Mapping[str, object]) -> None:
    """The same for machines: figures, ratios and verdicts, with what they were measured on."""
    found = [
        {**asdict(result), "verdict": result.verdict}
        | ({"ratio": result.ratio} if isinstance(result, Row) else {})
        for result in results
    ]
    path.write_text(json.dumps({**about, "rows": found}, indent=2) + "\n", encoding="utf-8")


def exit_code(results: Sequence[Result]) -> int:
    """1 when a row missed its bar, or when nothing could be measured at all; else 0."""
    measured = [result for result in results if isinstance(result, Row)]
    return int(not measured or any(row.verdict == "missed" for row in measured))


def _seconds(do: Callable[[], object]) -> float:
    began = perf_counter()
    do()
    return perf_counter() - began


def _cells(result: Result) -> tuple[str, ...]:
    if isinstance(result, NotMeasured):
        return (result.name, result.baseline_name, "-", "-", "-", "-", result.verdict)
    sign = ">=" if result.direction == "at least" else "<="
    return (
        result.name,
        result.baseline_name,
        _amount(result.baseline, result.unit),
        _amount(result.ours, result.unit),
        f"{result.ratio:.2f}x",
        "-" if result.bar is None else f"{sign} {result.bar:.3g}x",
        result.verdict,
    )


def _amount(number: float, unit: Unit) -> str:
    if unit == "seconds":
        return f"{number * 1000:.2f} ms"
    return f"{number:.1f} MB" if unit == "megabytes" else f"{number:.2f} {SIGNS[unit]}"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for column, (cell, width) in enumerate(zip(line, widths, strict=True)):
        # Words to the left; figures to the right.
        yield cell.rjust(width) if column in {2, 3, 4} else cell.ljust(width)
