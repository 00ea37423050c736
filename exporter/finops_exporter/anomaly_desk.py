"""Anomalies for people: what was found, why it counts as one, and what made the difference."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from finops_exporter.errors import UsageError
from finops_exporter.model import Window, money_text
from finops_exporter.store import anomalies
from finops_exporter.store.cuts import NoCutError
from finops_exporter.store.matrix import usage_matrix
from finops_exporter.store.reads import costs_by, snapshot_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import date

    from finops_exporter.store.anomalies import Anomaly, PlannedChange
    from finops_exporter.store.database import Database

DAYS_SHOWN = 15
"""The day itself and the two weeks before it."""

WEEKS = 4
"""A day's parts are held against the mean of the same weekday in so many weeks before."""

MOST_DRIVERS = 5
"""Of each dimension the parts that changed most."""


@dataclass(frozen=True, slots=True)
class Driver:
    """A part of the cost: what it cost on the day, and usually; US dollars."""

    dimension: str
    value: str
    usually: Decimal
    cost: Decimal

    @property
    def change(self) -> Decimal:
        """How much more it was."""
        return self.cost - self.usually


@dataclass(frozen=True, slots=True)
class Explanation:
    """An anomaly with its series (UTC days; None: nothing stored) and its largest parts."""

    anomaly: Anomaly
    series: tuple[tuple[date, float | None], ...]
    drivers: tuple[Driver, ...]
    unknown: tuple[str, ...]
    """Dimensions that nothing stored knows together with account and service."""


def one_of(database: Database, anomaly_id: int) -> Anomaly:
    """The anomaly of that number; raises UsageError when there is none."""
    found = anomalies.listed(database, anomaly_id=anomaly_id, withdrawn=True)
    if not found:
        raise UsageError(f"there is no anomaly #{anomaly_id}; see: finops-exporter anomalies list")
    return found[0]


def explain(
    database: Database,
    anomaly: Anomaly,
    tags: Iterable[str],
    usd: Callable[[str, date], Decimal | None],
) -> Explanation:
    """Why a day counts as an anomaly; `usd` gives the rate of a currency, None: unknown."""
    drivers: list[Driver] = []
    unknown: list[str] = []
    for dimension in ("region", *tags):
        try:
            drivers += _drivers(database, anomaly, dimension, usd)
        except NoCutError:
            unknown.append(dimension)
    return Explanation(anomaly, _series(database, anomaly, usd), tuple(drivers), tuple(unknown))


def _series(
    database: Database, anomaly: Anomaly, usd: Callable[[str, date], Decimal | None]
) -> tuple[tuple[date, float | None], ...]:
    first = anomaly.day - timedelta(days=DAYS_SHOWN - 1)
    window = Window.inclusive(first, anomaly.day)
    with snapshot_reader(database) as reader:
        matrix = usage_matrix(reader, window, "effective", provider=anomaly.provider)
    found: dict[date, float] = {}
    for series, amounts in zip(matrix.series, matrix.amounts, strict=True):
        rate = usd(series.currency, anomaly.day)
        if (series.account_id, series.service) == (anomaly.account_id, anomaly.service) and rate:
            for back, amount in enumerate(amounts):
                if amount == amount:  # noqa: PLR0124 - not a number is not equal to itself
                    day = first + timedelta(days=back)
                    found[day] = found.get(day, 0.0) + float(amount) * float(rate)
    days = (first + timedelta(days=back) for back in range(DAYS_SHOWN))
    return tuple((day, found.get(day)) for day in days)


def _drivers(
    database: Database,
    anomaly: Anomaly,
    dimension: str,
    usd: Callable[[str, date], Decimal | None],
) -> list[Driver]:
    on_the_day = _parts(database, anomaly, dimension, anomaly.day, usd)
    usually: dict[str, Decimal] = {}
    for week in range(1, WEEKS + 1):
        before = _parts(database, anomaly, dimension, anomaly.day - timedelta(weeks=week), usd)
        for value, amount in before.items():
            usually[value] = usually.get(value, Decimal(0)) + amount / WEEKS
    drivers = [
        Driver(dimension, value, usually.get(value, Decimal(0)), on_the_day.get(value, Decimal(0)))
        for value in on_the_day.keys() | usually.keys()
    ]
    drivers.sort(key=lambda one: (-abs(one.change), one.value))
    return drivers[:MOST_DRIVERS]


def _parts(
    database: Database,
    anomaly: Anomaly,
    dimension: str,
    day: date,
    usd: Callable[[str, date], Decimal | None],
) -> dict[str, Decimal]:
    """The effective cost of one day by a dimension; of usage alone where that is known with it."""
    keys = ["provider", "account", "service", dimension]
    window = Window.inclusive(day, day)
    place = (anomaly.provider, anomaly.account_id, anomaly.service)
    try:
        found = [
            one
            for one in costs_by(database, [*keys, "charge_category"], window)
            if one.key[4] == "Usage"
        ]
    except NoCutError:
        found = costs_by(database, keys, window)
    parts: dict[str, Decimal] = {}
    for one in found:
        rate = usd(one.currency, anomaly.day)
        if one.key[:3] == place and rate is not None:
            parts[one.key[3]] = parts.get(one.key[3], Decimal(0)) + one.effective * rate
    return parts


def as_json(found: Sequence[Anomaly], planned: Sequence[PlannedChange]) -> str:
    """The anomalies and what is announced; amounts are text, exact to the sixth digit."""
    announced = [
        one._asdict() | {"since": one.since.isoformat(), "until": one.until.isoformat()}
        for one in planned
    ]
    told = {"anomalies": [_plain(one) for one in found], "announced": announced}
    return json.dumps(told, indent=2, ensure_ascii=False)


def explanation_json(found: Explanation) -> str:
    """The same of one anomaly, with its series and drivers."""
    told = {
        **_plain(found.anomaly),
        "series": [{"day": day.isoformat(), "usd": usd} for day, usd in found.series],
        "drivers": [
            {
                "dimension": one.dimension,
                "value": one.value,
                "usually_usd": money_text(one.usually),
                "cost_usd": money_text(one.cost),
            }
            for one in found.drivers
        ],
        "unknown_dimensions": list(found.unknown),
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


def _plain(one: Anomaly) -> dict[str, object]:
    found = one._asdict()
    for name in ("expected_usd", "actual_usd", "excess_usd"):
        found[name] = money_text(found[name])
    found["day"] = one.day.isoformat()
    found["decided_at"] = one.decided_at.isoformat() if one.decided_at else None
    return found
