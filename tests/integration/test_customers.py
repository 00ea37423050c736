"""Counting customers: of numbers, of a database and of Prometheus; what fails is told and kept."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from exporter_families import samples
from finops_exporter.customer_config import Customers
from finops_exporter.customers import RETRY, count
from finops_exporter.errors import StoreError
from finops_exporter.exposition.families import Settings
from finops_exporter.exposition.snapshot import build
from finops_exporter.model import Window
from finops_exporter.store import customers
from integration.feeding import NOW
from integration.processes import as_url, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finops_exporter.store.database import Database

SETTINGS = Settings(
    "billed", timedelta(days=5), (), {}, lambda _currency, _on: None, counts_customers=True
)
ACTIVE = """
    SELECT count(DISTINCT customer) FROM visits
    WHERE day >= %(since)s AND day < %(until)s AND page LIKE '/shop%%'
"""


def shown(database: Database, now: datetime = NOW) -> tuple[dict[str, float], float | None]:
    """The numbers by window, and whether counting succeeded."""
    snapshot = build(database, SETTINGS, now)
    found = samples(snapshot, "finops_customers")
    success = samples(snapshot, "finops_customers_success").get(())
    return {key[0]: number for key, number in found.items()}, success


@pytest.fixture
def crm(empty_url: str) -> str:
    """A database of the user's: visits of the last 60 days and of those before."""
    visits = [
        ("2026-11-20", "a", "/shop"),
        ("2026-11-20", "a", "/shop/cart"),
        ("2026-10-22", "b", "/shop"),
        ("2026-11-21", "today", "/shop"),
        ("2026-11-01", "c", "/about"),
        ("2026-10-21", "a", "/shop"),
        ("2026-09-22", "d", "/shop"),
        ("2026-09-22", "e", "/shop"),
        ("2026-09-21", "f", "/shop"),
    ]
    with psycopg.connect(empty_url) as connection:
        connection.execute("CREATE TABLE visits (day date, customer text, page text)")
        connection.cursor().executemany("INSERT INTO visits VALUES (%s, %s, %s)", visits)
    return as_url(empty_url)


def asked(url: str, statement: str = ACTIVE) -> Customers:
    return Customers(database_url=SecretStr(url), sql=statement)


def test_numbers_are_taken_as_they_stand(database: Database) -> None:
    config = Customers(current=Decimal(1250))
    assert count(database, config, NOW) == timedelta(hours=6)
    assert shown(database) == ({"current": 1250}, 1)
    count(database, Customers(current=Decimal(1300), previous=Decimal(1200)), NOW)
    assert shown(database) == ({"current": 1300, "previous": 1200}, 1)


def test_a_database_is_asked_for_both_windows(database: Database, crm: str) -> None:
    assert count(database, asked(crm), NOW) == timedelta(hours=6)
    # 22 October to 20 November: a and b; 22 September to 21 October: a, d and e.
    assert shown(database) == ({"current": 2, "previous": 3}, 1)


def test_what_was_asked_is_not_asked_again_before_it_is_due(database: Database, crm: str) -> None:
    count(database, asked(crm), NOW)
    with psycopg.connect(crm) as connection:
        connection.execute("DELETE FROM visits")
    # Another process, an hour later: five hours are left.
    assert count(database, asked(crm), NOW + timedelta(hours=1)) == timedelta(hours=5)
    assert shown(database)[0] == {"current": 2, "previous": 3}
    count(database, asked(crm), NOW + timedelta(hours=6))
    assert shown(database)[0] == {"current": 0, "previous": 0}


def test_a_failure_keeps_what_is_known_until_it_is_old(database: Database, crm: str) -> None:
    count(database, asked(crm), NOW)
    later = NOW + timedelta(hours=6)
    assert count(database, asked(crm, "SELECT customers FROM nowhere"), later) == RETRY
    assert shown(database, later) == ({"current": 2, "previous": 3}, 0)
    assert shown(database, datetime(2026, 11, 28, 23, tzinfo=UTC))[0] != {}
    assert shown(database, datetime(2026, 11, 29, tzinfo=UTC)) == ({}, 0)
    count(database, asked(crm), later + RETRY)
    assert shown(database, later) == ({"current": 2, "previous": 3}, 1)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SELECT 1 WHERE false", "sql must give one row with one number"),
        ("SELECT 1 UNION SELECT 2", "sql must give one row with one number"),
        ("SELECT 1, 2", "sql must give one row with one number"),
        ("SELECT NULL", "must be counted with a number from 0, not None"),
        ("SELECT -1", "must be counted with a number from 0, not -1"),
        ("SELECT 'NaN'::numeric", "must be counted with a number from 0"),
        ("SELECT 'many'", "must be counted with a number from 0, not 'many'"),
        ("SELECT true", "must be counted with a number from 0, not True"),
        ("DELETE FROM visits RETURNING 1", "read-only transaction"),
    ],
)
def test_a_wrong_answer_is_no_number(
    database: Database, crm: str, statement: str, words: str
) -> None:
    assert count(database, asked(crm, statement), NOW) == RETRY
    assert shown(database) == ({}, 0)
    with database.connection() as connection:
        errors = {one.error for one in customers.counts(connection)}
    assert words in str(errors)
    with psycopg.connect(crm) as connection:
        assert connection.execute("SELECT count(*) FROM visits").fetchone() == (9,)


def test_a_question_that_takes_too_long_ends(crm: str) -> None:
    november = Window(date(2026, 11, 1), date(2026, 12, 1))
    with pytest.raises(StoreError, match="statement timeout"):
        customers.ask(crm, "SELECT pg_sleep(60)", november, timedelta(milliseconds=50))


@pytest.mark.parametrize("url", ["postgresql://me:hunter2@h/%zz", "postgresql://me:hunter2@h?no=1"])
def test_no_message_holds_a_password(url: str) -> None:
    november = Window(date(2026, 11, 1), date(2026, 12, 1))
    with pytest.raises(StoreError) as caught:
        customers.ask(url, "SELECT 1", november, timedelta(seconds=1))
    assert "hunter2" not in str(caught.value)


class Double(ThreadingHTTPServer):
    """Answers as Prometheus' API does, and remembers what it was asked."""

    def __init__(self, *answers: object) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.asked: list[dict[str, list[str]]] = []


class Handler(BaseHTTPRequestHandler):
    server: Double

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        assert target.path == "/prefix/api/v1/query"
        self.server.asked.append(parse_qs(target.query))
        body = json.dumps(self.server.answers.pop(0)).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def prometheus(*answers: object) -> Iterator[tuple[Double, Customers]]:
    with Double(*answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/prefix/"
        try:
            yield server, Customers(prometheus=url, query='sum(active{kind="paid"})')
        finally:
            server.shutdown()
            thread.join()


def vector(*values: str) -> dict[str, object]:
    result = [{"metric": {}, "value": [1.0, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def test_prometheus_is_asked_at_the_end_of_each_window(database: Database) -> None:
    scalar = {"status": "success", "data": {"resultType": "scalar", "result": [1.0, "40"]}}
    with prometheus(vector("42.5"), scalar) as (server, config):
        assert count(database, config, NOW) == timedelta(hours=6)
    assert shown(database) == ({"current": 42.5, "previous": 40}, 1)
    assert [one["query"] for one in server.asked] == [['sum(active{kind="paid"})']] * 2
    ends = [datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 10, 22, tzinfo=UTC)]
    assert [float(one["time"][0]) for one in server.asked] == [end.timestamp() for end in ends]


HALF = {"data": {"resultType": "vector", "result": [{"value": [0]}]}}


@pytest.mark.parametrize(
    "answer", [vector(), vector("1", "2"), vector("NaN"), {"status": "error"}, HALF, [], "x"]
)
def test_what_prometheus_does_not_say_is_not_known(database: Database, answer: object) -> None:
    with prometheus(answer) as (_, config):
        assert count(database, config, NOW) == RETRY
    assert shown(database) == ({}, 0)


def test_nobody_answers(database: Database) -> None:
    config = Customers(prometheus=f"http://127.0.0.1:{free_port()}", query="x")
    assert count(database, config, NOW) == RETRY
    with database.connection() as connection:
        (error,) = {one.error for one in customers.counts(connection)}
    assert "Prometheus gave no answer" in str(error)


def test_what_is_configured_no_more_is_not_shown(database: Database) -> None:
    count(database, Customers(current=Decimal(1)), NOW)
    snapshot = build(database, Settings("billed", timedelta(5), (), {}, lambda _c, _d: None), NOW)
    assert samples(snapshot, "finops_customers") == {}
