"""Reads the past out of the store, moment by moment, with what makes the live page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from finops_exporter.analysis.budgets import next_start
from finops_exporter.backfill.record import Record
from finops_exporter.backfill.steps import DAY, Steps, clock_places, hour_places, steps
from finops_exporter.errors import FinopsError
from finops_exporter.exposition.ai import AiBlock
from finops_exporter.exposition.snapshot import build
from finops_exporter.model import Progress, utc_midnight
from finops_exporter.store.as_of import BUCKETS_FOR, Past, past
from finops_exporter.store.budgets import Reached

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from finops_exporter.exposition.ai import AiSettings
    from finops_exporter.exposition.families import Settings
    from finops_exporter.exposition.snapshot import Snapshot
    from finops_exporter.model import Budget
    from finops_exporter.store.database import Database
    from finops_exporter.store.members import Choice, Scope

NOT_KNOWN_OF_AI: Final = frozenset(
    {
        "ai_budget_estimate_overrun_usd_total",
        "ai_budget_hard_limit_reached",
        "ai_budget_reserved_usd",
        "ai_budget_tenants",
        "finops_ai_open_reservations",
    }
)
"""What was held or refused at a past moment is not kept; it would be shown as 0."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to show, from `since` through `until` (aware UTC), at points `every` apart.

    AI calls before `kept_since` are deleted (None: none is). `ai` is None where AI budgets are not
    to be shown. `configured` are budgets that need not be stored yet.
    """

    since: datetime
    until: datetime
    every: timedelta
    settings: Settings
    ai: AiSettings | None = None
    kept_since: datetime | None = None
    configured: Sequence[Budget] = ()


@dataclass(frozen=True, slots=True)
class History:
    """What was shown at the `points`, of costs from `costs_since` and of AI from `ai_since` on."""

    points: Steps
    costs: Record
    ai: Record
    costs_since: datetime | None = None
    ai_since: datetime | None = None


def read(
    database: Database, request: Request, progress: Callable[[str, Progress], None]
) -> History:
    """What the store says of the past, all of it from one state; raises StoreError.

    FinopsError says that nothing is stored of what is asked for.
    """
    with past(database) as moments:
        day, call = moments.first_day, moments.first_call
        # While a day was under way, nothing of it was certain.
        costs_since = None if day is None else utc_midnight(day + DAY)
        ai_since = None
        if call is not None and request.ai is not None:
            ai_since = whole_months_since(call, request.kept_since)
        points = _points(request, costs_since, ai_since)
        reading = _Reading(moments, request, points, progress)
        return History(
            points, reading.costs(costs_since), reading.ai(ai_since), costs_since, ai_since
        )


def whole_months_since(oldest: datetime, kept_since: datetime | None) -> datetime:
    """From when on all calls are known that a month, and the last week, are added up from.

    `oldest` is the oldest call that is kept. Where older ones may have been deleted, the month
    after it has begun in every time zone.
    """
    if kept_since is None or oldest > kept_since + DAY:
        return oldest
    following = utc_midnight(next_start(oldest.date().replace(day=1), "monthly"))
    return max(following + DAY, oldest + BUCKETS_FOR)


def _points(request: Request, *known: datetime | None) -> Steps:
    begins = [one for one in known if one is not None]
    if not begins:
        raise FinopsError(
            "no complete day is stored yet; run: finops-exporter collect --once --config FILE"
        )
    points = steps(max(request.since, min(begins)), request.until, request.every)
    if points is None:
        raise FinopsError(
            f"there is no point from {request.since:%Y-%m-%d %H:%M} to "
            f"{request.until:%Y-%m-%d %H:%M} (UTC): what is stored is known from "
            f"{min(begins):%Y-%m-%d %H:%M} on"
        )
    return points


class _Reading:
    """Goes through the points at which something may have changed."""

    def __init__(
        self,
        moments: Past,
        request: Request,
        points: Steps,
        progress: Callable[[str, Progress], None],
    ) -> None:
        self._moments = moments
        self._request = request
        self._points = points
        self._progress = progress
        self._choices: dict[Scope, Choice] = {}

    def costs(self, since: datetime | None) -> Record:
        """The pages of costs from `since` on (None: there are none)."""
        record = Record()
        begin = self._points.count if since is None else self._points.place(since)
        if begin >= self._points.count:
            return record
        # Whose midnights count is known of the budgets.
        states = self._show(begin, record).budgets
        zones = {state.zone for state in states if state.zone is not None}
        places = clock_places(self._points, begin, self._request.settings.lags.values(), zones)
        for done, place in enumerate(places):
            self._tell("costs", place, done, len(places))
            if place != begin:
                self._show(place, record)
        return record

    def ai(self, since: datetime | None) -> Record:
        """The pages of AI budgets, hour by hour."""
        record = Record()
        if since is None or self._request.ai is None:
            return record
        block = AiBlock(self._moments.database, self._request.ai)
        places = hour_places(self._points, since)
        for done, place in enumerate(places):
            self._tell("AI budgets", place, done, len(places))
            at = self._points.at(place)
            self._moments.move_ai(at)
            families = block.all_families(at)
            known = [one for one in families if one.metric.name not in NOT_KNOWN_OF_AI]
            record.put(place, known)
        return record

    def _show(self, place: int, record: Record) -> Snapshot:
        at = self._points.at(place)
        self._moments.move(at)
        snapshot = build(
            self._moments.database,
            self._request.settings,
            at,
            keep=False,
            configured=self._request.configured,
            choices=self._choices,
        )
        record.put(place, snapshot.families)
        self._moments.latch(_reached(snapshot))
        return snapshot

    def _tell(self, what: str, place: int, done: int, total: int) -> None:
        self._progress(what, Progress(f"{self._points.at(place):%Y-%m-%d}", done, total))


def _reached(snapshot: Snapshot) -> list[Reached]:
    return [
        Reached(state.budget.name, state.current.start, percent)
        for state in snapshot.budgets
        if state.current is not None
        for percent in sorted(state.reached - state.stored)
    ]
