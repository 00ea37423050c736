"""AWS Cost Explorer: daily costs of the linked accounts, in the cuts that it can give.

It groups by two keys at most, so the same money is asked for several times (see cuts), each time
beside the provider's own ungrouped total. Every page of every answer is paid.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from finops_exporter.analysis.billing_time import month_of
from finops_exporter.collectors.aws_access import Clients
from finops_exporter.collectors.aws_cost_explorer import months
from finops_exporter.collectors.aws_cost_explorer.accounts import Accounts
from finops_exporter.collectors.aws_cost_explorer.answers import PROVIDER
from finops_exporter.collectors.aws_cost_explorer.cuts import (
    CATEGORIES,
    REGIONS,
    SERVICES,
    tag_cuts,
)
from finops_exporter.collectors.aws_cost_explorer.months import FRESH, Part, Reading
from finops_exporter.collectors.aws_cost_explorer.options import MOST_MONTHS, CostExplorerOptions
from finops_exporter.collectors.aws_cost_explorer.pages import COST_EXPLORER, NoDaysError, Pages
from finops_exporter.collectors.aws_cost_explorer.reading import Due, Reader
from finops_exporter.model import Checkpoint, Complete, Notice, Plan, PlannedPart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from finops_exporter.collectors import Ask, Options
    from finops_exporter.model import Item, Task

_VERSION = 1
"""Part of what is stored of each part: raise it when the same answers would give other rows."""

_DAY = timedelta(days=1)

_USUAL_REGIONS = 20
"""So many regions have costs, at the most, in most organisations."""

_USUAL_CATEGORIES = 3
"""Usage, taxes, and credits or purchases."""


class CostExplorerCollector:
    """Reads months of days; one month in one cut is one part."""

    Config: ClassVar[type[Options]] = CostExplorerOptions
    default_lag: ClassVar[timedelta] = timedelta(hours=24)
    provider: ClassVar[str | None] = PROVIDER

    def __init__(
        self, name: str, options: CostExplorerOptions, tags: Mapping[str, Sequence[str]]
    ) -> None:
        self.name = name
        self._options = options
        self._tags = tag_cuts(tags, options.tags)
        self._tag_cuts = {tag.cut for tag in self._tags}
        self._clients = Clients(options, name)
        self._accounts = Accounts(options, self._clients)
        self._settings = self._settings_of_cuts()

    def plan(self, task: Task, ask: Ask) -> Plan:
        """Say which months are due in which cuts, and what that costs.

        Before the first run it asks Organizations, which is free, how many accounts there are.
        """
        self._clients.begin()
        parts = self._parts(task)
        due = self._due([part for part in parts if task.wants(part)], task)
        if due and months.newest(task.stored, REGIONS) is None:
            self._accounts.count(ask)
        requests = [self._requests(one, task.stored) for one in due]
        return Plan(
            parts=tuple(parts),
            window=task.window,
            requests={COST_EXPLORER: sum(requests)} if requests else {},
            least_usd=requests[0] * COST_EXPLORER.request_usd if requests else Decimal(0),
        )

    def collect(self, task: Task, plan: Plan, ask: Ask) -> Iterator[Item]:
        """Read the planned parts, the newest months first; what is read may be stored in between.

        Raises CollectError when AWS refuses, or does not have the newest days.
        """
        pages = Pages(self.name, self._clients, ask)
        reader = Reader(self._options, self._tags, pages, task)
        today = month_of(task.now.date())
        read = 0
        all_due = self._due(plan.parts, task)
        for place, due in enumerate(all_due):
            if place:
                # By what the months before have taken: nobody knows how many pages there are.
                yield Checkpoint((pages.count - read) * COST_EXPLORER.request_usd)
            read = pages.count
            try:
                yield from reader.items(due, self._settings)
            except NoDaysError as error:
                if task.window or today in due.months:
                    raise
                yield Notice("no_history", str(error))
                # What is older still is not there either.
                for older in all_due[place:]:
                    yield from self._missing(older, task)
                break
            if not place:
                yield from self._accounts.named(task, ask)

    def daily_usd(self, interval: timedelta, stored: Mapping[str, str]) -> Decimal:
        """What the newest months cost a day, by what they took last time."""
        pause = max(interval, FRESH)
        often = 1 + sum(
            self._expected(cut, stored) for cut in self._settings.keys() - self._tag_cuts
        )
        rarely = sum(self._expected(cut, stored) for cut in self._tag_cuts)
        a_day = often * Decimal(_DAY / pause) + rarely * Decimal(
            _DAY / max(pause, self._options.tags_interval)
        )
        return (a_day * COST_EXPLORER.request_usd).quantize(Decimal("0.0001"))

    def retry_after(self, error: Exception) -> timedelta | None:
        """See Clients.retry_after."""
        return self._clients.retry_after(error)

    def cancel(self) -> None:
        """Leave the request that is under way to itself."""
        self._clients.cancel()

    def _settings_of_cuts(self) -> dict[str, str]:
        """What each cut is read with, shortened, in the order of asking."""
        options = self._options
        common = [_VERSION, options.accounts, options.billed_metric, options.effective_metric]
        cuts = [CATEGORIES, REGIONS, *([SERVICES] if options.usage_by_service else [])]
        keys = {tag.cut: tag.keys for tag in self._tags}
        return {
            cut: hashlib.sha256(json.dumps([common, keys.get(cut)]).encode()).hexdigest()[:12]
            for cut in (*cuts, *keys)
        }

    def _parts(self, task: Task) -> list[PlannedPart]:
        """The parts of the window, or else those of the history and all that are stored.

        A month that is still open is read to its end also when it is neither: what comes after it
        must not make its last days seem complete.
        """
        kept = months.history(task.now, MOST_MONTHS)
        still_open = months.open_months(task.stored).intersection(kept)
        if task.window:
            wanted = set(months.touched(task.window, task.now))
            wanted |= {month for month in still_open if wanted and month <= max(wanted)}
        else:
            wanted = {*months.history(task.now, self._options.history_months), *still_open}
        parts = [
            self._planned(Part(month, cut), task)
            for month in sorted(wanted, reverse=True)
            for cut in self._settings
        ]
        if task.window:
            return parts
        # What is stored of older months stays; only a cut that is configured no more goes.
        listed = {part.key for part in parts}
        return parts + [
            PlannedPart(key, fingerprint)
            for key, fingerprint in task.stored.items()
            if key not in listed and (part := Part.of(key)) and part.cut in self._settings
        ]

    def _planned(self, part: Part, task: Task) -> PlannedPart:
        reading = Reading.of(task.stored.get(part.key))
        settings = self._settings[part.cut]
        cadence = self._options.tags_interval if part.cut in self._tag_cuts else FRESH
        if reading is None or reading.is_due(task.now, settings, cadence):
            reading = Reading(task.now, settings)
        return PlannedPart(part.key, reading.fingerprint(part))

    def _due(self, parts: Sequence[PlannedPart], task: Task) -> list[Due]:
        """The parts that are read together."""
        found: dict[str, set[date]] = defaultdict(set)
        for planned in parts:
            if part := Part.of(planned.key):
                found[part.cut].add(part.month)
        still_open = months.open_months(task.stored)
        together = months.chunks(set().union(*found.values()), task.now, still_open)
        return [
            Due(
                chunk,
                {
                    cut: frozenset(chunk) & found[cut]
                    for cut in self._settings
                    if found[cut] & set(chunk)
                },
                self._regions(Part(chunk[0], REGIONS), task),
            )
            for chunk in together
        ]

    def _regions(self, part: Part, task: Task) -> int | None:
        reading = Reading.of(task.stored.get(part.key))
        return reading.regions if reading else None

    def _missing(self, due: Due, task: Task) -> Iterator[Complete]:
        """Remember what AWS does not have; what is stored of it stays."""
        for cut, in_cut in due.cuts.items():
            for part in (Part(month, cut) for month in sorted(in_cut)):
                if part.key not in task.stored:
                    reading = Reading(task.now, self._settings[cut], state="missing")
                    yield Complete(part.key, reading.fingerprint(part))

    def _requests(self, due: Due, stored: Mapping[str, str]) -> int:
        """How many requests these months take, as far as it is known before they are asked."""
        needed = set(due.cuts)
        if needed & {REGIONS, SERVICES}:
            needed.add(CATEGORIES)
        return 1 + sum(self._expected(cut, stored) for cut in needed)

    def _expected(self, cut: str, stored: Mapping[str, str]) -> int:
        """What a cut took last time; before the first time, what it usually takes."""
        if reading := months.newest(stored, cut):
            return reading.requests
        regions = min(self._accounts.known, 1 + _USUAL_REGIONS)
        return {REGIONS: regions, SERVICES: _USUAL_CATEGORIES}.get(cut, 1)
