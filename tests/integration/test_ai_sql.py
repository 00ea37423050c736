"""Plain SQL: what operators and other applications do with the tables of AI budgets just works."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.errors import CheckViolation, InvalidParameterValue, UniqueViolation

from finops_exporter.ai_model import Admission, Refusal, Settlement
from integration.ledgers import Sums, a_check, a_ledger, a_track, budget, of_calls, sums

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finops_exporter.store.database import Connection, Database

SONNET = "claude-3-5-sonnet-20241022"


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        yield connection


def one(connection: Connection, statement: str, *values: object) -> tuple[object, ...]:
    row = connection.execute(statement.encode(), values).fetchone()
    assert row is not None
    return row


def test_budgets_of_all_tenants_are_set_by_a_statement(
    connection: Connection, database: Database
) -> None:
    connection.execute("CREATE TABLE tenants (tenant_id text)")
    connection.execute("INSERT INTO tenants VALUES ('red'), ('green'), ('red')")
    budget(database, "7", "green", model=SONNET)
    statement = f"""
        INSERT INTO ai_token_budgets (tenant_id, model, monthly_limit_usd, reset_date)
        SELECT DISTINCT tenant_id, '{SONNET}' AS model, 1000.00 AS monthly_limit_usd,
                        DATE_TRUNC('month', NOW()) + INTERVAL '1 month' AS reset_date
        FROM tenants
        ON CONFLICT (tenant_id, model) DO NOTHING"""
    assert connection.execute(statement.encode()).rowcount == 1
    assert connection.execute(statement.encode()).rowcount == 0
    found = connection.execute(
        "SELECT tenant_id, monthly_limit_usd FROM ai_budget_summary ORDER BY 1"
    ).fetchall()
    assert found == [("green", 7), ("red", 1000)]

    async def scenario() -> tuple[object, object]:
        async with a_ledger(database) as ledger:
            return (
                await ledger.check(a_check("1000", "red", SONNET)),
                await ledger.check(a_check("1000", "green", SONNET)),
            )

    admitted, refused = asyncio.run(scenario())
    assert isinstance(admitted, Admission)
    assert isinstance(refused, Refusal)


def test_the_functions_and_the_view_tell_how_budgets_stand(
    connection: Connection, database: Database
) -> None:
    budget(database, "10", timezone="Europe/Berlin")

    async def scenario() -> None:
        async with a_ledger(database) as ledger:
            check = a_check("9")
            await ledger.check(check)
            await ledger.track(a_track(check))
            await ledger.check(a_check("0.5"))
            await ledger.check(a_check("2"))

    asyncio.run(scenario())
    status = (
        "SELECT model, monthly_limit_usd, used_usd, reserved_usd, remaining_usd, usage_percent, "
        "soft_limit_reached, hard_limit_reached FROM "
    )
    wanted = ("*", Decimal(10), 9, Decimal("0.5"), Decimal("0.5"), 90, True, True)
    assert one(connection, status + "get_budget_status('acme')") == wanted
    assert one(connection, status + "ai_budget_summary") == wanted
    (resets_at,) = one(connection, "SELECT reset_date FROM get_budget_status('acme')")
    # Midnight in Berlin, winter or summer.
    assert isinstance(resets_at, datetime)
    assert resets_at.astimezone(UTC).hour in {22, 23}
    assert connection.execute("SELECT * FROM get_budget_status('nobody')").fetchall() == []
    (told,) = one(connection, "SELECT reset_monthly_budgets()")
    assert str(told).startswith("Nothing to reset")
    assert sums(database).spent == 9


INSERT = (
    "INSERT INTO ai_token_usage (request_id, tenant_id, model, input_tokens, output_tokens, "
    "cost_usd, report_type) VALUES (%s, %s, 'small', 100, 10, %s, 'quarterly-report')"
)


def test_rows_of_another_application_are_counted_once(
    connection: Connection, database: Database
) -> None:
    connection.execute(INSERT.encode(), ["r1", "acme", Decimal("0.25")])
    assert sums(database) == sums(database, model="small") == Sums(Decimal("0.25"), Decimal(0), 1)
    # The same call, told again at another time: a row more, and nothing counted.
    connection.execute(INSERT.encode(), ["r1", "acme", Decimal("0.25")])
    assert sums(database).requests == 1

    async def scenario() -> object:
        async with a_ledger(database) as ledger:
            return await ledger.track(a_track(a_check("0.7", name="r1")))

    answer = asyncio.run(scenario())
    assert isinstance(answer, Settlement)
    assert answer.cost_usd == Decimal("0.25")
    assert sums(database) == Sums(Decimal("0.25"), Decimal(0), 1)
    assert one(
        connection, "SELECT requests, tokens, cost_usd, report_type FROM ai_usage_buckets"
    ) == (
        1,
        110,
        Decimal("0.25"),
        "quarterly-report",
    )


def test_a_row_settles_the_call_that_was_asked_for(
    connection: Connection, database: Database
) -> None:
    budget(database, "1")

    async def scenario() -> None:
        async with a_ledger(database) as ledger:
            await ledger.check(a_check("0.4", name="r1"))

    asyncio.run(scenario())
    connection.execute(INSERT.encode(), ["r1", "acme", Decimal("0.3")])
    assert sums(database) == Sums(Decimal("0.3"), Decimal(0), 1)


def test_a_row_with_the_id_of_another_tenants_call_is_refused(
    connection: Connection, database: Database
) -> None:
    connection.execute(INSERT.encode(), ["r1", "acme", Decimal("0.25")])
    with pytest.raises(UniqueViolation, match="request_id 'r1' belongs to another call") as told:
        connection.execute(INSERT.encode(), ["r1", "other", Decimal("0.25")])
    assert "use UUIDs" in str(told.value.diag.message_hint)
    assert of_calls(database) == (Decimal("0.25"), Decimal(0))


def test_many_rows_are_counted_in_the_months_of_their_budgets(
    connection: Connection, database: Database
) -> None:
    budget(database, "1000", "berlin", timezone="Europe/Berlin")
    begin = datetime(2026, 10, 30, 12, tzinfo=UTC)
    statement = (
        "INSERT INTO ai_token_usage (time, tenant_id, model, cost_usd) "
        "SELECT %s + i * interval '1 minute', (ARRAY['berlin', 'other'])[1 + i %% 2], 'small', "
        "i * 0.001 FROM generate_series(0, 4999) i"
    )
    assert connection.execute(statement.encode(), [begin]).rowcount == 5000
    wanted: dict[tuple[str, date], Decimal] = {}
    for number in range(5000):
        tenant = ("berlin", "other")[number % 2]
        midnight = datetime(2026, 10, 31, 23 if tenant == "berlin" else 0, tzinfo=UTC)
        midnight += timedelta(days=0 if tenant == "berlin" else 1)
        is_october = begin + timedelta(minutes=number) < midnight
        key = (tenant, date(2026, 10, 1) if is_october else date(2026, 11, 1))
        wanted[key] = wanted.get(key, Decimal(0)) + number * Decimal("0.001")
    found = connection.execute(
        "SELECT tenant_id, period_start, spent_usd FROM budget_period WHERE model = '*'"
    ).fetchall()
    assert {(tenant, start): usd for tenant, start, usd in found} == wanted


@pytest.mark.parametrize(
    ("column", "value", "error"),
    [
        ("monthly_limit_usd", "-1", CheckViolation),
        ("monthly_limit_usd", "'NaN'", CheckViolation),
        ("monthly_limit_usd", "'Infinity'", CheckViolation),
        ("soft_limit_ratio", "0", CheckViolation),
        ("soft_limit_ratio", "1.01", CheckViolation),
        ("timezone", "'Mars/Olympus'", InvalidParameterValue),
        ("fail_mode", "'open'", CheckViolation),
        ("allowance_usd", "'NaN'", CheckViolation),
        ("tier", "'gold'", CheckViolation),
        ("tenant_id", "''", CheckViolation),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(
    connection: Connection, column: str, value: str, error: type[Exception]
) -> None:
    connection.execute(
        "INSERT INTO ai_token_budgets (tenant_id, monthly_limit_usd) VALUES ('acme', 5)"
    )
    with pytest.raises(error):
        connection.execute(f"UPDATE ai_token_budgets SET {column} = {value}".encode())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("input_tokens", "-1"),
        ("output_tokens", "1000000001"),
        ("cost_usd", "'NaN'"),
        ("model", "'*'"),
    ],
)
def test_usage_that_makes_no_sense_is_refused(
    connection: Connection, database: Database, column: str, value: str
) -> None:
    columns = {"tenant_id": "'acme'", "model": "'small'", "cost_usd": "1", column: value}
    with pytest.raises(CheckViolation):
        connection.execute(
            f"INSERT INTO ai_token_usage ({', '.join(columns)}) "
            f"VALUES ({', '.join(columns.values())})".encode()
        )
    assert sums(database) == Sums(Decimal(0), Decimal(0), 0)


def test_one_statement_with_an_id_of_two_tenants_is_refused(
    connection: Connection, database: Database
) -> None:
    statement = (
        "INSERT INTO ai_token_usage (request_id, time, tenant_id, model, cost_usd) VALUES "
        "('r1', now(), 'acme', 'small', 1), ('r1', now() + interval '1 s', 'other', 'small', 1)"
    )
    with pytest.raises(UniqueViolation, match="belongs to another call"):
        connection.execute(statement)
    assert of_calls(database) == (Decimal(0), Decimal(0))


def test_a_report_of_what_somebody_wrote_down_without_a_cost_gives_it_one(
    connection: Connection, database: Database
) -> None:
    at = datetime.now(UTC)
    connection.execute(
        "INSERT INTO ai_token_usage (request_id, time, tenant_id, model) "
        "VALUES ('r1', %s, 'acme', 'small')",
        [at],
    )

    async def scenario() -> None:
        async with a_ledger(database) as ledger:
            report = replace(a_track(a_check("0.5", name="r1")), at=at)
            assert isinstance(await ledger.track(report), Settlement)
            assert isinstance(await ledger.check(a_check("1")), Admission)

    asyncio.run(scenario())
    assert one(connection, "SELECT cost_usd, count(*) FROM ai_token_usage GROUP BY 1") == (
        Decimal("0.5"),
        1,
    )
    assert sums(database).spent == Decimal("0.5")


@pytest.fixture
def role(connection: Connection) -> Iterator[str]:
    """Somebody who may insert usage, and whatever everybody may."""
    name = f"writer_{uuid.uuid4().hex[:8]}"
    connection.execute(f"CREATE ROLE {name} LOGIN".encode())
    connection.execute(f"GRANT INSERT ON ai_token_usage TO {name}".encode())
    yield name
    connection.execute(f"DROP OWNED BY {name}".encode())
    connection.execute(f"DROP ROLE {name}".encode())


def test_who_may_only_insert_usage_is_counted_too(
    database: Database, database_url: str, role: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as theirs:
        theirs.execute(f"SET ROLE {role}".encode())
        theirs.execute("SET search_path = pg_catalog")
        theirs.execute(
            "INSERT INTO public.ai_token_usage (tenant_id, model, cost_usd) "
            "VALUES ('acme', 'small', 0.5)"
        )
    assert sums(database).spent == Decimal("0.5")


def test_nobody_else_may_have_invented_calls_counted(
    database: Database, database_url: str, role: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as theirs:
        theirs.execute(f"SET ROLE {role}".encode())
        theirs.execute("CREATE TEMPORARY TABLE invented (tenant_id text)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="ai_count_inserted"):
            theirs.execute(
                "CREATE TRIGGER counted AFTER INSERT ON invented REFERENCING NEW TABLE AS inserted"
                " FOR EACH STATEMENT EXECUTE FUNCTION ai_count_inserted()"
            )
    assert sums(database).spent == 0
