"""Flags and forecasts of a history, each made from what was there on its day, written as CSV."""

from __future__ import annotations

import csv
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from io import TextIOWrapper
from typing import IO, TYPE_CHECKING, Final

import numpy as np

from finops_exporter.analysis import anomalies
from finops_exporter.analysis import forecast as forecasts
from finops_exporter.analysis.billing_time import month_of
from finops_exporter.analysis.judged import Kind
from finops_exporter.backtest.reading import History, read
from finops_exporter.errors import UsageError
from finops_exporter.model import Progress, Window
from finops_exporter.new_file import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FLAGS: Final = ("series_id", "date", "score", "expected_usd", "excess_usd", "kind")
FORECASTS: Final = (
    *("series_id", "as_of", "month", "forecast_usd"),
    *("lower80", "upper80", "lower95", "upper95"),
)

AS_OF: Final = (5, 10, 15, 20)
"""The days of the month on whose evening its end is forecast."""

SERIES_A_STEP: Final = 512


@dataclass(frozen=True, slots=True)
class Request:
    """What to read, how to judge it, and where to write what was found (None: nowhere)."""

    source: Path
    column: str
    method: anomalies.Method
    forecast_method: forecasts.Method
    flags: Path | None
    forecasts: Path | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """How much was read, and how many lines were written."""

    series: int
    first_day: date
    last_day: date
    flags: int
    forecasts: int


def replay(request: Request, progress: Callable[[str, Progress], None]) -> Replayed:
    """Read the costs, judge every day of them, forecast every month of them.

    Files are replaced only when all is written. Raises UsageError when a file is named twice, and
    FinopsError for one that cannot be read or written.
    """
    _refuse_same(request)
    with ExitStack() as stack:
        # Opened first: who cannot write should not compute.
        files = [
            stack.enter_context(_replaced(path)) if path else None
            for path in (request.flags, request.forecasts)
        ]
        history = read(request.source, request.column, lambda step: progress("read", step))
        counts = [0, 0]
        if files[0]:
            lines = _flags(history, request.method, lambda step: progress("judge", step))
            counts[0] = _write(files[0], FLAGS, lines)
        if files[1]:
            method = request.forecast_method
            lines = _forecasts(history, method, lambda step: progress("forecast", step))
            counts[1] = _write(files[1], FORECASTS, lines)
    last = history.first_day + timedelta(days=history.days - 1)
    return Replayed(len(history.series), history.first_day, last, *counts)


def _flags(
    history: History, method: anomalies.Method, progress: Callable[[Progress], None]
) -> Iterator[tuple[str, ...]]:
    total = len(history.series)
    for begin in range(0, total, SERIES_A_STEP):
        progress(Progress("", begin, total))
        found = anomalies.judge(
            history.amounts[begin : begin + SERIES_A_STEP],
            history.first_day,
            range(history.days),
            method=method,
        )
        for series, day in np.argwhere(found.flagged):
            yield (
                history.series[begin + series],
                str(history.first_day + timedelta(days=int(day))),
                f"{found.score[series, day]:.3f}",
                f"{found.expected[series, day]:.4f}",
                f"{found.excess[series, day]:.4f}",
                Kind(found.kind[series, day]).name.lower(),
            )


def _forecasts(
    history: History, method: forecasts.Method, progress: Callable[[Progress], None]
) -> Iterator[tuple[str, ...]]:
    asked = list(_as_of(history))
    for done, as_of in enumerate(asked):
        progress(Progress("", done, len(asked)))
        month = month_of(as_of)
        following = month_of(month + timedelta(days=31))
        found = forecasts.forecast(
            history.amounts, history.first_day, as_of, Window(month, following), method=method
        )
        columns = (found.p50, found.p10, found.p90, found.lower95, found.upper95)
        for series in np.flatnonzero(np.isfinite(found.p50)):
            amounts = (f"{column[series]:.4f}" for column in columns)
            yield history.series[series], str(as_of), f"{month:%Y-%m}", *amounts


def _as_of(history: History) -> Iterator[date]:
    """The days of the history from which forecasts are made."""
    for offset in range(history.days):
        day = history.first_day + timedelta(days=offset)
        if day.day in AS_OF:
            yield day


def _write(file: IO[str], header: tuple[str, ...], lines: Iterator[tuple[str, ...]]) -> int:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    count = 0
    for line in lines:
        writer.writerow(line)
        count += 1
    return count


def _refuse_same(request: Request) -> None:
    named = [path for path in (request.source, request.flags, request.forecasts) if path]
    for place, path in enumerate(named):
        for other in named[:place]:
            if path.resolve() == other.resolve():
                raise UsageError(f"{path} is named twice: it would be overwritten")


@contextmanager
def _replaced(path: Path) -> Iterator[IO[str]]:
    """A file of text that takes the place of `path` when all went well."""
    with replaced(path) as file, TextIOWrapper(file, "utf-8", newline="") as text:
        yield text
