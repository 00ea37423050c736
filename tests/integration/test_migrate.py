from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from finops_exporter.errors import StoreError
from finops_exporter.store.database import Database, rows
from finops_exporter.store.migrate import Migration, migrate, migrations, pending

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url, wait_seconds=30)
    database.open()
    try:
        yield database
    finally:
        database.close()


def test_from_empty_and_a_second_time(empty_url: str) -> None:
    with opened(empty_url) as database:
        assert pending(database) == list(migrations())
        assert migrate(database) == list(migrations())
        assert pending(database) == []
        assert migrate(database) == []


def test_from_an_older_schema_with_rows_in_it(empty_url: str) -> None:
    with opened(empty_url) as database:
        migrate(database, migrations()[:1])
        with database.connection() as connection:
            connection.execute(
                "INSERT INTO cost_groups (cut, provider, account_id, service, charge_category,"
                " currency) VALUES ('c', 'aws', '1', 'S3', 'Usage', 'USD')"
            )
        assert [migration.version for migration in migrate(database)] == [
            migration.version for migration in migrations()[1:]
        ]
        with database.connection() as connection:
            assert rows(connection, "stored_currencies") == [("aws", "USD")]


def test_two_at_once_apply_each_migration_once(empty_url: str) -> None:
    applied: list[int] = []
    failures: list[BaseException] = []
    barrier = threading.Barrier(2)

    def go() -> None:
        try:
            with opened(empty_url) as database:
                barrier.wait()
                applied.extend(migration.version for migration in migrate(database))
        except BaseException as error:  # noqa: BLE001 -- reported by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sorted(applied) == [migration.version for migration in migrations()]


def test_an_edited_migration_is_named(empty_url: str) -> None:
    first, *rest = migrations()
    with opened(empty_url) as database:
        migrate(database)
        edited = [replace(first, text=first.text + "\n-- edited"), *rest]
        with pytest.raises(StoreError, match=r"0001_costs\.sql was applied with another content"):
            migrate(database, edited)


def test_a_newer_schema_is_refused(empty_url: str) -> None:
    with opened(empty_url) as database:
        migrate(database)
        with pytest.raises(StoreError, match=r"newer finops-exporter; upgrade this one"):
            migrate(database, migrations()[:1])


def test_a_failing_migration_leaves_nothing_of_itself(empty_url: str) -> None:
    broken = Migration(1, "0001_broken.sql", "CREATE TABLE half_done (); SELECT nonsense;")
    with opened(empty_url) as database:
        with pytest.raises(StoreError, match="nonsense"):
            migrate(database, [broken])
        with database.connection() as connection:
            row = connection.execute("SELECT to_regclass('half_done')").fetchone()
            assert row == (None,)
            assert rows(connection, "applied_migrations") == []
        assert migrate(database) == list(migrations())


def test_facts_are_a_hypertable_exactly_where_timescale_is(database: Database) -> None:
    with database.connection() as connection:
        extension = connection.execute(
            "SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'"
        ).fetchone()
        assert extension == (1 if os.environ.get("FINOPS_TEST_TIMESCALE") else 0,)
        if extension == (1,):
            chunked = connection.execute(
                "SELECT hypertable_name FROM timescaledb_information.hypertables"
            ).fetchall()
            assert chunked == [("cost_facts",)]


def test_an_unreachable_server_is_named_without_its_password() -> None:
    with (
        opened_quickly("postgresql://someone:hunter2@127.0.0.1:1/finops") as database,
        pytest.raises(StoreError) as caught,
    ):
        pending(database)
    assert "127.0.0.1:1/finops" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@contextmanager
def opened_quickly(url: str) -> Iterator[Database]:
    database = Database(url, wait_seconds=0.5)
    database.open()
    try:
        yield database
    finally:
        database.close()
