"""Sixty days with a provider that is late, changes its mind and is not always there.

Whatever happens on the way, the end is the provider's final truth, and every change of a day that
was complete is listed. What was restated is computed a second time here, from the bill itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from doubles.aws_bill import Bill, Line, days_between
from doubles.aws_server import DEAD_LINE, HALF_A_PAGE, refusal
from doubles.aws_support import server
from exporter_families import samples
from finops_exporter.model import utc_midnight
from integration.test_aws import ALL, LAG, asked, kernel, snapshot, source, totals
from integration.test_costs import drift, fetch

if TYPE_CHECKING:
    from finops_exporter.store.database import Database

FIRST, END = date(2026, 10, 5), date(2026, 12, 4)
STEP = timedelta(hours=12)
NOTHING = Decimal(0)
ACCOUNTS = ("111111111111", "222222222222")
SERVICES = {"Amazon Simple Storage Service": "us-east-1", "AWS Lambda": "eu-west-1"}
CLOSING = {10: datetime(2026, 11, 9, tzinfo=UTC), 11: datetime(2026, 12, 4, tzinfo=UTC)}
"""What becomes known of a month after this nobody sees: it is closed, or time is up."""

FAULTS = (
    refusal("LimitExceededException"),
    refusal("ThrottlingException", 429, retry_after="3"),
    refusal("InternalFailure", 500),
    HALF_A_PAGE,
    DEAD_LINE,
)


def provider(chance: Random) -> Bill:
    lines = []
    for day in days_between(FIRST, END):
        latest = CLOSING.get(day.month, datetime(2026, 12, 4, tzinfo=UTC))
        for account in ACCOUNTS:
            for service, region in SERVICES.items():
                plain = Line(day, account, service, NOTHING, NOTHING, region)
                lines += _charges(chance, plain, latest)
        if day.day == 1:
            tax = Line(day, ACCOUNTS[0], "Tax", NOTHING, NOTHING, "NoRegion", "Tax")
            lines.append(_of(tax, "12.3456789012", timedelta(days=2)))
        if day.day == 20:
            refund = Line(day, ACCOUNTS[1], "AWS Lambda", NOTHING, NOTHING, "eu-west-1", "Refund")
            known = min(timedelta(days=9), latest - utc_midnight(day) - timedelta(hours=13))
            lines.append(_of(refund, "-3.21", known))
    return Bill(lines, groups_a_page=60)


def _charges(chance: Random, plain: Line, latest: datetime) -> list[Line]:
    """The day comes in two parts; now and then one of them is restated or withdrawn later."""
    first = _of(plain, f"{chance.uniform(1, 90):.10f}", timedelta(hours=6))
    late = timedelta(hours=chance.randint(12, 70))
    second = _of(plain, f"{chance.uniform(1, 90):.10f}", late)
    fate = chance.random()
    later = timedelta(hours=chance.randint(60, 300))
    changed = utc_midnight(plain.day) + later
    if fate > 0.25 or changed > latest - 2 * STEP:
        return [first, second]
    gone = replace(first, gone=changed)
    if fate < 0.05:
        return [gone, second]
    return [gone, second, _of(plain, f"{chance.uniform(1, 90):.10f}", later)]


def _of(plain: Line, amount: str, known: timedelta) -> Line:
    """The line with its amount, known so long after the day began."""
    return replace(
        plain,
        unblended=Decimal(amount),
        amortized=Decimal(amount) / 4,
        tags={"team": plain.account[:3]},
        known=utc_midnight(plain.day) + known,
    )


def seen(bill: Bill, now: datetime) -> dict[tuple[Any, ...], Decimal]:
    """What the provider says at `now`, by day, account, service and region."""
    found: dict[tuple[Any, ...], Decimal] = {}
    for line in bill.lines:
        if line.is_seen(now):
            key = (line.day, line.account, line.service, line.region)
            found[key] = found.get(key, Decimal(0)) + line.unblended
    return found


def moved(bill: Bill, before: datetime, now: datetime) -> dict[date, Decimal]:
    """By how much the days changed between two readings that were complete at the first."""
    old, new = seen(bill, before), seen(bill, now)
    found: dict[date, Decimal] = {}
    for key in old.keys() | new.keys():
        change = abs(new.get(key, Decimal(0)) - old.get(key, Decimal(0)))
        if change and key[0] < (before - LAG).date():
            found[key[0]] = found.get(key[0], Decimal(0)) + change
    return found


def at(now: datetime) -> datetime:
    """A clock that stands still while a run is under way."""
    return now


@pytest.mark.parametrize("seed", [1, 2])
def test_sixty_days_end_at_the_providers_final_truth(database: Database, seed: int) -> None:
    chance = Random(seed)  # noqa: S311 -- reproducible, not secret
    bill = provider(chance)
    now = utc_midnight(FIRST) + timedelta(hours=13)
    stopped = False
    expected: list[tuple[date, Decimal]] = []
    before: datetime | None = None
    failed = requests = 0
    with server(bill, lambda: now) as aws:
        every_twelve_hours = source(aws.url, history_months=1)
        while now < utc_midnight(END) + timedelta(days=10):
            if chance.random() < 0.2:
                aws.faults.extend(chance.choices((None, *FAULTS), k=6))
            # Now and then the process ends in the middle: the next look starts it again.
            looks = chance.randint(3, 9) if chance.random() < 0.08 else 10**6

            def stops() -> bool:
                nonlocal looks
                looks -= 1
                return looks < 0

            report = kernel(database, partial(at, now), stops).run(every_twelve_hours)
            aws.faults.clear()
            requests += report.requests
            if report.outcome == "succeeded":
                if before is not None:
                    expected += moved(bill, before, now).items()
                before = now
            else:
                failed += 1
                stopped = stopped or "stopped" in str(report.error)
            now += STEP + timedelta(minutes=chance.randint(0, 5))
        counted = aws.count() + aws.count("ListAccounts")
    assert stopped
    assert failed > 5
    final = bill.total(now, ALL.since, ALL.until)
    assert totals(database) == {final}
    assert drift(database) == []

    by_day: dict[date, Decimal] = {}
    for day, amount in expected:
        by_day[day] = by_day.get(day, Decimal(0)) + amount
    listed = fetch(database, "SELECT day, sum(billed_moved) FROM cost_restatements GROUP BY day")
    assert dict(listed) == by_day
    assert len(by_day) > 10

    # Every request that reached the provider was counted, and paid.
    ((all_requests,),) = fetch(database, "SELECT sum(requests) FROM api_requests")
    assert all_requests == counted == requests
    assert asked(database)[2] == asked(database)[0] * Decimal("0.01")
    shown = snapshot(database, now)
    assert samples(shown, "aws_cost_unreconciled_usd") == {("2026-11",): 0, ("2026-12",): 0}
    assert samples(shown, "aws_cost_restated_usd_total") == {
        (): pytest.approx(float(sum(by_day.values())), abs=1e-6)
    }
