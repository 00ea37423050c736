"""Month to date: our read of the month rollup, and the same question put to the facts."""

from __future__ import annotations

import time
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from finops_exporter.model import FULL_CUT
from finops_exporter.store.reads import Cost, snapshot_reader

from .harness import Job, Row, bar, interleaved, say
from .postgres import database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finops_exporter.store.database import Connection

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
ROLLUP = """
INSERT INTO cost_months (month, series_id, billed, effective, facts)
SELECT date_trunc('month', day)::date, series_id, sum(billed), sum(effective), count(*)
FROM cost_facts GROUP BY 1, 2"""
PART_MONTHS = """
INSERT INTO cost_part_months (part_id, provider, month, currency, cut, billed, effective, facts)
SELECT part_id, 'aws', month, 'USD', %(cut)s, sum(billed), sum(effective), sum(facts)
FROM cost_months, cost_parts GROUP BY 1, 3"""

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


def rows(*, quick: bool) -> Iterator[Row]:
    """Both sides give the same rows to Python, exact decimals included."""
    series, days = (25_000, 40) if quick else (25_000, 400)
    name = f"month to date, {series} series x {days} days"
    say(name)
    with database() as store, store.connection() as connection:
        _fill(connection, series, days)
        with snapshot_reader(store) as reader:
            if sorted(reader.monthly([("aws", MONTH)])) != sorted(_scan(connection)):
                raise AssertionError("the rollup and the scan differ")
            seconds = interleaved(
                {
                    "scan": Job(lambda: _scan(connection)),
                    "ours": Job(lambda: reader.monthly([("aws", MONTH)])),
                },
                rounds=7 if quick else 11,
                limit=30,
            )
    yield Row(
        name, "GROUP BY over the facts", seconds["scan"], seconds["ours"], bar(6, quick=quick)
    )


def _scan(connection: Connection) -> list[Cost]:
    found = connection.execute(SCAN.encode(), {"month": MONTH, "cut": FULL_CUT}).fetchall()
    return [Cost(row[0], row[1], tuple(row[2:5]), *row[5:]) for row in found]


def _fill(connection: Connection, series: int, days: int) -> None:
    began = time.perf_counter()
    values: dict[str, Any] = {
        "cut": FULL_CUT,
        "accounts": series // SERIES_PER_ACCOUNT,
        "first": LAST - timedelta(days=days - 1),
        "last": LAST,
    }
    for key in KEYS:
        connection.execute(f"ALTER TABLE cost_facts DROP CONSTRAINT {key}".encode())
    for statement in (*DIMENSIONS, FACTS, ROLLUP, PART_MONTHS):
        connection.execute(statement.encode(), values)
    for key, column in KEYS.items():
        target = "cost_series" if column == "series_id" else "cost_parts"
        connection.execute(
            f"ALTER TABLE cost_facts ADD CONSTRAINT {key} "
            f"FOREIGN KEY ({column}) REFERENCES {target}".encode()
        )
    connection.execute("VACUUM ANALYZE")
    say(f"made {series * days} facts in {time.perf_counter() - began:.0f} s")
