"""Who asks is told by tokens, which are read again and again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from finops_exporter.errors import StoreError, UnavailableError
from finops_exporter.web.api.bearer import Bearers
from unit.web.api.toy import NOW, SECRET, authorization, toy_token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finops_exporter.api_token import ApiToken

ONE = toy_token("1", "service")
MINE = authorization("1")["Authorization"]


def test_a_token_is_found_by_its_id_and_secret() -> None:
    bearers = Bearers()
    bearers.use([ONE, toy_token("2", "admin")])
    assert bearers.find(MINE, NOW) is ONE
    assert bearers.find(MINE.replace("Bearer", "bearer"), NOW) is ONE
    assert bearers.find(MINE.replace("Bearer ", "Bearer   "), NOW) is ONE
    assert bearers.find(MINE.replace("Bearer", "Basic"), NOW) is None
    assert bearers.find(MINE.replace(SECRET, SECRET[::-1]), NOW) is None
    assert bearers.find(MINE.replace("1" * 12, "3" * 12), NOW) is None


def test_a_token_ends_at_its_time() -> None:
    bearers = Bearers()
    bearers.use([toy_token("1", "service", expires_at=NOW)])
    assert bearers.find(MINE, NOW - timedelta(microseconds=1)) is not None
    assert bearers.find(MINE, NOW) is None


def test_an_unknown_id_takes_the_same_steps_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []

    def compare(given: bytes, kept: bytes) -> bool:
        compared.append((len(given), len(kept)))
        return given == kept

    monkeypatch.setattr("hmac.compare_digest", compare)
    bearers = Bearers()
    bearers.use([ONE])
    for header in (MINE, MINE.replace("1" * 12, "3" * 12), MINE.replace(SECRET, SECRET[::-1])):
        bearers.find(header, NOW)
    assert compared == [(32, 32)] * 3


def test_before_the_first_reading_nobody_can_be_judged() -> None:
    with pytest.raises(UnavailableError):
        Bearers().find(MINE, NOW)


def test_a_revoked_token_is_refused_at_the_next_reading() -> None:
    answers: list[Iterable[ApiToken]] = [[ONE], [ONE], []]
    bearers = Bearers()

    async def go() -> list[bool]:
        seen: list[bool] = []

        def read() -> Iterable[ApiToken]:
            if not answers:
                raise StoreError("gone")
            return answers.pop(0)

        following = asyncio.create_task(bearers.follow(read, seconds=0))
        await bearers.tried.wait()
        while not following.done() and (answers or not seen or seen[-1]):
            seen.append(bearers.find(MINE, NOW) is not None)
            await asyncio.sleep(0)
        following.cancel()
        await asyncio.wait({following})
        return seen

    with capture_logs():
        seen = asyncio.run(go())
    assert seen[0] is True
    assert seen[-1] is False


def test_while_tokens_cannot_be_read_the_last_ones_stay_and_it_is_logged_once() -> None:
    bearers = Bearers()

    async def go() -> None:
        reads = 0
        enough = asyncio.Event()
        loop = asyncio.get_running_loop()

        def read() -> Iterable[ApiToken]:
            nonlocal reads
            reads += 1
            if reads == 1:
                return [ONE]
            if reads > 5:
                loop.call_soon_threadsafe(enough.set)
            raise StoreError("the database is gone")

        following = asyncio.create_task(bearers.follow(read, seconds=0))
        await enough.wait()
        assert bearers.find(MINE, NOW) is ONE
        following.cancel()
        await asyncio.wait({following})

    with capture_logs() as entries:
        asyncio.run(go())
    assert [entry["error"] for entry in entries] == ["the database is gone"]


def test_once_nobody_reads_them_no_token_holds() -> None:
    bearers = Bearers()

    def read() -> Iterable[ApiToken]:
        raise LookupError("a mistake of ours")

    async def go() -> None:
        bearers.use([ONE])
        with pytest.raises(LookupError):
            await bearers.follow(read)
        assert bearers.tried.is_set()

    asyncio.run(go())
    with pytest.raises(UnavailableError):
        bearers.find(MINE, NOW)
