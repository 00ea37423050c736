"""What goes wrong in the company's clouds: each fault with the alert that has to find it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from finops_exporter.model import Api, Rejected
from finops_exporter.store.spending import pay
from simulated.company import NAMES, Surge
from simulated.simulation import SOURCES, World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from finops_exporter.store.database import Database
    from simulated.recording import Recording
    from simulated.rule_engine import Fired

START = date(2026, 9, 5)
PRODUCTION = "shop-production"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happened at `since` (UTC), and what is to say so: alerts with some of their labels.

    They come in this order, the first within `within`, and not after `until`.
    """

    what: str
    since: datetime
    until: datetime
    within: timedelta
    alerts: Sequence[str]
    labels: Mapping[str, str]

    def found_by(self, fired: Sequence[Fired]) -> list[Fired | None]:
        """The first firing of each of its alerts, none before the one that comes before it."""
        found: list[Fired | None] = []
        since = self.since
        for name in self.alerts:
            first = next((one for one in fired if self._is(name, one, since)), None)
            since = first.since if first else since
            found.append(first)
        return found

    def _is(self, name: str, one: Fired, since: datetime) -> bool:
        in_time = since <= one.since <= self.until
        return one.name == name and in_time and one.has(**self.labels)


def at(text: str) -> datetime:
    """UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _fault(
    what: str, since: str, until: str, within: timedelta, *alerts: str, **labels: str
) -> Fault:
    return Fault(what, at(since), at(until), within, alerts, labels)


HOURS, DAYS = timedelta(hours=1), timedelta(days=1)

# fmt: off
FAULTS = (
    _fault("A database costs 60 % more from one day to the next",
           "2026-09-15", "2026-09-20", 3 * DAYS, "CostAnomalyDetected",
           service="Amazon Relational Database Service"),
    _fault("Queries cost four times as much on one day",
           "2026-09-18", "2026-09-22", 3 * DAYS, "CloudCostSpike", account_id=NAMES["analytics"]),
    _fault("The same, service by service",
           "2026-09-18", "2026-09-22", 3 * DAYS, "CostAnomalyDetected", service="BigQuery"),
    _fault("Virtual machines leak: 3 % more each day",
           "2026-09-21", "2026-10-20", 25 * DAYS, "ForecastExceedsBudget", budget="all of azure"),
    _fault("A team needs a third more than its budget was made for",
           "2026-10-01", "2026-11-03", 8 * DAYS, "ForecastExceedsBudget", "BudgetExceeded80Percent",
           "BudgetExceededCritical", budget="platform", budget_period="current"),
    _fault("An export stands still for four days",
           "2026-09-24 06:00", "2026-09-28 06:00", 3 * DAYS, "FinOpsBillingDataMissing",
           provider="gcp"),
    _fault("The provider restates a week of compute: 40 % more",
           "2026-10-20 06:00", "2026-10-24", 6 * HOURS, "CostAnomalyDetected",
           service="Amazon Elastic Compute Cloud"),
    _fault("Rows that cannot be read",
           "2026-09-12 06:00", "2026-09-13", 1 * HOURS, "FinOpsRowsRejected", collector="aws bill"),
    _fault("The provider's total is 2 % above its rows",
           "2026-10-10 06:00", "2026-10-12", 2 * HOURS, "FinOpsUnreconciled", provider="gcp"),
    _fault("A quarter of the customers leave",
           "2026-10-14 06:00", "2026-10-18", 55 * HOURS, "UnitEconomicsWorsening"),
    _fault("A source has spent what it may on a day",
           "2026-10-22 06:00", "2026-10-23", 1 * HOURS, "FinOpsApiBudgetExhausted",
           collector="aws bill"),
    _fault("The exporter is gone for 40 minutes",
           "2026-10-28 09:50", "2026-10-28 11:00", timedelta(minutes=45), "FinOpsExporterDown"),
)

SURGES = (
    Surge(lambda day: 1.6 if date(2026, 9, 15) <= day < date(2026, 9, 18) else 1.0,
          PRODUCTION, "Amazon Relational Database Service"),
    Surge(lambda day: 4.0 if day == date(2026, 9, 18) else 1.0, "analytics", "BigQuery"),
    Surge(lambda day: _leak(day, date(2026, 9, 21), date(2026, 10, 14)),
          "back-office", "Virtual Machines"),
    Surge(lambda day: 1.33 if day >= date(2026, 10, 1) else 1.0, team="platform"),
    Surge(lambda day: 1.4 if date(2026, 10, 13) <= day < date(2026, 10, 20) else 1.0,
          PRODUCTION, "Amazon Elastic Compute Cloud", told=at("2026-10-20 06:00")),
)
# fmt: on


def _leak(day: date, since: date, mended: date) -> float:
    return float(1.03 ** ((day - since).days + 1)) if since <= day < mended else 1.0


def _silent(provider: str, now: datetime) -> bool:
    return provider == "gcp" and at("2026-09-24 06:00") <= now < at("2026-09-28 06:00")


def _customers(now: datetime) -> tuple[int, int]:
    left = at("2026-10-14 06:00") <= now < at("2026-10-18")
    return (900 if left else 1200), 1180


def _rejected(provider: str, now: datetime) -> Sequence[Rejected]:
    if provider == "aws" and now.date() == date(2026, 9, 12):
        return [Rejected("2026-09-11", "no_amount", "has no amount", row=7, rows=12)]
    return ()


def _control(provider: str, day: date) -> Decimal:
    """Told of one day, as much as 2 % of the month until then."""
    return Decimal("1.18") if (provider, day) == ("gcp", date(2026, 10, 9)) else Decimal(1)


def _pay(database: Database, now: datetime) -> None:
    if now != at("2026-10-22 06:00"):
        return
    api = Api("aws", "Cost Explorer", Decimal("0.01"))
    with database.connection() as connection:
        for _ in range(100):
            assert pay(connection, SOURCES["aws"], now.date(), api, cap_usd=Decimal(1), retry=False)


WORLD = World(_silent, _customers, _rejected, _control, _pay)


def leave(recording: Recording) -> None:
    """Nobody answers for forty minutes."""
    recording.away(at("2026-10-28 09:50"), at("2026-10-28 10:40"))
