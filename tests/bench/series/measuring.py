"""The quality of every method on the labelled series: what is reported, and what is under test."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from finops_exporter.analysis.anomalies import judge
from finops_exporter.analysis.forecast import forecast
from finops_exporter.model import Window

from .batch import DAYS, FIRST_DAY
from .judging import Accuracy, Quality, judge_flags, judge_forecasts
from .made import as_known_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from finops_exporter.analysis import anomalies
    from finops_exporter.analysis import forecast as forecasts

    from .batch import Amounts, Batch

AS_OF: Final = (5, 10, 15, 20)
WARM_DAYS: Final = 90
"""Months that begin earlier are not forecast: there has to be something to learn from."""


def flags_of(method: anomalies.Method) -> Callable[[Amounts], NDArray[np.bool_]]:
    """One of our methods, with its defaults."""
    return lambda amounts: judge(amounts, FIRST_DAY, range(DAYS), method=method).flagged


def day_over_day(amounts: Amounts) -> NDArray[np.bool_]:
    """What most cost tools begin with: more than 20 % and $2 above the day before."""
    flagged = np.zeros(amounts.shape, dtype=np.bool_)
    today, yesterday = amounts[:, 1:], amounts[:, :-1]
    flagged[:, 1:] = (today > 1.2 * yesterday) & (today - yesterday > 2)
    return flagged


def quality(
    batches: Sequence[Batch],
    flags: Callable[[Amounts], NDArray[np.bool_]],
    amounts: Callable[[Batch], Amounts],
) -> Quality:
    """Of a method on all batches together."""
    found = [judge_flags(flags(amounts(batch)), batch.events) for batch in batches]
    total = found[0]
    for one in found[1:]:
        total += one
    return total


def accuracy(batches: Sequence[Batch], method: forecasts.Method, as_of: int) -> Accuracy:
    """Of forecasts of the usage of each month, as of a day of it: its two newest are partial."""
    parts: list[Amounts] = []
    for number, batch in enumerate(batches):
        for month in months():
            day = month.since + timedelta(days=as_of - 1)
            known = as_known_on(batch.usage, (day - FIRST_DAY).days, number)
            found = forecast(known, FIRST_DAY, day, month, method=method)
            first, end = ((each - FIRST_DAY).days for each in (month.since, month.until))
            actual = np.nansum(batch.usage[:, first:end], axis=1)
            parts.append(np.array([*found[1:], actual]))
    p10, p50, p90, lower95, upper95, actual = np.concatenate(parts, axis=1)
    return judge_forecasts(p50, [(p10, p90), (lower95, upper95)], actual)


def months() -> Iterator[Window]:
    """The whole months of the series, without the first three."""
    day = FIRST_DAY
    while (day - FIRST_DAY).days < DAYS:
        following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
        if (day - FIRST_DAY).days >= WARM_DAYS and (following - FIRST_DAY).days <= DAYS:
            yield Window(day, following)
        day = following
