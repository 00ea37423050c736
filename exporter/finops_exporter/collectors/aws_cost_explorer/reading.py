"""Reads some months in the cuts that are due: what is asked, and the rows that answers give."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from finops_exporter.analysis.billing_time import month_of
from finops_exporter.collectors.aws_cost_explorer import answers, queries
from finops_exporter.collectors.aws_cost_explorer.answers import PROVIDER, Group, Metrics
from finops_exporter.collectors.aws_cost_explorer.cuts import CATEGORIES, REGIONS, SERVICES, TagCut
from finops_exporter.collectors.aws_cost_explorer.months import (
    Part,
    Reading,
    State,
    end_of,
    is_closed,
    span,
)
from finops_exporter.collectors.aws_cost_explorer.record_types import by_category, charge_category
from finops_exporter.errors import CollectError
from finops_exporter.model import (
    NONE,
    Account,
    Complete,
    ControlTotal,
    CostRow,
    Notice,
    Progress,
    utc_midnight,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from finops_exporter.collectors.aws_cost_explorer.options import CostExplorerOptions
    from finops_exporter.collectors.aws_cost_explorer.pages import Pages
    from finops_exporter.collectors.aws_cost_explorer.queries import Filter, GroupBy
    from finops_exporter.model import Item, Task, Window


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be read together: `months` newest first, and which of them in each cut.

    `regions` is how many regions had costs when that was asked last; None: not known.
    """

    months: Sequence[date]
    cuts: Mapping[str, frozenset[date]]
    regions: int | None = None


@dataclass(slots=True)
class _Known:
    """What the first questions about the days have told."""

    accounts: list[str] = field(default_factory=list)
    record_types: frozenset[str] = frozenset()
    groups: list[Group] = field(default_factory=list)
    pages: int = 0


class Reader:
    """One run's reading, as the options say."""

    def __init__(
        self, options: CostExplorerOptions, tags: Sequence[TagCut], pages: Pages, task: Task
    ) -> None:
        self._options = options
        self._tags = {tag.cut: tag for tag in tags}
        self._metrics = Metrics(options.billed_metric, options.effective_metric)
        self._pages = pages
        self._task = task
        self._regions: int | None = None
        self._once = 0

    def items(self, due: Due, settings: Mapping[str, str]) -> Iterator[Item]:
        """Everything of these months; `settings` are those of each cut.

        Raises NoDaysError when AWS does not have them, CollectError for all else.
        """
        days = span(due.months, self._task.now)
        control = self._control(days)
        known = _Known()
        if due.cuts.keys() & {CATEGORIES, REGIONS, SERVICES}:
            known, pages = self._known(days)
            yield from self._accounts(pages)
            yield from _unknown_types(known)
        self._regions = due.regions
        for done, (cut, months) in enumerate(due.cuts.items()):
            yield Progress(f"{min(months):%Y-%m} {cut}", done, len(due.cuts))
            before, self._once = self._pages.count, 0
            for row in self._rows(cut, days, known):
                if month_of(row.day) in months:
                    yield row
            took = known.pages if cut == CATEGORIES else self._pages.count - before - self._once
            for month in sorted(months):
                yield from self._ends(Part(month, cut), control, took, settings[cut])

    def _control(self, days: Window) -> list[Group]:
        """The provider's own total of each day."""
        found = list(answers.totals(self._answer(days), self._metrics))
        missing = days.until - days.since - timedelta(days=len({one.day for one in found}))
        if missing:
            raise CollectError(
                f"Cost Explorer gave no total of {missing.days} of the days "
                f"{days.since} to {days.last}; nothing is changed"
            )
        return found

    def _known(self, days: Window) -> tuple[_Known, list[dict[str, Any]]]:
        pages = self._answer(days, [queries.ACCOUNT, queries.RECORD_TYPE])
        groups = list(answers.groups(pages, self._metrics))
        accounts = sorted({group.keys[0] for group in groups})
        record_types = frozenset(group.keys[1] for group in groups)
        return _Known(accounts, record_types, groups, len(pages)), pages

    def _accounts(self, pages: list[dict[str, Any]]) -> Iterator[Account]:
        for account, name in answers.account_names(pages).items():
            yield Account(PROVIDER, account, name, named_on=self._task.now.date())

    def _ends(
        self, part: Part, control: Sequence[Group], took: int, settings: str
    ) -> Iterator[ControlTotal | Complete]:
        """The provider's totals of a part, and that it is complete."""
        month, now = part.month, self._task.now
        of_month = [one for one in control if month_of(one.day) == month]
        for currency in sorted({one.currency for one in of_month}):
            billed = sum((g.billed for g in of_month if g.currency == currency), Decimal(0))
            effective = sum((g.effective for g in of_month if g.currency == currency), Decimal(0))
            yield ControlTotal(part.key, PROVIDER, month, currency, billed, effective, part.cut)
        closed = is_closed(
            month,
            now,
            self._options.closed_after_days,
            estimated=any(one.estimated for one in of_month),
        )
        state: State = "closed" if closed else "open"
        reading = Reading(now, settings, took, self._regions, state)
        # Days that the source is not yet trusted to know in full are not covered.
        covered = min(utc_midnight(end_of(month)), now - self._task.lag)
        yield Complete(part.key, reading.fingerprint(part), covered_until={PROVIDER: covered})

    def _rows(self, cut: str, days: Window, known: _Known) -> Iterator[CostRow]:
        if cut == CATEGORIES:
            return self._by_category(known)
        if cut == REGIONS:
            return self._by_region(days, known)
        if cut == SERVICES:
            return self._by_service(days, known)
        return self._by_tag(self._tags[cut], days)

    def _by_category(self, known: _Known) -> Iterator[CostRow]:
        for group in known.groups:
            account, record_type = group.keys
            category = charge_category(record_type) or "Usage"
            yield _row(group, CATEGORIES, account_id=account, charge_category=category)

    def _by_region(self, days: Window, known: _Known) -> Iterator[CostRow]:
        """By whichever way takes fewer requests: account by account, or region by region."""
        regions: list[str] = []
        accounts = known.accounts
        if is_worth_asking_for_regions(len(accounts), self._regions):
            regions = sorted({group.keys[0] for group in self._groups(days, [queries.REGION])})
            self._regions = len(regions)
        if regions and len(regions) < len(accounts):
            for region in regions:
                asked = [queries.ACCOUNT, queries.SERVICE]
                for group in self._groups(days, asked, *_in_region(region, regions)):
                    account, service = group.keys
                    yield _regional(group, account, service, region)
            return
        # Which regions there are is then known: the next run does without the question.
        self._once = 1 if regions else 0
        for account in accounts:
            asked = [queries.SERVICE, queries.REGION]
            for group in self._groups(days, asked, queries.only(queries.ACCOUNT, [account])):
                service, region = group.keys
                yield _regional(group, account, service, region)

    def _by_service(self, days: Window, known: _Known) -> Iterator[CostRow]:
        for category, record_types in by_category(known.record_types).items():
            asked = [queries.ACCOUNT, queries.SERVICE]
            kept = queries.only(queries.RECORD_TYPE, record_types)
            for group in self._groups(days, asked, kept):
                yield _row(
                    group,
                    SERVICES,
                    account_id=group.keys[0],
                    service=answers.service(group.keys[1]),
                    charge_category=category,
                )

    def _by_tag(self, tag: TagCut, days: Window) -> Iterator[CostRow]:
        for group in self._groups(days, tag.group_by):
            *account, value = tag.split(group.keys)
            yield _row(
                group,
                tag.cut,
                account_id=account[0] if account else NONE,
                tags={tag.name: value} if value else {},
            )

    def _groups(
        self, days: Window, group_by: Sequence[GroupBy], *filters: Filter
    ) -> Iterator[Group]:
        return answers.groups(self._answer(days, group_by, *filters), self._metrics)

    def _answer(
        self, days: Window, group_by: Sequence[GroupBy] = (), *filters: Filter
    ) -> list[dict[str, Any]]:
        """All pages of the answer to one question."""
        if self._options.accounts:
            filters = (queries.only(queries.ACCOUNT, self._options.accounts), *filters)
        return self._pages.of(queries.body(days, self._metrics, group_by, filters))


def is_worth_asking_for_regions(accounts: int, regions: int | None) -> bool:
    """Whether region by region (and the question which there are) may take fewer requests.

    `regions` is how many there were last time, None: not known.
    """
    least = 1 if regions is None else regions
    return accounts > least + 1


def _row(group: Group, cut: str, **dimensions: Any) -> CostRow:
    """A row whose other dimensions the cut does not know."""
    unknown = dict.fromkeys(("account_id", "service", "region", "charge_category"), NONE)
    return CostRow(
        day=group.day,
        provider=PROVIDER,
        billed=group.billed,
        effective=group.effective,
        currency=group.currency,
        estimated=group.estimated,
        part=Part(month_of(group.day), cut).key,
        cut=cut,
        **(unknown | dimensions),
    )


def _regional(group: Group, account: str, service: str, region: str) -> CostRow:
    return _row(
        group,
        REGIONS,
        account_id=account,
        service=answers.service(service),
        region=answers.region(region),
    )


def _in_region(region: str, regions: Sequence[str]) -> list[Filter]:
    """What lies in the region; one without a name is what lies in none of the others."""
    if region:
        return [queries.only(queries.REGION, [region])]
    others = [other for other in regions if other]
    return [queries.without(queries.only(queries.REGION, others))] if others else []


def _unknown_types(known: _Known) -> Iterator[Notice]:
    counted: dict[str, int] = defaultdict(int)
    for group in known.groups:
        if charge_category(group.keys[1]) is None:
            counted[group.keys[1]] += 1
    for name, count in sorted(counted.items()):
        yield Notice(
            "unknown_record_type",
            f"the record type {name!r} is not known; its costs count as Usage",
            count,
        )
