"""Watching real servers: the counter is the log's position, and what is not known is absent."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.request import urlopen

import psycopg
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from pydantic import SecretStr
from structlog.testing import capture_logs

from finops_exporter.errors import StoreError
from finops_exporter.exposition.catalogue import WAL_BYTES
from finops_exporter.postgres_config import WatchedDatabase
from finops_exporter.store.wal import connected, position
from finops_exporter.wal import WalMeter, Watch, watching
from integration.processes import as_url, configure, free_port, invoke, started, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from finops_exporter.store.database import Connection, Database

TEN_SECONDS = timedelta(seconds=10)
MIB = 2**20


def end_of_log(url: str) -> int:
    """The server's own words: X/Y is X times 2^32 plus Y, both in hexadecimal."""
    with psycopg.connect(url, autocommit=True) as connection:
        ((text,),) = connection.execute("SELECT pg_current_wal_lsn()::text")
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def write(url: str, size: int) -> None:
    """Make the server write `size` bytes of log at least."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_logical_emit_message(true, 'test', repeat('x', %s))", [size])


def shown(registry: CollectorRegistry, name: str) -> float | None:
    return registry.get_sample_value("finops_postgres_wal_bytes_total", {"database": name})


def watch(url: str) -> Watch:
    config = WatchedDatabase(name="shop", url=SecretStr(as_url(url)))
    return Watch(config, lambda: connected(url, TEN_SECONDS))


def test_the_counter_grows_by_what_is_written(database_url: str) -> None:
    # Other tests may write to the same server meanwhile.
    one = watch(database_url)
    seen = []
    for _ in range(2):
        least = end_of_log(database_url)
        one.look()
        assert one.written is not None
        assert least <= one.written <= end_of_log(database_url)
        seen.append(one.written)
        write(database_url, 3 * MIB)
    assert seen[1] - seen[0] >= 3 * MIB


def test_a_role_without_any_right_may_ask(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE pg_signal_backend")  # is no superuser, and monitors nothing
        found = position(connection, TEN_SECONDS)
    assert found.written > 0
    assert found.timeline >= 1


def test_a_database_that_is_away_is_absent_and_told_once(database_url: str) -> None:
    url = [f"postgresql://watcher:hunter2@127.0.0.1:{free_port()}/shop"]

    @contextmanager
    def connect() -> Iterator[Connection]:
        with connected(url[0], TEN_SECONDS) as connection:
            yield connection

    one = Watch(WatchedDatabase(name="shop"), connect)
    registry = CollectorRegistry()
    registry.register(WalMeter([one]))
    with capture_logs() as told:
        one.look()
        one.look()
        assert shown(registry, "shop") is None
        assert b"wal" not in generate_latest(registry)
        url[0] = database_url
        one.look()
        one.look()
    assert [(line["event"], line["log_level"]) for line in told] == [
        ("a log cannot be read", "warning"),
        ("a log can be read again", "info"),
    ]
    assert "refused" in told[0]["error"]
    assert "hunter2" not in str(told)
    assert one.written is not None
    assert shown(registry, "shop") == one.written
    url[0] = f"postgresql://127.0.0.1:{free_port()}/shop"
    with capture_logs():
        one.look()
    assert shown(registry, "shop") is None


@pytest.mark.parametrize("rest", ["?colour=red", "/%zz"])
def test_a_url_that_cannot_be_read_is_told_without_its_password(rest: str) -> None:
    url = f"postgresql://watcher:hunter2@shop{rest}"
    one = Watch(WatchedDatabase(name="shop"), lambda: connected(url, TEN_SECONDS))
    with capture_logs() as told:
        one.look()
    assert [line["error"].split(" (")[0] for line in told] == ["its url cannot be read"]
    assert "hunter2" not in str(told)


def test_a_server_that_takes_too_long_is_given_up(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA slow")
        connection.execute(
            "CREATE FUNCTION slow.pg_is_in_recovery() RETURNS boolean LANGUAGE sql "
            "AS 'SELECT pg_sleep(60) IS NULL'"
        )
        connection.execute("SET search_path = slow, pg_catalog")
        with pytest.raises(psycopg.errors.QueryCanceled):
            position(connection, timedelta(milliseconds=50))


def test_a_standby_that_has_received_nothing_says_so(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA standby")
        connection.execute(
            "CREATE FUNCTION standby.pg_is_in_recovery() RETURNS boolean LANGUAGE sql "
            "AS 'SELECT true'"
        )
        connection.execute("SET search_path = standby, pg_catalog")
        with pytest.raises(StoreError, match="a standby that has received nothing yet"):
            position(connection, TEN_SECONDS)


def test_a_server_that_hangs_holds_up_nobody(database: Database, database_url: str) -> None:
    registry = CollectorRegistry()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hung = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/shop"
        configured = [
            WatchedDatabase(name="hung", url=SecretStr(hung), timeout=timedelta(minutes=5)),
            WatchedDatabase(name="own"),
            WatchedDatabase(name="other", url=SecretStr(as_url(database_url))),
        ]
        with watching(configured, database, registry):
            until(lambda: shown(registry, "own"), "our own server answers", 30)
            until(lambda: shown(registry, "other"), "the other server answers", 30)
            assert shown(registry, "hung") is None
            sample = b'finops_postgres_wal_bytes_total{database="own"} '
            assert sample in generate_latest(registry)
            assert sample in openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]  # the library has no types here
    assert list(registry.collect()) == []


def test_what_is_shown_is_what_the_catalogue_says(database_url: str) -> None:
    one = watch(database_url)
    one.look()
    (family,) = WalMeter([one]).collect()
    assert (f"{family.name}_total", family.documentation) == (WAL_BYTES.name, WAL_BYTES.help)
    assert family.type == WAL_BYTES.kind
    assert tuple(family.samples[0].labels) == WAL_BYTES.labels


def test_a_mistake_of_ours_does_not_end_the_watch(database_url: str) -> None:
    stop, asked = threading.Event(), []

    @contextmanager
    def connect() -> Iterator[Connection]:
        asked.append(1)
        if len(asked) == 1:
            raise ZeroDivisionError
        stop.set()
        with connected(database_url, TEN_SECONDS) as connection:
            yield connection

    quick = WatchedDatabase.model_construct(name="shop", interval=timedelta(0), timeout=TEN_SECONDS)
    one = Watch(quick, connect)
    with capture_logs() as told:
        one.run(stop)
    assert [line["event"] for line in told] == ["a log could not be looked at"]
    assert one.written is not None


def test_check_config_lists_what_is_watched_and_asks_nobody(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "postgres:\n"
        "  - {name: finops}\n"
        "  - {name: shop, url: 'postgresql://watcher:hunter2@127.0.0.1:1/shop', interval: 5m}\n"
    )
    result = invoke("check-config", "--config", file)
    assert result.exit_code == 0
    assert "postgres: finops is asked every 1m\n" in result.output
    assert "postgres: shop is asked every 5m\n" in result.output
    assert "hunter2" not in result.output


def test_serve_shows_what_is_watched(database_url: str, tmp_path: Path) -> None:
    watched = [{"name": "finops"}, {"name": "shop", "url": as_url(database_url)}]
    config = configure(tmp_path, as_url(database_url), server={"refresh": "1s"}, postgres=watched)
    least, port = end_of_log(database_url), free_port()
    with started(
        "serve",
        "--only",
        "metrics",
        "--config",
        config,
        "--web.listen-address",
        f"127.0.0.1:{port}",
    ):

        def counters() -> dict[str, str] | None:
            with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                found = re.findall(
                    r'^finops_postgres_wal_bytes_total{database="(\w+)"} (.+)$',
                    answer.read().decode(),
                    re.MULTILINE,
                )
                return dict(found) if len(found) == len(watched) else None
            return None

        found = until(counters, "both are shown", 30)
    assert set(found) == {"finops", "shop"}
    for text in found.values():
        assert least <= float(text) <= end_of_log(database_url)
