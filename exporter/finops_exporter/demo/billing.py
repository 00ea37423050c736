"""The charges of the demo, computed: a pure function of `now` and a seed, without any I/O.

Each quantity hangs only on its line (account, service, region, workload), its day, the seed and
the calendar month of `now`, never on what was generated before it. So the past stands still while
`now` moves through a month; two things follow `now`: the spike, which stands on the newest
complete day, and the level, which makes the month of `now` the month that the catalogue states.
All times are UTC; all amounts are exact Decimal products of a quantity and a price.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate, chain
from typing import TYPE_CHECKING

from finops_exporter.demo.company import DEMO
from finops_exporter.demo.series import (
    Cover,
    Item,
    Line,
    level,
    lines_of,
    month_before,
    noise,
    quantity,
)
from finops_exporter.model import utc_midnight

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finops_exporter.demo.catalogue import (
        Account,
        Catalogue,
        Commitment,
        Fee,
        Provider,
        Spike,
    )

MONTHS = 14
"""Calendar months of billing, the month of `now` included: a year to compare with, and more."""

HOURS = (7, 7, 7, 7, 7, 8, 9, 10, 11, 12, 12, 12, 12, 12, 12, 12, 11, 11, 10, 10, 9, 8, 8, 7)
"""How the use of a day falls on its hours, in parts of their sum."""

_UNTIL_HOUR = tuple(accumulate(HOURS, initial=0))
_MICRO = Decimal("0.000001")
_CENT = Decimal("0.01")
_ZERO = Decimal(0)
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Charge:
    """One row of a bill in FOCUS words; the period is [start, end) in UTC, amounts are USD."""

    item: Item
    category: str
    frequency: str
    start: datetime
    end: datetime
    listed: Decimal
    billed: Decimal
    effective: Decimal
    quantity: Decimal | None = None
    commitment: Commitment | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The bill of one cloud for the calendar month that starts at `month`: one file's worth."""

    provider: Provider
    month: date
    charges: Iterator[Charge]


@dataclass(frozen=True, slots=True)
class _Day:
    """A day of the calendar; `hours` is None once it is over, else how many hours of it are."""

    date: date
    start: datetime
    level: float
    weekend: bool
    spike: bool
    hours: int | None


def charges(
    now: datetime, seed: int = 0, months: int = MONTHS, catalogue: Catalogue = DEMO
) -> Iterator[Charge]:
    """All charges from the first of the month `months - 1` before that of `now` until `now`.

    Days that are over have one usage charge a line; today has one for each hour that is over.
    Raises ValueError for a `now` without time zone or fewer months than one.
    """
    return chain.from_iterable(part.charges for part in parts(now, seed, months, catalogue))


def parts(
    now: datetime, seed: int = 0, months: int = MONTHS, catalogue: Catalogue = DEMO
) -> Iterator[Part]:
    """The same charges by month and cloud, oldest first; a part may turn out to be empty."""
    if now.tzinfo is None:
        raise ValueError("now needs a time zone: the demo bills in UTC")
    if months < 1:
        raise ValueError(f"months must be at least 1, not {months}")
    return _parts(now.astimezone(UTC), seed, months, catalogue)


def _parts(now: datetime, seed: int, months: int, catalogue: Catalogue) -> Iterator[Part]:
    anchor = now.date().replace(day=1)
    lines = lines_of(catalogue, anchor, seed)
    for back in range(months - 1, -1, -1):
        month = month_before(anchor, back)
        days = _days(month, now)
        for provider in catalogue.providers:
            own = [line for line in lines if line.item.account.provider == provider]
            fees = (
                _fees(catalogue, provider, anchor, days),
                _purchases(catalogue.commitments, own, days),
            )
            usage = _usage(own, days, catalogue.spike)
            yield Part(provider, month, chain(*fees, usage))


def _days(month: date, now: datetime) -> list[_Day]:
    """The days of the month that have begun."""
    today = now.date()
    found = []
    for number in range(monthrange(month.year, month.month)[1]):
        day = month + timedelta(days=number)
        if day > today:
            break
        found.append(
            _Day(
                date=day,
                start=utc_midnight(day),
                level=level(day, today),
                weekend=day.isoweekday() > 5,  # noqa: PLR2004 - ISO: 6 and 7 are the weekend
                spike=day == today - _DAY,
                hours=now.hour if day == today else None,
            )
        )
    return found


def _usage(lines: Sequence[Line], days: Sequence[_Day], spike: Spike) -> Iterator[Charge]:
    """What was used: by day, and for today by hour."""
    for line in lines:
        spiky = (spike.account, spike.service) == (line.item.account.name, line.item.service)
        for day in days:
            units = line.units * day.level * noise(line, day.date)
            if day.weekend:
                units *= line.service.weekend
            if day.spike and spiky:
                units *= spike.factor
            yield from _day_of_use(line, day, quantity(units))


def _day_of_use(line: Line, day: _Day, total: Decimal) -> Iterator[Charge]:
    """The charges of a day's quantity; hours are cut so that 24 of them make the day exactly."""
    cover = line.cover if line.cover and line.cover.holds(day.date) else None
    if day.hours is None:
        yield from _use(line, day.start, day.start + _DAY, total, cover)
        return
    until = [(total * share / _UNTIL_HOUR[-1]).quantize(_MICRO) for share in _UNTIL_HOUR]
    for hour in range(day.hours):
        start = day.start + hour * _HOUR
        yield from _use(line, start, start + _HOUR, until[hour + 1] - until[hour], cover)


def _use(
    line: Line, start: datetime, end: datetime, quantity: Decimal, cover: Cover | None
) -> Iterator[Charge]:
    """One period of one line: what is paid by use, what a commitment covers, what comes back."""
    price = line.service.price
    if cover:
        covered = cover.hourly * ((end - start) // _HOUR)
        quantity -= covered
        yield Charge(
            item=line.item,
            category="Usage",
            frequency="Usage-Based",
            start=start,
            end=end,
            listed=covered * price,
            billed=_ZERO,
            effective=covered * cover.commitment.price,
            quantity=covered,
            commitment=cover.commitment,
        )
    owed = quantity * price
    yield Charge(line.item, "Usage", "Usage-Based", start, end, owed, owed, owed, quantity)
    if line.service.credit:
        back = -owed * line.service.credit
        yield Charge(line.item, "Credit", "Usage-Based", start, end, back, back, back)


def _fees(
    catalogue: Catalogue, provider: Provider, anchor: date, days: Sequence[_Day]
) -> Iterator[Charge]:
    """Taxes, plans, credits and corrections: once a month, at the midnight of their day."""
    accounts = {found.name: found for found in catalogue.accounts if found.provider == provider}
    for fee in catalogue.fees:
        account = accounts.get(fee.account)
        if account is not None and fee.day <= len(days):
            yield _fee(fee, account, anchor, days[fee.day - 1].start)


def _fee(fee: Fee, account: Account, anchor: date, start: datetime) -> Charge:
    """The fee at the level of its month, known from the first day on: it never changes later."""
    recurring = fee.frequency == "Recurring"
    length = monthrange(start.year, start.month)[1] if recurring else 1
    grown = quantity(level(start.date().replace(day=15), anchor))
    usd = (fee.usd * grown).quantize(_CENT)
    return Charge(
        item=Item(account, fee.service, fee.service_category, fee.description),
        category=fee.category,
        frequency=fee.frequency,
        start=start,
        end=start + length * _DAY,
        listed=usd,
        billed=usd,
        effective=usd,
    )


def _purchases(
    commitments: Sequence[Commitment], lines: Sequence[Line], days: Sequence[_Day]
) -> Iterator[Charge]:
    """The upfront payments of these days: exactly what the covered use of the term will cost."""
    starts = {day.date: day.start for day in days}
    covers = [(line.item, line.cover) for line in lines if line.cover]
    for plan in commitments:
        bought = [(item, cover) for item, cover in covers if cover.commitment == plan]
        if not bought or bought[0][1].bought not in starts:
            continue
        item, start = bought[0][0], starts[bought[0][1].bought]
        hourly = sum((cover.hourly for _, cover in bought), _ZERO)
        usd = hourly * 24 * plan.term_days * plan.price
        yield Charge(
            item=Item(item.account, item.service, item.service_category, plan.name),
            category="Purchase",
            frequency="One-Time",
            start=start,
            end=start + _DAY,
            listed=usd,
            billed=usd,
            effective=_ZERO,
            commitment=plan,
        )
