"""Real PostgreSQL for every test: one server a session, one database a test, from a template."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.ai_calls import Calls
from integration.databases import (
    admin,
    create_database,
    database,
    database_url,
    server_url,
    template,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from doubles.receivers import Receivers
    from finops_exporter.store.database import Database
    from integration.alerting import Alertmanager

__all__ = ["admin", "create_database", "database", "database_url", "server_url", "template"]
"""Fixtures of databases.py."""


@pytest.fixture
def empty_url(create_database: Callable[[str | None], str]) -> str:
    """The URL of a database without any schema."""
    return create_database(None)


@pytest.fixture
def calls(database: Database) -> Calls:
    """Budgets and calls of AI in that database."""
    return Calls(database)


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    """Mail, Slack, PagerDuty and a dead-man's switch, none of which had to refuse anything."""
    from doubles.receivers import Receivers  # noqa: PLC0415 - most tests need no mail server

    with Receivers() as found:
        yield found
        assert found.refused == []


@pytest.fixture
def manager(tmp_path: Path, receivers: Receivers) -> Iterator[Alertmanager]:
    """A real Alertmanager with our configuration, which tells the receivers."""
    from integration.alerting import alertmanager  # noqa: PLC0415 - see above

    with alertmanager(tmp_path, receivers) as found:
        yield found
