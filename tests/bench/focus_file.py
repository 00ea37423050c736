"""A FOCUS file in Parquet, made by DuckDB from a seed, and what its groups exactly add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

SEED = 20_261_116
ROWS_A_GROUP = 4.35

# A charge belongs to a place, which fixes all that the groups go by; the hour is folded. In the
# file amounts are doubles and tags a map, as in AWS' data exports; here they are whole
# micro-dollars: what the groups add up to exactly is known without reading the file.
ANY = "CREATE MACRO any_of(what, salt, n) AS (hash(what, {seed}, salt) % n)::BIGINT"
CHARGES = """
CREATE TABLE charges AS
SELECT DATE '2026-09-01' + (place % 30)::INTEGER AS day,
       any_of(number, 1, 24) AS hour,
       (100000000000 + place // 30 % 40)::VARCHAR AS account,
       'Amazon Service ' || any_of(place, 2, 60) AS service,
       'eu-central-' || any_of(place, 3, 8) AS region,
       (['Usage', 'Usage', 'Usage', 'Tax', 'Credit'])[1 + any_of(place, 4, 5)] AS category,
       'team ' || any_of(place, 5, 25) AS team,
       (['production', 'staging', 'test'])[1 + any_of(place, 6, 3)] AS environment,
       any_of(number, 7, 2000000) - 100000 AS billed,
       any_of(number, 8, 2000000) - 100000 AS effective
FROM (SELECT number, any_of(number, 0, {places}) AS place FROM range({rows}) AS r(number))
"""
FILE = """
COPY (
    SELECT billed / 1e6 AS BilledCost, effective / 1e6 AS EffectiveCost,
           day + to_hours(hour) AS ChargePeriodStart, day + to_hours(hour + 1) AS ChargePeriodEnd,
           category AS ChargeCategory, 'AWS' AS ProviderName, 'USD' AS BillingCurrency,
           account AS SubAccountId, 'Account ' || account AS SubAccountName,
           '999999999999' AS BillingAccountId, service AS ServiceName, region AS RegionId,
           'i-' || hash(account, service, hour) AS ResourceId,
           MAP {{'team': team, 'environment': environment, 'cost-center': account}} AS Tags
    FROM charges
) TO '{path}' (FORMAT parquet)
"""
GROUPS = """
COPY (
    SELECT strftime(day, '%Y-%m-%d') AS day, account, service, region, category, team, environment,
           sum(billed)::BIGINT AS billed, sum(effective)::BIGINT AS effective
    FROM charges GROUP BY ALL
) TO '{path}' (FORMAT csv, HEADER false)
"""


DIFFERING = """
SELECT count(*) FROM read_csv('{expected}', header = false, all_varchar = true) AS e({columns})
FULL JOIN read_csv('{found}', header = false, all_varchar = true) AS f({columns})
USING (day, account, service, region, category, team, environment)
WHERE coalesce(abs(e.billed::DECIMAL(38, 12) / 1000000 - f.billed::DECIMAL(38, 12)), 1) > {within}
   OR coalesce(abs(e.effective::DECIMAL(38, 12) / 1000000 - f.effective::DECIMAL(38, 12)), 1)
      > {within}
"""
COLUMNS = "day, account, service, region, category, team, environment, billed, effective"


def write(rows: int, file: Path, groups: Path) -> None:
    """Write `file` (Parquet) with so many rows, and the exact groups in micro-dollars (CSV)."""
    with duckdb.connect() as database:
        database.execute(ANY.format(seed=SEED))
        database.execute(CHARGES.format(places=int(rows / ROWS_A_GROUP), rows=rows))
        database.execute(FILE.format(path=file))
        database.execute(GROUPS.format(path=groups))


def differing(groups: Path, found: Path, within: str) -> int:
    """How many groups only one of the two has, or whose sums differ by more than `within` dollars.

    `found` is like `groups`, but with amounts in dollars.
    """
    with duckdb.connect() as database:
        statement = DIFFERING.format(expected=groups, found=found, within=within, columns=COLUMNS)
        (count,) = database.execute(statement).fetchall()[0]
        return int(count)
