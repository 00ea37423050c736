"""A real PostgreSQL, as for the integration tests, and tables at the end."""

from integration.databases import (
    admin,
    create_database,
    database,
    database_url,
    server_url,
    template,
)
from tables import pytest_terminal_summary

__all__ = [
    "admin",
    "create_database",
    "database",
    "database_url",
    "pytest_terminal_summary",
    "server_url",
    "template",
]
