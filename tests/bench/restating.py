"""Restating stored days: providers send whole months again, and little of them has changed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import cycle
from typing import TYPE_CHECKING, TypeAlias

from finops_exporter.model import Complete, CostRow, Window
from finops_exporter.store import runs
from finops_exporter.store.costs import Declared, staging

from .harness import Job, Row, bar, interleaved, say
from .postgres import database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from finops_exporter.store.database import Connection

Rows: TypeAlias = list[CostRow]

SINCE = date(2026, 9, 1)
DAYS = 40
NOW = datetime(2026, 11, 1, tzinfo=UTC)

# The baseline: what a program without a diff does. Every row goes to one plain table with a row's
# own columns and its key, by psycopg's executemany (pipelined), in one transaction. It does less
# than ours: no rollups are kept, no restatements recorded, no rival source looked for, and a row
# that the provider withdrew would stay. Both sides start from the same CostRow objects.
PLAIN_TABLE = """
CREATE TABLE plain_costs (
    day date, provider text, account_id text, service text, region text, charge_category text,
    currency text, tags jsonb, billed numeric NOT NULL, effective numeric NOT NULL,
    estimated boolean NOT NULL,
    PRIMARY KEY (day, provider, account_id, service, region, charge_category, currency, tags)
)"""
PLAIN_UPSERT = """
INSERT INTO plain_costs VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (day, provider, account_id, service, region, charge_category, currency, tags)
DO UPDATE SET billed = EXCLUDED.billed, effective = EXCLUDED.effective,
              estimated = EXCLUDED.estimated"""

# Tables whose totals must agree to the last digit.
TABLES = ("cost_facts", "cost_months", "cost_days", "plain_costs")


def rows(*, quick: bool) -> Iterator[Row]:
    """Little changed, where the difference pays; and everything changed, where it must not cost."""
    count = 20_000 if quick else 100_000
    yield _row(count, "5 % changed", 20, bar(3, quick=quick))
    # Both sides write every row then: chance alone would decide on which side of 1 the ratio falls.
    yield _row(count, "all changed", 1, bar(1, quick=quick), gating=False)


def _row(count: int, what: str, every: int, least: float, *, gating: bool = True) -> Row:
    """Both sides are handed the same rows, which flip between two versions at every turn."""
    name = f"restating {count} rows, {what}"
    say(name)
    versions = [_version(count, every, number) for number in range(2)]
    with database() as store, store.connection() as ours, store.connection() as theirs:
        theirs.execute(PLAIN_TABLE)
        _swap(ours, versions[1])
        _upsert(theirs, versions[1])
        for table in TABLES:
            ours.execute(f"VACUUM ANALYZE {table}".encode())
        seconds = interleaved(
            {
                "executemany": Job(_alternating(lambda given: _upsert(theirs, given), versions)),
                "ours": Job(_alternating(lambda given: _swap(ours, given), versions)),
            },
            rounds=5,
            limit=40,
        )
        _check(ours)
    theirs_is = "executemany upsert, no rollups"
    return Row(name, theirs_is, seconds["executemany"], seconds["ours"], least, gating=gating)


def _version(count: int, every: int, number: int) -> Rows:
    """The same keys each time; one amount in `every` depends on the version's number."""
    series = count // DAYS
    return [
        CostRow(
            day=SINCE + timedelta(days=index // series),
            provider="aws",
            account_id=f"{100_000_000_000 + index % series // 250}",
            service=f"Amazon Service {index % 50:02}",
            region=f"eu-central-{index // 50 % 5}",
            charge_category="Usage",
            billed=_amount(index, every, number),
            effective=_amount(index, every, number),
            currency="USD",
            tags={"team": f"team {index % series // 50 % 7}", "series": str(index % series)},
        )
        for index in range(count)
    ]


def _amount(index: int, every: int, number: int) -> Decimal:
    moved = number if index % every == 0 else 0
    return Decimal(index * 7919 % 10_000_019 + moved).scaleb(-4)


def _alternating(do: Callable[[Rows], None], versions: Sequence[Rows]) -> Callable[[], None]:
    turns = cycle(versions)
    return lambda: do(next(turns))


def _swap(connection: Connection, given: Rows) -> None:
    window = Window(SINCE, SINCE + timedelta(days=DAYS))
    declared = Declared([Complete("", "bench", window, {"aws": NOW})])
    run_id = runs.start(connection, "bench", window, NOW)
    with staging(connection, "bench") as stage:
        stage.add(given)
        stage.swap(run_id, declared, runs.RunResult("succeeded"), NOW)


def _upsert(connection: Connection, given: Rows) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(PLAIN_UPSERT, (_values(row) for row in given))


def _values(row: CostRow) -> tuple[object, ...]:
    return (
        row.day,
        row.provider,
        row.account_id,
        row.service,
        row.region,
        row.charge_category,
        row.currency,
        _tags_text(tuple(row.tags.items())),
        row.billed,
        row.effective,
        row.estimated,
    )


@cache
def _tags_text(items: tuple[tuple[str, str], ...]) -> str:
    # Tags repeat from day to day: the baseline shall not lose its time here.
    return json.dumps(dict(items), sort_keys=True)


def _check(connection: Connection) -> None:
    """Zero drift: facts and rollups still say what the plain table says."""
    found = {
        table: connection.execute(
            f"SELECT sum(billed), sum(effective) FROM {table}".encode()
        ).fetchone()
        for table in TABLES
    }
    if len(set(found.values())) != 1:
        raise AssertionError(f"the totals differ: {found}")
