"""Series as sums of counted things: machines that come and go, storage that fills, jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .batch import DAYS, Series, billed, days_of_month, place_events, weekdays

if TYPE_CHECKING:
    from numpy.random import Generator

    from .batch import Amounts


def series(rng: Generator) -> Series:
    """One account's use of a service, counted and priced."""
    make = {"machines": _machines, "storage": _storage, "jobs": _jobs, "rare jobs": _rare_jobs}
    shape = str(rng.choice(list(make), p=[0.45, 0.2, 0.2, 0.15]))
    price = np.exp(rng.uniform(np.log(1.5), np.log(300)))
    expected, usage = make[shape](rng)
    noise = _deviation(usage - expected)
    born, dead = _life(rng) if shape == "machines" else (0, DAYS)
    extra, events = place_events(rng, price * expected, price * noise, born, dead)
    usage = price * usage + extra
    usage[:born] = usage[dead:] = np.nan
    return Series(usage, billed(rng, usage), tuple(events), shape)


def _life(rng: Generator) -> tuple[int, int]:
    """The first day, and the one after the last: most live all the time."""
    cut = int(rng.integers(20, 120))
    return [(0, DAYS), (cut, DAYS), (0, DAYS - cut)][rng.choice(3, p=[0.7, 0.15, 0.15])]


def _deviation(rest: Amounts) -> Amounts:
    return np.full(DAYS, np.std(rest))


def _machines(rng: Generator) -> tuple[Amounts, Amounts]:
    """Machines that run all day, and some that follow the load on working days."""
    steady = rng.integers(4, 60)
    born = rng.poisson(0.01 * steady, DAYS)
    dead = rng.poisson(0.01 * steady, DAYS)
    running = np.maximum(2, steady + np.cumsum(born - dead) * 0.3)
    load = np.where(weekdays() < 5, 1.0, rng.uniform(0.4, 1.0)) * rng.uniform(0.1, 0.6) * steady
    expected = running + load
    return expected, running + rng.poisson(load * 8) / 8


def _storage(rng: Generator) -> tuple[Amounts, Amounts]:
    """Fills by a little every day and is tidied up now and then: smooth, almost without noise."""
    filled = 50 + np.cumsum(rng.gamma(2.0, rng.uniform(0.01, 0.1), DAYS))
    for day in np.flatnonzero(rng.random(DAYS) < 0.006):
        filled[day:] *= rng.uniform(0.75, 0.97)
    return filled, filled * rng.normal(1, 0.004, DAYS)


def _jobs(rng: Generator) -> tuple[Amounts, Amounts]:
    """A number of jobs each day, of very different sizes; one large job on a fixed weekday."""
    number = rng.uniform(15, 80)
    count = rng.poisson(number, DAYS)
    sizes = np.array([rng.gamma(1.5, 1 / 1.5, many).sum() for many in count])
    weekly = np.where(weekdays() == rng.integers(0, 7), number * rng.uniform(0, 2), 0.0)
    return number + weekly, sizes + weekly * rng.normal(1, 0.03, DAYS)


def _rare_jobs(rng: Generator) -> tuple[Amounts, Amounts]:
    """Runs on some days only and is zero on the others; a report at a fixed day of the month."""
    share = rng.uniform(0.15, 0.7)
    runs = rng.random(DAYS) < share
    sizes = 20 * rng.lognormal(0, rng.uniform(0.1, 0.5), DAYS)
    report = np.where(days_of_month() == rng.integers(1, 28), 60.0, 0.0)
    usage = np.where(runs, sizes, 0.0) + report
    return np.full(DAYS, 20 * share) + report, usage
