from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from finops_exporter.doctor import installation
from finops_exporter.store.checks import Ahead, Privileges, Server, our_tables
from finops_exporter.store.migrate import migrations

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
WELL = Server(
    version=170002,
    version_text="17.2",
    timescale="2.17.0",
    encoding="UTF8",
    size="12 MB",
    is_standby=False,
    is_read_only=False,
    statement_timeout=0,
    connections=97,
    others=10,
    role="finops",
    database="bills",
)
TABLES = our_tables()
MAY_ALL = Privileges(
    schema="public",
    role="finops",
    database="bills",
    temporary=True,
    usage=True,
    create=False,
    reads_migrations=True,
    lacking=dict.fromkeys(TABLES, ()),
)
CALM = Ahead(0, 0, None, 41, NOW)


def server(**changes: Any) -> list[tuple[str, str, str | None]]:
    found = installation.server(WELL._replace(**changes), 4)
    return [(one.level, one.message, one.remedy) for one in found]


def test_a_good_configuration_names_its_sources() -> None:
    (one,) = installation.configuration(["bill", "aws"], [], [])
    assert (one.level, one.message) == ("ok", "sources: bill, aws")
    (one,) = installation.configuration([], [], [])
    assert one.message == "sources: none"


def test_mistakes_are_problems_and_come_first() -> None:
    found = installation.configuration(["bill"], ["hardly meant"], ["wrong", "not installed"])
    assert [(one.level, one.message) for one in found] == [
        ("problem", "wrong"),
        ("problem", "not installed"),
        ("warning", "hardly meant"),
    ]
    assert all(one.remedy for one in found)


def test_a_good_server_is_described() -> None:
    ((level, message, remedy),) = server()
    assert (level, remedy) == ("ok", None)
    assert message == (
        "PostgreSQL 17.2, TimescaleDB 2.17.0; bills holds 12 MB; 87 connections free for us; "
        "sessions run in UTC"
    )
    assert "without TimescaleDB" in server(timescale=None)[0][1]


@pytest.mark.parametrize(
    ("changes", "level", "message", "remedy"),
    [
        (
            {"version": 130018, "version_text": "13.18"},
            "problem",
            "runs PostgreSQL 13.18",
            "upgrade it to PostgreSQL 14",
        ),
        ({"encoding": "SQL_ASCII"}, "problem", "encoded in SQL_ASCII", "ENCODING 'UTF8'"),
        ({"is_standby": True, "is_read_only": True}, "problem", "standby", "read-write"),
        (
            {"is_read_only": True},
            "problem",
            "read-only by default",
            "ALTER ROLE finops IN DATABASE bills SET default_transaction_read_only = off;",
        ),
        (
            {"statement_timeout": 30_000},
            "warning",
            "statement_timeout is 30 s",
            "ALTER ROLE finops IN DATABASE bills SET statement_timeout = 0;",
        ),
        ({"connections": 3, "others": 0}, "problem", "may have 3", "pool_size to 3 or less"),
        ({"others": 94}, "warning", "94 of 97", "lower database.pool_size"),
    ],
)
def test_what_is_wrong_with_a_server(
    changes: dict[str, Any], level: str, message: str, remedy: str
) -> None:
    ((found_level, found_message, found_remedy),) = server(**changes)
    assert found_level == level
    assert message in found_message
    assert remedy in str(found_remedy)


def applied() -> dict[int, tuple[str, str]]:
    return {one.version: (one.name, one.checksum) for one in migrations()}


def test_each_difference_of_the_schema_has_its_remedy() -> None:
    assert [one.level for one in installation.migrations(applied(), migrations())] == ["ok"]
    newer = applied() | {99: ("0099_later.sql", "x")}
    (one,) = installation.migrations(newer, migrations())
    assert "upgrade" in str(one.remedy)
    first = migrations()[0]
    (one,) = installation.migrations(applied(), [replace(first, text="-"), *migrations()[1:]])
    assert first.checksum[:12] in one.message
    older = {version: known for version, known in applied().items() if version == 1}
    (one,) = installation.migrations(older, migrations())
    assert one.remedy == "finops-exporter migrate"


def test_our_tables_are_those_that_the_migrations_leave() -> None:
    assert {"schema_migrations", "cost_facts", "source_runs", "api_spending"} <= set(TABLES)
    assert "cloud_costs" not in TABLES  # a view


def permissions(*, is_complete: bool = True, **changes: Any) -> dict[str, str | None]:
    found = installation.permissions(MAY_ALL._replace(**changes), TABLES, is_complete=is_complete)
    return {one.message: one.remedy for one in found if one.level == "problem"}


def test_create_is_needed_only_while_something_has_to_be_made() -> None:
    assert permissions() == {}
    assert permissions(is_complete=False) == {
        "finops lacks CREATE on the schema public": "GRANT CREATE ON SCHEMA public TO finops;"
    }
    assert permissions(is_complete=False, usage=False) == {
        "finops lacks USAGE and CREATE on the schema public": (
            "GRANT USAGE, CREATE ON SCHEMA public TO finops;"
        )
    }


def test_tables_that_lack_the_same_are_one_grant() -> None:
    lacking = {**MAY_ALL.lacking, "cost_days": ("UPDATE",), "cost_facts": ("UPDATE",)}
    assert permissions(lacking=lacking | {"cost_parts": ("DELETE",)}) == {
        "finops may not UPDATE cost_days, cost_facts": (
            "GRANT UPDATE ON public.cost_days, public.cost_facts TO finops;"
        ),
        "finops may not DELETE cost_parts": "GRANT DELETE ON public.cost_parts TO finops;",
    }


def test_a_table_that_is_gone_is_missed_only_where_it_was_made() -> None:
    left = {table: () for table in TABLES if table != "cost_days"}
    assert list(permissions(lacking=left)) == [
        "tables are missing although their migrations are applied: cost_days"
    ]
    assert permissions(lacking=left, create=True, is_complete=False) == {}


def test_no_schema_at_all() -> None:
    (one,) = installation.permissions(None, TABLES, is_complete=False)
    assert one.remedy == "CREATE SCHEMA public;"


@pytest.mark.parametrize(
    ("seconds", "level"),
    [(0, "ok"), (5, "ok"), (-5, "ok"), (6, "warning"), (-60, "warning"), (61, "problem")],
)
def test_how_far_clocks_may_be_apart(seconds: int, level: str) -> None:
    (one,) = installation.clock(NOW + timedelta(seconds=seconds), NOW, CALM)
    assert one.level == level


def test_what_lies_in_the_future_is_counted() -> None:
    ahead = CALM._replace(runs=2, days=3, newest_day=date(2027, 1, 1))
    found = [one.message for one in installation.clock(NOW, NOW, ahead)]
    assert found == [
        "2 runs began in the future, by our clock",
        "3 stored days lie in the future, up to 2027-01-01",
    ]
