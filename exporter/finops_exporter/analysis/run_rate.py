"""What a series will cost on the days to come: its rate a day times the days, plus the lumps.

The rate is a mean (sums are asked for, not typical days) of amounts without weekdays and lumps. How
far back it should look, and how much of the growth goes on, differs from series to series: several
are followed through the past, and each counts by how near it would have come there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from finops_exporter.analysis.cycles import Calendar, recurring
from finops_exporter.analysis.history import SMALLEST_COST, history
from finops_exporter.analysis.usual import Outstanding, outstanding, usual
from finops_exporter.analysis.windows import rolling_median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from finops_exporter.analysis.windows import Matrix

HISTORY_DAYS: Final = 280
"""Not further back: what a series did long ago says little about how it scatters now."""

HALF_LIVES_DAYS: Final = (4.0, 8.0, 16.0)
GROWTH_SHARES: Final = (0.0, 0.5, 1.0)
"""How much of the growth of the last eight weeks goes on."""

GROWTH_DAYS: Final = 28
LARGEST_GROWTH: Final = 0.01
"""At most 1 % a day (35 % a month) is carried on, however steep the last weeks were."""

FARTHEST_DAYS: Final = 60
"""Growth is carried on for so many days; then it has been damped away."""

ORIGIN_DAYS: Final = 5
"""Every fifth day of the past is forecast from: two neighbours tell nearly the same."""

FIRST_ORIGIN_DAYS: Final = 42
SHARPNESS: Final = 4
"""A rate counts by the fourth power of its nearness: hardly at all when it errs twice as far."""

SHIFT_SCORE: Final = 3.0
WEEK_SHARE: Final = 0.47
LEAST_SHIFT: Final = 0.12
"""A level has moved when the median of a week lies three of its deviations (0.47 of a day's) and
12 % off: then the days before it count no more."""

USUAL_ERROR: Final = 0.2
TINY: Final = 1e-9

LEARNT_SHARE: Final = 0.3
LEARNT_AFTER: Final = 30
"""Of the mean error of the past, lone spikes left out, three tenths are corrected; less with fewer
than 30 origins."""


class Track(NamedTuple):
    """What is expected, and how forecasts from earlier days (`origins`) would have done.

    `expected[series, day]`: of the days to come; `rate[series]` of their sum is not lumps, which
    are certain.
    `errors[series, origin]`: the relative errors; NaN where the outcome is not known. Newest first.
    `scatter[series, origin]`: that of single days, as it was known at the origin.
    """

    expected: Matrix
    rate: NDArray[np.float64]
    errors: Matrix
    scatter: Matrix
    origins: NDArray[np.intp]


class Cleaned(NamedTuple):
    """`[series, day]`: `amount` without lumps and lone spikes, 0 without a row; `share` of weekday.

    `outcome` is what a forecast without lumps is held against.
    """

    amount: Matrix
    outcome: Matrix
    share: Matrix
    scatter: Matrix
    known: NDArray[np.bool_]
    alive: NDArray[np.bool_]
    begins: NDArray[np.intp]
    lumps_to_come: Matrix


def track(amounts: Matrix, calendar: Calendar, skipped: int) -> Track:
    """Follow each series of `amounts[series, known day]`, whose days and the next the calendar has.

    Of the days to come the first `skipped` are not asked for.
    """
    clean = _cleaned(amounts, calendar)
    known_days = amounts.shape[1]
    ahead = range(skipped, calendar.to_come)
    origins = origins_of(known_days)
    rates = _rates(clean, origins, ahead)
    shares = sums(clean.share, origins, ahead)
    outcomes = sums(clean.outcome, origins, ahead)
    outcomes[origins - clean.begins[:, np.newaxis] < FIRST_ORIGIN_DAYS] = np.nan
    weights = _nearness(rates, shares, outcomes)
    rate = np.einsum("cs,cso->so", weights, rates)
    expected = rate * shares
    errors = (outcomes - expected) / np.maximum(np.abs(expected), TINY)
    learnt = _learnt(sums(clean.amount, origins, ahead), expected, errors)
    errors = (1 + errors) / (1 + learnt[:, np.newaxis]) - 1
    week = clean.share[:, -7:]
    coming = week[:, np.array(ahead) % week.shape[1]] * (rate[:, :1] * (1 + learnt)[:, np.newaxis])
    return Track(
        coming + clean.lumps_to_come[:, skipped:],
        coming.sum(axis=1),
        errors,
        clean.scatter[:, origins],
        origins,
    )


def _cleaned(amounts: Matrix, calendar: Calendar) -> Cleaned:
    known = history(amounts)
    found = usual(amounts, known)
    out = outstanding(found, known)
    rows = np.isfinite(amounts)
    plain = np.where(rows, amounts, 0)
    excess = np.where(out.days, plain - out.usual_usd, 0)
    lumps = recurring(excess, calendar)
    credit = recurring(np.where(plain < 0, -plain, 0), calendar)
    lump = np.where(out.days, np.minimum(lumps.known, excess), 0)
    outcome = plain - lump + np.where(plain < 0, np.minimum(credit.known, -plain), 0)
    lone = _lone(out, lump < LONE_SHARE * excess)
    alive = np.arange(amounts.shape[1]) >= known.begins[:, np.newaxis]
    return Cleaned(
        np.where(lone, out.usual_usd, outcome),
        outcome,
        np.exp(found.profile),
        found.scatter,
        rows & alive,
        alive,
        known.begins,
        lumps.to_come - credit.to_come,
    )


LONE_SHARE: Final = 0.3


def _lone(out: Outstanding, surprising: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Days that stood out for no known reason, at most two in a row: they will not go on."""
    days = out.days & surprising
    wide = np.pad(days, ((0, 0), (2, 2)))
    pairs = wide[:, :-1] & wide[:, 1:]
    three = pairs[:, :-1] & wide[:, 2:]
    return days & ~(three[:, :-2] | three[:, 1:-1] | three[:, 2:])


def _rates(clean: Cleaned, origins: NDArray[np.intp], ahead: range) -> Matrix:
    """`[candidate, series, origin]`: a day's cost without weekdays in the middle of the future."""
    flat = np.where(clean.known, clean.amount / clean.share, 0)
    known = clean.known.astype(np.float64)
    means = _decayed(flat, origins) / np.maximum(_decayed(known, origins), TINY)
    # Days without a row cost nothing: sums count them, single days do not know them.
    costs, days, alive = (_running(each) for each in (flat, known, clean.alive))
    rows = _weeks(days, origins, 0) / np.maximum(_weeks(alive, origins, 0), TINY)
    newer, older = (
        _weeks(costs, origins, back) / np.maximum(_weeks(days, origins, back), TINY)
        for back in (0, GROWTH_DAYS)
    )
    growth = _growth(newer, older)
    found = []
    for half_life, mean in zip(HALF_LIVES_DAYS, means, strict=True):
        rate = mean * rows
        distance = min(FARTHEST_DAYS, half_life / np.log(2) + (ahead.start + ahead.stop) / 2)
        found += [rate * np.exp(share * distance * growth) for share in GROWTH_SHARES]
    return _shifted(clean, origins, rows, np.stack(found))


def _decayed(values: Matrix, origins: NDArray[np.intp]) -> Matrix:
    """`[half-life, series, origin]`: sums up to each origin, in which days count by their age.

    Day after day, because a product of matrices would start threads for arrays as small as these.
    """
    kept = 0.5 ** (1 / np.array(HALF_LIVES_DAYS))[:, np.newaxis]
    running = np.zeros((len(HALF_LIVES_DAYS), len(values)))
    found = np.empty((len(origins), *running.shape))
    places = {int(origin): place for place, origin in enumerate(origins)}
    for day, of_day in enumerate(np.ascontiguousarray(values.T)):
        running *= kept
        running += of_day
        if day in places:
            found[places[day]] = running
    return found.transpose(1, 2, 0)


def _running(values: Matrix | NDArray[np.bool_]) -> Matrix:
    """`[series, day]`: the sums of all days before each day, and of all at the end."""
    running = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=running[:, 1:])
    return running


def _weeks(running: Matrix, origins: NDArray[np.intp], back: int) -> Matrix:
    """`[series, origin]`: the sums of four weeks that end `back` days before each origin."""
    ends = np.maximum(origins + 1 - back, 0)
    found: Matrix = running[:, ends] - running[:, np.maximum(ends - GROWTH_DAYS, 0)]
    return found


def _shifted(clean: Cleaned, origins: NDArray[np.intp], rows: Matrix, rates: Matrix) -> Matrix:
    """The rates; where the last week shows that the level has moved, its median instead."""
    costs = clean.known & (clean.outcome > SMALLEST_COST)
    log = np.where(costs, np.log(np.where(costs, clean.outcome, 1) / clean.share), np.nan)
    week = rolling_median(log, 7, least=6)[:, origins]
    moved = np.abs(week - np.log(np.maximum(np.median(rates, axis=0), TINY)))
    scatter = clean.scatter[:, origins]
    certain = moved > np.fmax(SHIFT_SCORE * WEEK_SHARE * scatter, LEAST_SHIFT)
    return np.where(certain, rows * np.exp(np.where(certain, week, 0)), rates)


def _growth(newer: Matrix, older: Matrix) -> Matrix:
    """The logarithm of the growth a day from the older four weeks to the newer; 0 if unknown."""
    both = (newer > TINY) & (older > TINY)
    ratio = np.where(both, newer, 1) / np.where(both, older, 1)
    return np.clip(np.log(ratio) / GROWTH_DAYS, -LARGEST_GROWTH, LARGEST_GROWTH)


def origins_of(known_days: int) -> NDArray[np.intp]:
    """The days that forecasts are followed from: the last known one, and each fifth before."""
    return np.arange(known_days - 1, min(known_days - 1, FIRST_ORIGIN_DAYS) - 1, -ORIGIN_DAYS)


def sums(values: Matrix, origins: NDArray[np.intp], ahead: range) -> Matrix:
    """The sums of the days `ahead` (0 is the next one) of each origin; NaN where one is unknown."""
    running = _running(values)
    inside = origins + ahead.stop < values.shape[1]
    begins, ends = (origins[inside] + 1 + end for end in (ahead.start, ahead.stop))
    found = np.full((len(values), len(origins)), np.nan)
    found[:, inside] = running[:, ends] - running[:, begins]
    return found


def _nearness(rates: Matrix, shares: Matrix, outcomes: Matrix) -> Matrix:
    """`[candidate, series]`: how much each counts; together 1."""
    expected = rates * shares
    errors = np.abs(outcomes - expected) / np.maximum(np.abs(expected), TINY)
    known = np.isfinite(errors)
    count = known.sum(axis=-1)
    total = np.where(known, np.minimum(errors, 1), 0).sum(axis=-1)
    mean = np.where(count > 0, total / np.maximum(count, 1), USUAL_ERROR) + 0.005
    weights = mean**-SHARPNESS
    together: Matrix = weights / weights.sum(axis=0)
    return together


def _learnt(amounts: Matrix, expected: Matrix, errors: Matrix) -> NDArray[np.float64]:
    """By how much forecasts of a series should have been higher, as far as that is trusted.

    `amounts` are without lone spikes: a purchase half a year ago is no reason to expect more.
    """
    known = np.isfinite(errors)
    count = known.sum(axis=1)
    usual = (amounts - expected) / np.maximum(np.abs(expected), TINY)
    total = np.where(known, np.clip(usual, -0.5, 1), 0).sum(axis=1)
    trust = LEARNT_SHARE * np.minimum(1, count / LEARNT_AFTER)
    learnt: NDArray[np.float64] = trust * total / np.maximum(count, 1)
    return learnt


def joined(tracks: Sequence[Track], known_days: int, days_ahead: int) -> Track:
    """The tracks of some series each, one after the other."""
    origins = origins_of(known_days)
    unknown = np.empty((0, len(origins)))
    none = Track(np.empty((0, days_ahead)), np.empty(0), unknown, unknown, origins)
    all_of = [none, *tracks]
    return Track(
        np.concatenate([one.expected for one in all_of]),
        np.concatenate([one.rate for one in all_of]),
        np.concatenate([one.errors for one in all_of]),
        np.concatenate([one.scatter for one in all_of]),
        origins,
    )
