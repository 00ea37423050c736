"""Series as walks: the level wanders, the noise comes in phases, requests are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .batch import DAYS, Series, billed, days_of_month, place_events, weekdays

if TYPE_CHECKING:
    from numpy.random import Generator

    from .batch import Amounts


def series(rng: Generator) -> Series:
    """One service whose use drifts to and fro and has no fixed level."""
    scale = np.exp(rng.uniform(np.log(8), np.log(5_000)))
    course = _walk(rng)
    requests = rng.uniform(200, 20_000)
    phase = _phases(rng)
    drawn = rng.poisson(requests * course) / requests * (1 + phase * rng.standard_normal(DAYS))
    expected = scale * course
    deviation = scale * course * np.sqrt(1 / requests + phase**2)
    extra, events = place_events(rng, expected, deviation)
    usage = np.maximum(scale * drawn, 0) + extra
    shape = "drifting"
    if rng.random() < 0.25:  # the first working day of each month has its run, weekends none
        usage += scale * rng.uniform(0.5, 4) * _first_working_days()
        shape = "drifting, first working day"
    if rng.random() < 0.1:  # holes of some days, as an export leaves them
        first = int(rng.integers(0, DAYS - 6))
        if not any(event.first <= first + 6 and event.last >= first for event in events):
            usage[first : first + 5] = np.nan
    return Series(usage, billed(rng, usage), tuple(events), shape)


def _walk(rng: Generator) -> Amounts:
    """Around 1, pulled back slowly; with a soft weekly wave."""
    daily, pull = rng.uniform(0.002, 0.02), rng.uniform(0.005, 0.03)
    logs = np.zeros(DAYS)
    for day in range(1, DAYS):
        logs[day] = (1 - pull) * logs[day - 1] + daily * rng.standard_normal()
    wave = rng.uniform(0, 0.25) * np.sin(2 * np.pi * (weekdays() + rng.uniform(0, 7)) / 7)
    course: Amounts = np.exp(logs + wave)
    return course


def _phases(rng: Generator) -> Amounts:
    """The relative noise of each day: calm, and restless for some weeks."""
    calm = rng.uniform(0.01, 0.06)
    phase = np.full(DAYS, calm)
    for _ in range(rng.integers(0, 3)):
        first = int(rng.integers(0, DAYS - 30))
        phase[first : first + int(rng.integers(20, 60))] = calm * rng.uniform(1.2, 2)
    return phase


def _first_working_days() -> Amounts:
    """1 on the first Monday to Friday of each month."""
    day, week = days_of_month(), weekdays()
    first = (day == 1) & (week < 5)
    first |= (week == 0) & ((day == 2) | (day == 3))
    runs: Amounts = first.astype(np.float64)
    return runs
