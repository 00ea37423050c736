from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from structlog.testing import capture_logs

from finops_exporter import service
from finops_exporter.service import Parts, Service

if TYPE_CHECKING:
    from collections.abc import Callable

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


def serving(exposition: object, look: Callable[[], None] = lambda: None) -> Service:
    return Service(
        Parts(
            database=cast("Database", None),
            sources=[],
            exposition=cast("Exposition", exposition),
            clock=lambda: datetime(2026, 11, 21, tzinfo=UTC),
            refresh=timedelta(milliseconds=1),
            at_once=1,
            budgets=[],
            look=look,
        )
    )


def test_a_database_that_hangs_is_said_and_asked_by_one_thread_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "ANSWER_SECONDS", 0.01)

    async def go() -> Hanging:
        kept = asyncio.Event()
        hanging = Hanging(kept)
        running = serving(hanging)
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


class Stumbling(Hanging):
    """An exposition that has a mistake, the first two times."""

    def refresh(self, _now: datetime) -> None:
        self.asked += 1
        if self.asked <= 2:
            raise ZeroDivisionError
        self.answer.set()


def test_a_mistake_of_ours_leaves_the_last_page_and_is_logged() -> None:
    async def go() -> Stumbling:
        stumbling = Stumbling(asyncio.Event())
        first = asyncio.create_task(asyncio.sleep(0))
        running = serving(stumbling)
        forever: asyncio.Task[Any] = asyncio.create_task(running._refresh_forever(first))  # noqa: SLF001 -- alone
        await asyncio.to_thread(stumbling.answer.wait, 30)
        forever.cancel()
        return stumbling

    with capture_logs() as logged:
        stumbling = asyncio.run(go())
    assert stumbling.problem is None
    mistakes = [entry for entry in logged if entry["event"] == "the pages could not be built anew"]
    assert [type(entry["exc_info"]) for entry in mistakes] == [ZeroDivisionError] * 2


def test_who_only_collects_looks_at_the_clock_again_and_again() -> None:
    looks: list[str] = []

    async def go() -> None:
        loop = asyncio.get_running_loop()

        def look() -> None:
            looks.append("looked")
            if len(looks) == 3:
                loop.call_soon_threadsafe(running._stop)  # noqa: SLF001 -- as a signal does

        running = serving(None, look)
        async with asyncio.timeout(30):
            await running.collect_only()
        running.ended()

    asyncio.run(go())
    assert len(looks) >= 3
