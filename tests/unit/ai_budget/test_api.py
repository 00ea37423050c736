"""The API beside the pages: its port, its tokens and its TLS."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

import bcrypt
import pytest
from aiohttp import ClientSession
from structlog.testing import capture_logs
from trustme import CA

from doubles.ai_ledger import NOW, MemoryPrices, tokens_of
from finops_exporter.ai_budget import api
from finops_exporter.ai_budget.api import Parts, start
from finops_exporter.ai_config import Ai
from finops_exporter.errors import StoreError
from finops_exporter.web import server
from finops_exporter.web.protection import Protection
from unit.ai_budget.api_support import BASE, CONFIG, LOOPBACK, TOKENS, ask, bearer, ledger_of
from unit.web.certificates import server_files, trusting
from unit.web.support import OPTIONS, VIEWS

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from finops_exporter.api_token import ApiToken

STATUS = f"{BASE}/tenant/acme"


def parts(
    protection: Protection, tokens: Callable[[], Sequence[ApiToken]] = lambda: TOKENS
) -> Parts:
    return Parts(ledger_of(), MemoryPrices(), tokens_of, tokens, protection, lambda: NOW)


async def status(
    session: ClientSession, url: str, context: ssl.SSLContext | None = None, who: str = "reader"
) -> int:
    headers = {"Authorization": f"Bearer {bearer(who)}"}
    async with session.get(url, headers=headers, ssl=context or True) as got:
        return got.status


def test_the_api_has_the_tls_and_headers_of_the_pages_but_not_their_users(tmp_path: Path) -> None:
    authority = CA()
    server_files(authority, tmp_path)
    file = tmp_path / "web.yaml"
    users = {"prometheus": bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()}
    sections = {
        "tls_server_config": {"cert_file": "server.crt", "key_file": "server.key"},
        "http_server_config": {"headers": {"X-Frame-Options": "deny"}},
        "basic_auth_users": users,
    }
    file.write_text(json.dumps(sections), encoding="utf-8")
    context = trusting(authority)

    async def go() -> None:
        protection = Protection(file, {})
        pages = await server.start(VIEWS, OPTIONS, protection)
        serving = await start(parts(protection), CONFIG)
        url = f"https://{LOOPBACK}:{serving.listener.port}{STATUS}"
        async with ClientSession() as session:
            assert await status(session, f"https://{LOOPBACK}:{pages.port}/", context) == 401
            assert await status(session, url, context) == 200
            assert await status(session, url, context, who="nobody") == 401
            async with session.get(url, ssl=context) as got:
                assert got.headers["X-Frame-Options"] == "deny"
            await serving.stop()
            # The pages go on: the protection is theirs.
            assert await status(session, f"https://{LOOPBACK}:{pages.port}/", context) == 401
        await pages.stop()

    asyncio.run(go())


def test_a_port_that_is_taken_leaves_nothing_behind() -> None:
    async def go() -> set[str]:
        protection = Protection(None, {})
        with socket.socket() as taken:
            taken.bind((LOOPBACK, 0))
            taken.listen()
            config = Ai(listen=f"{LOOPBACK}:{taken.getsockname()[1]}")
            with pytest.raises(OSError, match="address already in use"):
                await start(parts(protection), config)
        await asyncio.sleep(0)
        protection.close()
        return {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}

    assert asyncio.run(go()) == set()


def test_a_database_that_is_away_at_the_start_keeps_nobody_out_for_good() -> None:
    def away() -> Sequence[ApiToken]:
        raise StoreError("the database is away")

    async def go() -> list[int]:
        protection = Protection(None, {})
        serving = await start(parts(protection, away), CONFIG)
        url = f"http://{LOOPBACK}:{serving.listener.port}"
        async with ClientSession() as session:
            found = [await status(session, f"{url}{path}") for path in (STATUS, f"{BASE}/health")]
        await serving.stop()
        protection.close()
        return found

    with capture_logs() as entries:
        assert asyncio.run(go()) == [503, 200]
    assert [entry["log_level"] for entry in entries] == ["warning"]


def test_a_database_that_does_not_answer_keeps_the_port_closed_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(api, "FIRST_TOKENS_SECONDS", 0.01)

    async def go() -> int:
        protection = Protection(None, {})
        loop = asyncio.get_running_loop()
        asked, answered = asyncio.Event(), asyncio.Event()

        def hang() -> Sequence[ApiToken]:
            loop.call_soon_threadsafe(asked.set)
            asyncio.run_coroutine_threadsafe(answered.wait(), loop).result()
            return TOKENS

        serving = await start(parts(protection, hang), CONFIG)
        await asked.wait()
        async with ClientSession() as session:
            found = await status(session, f"http://{LOOPBACK}:{serving.listener.port}{STATUS}")
        answered.set()
        await serving.stop()
        protection.close()
        return found

    assert asyncio.run(go()) == 503


def test_tokens_that_nobody_reads_any_more_do_not_hold() -> None:
    def read() -> Sequence[ApiToken]:
        raise AttributeError("a mistake of ours")

    async def go() -> int:
        protection = Protection(None, {})
        serving = await start(parts(protection, read), CONFIG)
        async with ClientSession() as session:
            found = await status(session, f"http://{LOOPBACK}:{serving.listener.port}{STATUS}")
        await serving.stop()
        protection.close()
        return found

    with capture_logs() as entries:
        assert asyncio.run(go()) == 503
    (entry,) = entries
    assert entry["event"] == "tokens are not read any more, so none holds"
    assert isinstance(entry["exc_info"], AttributeError)


def test_the_rate_of_the_configuration_is_kept() -> None:
    config = Ai(listen=CONFIG.listen, requests_per_second=1_000_000)
    assert ask("GET", "tenant/acme", config=config).status == 200
