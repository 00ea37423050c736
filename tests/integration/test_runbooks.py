"""Every SQL statement of the runbooks runs on the real schema."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from rule_files import RUNBOOKS

if TYPE_CHECKING:
    from finops_exporter.store.database import Database

STATEMENTS = [
    (page.stem, statement)
    for page in sorted(RUNBOOKS.glob("*.md"))
    for statement in re.findall(r"```sql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
]


def test_there_are_some() -> None:
    assert len(STATEMENTS) > 10


@pytest.mark.parametrize(
    ("page", "statement"), STATEMENTS, ids=[f"{page}-{n}" for n, (page, _) in enumerate(STATEMENTS)]
)
def test_a_statement_of_a_runbook_runs(page: str, statement: str, database: Database) -> None:
    del page  # it is in the test's name
    with database.connection() as connection:
        cursor = connection.execute(statement.encode())
        assert cursor.description
