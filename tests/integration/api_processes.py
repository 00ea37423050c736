"""The API of AI budgets in processes of its own, and clients that repeat what got no answer."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import ClientError, ClientSession, ClientTimeout

from integration.processes import configure, free_port, invoke, started

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from integration.processes import Process

PRICES = [{"model": "small", "input": 10, "output": 10, "effective_from": "2026-01-01"}]
"""So 1,000 tokens are one US cent."""


class Api(NamedTuple):
    """One process that serves it."""

    process: Process
    port: int
    pages: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/ai-budget"


class Answer(NamedTuple):
    status: int
    body: dict[str, Any]
    headers: dict[str, str]


def a_token(config: Path, role: str = "admin", *tenants: str) -> str:
    """A new token, as the command line prints it."""
    bound = [word for tenant in tenants for word in ("--tenant", tenant)]
    name = f"{role}-{free_port()}"
    made = invoke("ai", "tokens", "create", name, "--role", role, "--config", config, *bound)
    assert made.exit_code == 0, made.output
    found = re.search("fai_[0-9a-f_]+", made.stdout)
    assert found
    return found.group()


@contextmanager
def api_processes(config: Path, count: int) -> Iterator[list[Api]]:
    """So many processes on one database, all of which can be asked."""
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            port, pages = free_port(), free_port()
            process = stack.enter_context(
                started(
                    "serve",
                    "--only",
                    "api",
                    "--config",
                    config,
                    "--ai.listen-address",
                    f"127.0.0.1:{port}",
                    "--web.listen-address",
                    f"127.0.0.1:{pages}",
                )
            )
            found.append(Api(process, port, pages))
        asyncio.run(_until_up(found))
        yield found


async def _until_up(found: Sequence[Api]) -> None:
    async with ClientSession() as session:
        for one in found:
            for _ in range(600):
                assert one.process.poll() is None, one.process.communicate()
                with suppress(ClientError):
                    async with session.get(f"{one.url}/health") as answer:
                        if answer.status == 200:
                            break
                await asyncio.sleep(0.05)
            else:
                raise AssertionError(f"{one.url} is not up")


def configured(folder: Path, url: str, **ai: object) -> Path:
    """A configuration without sources, in which 1,000 tokens of the model small cost a cent."""
    return configure(folder, url, ai={"listen": "127.0.0.1:0", "prices": PRICES, **ai})


class Client:
    """Asks one process after the other until one answers; counts what got an answer."""

    def __init__(self, session: ClientSession, token: str, urls: Sequence[str]) -> None:
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"}
        self._urls = list(urls)

    async def post(self, path: str, body: dict[str, object]) -> Answer:
        """The first answer that is one: a process that is gone, or a 503, is none."""
        for _ in range(600):
            url = self._urls[0]
            try:
                async with self._session.post(
                    f"{url}/{path}", json=body, headers=self._headers, timeout=ClientTimeout(10)
                ) as found:
                    text = await found.read()
                    if found.status != 503:
                        return Answer(found.status, json.loads(text), dict(found.headers))
            except (ClientError, TimeoutError):
                pass
            # Another process; and not at once, where all are in trouble.
            self._urls.append(self._urls.pop(0))
            await asyncio.sleep(0.05)
        raise AssertionError(f"nobody answers {path}")
