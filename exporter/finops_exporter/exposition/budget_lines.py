"""What has to be read of the store for a budget: of which providers, days and cuts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from finops_exporter.analysis.billing_time import month_of
from finops_exporter.analysis.budgets import (
    DAY,
    UNSETTLED_DAYS,
    days_of,
    next_start,
    period_start,
    previous_start,
)
from finops_exporter.exposition.estimates import HISTORY_DAYS, TAG_HISTORY_DAYS, first_day
from finops_exporter.model import TAG_SCOPES, Window, tag_dimension
from finops_exporter.store.budgets import Line
from finops_exporter.store.cuts import NoCutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime, timedelta

    from finops_exporter.exposition.families import ProviderTime
    from finops_exporter.model import Budget
    from finops_exporter.store.reads import SnapshotReader


@dataclass(frozen=True, slots=True)
class Look:
    """What has to be read for a budget: every period that may have to be shown, and its history.

    `held` is the first UTC day of the oldest period that may be the current one. Days from
    `recorded_since` on are written down. Months before `daily_since` are read as a whole. `lacking`
    says which costs of the periods cannot be had, and why.
    """

    number: int
    budget: Budget
    zone: ZoneInfo
    times: Mapping[str, ProviderTime]
    held: date
    recorded_since: date
    daily_since: date
    days: list[Line] = field(default_factory=list)
    months: list[Line] = field(default_factory=list)
    lacking: dict[Window, str] = field(default_factory=dict)


def look(
    reader: SnapshotReader,
    number: int,
    budget: Budget,
    *,
    times: Mapping[str, ProviderTime],
    now: datetime,
    hold: timedelta,
) -> Look:
    """The lines of a budget whose tag and time zone are known; `number` is theirs."""
    only = budget.scope_value if budget.scope == "provider" else budget.provider
    chosen = {name: time for name, time in times.items() if only in {None, name}}
    zone = ZoneInfo(budget.time_zone)
    today = now.astimezone(zone).date()
    clock = period_start(today, budget.period)
    before = previous_start(clock, budget.period)
    # Until it moves, the period before the clock's is the current one and has one before it.
    starts = [before, clock]
    if today - clock < hold:
        starts.insert(0, previous_start(before, budget.period))
    slowest = min((time.newest_complete for time in chosen.values()), default=today)
    held = days_of(before, budget.period, zone).since
    # As far back as a day may be unsettled, or its period not closed yet.
    recorded = month_of(slowest - hold - UNSETTLED_DAYS * DAY)
    history = _history_since(budget, chosen, held)
    daily = min(recorded, history)
    found = Look(number, budget, zone, chosen, held, recorded, daily)
    for start in starts:
        found.lacking.update(_add_lines(found, reader, days_of(start, budget.period, zone)))
    oldest = days_of(starts[0], budget.period, zone).since
    if history < oldest:
        # A forecast takes what there is: nothing lacks where no cut knows it.
        _add_lines(found, reader, Window(history, oldest))
    return found


def _history_since(budget: Budget, times: Mapping[str, ProviderTime], held: date) -> date:
    """From when on a forecast looks at days; one of a period with a complete day from `held` on."""
    back = TAG_HISTORY_DAYS if budget.scope in TAG_SCOPES else HISTORY_DAYS
    newest = (time.newest_complete for time in times.values())
    return first_day(min((day for day in newest if day >= held), default=date.max), back)


def _add_lines(look: Look, reader: SnapshotReader, window: Window) -> dict[Window, str]:
    """Add what has to be read of the window; returns the parts that no cut knows, and why."""
    budget = look.budget
    lacking = {}
    dimension = None if budget.scope in {"organization", "provider"} else budget.scope
    value = None if dimension is None else budget.scope_value
    needed = [] if budget.include_credits else ["charge_category"]
    if dimension is not None:
        needed.append(tag_dimension(dimension) if dimension in TAG_SCOPES else dimension)
    for provider in look.times:
        for month, part in _by_month(window):
            try:
                cuts = reader.cuts(provider, {month}, needed)
            except NoCutError as error:
                lacking[part] = str(error)
                continue
            is_whole = part == Window(month, next_start(month, "monthly"))
            lines = look.months if is_whole and month < look.daily_since else look.days
            lines += [
                Line(
                    look.number,
                    provider,
                    cut,
                    part.since,
                    part.until,
                    dimension,
                    value,
                    budget.include_credits,
                )
                for cut in cuts
            ]
    return lacking


def _by_month(window: Window) -> Iterator[tuple[date, Window]]:
    """The months that the window touches, each with the part that lies in it."""
    month = month_of(window.since)
    while month < window.until:
        following = next_start(month, "monthly")
        yield month, Window(max(month, window.since), min(following, window.until))
        month = following
