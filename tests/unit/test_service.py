from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from finops_exporter import service
from finops_exporter.service import Parts, Service

if TYPE_CHECKING:
    import pytest

    from finops_exporter.errors import StoreError
    from finops_exporter.exposition.exposition import Exposition
    from finops_exporter.store.database import Database


class Hanging:
    """An exposition whose database takes the question and never answers."""

    def __init__(self, kept: asyncio.Event) -> None:
        self.answer = threading.Event()
        self.asked = 0
        self.problem: StoreError | None = None
        self.snapshot = None
        self._kept = kept

    def refresh(self, _now: datetime) -> None:
        self.asked += 1
        self.answer.wait(30)

    def keep(self, problem: StoreError) -> None:
        self.problem = problem
        self._kept.set()


def test_a_database_that_hangs_is_said_and_asked_by_one_thread_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "ANSWER_SECONDS", 0.01)

    async def go() -> Hanging:
        kept = asyncio.Event()
        hanging = Hanging(kept)
        running = Service(
            Parts(
                budgets=(),
                database=cast("Database", None),
                sources=[],
                exposition=cast("Exposition", hanging),
                clock=lambda: datetime(2026, 11, 21, tzinfo=UTC),
                refresh=timedelta(milliseconds=1),
                at_once=1,
            )
        )
        first = asyncio.create_task(asyncio.sleep(0))
        forever: asyncio.Task[Any] = asyncio.create_task(running._refresh_forever(first))  # noqa: SLF001 -- alone
        for _ in range(3):
            await kept.wait()
            kept.clear()
        forever.cancel()
        hanging.answer.set()
        return hanging

    hanging = asyncio.run(go())
    assert str(hanging.problem) == "the database does not answer"
    assert hanging.asked == 1
