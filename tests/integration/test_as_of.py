"""The store as it was, against a second store that was never told more than that."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from exporter_families import samples
from finops_exporter.exposition.ai import AiBlock, AiSettings
from finops_exporter.exposition.families import Settings
from finops_exporter.exposition.snapshot import build
from finops_exporter.model import ControlTotal, utc_midnight
from finops_exporter.store import anomalies
from finops_exporter.store.as_of import past
from finops_exporter.store.budgets import Reached
from finops_exporter.store.database import Database
from finops_exporter.store.reads import generation
from integration.feeding import NOW, cost, swap
from integration.test_budgets import budget, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import psycopg

    from finops_exporter.exposition.metric import Family
    from finops_exporter.model import CostRow

FIRST, LAST = date(2026, 7, 28), date(2026, 11, 20)
DAY = timedelta(days=1)
SETTINGS = Settings(
    basis="billed",
    hold=timedelta(days=5),
    tags=("team",),
    lags={"bill": timedelta(0), "late": timedelta(hours=30)},
    rate=lambda currency, _on: {"USD": Decimal(1), "EUR": Decimal("1.1")}.get(currency),
    max_series=12,
)
BUDGETS = (
    budget(amount=Decimal(3000)),
    budget(name="berlin", scope="team", scope_value="data", time_zone="Europe/Berlin"),
    budget(name="gcp", scope="provider", scope_value="gcp", amount=Decimal(50), currency="EUR"),
    budget(name="year", scope="account", scope_value="111", period="yearly", amount=Decimal(9000)),
    budget(name="quarter", scope="service", scope_value="S1", period="quarterly"),
)
OF_THE_RUNS = {
    f"finops_collector_{name}"
    for name in (
        *("success", "duration_seconds", "rows"),
        *("last_success_timestamp_seconds", "last_attempt_timestamp_seconds"),
    )
}
MOMENTS = (
    "2026-07-29T00:00",  # one day is known
    "2026-08-31T22:30",  # September in Berlin
    "2026-09-01T00:00",
    "2026-09-01T07:00",  # the lag of the second source is over
    "2026-09-05T23:00",  # August is still held
    "2026-09-06T00:00",
    "2026-10-25T13:00",
    "2026-11-18T06:00",
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def bills() -> list[CostRow]:
    """A file a month of one source; all in one part of another, which knows no regions."""
    found = []
    for number in range((LAST - FIRST).days + 1):
        day = FIRST + number * DAY
        for service in range(8):
            amount = Decimal(number * 7919 % 1009 + service * 37 + 5) / 100
            tags = {"team": ("data", "web")[service % 2]} if service else {}
            found.append(
                cost(
                    str(day),
                    str(amount),
                    effective=str(amount / 2),
                    service=f"S{service}",
                    account_id=("111", "222")[service % 3 == 0],
                    tags=tags,
                    part=f"{day:%Y-%m}.csv",
                )
            )
        if number % 30 == 20:
            found.append(cost(str(day), "-17", charge_category="Credit", part=f"{day:%Y-%m}.csv"))
        if number == 70:  # something stands out, and something is new
            found.append(cost(str(day), "900", service="S1", part=f"{day:%Y-%m}.csv"))
            found.append(cost(str(day), "400", service="Brand new", part=f"{day:%Y-%m}.csv"))
    return found


def late_bills() -> list[CostRow]:
    return [
        cost(str(FIRST + number * DAY), f"{number % 5}.25", provider="gcp", currency="EUR")
        for number in range((LAST - FIRST).days + 1)
    ]


def feed(database: Database, until: date) -> None:
    """Both sources as they would have been read when the days before `until` were there."""
    covered = min(utc_midnight(until), utc_midnight(LAST + DAY))
    mine = [row for row in bills() if row.day < until]
    theirs = [row for row in late_bills() if row.day < until]
    swap(database, mine, covered_until={"aws": covered}, controls=list(totals(mine, until)))
    swap(database, theirs, source="late", covered_until={"gcp": covered})
    put(database, *BUDGETS)


def totals(rows: Iterable[CostRow], until: date) -> Iterator[ControlTotal]:
    """What the source says of months that are over: a cent more."""
    sums: dict[date, Decimal] = {}
    for row in rows:
        month = row.day.replace(day=1)
        sums[month] = sums.get(month, Decimal(0)) + row.billed
    for month, billed in sums.items():
        if month < until.replace(day=1):
            total = billed + Decimal("0.01")
            yield ControlTotal(f"{month:%Y-%m}.csv", "aws", month, "USD", total, total)


def shown(families: Sequence[Family]) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        family.metric.name: family.samples
        for family in families
        if family.metric.name not in OF_THE_RUNS
    }


@pytest.fixture
def another(create_database: Callable[[str | None], str], template: str) -> Callable[[], Database]:
    """Makes a fresh, migrated database."""

    def make() -> Database:
        made = Database(create_database(template), wait_seconds=30)
        made.open()
        return made

    return make


def test_the_past_is_what_a_store_shows_that_was_never_told_more(
    database: Database, another: Callable[[], Database]
) -> None:
    feed(database, LAST + 2 * DAY)
    before = state(database)
    seen, compared = {}, 0
    with past(database) as moments:
        for text in MOMENTS:
            moments.move(at(text))
            found = build(moments.database, SETTINGS, at(text), keep=False, choices={})
            seen[text] = shown(found.families)
    for text in MOMENTS:
        truncated = another()
        feed(truncated, at(text).date())
        expected = shown(build(truncated, SETTINGS, at(text), keep=False, choices={}).families)
        truncated.close()
        assert seen[text] == expected, text
        compared += sum(len(samples) for samples in expected.values())
    assert compared > 1_000
    held, moved = seen["2026-09-05T23:00"], seen["2026-09-06T00:00"]
    assert {key[0] for key in held["aws_cost_monthly_usd"]} == {"2026-09"}
    assert held["aws_cost_unreconciled_usd"] == {("2026-08",): pytest.approx(0.01)}
    assert "cloud_budget_closing_spent_usd" in held
    assert set(moved["aws_cost_daily_usd"]) >= {("1", "__other__", "__other__", "__other__")}
    assert state(database) == before


def state(database: Database) -> tuple[object, ...]:
    with database.connection() as connection:
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM cost_facts), (SELECT sum(billed) FROM cost_months),"
            " (SELECT count(*) FROM series_members), (SELECT count(*) FROM budget_thresholds),"
            " (SELECT count(*) FROM pg_class WHERE relname = 'past_months')"
        ).fetchall()
    return (generation(database), *counts)


def test_days_after_the_moment_and_a_day_under_way_are_not_there(database: Database) -> None:
    feed(database, LAST + 2 * DAY)
    with past(database) as moments:
        assert moments.first_day == FIRST
        moments.move(at("2026-07-28T23:59"))
        found = build(moments.database, SETTINGS, at("2026-07-28T23:59"), keep=False)
        assert found.times == ()
        moments.move(at("2026-07-29T12:00"))
        found = build(moments.database, SETTINGS, at("2026-07-29T12:00"), keep=False)
        assert samples(found, "aws_cost_today_usd") == {}


def test_whoever_may_read_the_tables_may_look_back(
    admin: psycopg.Connection, database: Database, database_url: str
) -> None:
    feed(database, LAST + 2 * DAY)
    insert_calls(database, None)
    name = f"reader_{uuid.uuid4().hex}"
    role = sql.Identifier(name)
    admin.execute(sql.SQL("CREATE ROLE {}").format(role))
    with database.connection() as connection:
        grant = sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}")
        connection.execute(grant.format(role))
    reader = Database(make_conninfo(database_url, options=f"-c role={name}"))
    reader.open()
    moment = at("2026-10-02T00:00")
    try:
        with past(reader) as moments:
            moments.move(moment)
            moments.move_ai(moment)
            assert build(moments.database, SETTINGS, moment, keep=False).budgets
            assert AiBlock(moments.database, AiSettings()).families(moment)
    finally:
        reader.close()
        with database.connection() as connection:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        admin.execute(sql.SQL("DROP ROLE {}").format(role))


def test_what_came_after_a_gap_covers_nothing_before(database: Database) -> None:
    rows = [cost("2026-09-30", "1", part="september"), cost("2026-11-10", "2", part="november")]
    parts = {"september": "2026-10-01", "november": "2026-11-11"}
    for part, until in parts.items():
        mine = [row for row in rows if row.part == part]
        swap(database, mine, covered_until={"aws": at(f"{until}T00:00")})
    with past(database) as moments:
        moments.move(at("2026-10-20T00:00"))
        found = build(moments.database, SETTINGS, at("2026-10-20T00:00"), keep=False)
    newest = samples(found, "finops_billing_data_newest_day_timestamp_seconds")
    assert newest == {("aws",): at("2026-09-30T00:00").timestamp()}


def test_what_was_reached_stays_whatever_is_credited(database: Database) -> None:
    rows = [cost("2026-10-05", "90"), cost("2026-10-06", "-60", charge_category="Credit")]
    swap(database, [cost("2026-09-30", "1"), *rows])
    put(database, budget())
    found = []
    with past(database) as moments:
        for text in ("2026-10-05T00:00", "2026-10-06T00:00", "2026-10-07T00:00"):
            moments.move(at(text))
            page = build(moments.database, SETTINGS, at(text), keep=False)
            reached = samples(page, "cloud_budget_threshold_reached")
            found.append({key[-1]: value for key, value in reached.items()})
            moments.latch(
                [
                    Reached(one.budget.name, one.current.start, percent)
                    for one in page.budgets
                    if one.current
                    for percent in one.reached
                ]
            )
    assert [one["80"] for one in found] == [0, 1, 1]
    assert [one["100"] for one in found] == [0, 0, 0]
    with database.connection() as connection:
        assert connection.execute("SELECT FROM budget_thresholds").fetchall() == []


def test_what_was_told_later_silences_nothing_before(database: Database) -> None:
    feed(database, LAST + 2 * DAY)
    spike = FIRST + 70 * DAY
    noon = utc_midnight(spike + DAY) + timedelta(hours=12)
    build(database, SETTINGS, utc_midnight(spike + DAY))  # found, and written down
    (one, *_) = [one for one in anomalies.listed(database) if one.service == "S1"]
    decided = {"status": "false_positive", "note": "sale", "who": "me"}
    anomalies.decide(database, [one.anomaly_id], **decided, now=noon)  # type: ignore[arg-type]

    def score(moment: datetime) -> float:
        with past(database) as moments:
            moments.move(moment)
            page = build(moments.database, SETTINGS, moment, keep=False)
            return samples(page, "finops_cost_anomaly_score").get(("aws", "111", "S1"), 0)

    assert score(noon - DAY / 2) > 4
    assert score(noon) < 4


def test_ai_budgets_are_what_a_ledger_shows_that_was_never_told_more(
    database: Database, another: Callable[[], Database]
) -> None:
    insert_calls(database, None)
    settings = AiSettings(max_tenants=3, max_series=16)
    moments = [at(text) for text in AI_MOMENTS]
    seen = {}
    with past(database) as history:
        assert history.first_call == at("2026-09-20T00:11")
        block = AiBlock(history.database, settings)
        for moment in moments:
            history.move_ai(moment)
            seen[moment] = shown(block.all_families(moment))
    for moment in moments:
        truncated = another()
        insert_calls(truncated, moment)
        expected = shown(AiBlock(truncated, settings).all_families(moment))
        truncated.close()
        assert seen[moment] == expected, moment
    used = seen[at("2026-10-01T00:00")]["ai_budget_used_usd"]
    # In Berlin October began two hours ago, in New York it is still September.
    assert 0 < used["tenant-0", "*"] < 2 < used["tenant-1", "*"]
    assert "__other__" in {key[1] for key in seen[moments[-1]]["ai_budget_tokens"]}


AI_MOMENTS = ("2026-09-20T01:00", "2026-09-30T21:00", "2026-10-01T00:00", "2026-10-04T07:00")


def insert_calls(database: Database, until: datetime | None) -> None:
    """Calls of four tenants at odd minutes, before `until`, as another application writes them."""
    rows = []
    for number in range(900):
        time = at("2026-09-20T00:11") + number * timedelta(minutes=23)
        if until is None or time < until:
            rows.append(
                (
                    f"call-{number}",
                    time,
                    f"tenant-{number % 4}",
                    f"model-{number % 3}",
                    number,
                    number % 7,
                    Decimal(number) / 1000,
                    ("", "weekly", "daily")[number % 5 % 3],
                )
            )
    with database.connection() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ai_token_budgets (tenant_id, model, monthly_limit_usd, timezone) VALUES"
            " ('tenant-0', '*', 100, 'Europe/Berlin'), ('tenant-1', '*', 50, 'America/New_York'),"
            " ('tenant-1', 'model-2', 20, 'Asia/Tokyo'), ('tenant-9', '*', 5, 'UTC')"
        )
        cursor.executemany(
            "INSERT INTO ai_token_usage (request_id, time, tenant_id, model, input_tokens,"
            " cache_write_1h_tokens, cost_usd, report_type)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            rows,
        )


def test_calls_that_nobody_reported_count_when_they_were_charged(database: Database) -> None:
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO ai_reservations (request_id, tenant_id, model, tenant_period,"
            " model_period, state, reserved_usd, charged_usd, admitted_at, ended_at) VALUES"
            " ('lost', 'acme', 'm', '2026-11-01', '2026-11-01', 'X', 3, 3, %(then)s, %(later)s),"
            " ('open', 'acme', 'm', '2026-11-01', '2026-11-01', 'R', 7, NULL, %(then)s, NULL)",
            {"then": NOW, "later": NOW + timedelta(minutes=10)},
        )
    used = []
    with past(database) as history:
        block = AiBlock(history.database, AiSettings())
        for hours in (0, 1):
            moment = NOW + timedelta(hours=hours)
            history.move_ai(moment)
            page = shown(block.families(moment))
            used.append(page.get("ai_budget_total_used_usd"))
    assert used == [None, {(): 3}]
