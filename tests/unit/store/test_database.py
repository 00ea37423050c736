"""What is told of a database's address names no part of a password, however it was written."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from finops_exporter.errors import StoreError
from finops_exporter.store.database import Database, describe
from finops_exporter.store.wal import connected


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://u:p@db/costs", "db:5432/costs"),
        ("postgresql://u:p%40%2Fq@db:5433/costs", "db:5433/costs"),
        ("postgresql://u:a:b?c#d@db/costs", "db:5432/costs"),
        ("postgresql://u:p@one:5432,two:5433/costs", "one,two:5432,5433/costs"),
        ("postgresql://u:p@[::1]:5432/costs", "::1:5432/costs"),
        ("postgresql://u@%2Frun%2Fpg/costs?application_name=a@b", "/run/pg:5432/costs"),
        ("postgresql://u@db/my%40name", "db:5432/my@name"),
    ],
)
def test_a_place_is_host_port_and_name(url: str, place: str) -> None:
    assert describe(url) == place


# A / ends the user, an @ the password: what follows is taken for a host, a port and a name.
TORN = [
    "postgresql://u:s3cr/et@db/costs",
    "postgresql://u:5432/et@db/costs",
    "postgresql://u:s3cr@et@db/costs",
    "postgresql://u:s3:cr@et:x@db/costs",
    "postgresql://u:s3cr@et/x@db/costs",
    "postgresql://u:s3cr?e/t@db/costs",
    "postgresql://u:s3cr%et@db/costs",
]


@pytest.mark.parametrize("url", TORN)
def test_a_password_that_tears_its_url_apart_is_not_shown(url: str) -> None:
    with pytest.raises(psycopg.ProgrammingError):
        describe(url)
    with pytest.raises(StoreError, match=r"^the database URL cannot be read .*%2F") as own:
        Database(url)
    with (
        pytest.raises(StoreError, match=r"^its url cannot be read .*%2F") as other,
        connected(url, timedelta(seconds=2)),
    ):
        pass
    for caught in (own, other):
        assert not any(part in str(caught.value) for part in ("s3", "cr", "et@", "x@"))
