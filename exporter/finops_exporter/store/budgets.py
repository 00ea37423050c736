"""Budgets in the store: their definitions, what is spent of them, and what is remembered."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, NamedTuple

from finops_exporter.analysis.billing_time import month_of
from finops_exporter.errors import UsageError
from finops_exporter.model import UNTAGGED, Budget
from finops_exporter.store.database import LOCK_SPACE, Connection, Database, rows, run, value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime
    from decimal import Decimal

    from finops_exporter.analysis.budgets import Standing


class Line(NamedTuple):
    """A stretch of UTC days [since, until) of one provider and cut, for the budget `number`.

    `dimension` is None (all costs), account, service or the name of a tag that has to have `value`.
    """

    number: int
    provider: str
    cut: str
    since: date
    until: date
    dimension: str | None
    value: str | None
    credits: bool


class _Choice(NamedTuple):
    """What a line is about, whichever its days: one sum by day serves all lines of a choice."""

    provider: str
    cut: str
    dimension: str | None
    value: str | None
    credits: bool


class Amount(NamedTuple):
    """What a budget's scope has cost on a day, in the currency it was billed in."""

    number: int
    provider: str
    day: date
    currency: str
    billed: Decimal
    effective: Decimal


class Reached(NamedTuple):
    """A threshold of a budget that was reached in the period that begins on `period_start`."""

    name: str
    period_start: date
    threshold: Decimal


class Recorded(NamedTuple):
    """How a budget stood at the end of a complete day."""

    name: str
    day: date
    period_start: date
    standing: Standing


class Applied(NamedTuple):
    """The names of the budgets that the configuration made or changed, and of those it ended."""

    changed: list[str]
    ended: list[str]


def budgets(connection: Connection) -> list[Budget]:
    """The budgets that hold, by name."""
    names = [column.name for column in fields(Budget)]
    found = [dict(zip(names, row, strict=True)) for row in rows(connection, "budgets")]
    return [
        Budget(**row | {"thresholds": tuple(row["thresholds"]), "channels": tuple(row["channels"])})
        for row in found
    ]


def put(database: Database, budget: Budget, by: str, now: datetime) -> bool:
    """Set a budget of the command line; whether that changed anything. `by` names who does it.

    Raises UsageError where the budget comes from the configuration, which goes first.
    """
    with database.connection() as connection, connection.transaction():
        run(connection, "lock_budgets", {"space": LOCK_SPACE})
        _refuse_configured(connection, budget.name)
        return _bumped(connection, _put(connection, budget, by, now), now)


def end(database: Database, name: str, now: datetime) -> bool:
    """End a budget of the command line; False when there is none of this name.

    Raises UsageError where the budget comes from the configuration.
    """
    with database.connection() as connection, connection.transaction():
        run(connection, "lock_budgets", {"space": LOCK_SPACE})
        _refuse_configured(connection, name)
        return _bumped(connection, _end(connection, [name], now), now)


def apply_configured(database: Database, configured: Sequence[Budget], now: datetime) -> Applied:
    """Make the stored budgets those of the configuration, beside those of the command line.

    What came from the configuration and is not in it any more ends; its history stays. Returns what
    that changed.
    """
    names = {budget.name for budget in configured}
    with database.connection() as connection, connection.transaction():
        run(connection, "lock_budgets", {"space": LOCK_SPACE})
        changed = [
            budget.name for budget in configured if _put(connection, budget, "configuration", now)
        ]
        gone = [
            budget.name
            for budget in budgets(connection)
            if budget.is_configured and budget.name not in names
        ]
        _bumped(connection, len(changed) + _end(connection, gone, now), now)
        return Applied(changed, gone)


def _refuse_configured(connection: Connection, name: str) -> None:
    if any(budget.is_configured for budget in budgets(connection) if budget.name == name):
        raise UsageError(
            f"the budget {name!r} comes from the configuration; change it there (section budgets)"
        )


def _put(connection: Connection, budget: Budget, by: str, now: datetime) -> int:
    values = {
        **asdict(budget),
        "thresholds": list(budget.thresholds),
        "channels": list(budget.channels),
        "source": "config" if budget.is_configured else "cli",
        "by": by,
        "now": now,
    }
    run(connection, "forget_thresholds", values)
    return run(connection, "put_budget", values)


def _end(connection: Connection, names: list[str], now: datetime) -> int:
    return run(connection, "end_budgets", {"names": names, "now": now}) if names else 0


def _bumped(connection: Connection, changed: int, now: datetime) -> bool:
    """Let every process see that something changed, if it did."""
    if changed:
        run(connection, "bump_generation", {"now": now})
    return changed > 0


def amounts(connection: Connection, days: Iterable[Line], months: Iterable[Line]) -> list[Amount]:
    """What the lines cost by day and currency; of `months`, whole months at their last day.

    A line lies within a month. In the transaction of a SnapshotReader.
    """
    by_group: list[Line] = []
    by_series: list[Line] = []
    for line in days:
        is_tag = line.dimension not in {None, "account", "service"}
        (by_series if is_tag else by_group).append(line)
    found: list[Amount] = []
    run(connection, "work_by_hash")
    found += _amounts(connection, "budget_group_days", by_group)
    found += _amounts(connection, "budget_series_days", by_series)
    found += _amounts(connection, "budget_months", months)
    run(connection, "work_as_ever")
    return found


def _amounts(connection: Connection, name: str, lines: Iterable[Line]) -> Iterator[Amount]:
    """What the lines cost; what several of them want is summed up once."""
    wanted: dict[_Choice, dict[date, list[Line]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        choice = _Choice(line.provider, line.cut, line.dimension, line.value, line.credits)
        wanted[choice][month_of(line.since)].append(line)
    if not wanted:
        return
    choices = list(wanted)
    for place, day, *amount in rows(connection, name, _columns(wanted)):
        for line in wanted[choices[place]].get(month_of(day), ()):
            if line.since <= day < line.until:
                yield Amount(line.number, line.provider, day, *amount)


def _columns(wanted: Mapping[_Choice, Mapping[date, Sequence[Line]]]) -> dict[str, object]:
    names = ("providers", "cuts", "dimensions", "values", "credits")
    columns = dict(zip(names, map(list, zip(*wanted, strict=True)), strict=True))
    lines = [line for months in wanted.values() for several in months.values() for line in several]
    first, last = min(line.since for line in lines), max(line.until for line in lines)
    return {
        **columns,
        "places": list(range(len(wanted))),
        "untagged": UNTAGGED,
        "first": first,
        "last": last,
    }


def reached(connection: Connection) -> Mapping[tuple[str, date], set[Decimal]]:
    """The thresholds that were reached, by the budget's name and the first day of the period."""
    found: dict[tuple[str, date], set[Decimal]] = defaultdict(set)
    for row in rows(connection, "thresholds"):
        one = Reached(*row)
        found[one.name, one.period_start].add(one.threshold)
    return found


def record(
    database: Database,
    generation: int,
    new: Sequence[Reached],
    history: Sequence[Recorded],
    now: datetime,
) -> None:
    """Write down what a process has seen at `generation`; raises StoreError.

    Several may do so with the same. Where the store has moved on, nothing is written: what was seen
    may be about a budget that means something else by now, and will be seen anew.
    """
    if not new and not history:
        return
    with database.connection() as connection, connection.transaction():
        run(connection, "lock_budgets", {"space": LOCK_SPACE})
        if value(connection, "generation") != generation:
            return
        standings = [one.standing for one in history]
        columns = {
            "names": [one.name for one in history],
            "days": [one.day for one in history],
            "starts": [one.period_start for one in history],
            "spent": [one.spent for one in standings],
            "burn_rates": [one.burn_rate for one in standings],
            "exhausted": [one.exhausted_at for one in standings],
            "on_track": [one.is_on_track for one in standings],
            "now": now,
        }
        run(connection, "add_history", columns)
        latched = {
            "names": [one.name for one in new],
            "starts": [one.period_start for one in new],
            "thresholds": [one.threshold for one in new],
            "now": now,
        }
        # The other processes must show it too, even if what they see next is below it again.
        _bumped(connection, run(connection, "add_thresholds", latched), now)
