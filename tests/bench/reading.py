"""What a refresh reads: from the rollups, and the same questions put to the facts."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from finops_exporter.exposition.budget_states import BudgetState, budget_states
from finops_exporter.exposition.catalogue import DAY_OFFSETS
from finops_exporter.exposition.families import Settings
from finops_exporter.exposition.snapshot import build, provider_times
from finops_exporter.model import FULL_CUT, Budget, Window
from finops_exporter.store.checks import rebuild
from finops_exporter.store.matrix import usage_matrix
from finops_exporter.store.reads import Cost, snapshot_reader

from .harness import Job, Row, bar, interleaved, say
from .postgres import database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from finops_exporter.store.database import Connection, Database

LAST = date(2026, 10, 16)
"""Today: the middle of a month, so that the scan has an average month to date to read."""

MONTH = LAST.replace(day=1)

# 5 team tags below each (account, region, service); as many accounts as the series need.
SERIES_PER_ACCOUNT = 40 * 5 * 5
DIMENSIONS = (
    """
    INSERT INTO cost_groups (cut, provider, account_id, service, charge_category, currency)
    SELECT %(cut)s, 'aws', 100000000000 + a, 'Amazon Service ' || s, 'Usage', 'USD'
    FROM generate_series(1, %(accounts)s) a, generate_series(1, 40) s""",
    """
    INSERT INTO cost_series (group_id, region, tags)
    SELECT group_id, 'eu-central-' || r, jsonb_build_object('team', 'team ' || t)
    FROM cost_groups, generate_series(1, 5) r, generate_series(1, 5) t""",
    """
    INSERT INTO cost_parts (source, part, fingerprint, loaded_at)
    VALUES ('bench', '', 'bench', '2026-10-16 12:00+00')""",
)

# Millions of rows come in without their foreign keys, which are set (and so checked) afterwards.
KEYS = {"cost_facts_series_id_fkey": "series_id", "cost_facts_part_id_fkey": "part_id"}
FACTS = """
INSERT INTO cost_facts (day, series_id, part_id, billed, effective, estimated)
SELECT d::date, series_id, part_id, amount, amount, false
FROM generate_series(%(first)s::timestamp, %(last)s::timestamp, '1 day') d, cost_parts,
     cost_series,
     LATERAL (SELECT ((series_id * 7919::bigint + extract(day FROM d)::integer * 104729)
                      %% 10000019)::numeric / 10000 AS amount) a"""
# The source's own totals are what its facts say: nothing is unreconciled.
CONTROLS = """
INSERT INTO cost_controls (part_id, provider, month, currency, cut, billed, effective)
SELECT part_id, provider, month, currency, cut, billed, effective FROM cost_part_months"""
COVERAGE = """
INSERT INTO cost_coverage (part_id, provider, covered_until)
SELECT part_id, 'aws', %(last)s::timestamp AT TIME ZONE 'UTC' FROM cost_parts"""

# The baseline has the narrow table, its key on the day, and the server's own parallel scans: what a
# store without rollups would ask.
SCAN = """
SELECT g.provider, date_trunc('month', f.day)::date, g.account_id, s.region, g.service, g.currency,
       sum(f.billed), sum(f.effective)
FROM cost_facts f
JOIN cost_series s USING (series_id)
JOIN cost_groups g USING (group_id)
WHERE f.day >= %(month)s AND f.day < %(month)s + interval '1 month'
  AND g.provider = 'aws' AND g.cut = %(cut)s
GROUP BY 1, 2, 3, 4, 5, 6"""


# The same for what a refresh reads beside the month: days, windows and tags. A scan of the 62 days
# that all of them need, as narrow as can be; the sums by label are left to Python.
REFRESH = """
SELECT g.provider, f.day, g.account_id, s.region, g.service, g.charge_category, s.tags ->> 'team',
       g.currency, sum(f.billed), sum(f.effective)
FROM cost_facts f
JOIN cost_series s USING (series_id)
JOIN cost_groups g USING (group_id)
WHERE f.day > %(last)s::date - 62 AND g.provider = 'aws' AND g.cut = %(cut)s
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"""

USAGE = """
SELECT g.account_id, g.service, f.day, sum(f.billed)
FROM cost_facts f
JOIN cost_series s USING (series_id)
JOIN cost_groups g USING (group_id)
WHERE f.day >= %(since)s AND f.day < %(until)s
  AND g.provider = 'aws' AND g.cut = %(cut)s AND g.charge_category = 'Usage'
GROUP BY 1, 2, 3"""

SETTINGS = Settings(
    basis="billed",
    hold=timedelta(days=5),
    tags=("team",),
    lags={"bench": timedelta(0)},
    rate=lambda _currency, _day: Decimal(1),
)
NOW = datetime(2026, 10, 16, 12, tzinfo=UTC)
LIMIT = Decimal(10**9)
BUDGETS = (
    *(Budget(f"team {n}", "team", f"team {n}", LIMIT, "monthly") for n in range(1, 6)),
    Budget("all", "organization", "", LIMIT, "monthly"),
    Budget("aws", "provider", "aws", LIMIT, "monthly"),
    Budget("year", "organization", "", LIMIT, "yearly"),
)
WINDOW = Window(LAST - timedelta(days=89), LAST + timedelta(days=1))


def rows(*, quick: bool) -> Iterator[Row]:
    """Both sides give the same values to Python, exact decimals included."""
    series, days = (5_000, 100) if quick else (25_000, 400)
    stored = f"{series} series x {days} days"
    say(f"reading of {stored}")
    with database() as store, store.connection() as connection:
        _fill(store, connection, series, days)
        yield _month_row(f"month to date, {stored}", store, connection, bar(6, quick=quick))
        yield _refresh_row(f"a whole refresh, {stored}", store, connection, bar(6, quick=quick))
        yield _budgets_row(f"8 budgets, {stored}", store, connection, bar(6, quick=quick))
        yield _matrix_row(f"usage of 90 days, {stored}", store, connection, bar(6, quick=quick))


def _month_row(name: str, store: Database, connection: Connection, least: float) -> Row:
    with snapshot_reader(store) as reader:
        if sorted(reader.monthly([("aws", MONTH)])) != sorted(_scan(connection)):
            raise AssertionError("the rollup and the scan differ")
        seconds = interleaved(
            {
                "scan": Job(lambda: _scan(connection)),
                "ours": Job(lambda: reader.monthly([("aws", MONTH)])),
            },
            rounds=9,
            limit=20,
        )
    return Row(name, "GROUP BY over the facts", seconds["scan"], seconds["ours"], least)


def _refresh_row(name: str, store: Database, connection: Connection, least: float) -> Row:
    ours, theirs = build(store, SETTINGS, NOW), _daily_sums(_refresh_scan(connection))
    shown = next(f for f in ours.families if f.metric.name == "aws_cost_daily_usd")
    if shown.samples != theirs:
        raise AssertionError("the snapshot and the scan differ")
    seconds = interleaved(
        {
            "scan": Job(lambda: _refresh_scan(connection)),
            "ours": Job(lambda: build(store, SETTINGS, NOW)),
        },
        rounds=3,
        limit=40,
    )
    return Row(name, "GROUP BY over 62 days", seconds["scan"], seconds["ours"], least)


def _budgets_row(name: str, store: Database, connection: Connection, least: float) -> Row:
    with snapshot_reader(store) as reader:
        times = provider_times(reader, SETTINGS, NOW)

        def ours() -> tuple[BudgetState, ...]:
            return budget_states(reader, BUDGETS, SETTINGS, times, NOW)

        spent = {one.budget.name: one.current.standing.spent for one in ours() if one.current}
        teams = _team_sums(_refresh_scan(connection))
        if {team: spent[team] for team in teams} != teams or spent["all"] != sum(teams.values()):
            raise AssertionError("the budgets and the scan differ")
        seconds = interleaved(
            {"scan": Job(lambda: _refresh_scan(connection)), "ours": Job(ours)},
            rounds=3,
            limit=40,
        )
    return Row(name, "GROUP BY over 62 days", seconds["scan"], seconds["ours"], least)


def _matrix_row(name: str, store: Database, connection: Connection, least: float) -> Row:
    with snapshot_reader(store) as reader:
        ours, theirs = usage_matrix(reader, WINDOW, "billed"), _usage_scan(connection)
        if not np.array_equal(ours.amounts, theirs):
            raise AssertionError("the matrix and the scan differ")
        seconds = interleaved(
            {
                "scan": Job(lambda: _usage_scan(connection)),
                "ours": Job(lambda: usage_matrix(reader, WINDOW, "billed")),
            },
            rounds=3,
            limit=30,
        )
    return Row(name, "GROUP BY over the facts", seconds["scan"], seconds["ours"], least)


def _scan(connection: Connection) -> list[Cost]:
    found = connection.execute(SCAN.encode(), {"month": MONTH, "cut": FULL_CUT}).fetchall()
    return [Cost(row[0], row[1], tuple(row[2:5]), *row[5:]) for row in found]


def _refresh_scan(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(REFRESH.encode(), {"last": LAST, "cut": FULL_CUT}).fetchall()


def _daily_sums(scanned: list[tuple[Any, ...]]) -> dict[tuple[str, ...], float]:
    sums: dict[tuple[str, ...], Decimal] = {}
    for _, day, account, region, service, *_others, billed, _effective in scanned:
        offset = (LAST - day).days
        if offset in DAY_OFFSETS:
            key = (str(offset), account, region, service)
            sums[key] = sums.get(key, Decimal(0)) + billed
    return {key: float(amount) for key, amount in sums.items()}


def _team_sums(scanned: list[tuple[Any, ...]]) -> dict[str, Decimal]:
    """What each team has cost in the month."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for _, day, *_others, team, _currency, billed, _effective in scanned:
        if day >= MONTH:
            sums[team] += billed
    return sums


def _usage_scan(connection: Connection) -> NDArray[np.float64]:
    parameters = {"since": WINDOW.since, "until": WINDOW.until, "cut": FULL_CUT}
    found = connection.execute(USAGE.encode(), parameters).fetchall()
    places = {key: place for place, key in enumerate(sorted({row[:2] for row in found}))}
    amounts = np.full((len(places), 90), np.nan)
    for account, service, day, amount in found:
        amounts[places[account, service], (day - WINDOW.since).days] = amount
    return amounts


def _fill(store: Database, connection: Connection, series: int, days: int) -> None:
    began = time.perf_counter()
    values: dict[str, Any] = {
        "cut": FULL_CUT,
        "accounts": series // SERIES_PER_ACCOUNT,
        "first": LAST - timedelta(days=days - 1),
        "last": LAST,
    }
    for key in KEYS:
        connection.execute(f"ALTER TABLE cost_facts DROP CONSTRAINT {key}".encode())
    for statement in (*DIMENSIONS, FACTS):
        connection.execute(statement.encode(), values)
    connection.execute("ANALYZE")
    rebuild(store, NOW)
    for statement in (COVERAGE, CONTROLS):
        connection.execute(statement.encode(), values)
    for key, column in KEYS.items():
        target = "cost_series" if column == "series_id" else "cost_parts"
        connection.execute(
            f"ALTER TABLE cost_facts ADD CONSTRAINT {key} "
            f"FOREIGN KEY ({column}) REFERENCES {target}".encode()
        )
    connection.execute("VACUUM ANALYZE")
    say(f"made {series * days} facts in {time.perf_counter() - began:.0f} s")
