"""Series as products: a level, a weekly profile, growth, holidays and noise of several kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .batch import (
    DAYS,
    Series,
    billed,
    dates,
    days_of_month,
    days_to_month_end,
    place_events,
    weekdays,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    from .batch import Amounts


def series(rng: Generator) -> Series:
    """One workload that serves people: it has weekends, holidays and a slow trend."""
    level = np.exp(rng.uniform(np.log(3), np.log(30_000)))
    expected = level * _week(rng) * _trend(rng) * _holidays(rng)
    deviation = np.exp(rng.uniform(np.log(0.015), np.log(0.15)))
    extra, events = place_events(rng, expected, deviation * expected)
    noisy = expected * _noise(rng, deviation)
    lumps, shape = _lumps(rng, level)
    usage = np.maximum(noisy + extra + lumps, 0)
    if rng.random() < 0.1:
        usage[rng.random(DAYS) < 0.02] = np.nan
    # A labelled day always has its row: what is not there can be told by nobody.
    for event in events:
        rows = slice(event.first, event.last + 1)
        usage[rows] = np.where(np.isnan(usage[rows]), (noisy + extra)[rows], usage[rows])
    return Series(usage, billed(rng, usage), tuple(events), f"steady{shape}")


def _week(rng: Generator) -> Amounts:
    kind = rng.choice(["flat", "weekend dip", "weekend peak", "uneven"], p=[0.3, 0.45, 0.1, 0.15])
    factors = np.ones(7)
    if kind == "weekend dip":
        factors[5:] = rng.uniform(0.25, 0.9)
    elif kind == "weekend peak":
        factors[5:] = rng.uniform(1.1, 1.7)
    elif kind == "uneven":
        factors = rng.uniform(0.6, 1.4, 7)
    profile: Amounts = factors[weekdays()]
    return profile


def _trend(rng: Generator) -> Amounts:
    """Growth or decline, and for a quarter of the series one step down, which is no event."""
    months = np.arange(DAYS) / 30.44
    trend: Amounts = np.exp(np.log1p(rng.uniform(-0.03, 0.06)) * months)
    if rng.random() < 0.25:
        trend[rng.integers(40, DAYS) :] *= rng.uniform(0.3, 0.85)
    return trend


def _holidays(rng: Generator) -> Amounts:
    """Less around the turn of the year and on a few days; the return to normal is no event."""
    factors = np.ones(DAYS)
    if rng.random() < 0.4:
        days = dates().astype(str)
        quiet = np.array([day[5:] >= "12-24" or day[5:] <= "01-01" for day in days])
        factors[quiet] = rng.uniform(0.5, 0.9)
        factors[rng.integers(0, DAYS, 6)] = rng.uniform(0.4, 0.9)
    return factors


def _noise(rng: Generator, deviation: float) -> Amounts:
    """Factors around 1 with about this standard deviation: normal, persistent or heavy-tailed."""
    kind = rng.choice(["normal", "persistent", "heavy"], p=[0.6, 0.25, 0.15])
    drawn = rng.standard_normal(DAYS)
    if kind == "persistent":
        for day in range(1, DAYS):
            drawn[day] = 0.5 * drawn[day - 1] + np.sqrt(0.75) * drawn[day]
    elif kind == "heavy":
        drawn = rng.standard_t(5, DAYS) / np.sqrt(5 / 3)
    factors: Amounts = np.exp(deviation * drawn - deviation**2 / 2)
    return factors


def _lumps(rng: Generator, level: float) -> tuple[Amounts, str]:
    """What comes again: by the month, at its end, or every other week. Never an event."""
    lumps = np.zeros(DAYS)
    if rng.random() > 0.3:
        return lumps, ""
    kind = rng.choice(["fee", "month end", "fortnight"], p=[0.5, 0.35, 0.15])
    size = level * rng.uniform(0.4, 8)
    if kind == "fee":
        lumps[days_of_month() == rng.integers(1, 31)] = size
    elif kind == "month end":
        lumps[days_to_month_end() < rng.integers(1, 4)] = size
    else:
        lumps[(np.arange(DAYS) - rng.integers(0, 14)) % 14 == 0] = size
    return lumps * rng.uniform(0.95, 1.05, DAYS), f", {kind}"
