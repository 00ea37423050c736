"""A caller of the API of AI budgets that makes calls, real ones as far as the ledger knows."""

from __future__ import annotations

import json
import threading
import uuid
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

from integration.api_processes import a_token
from integration.processes import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PRICES = [
    {"model": "small", "input": 10, "output": 10, "effective_from": "2026-01-01"},
    {"model": "large", "input": 10_000, "output": 10_000, "effective_from": "2026-01-01"},
]
"""In US dollars a million tokens: a dollar is 100,000 small tokens, or 100 large ones."""

A_DOLLAR = {"small": 100_000, "large": 100}


class Answer(NamedTuple):
    """The status of HTTP and the JSON."""

    status: int
    body: dict[str, Any]


class Caller:
    """Speaks with one process at `url` with a token of the role admin."""

    def __init__(self, url: str, token: str) -> None:
        self._url = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def post(self, path: str, **body: object) -> Answer:
        """One request on a connection of its own."""
        connection = HTTPConnection(str(self._url.hostname), self._url.port, timeout=20)
        try:
            connection.request("POST", f"{self._url.path}/{path}", json.dumps(body), self._headers)
            answer = connection.getresponse()
            return Answer(answer.status, json.loads(answer.read()))
        finally:
            connection.close()

    def set(self, tenant: str, usd: float, **more: object) -> None:
        """What a tenant may spend."""
        answer = self.post("set", tenant_id=tenant, monthly_limit_usd=usd, **more)
        assert answer.status == 200, answer

    def check(self, tenant: str, usd: float, model: str = "small", name: str = "") -> Answer:
        """Ask for a call that costs up to so much."""
        return self.post(
            "check",
            request_id=name or str(uuid.uuid4()),
            tenant_id=tenant,
            model=model,
            input_tokens=round(usd * A_DOLLAR.get(model, 1)),
            max_output_tokens=0,
        )

    def track(
        self, tenant: str, usd: float, model: str = "small", name: str = "", **more: object
    ) -> None:
        """Report a call that has cost so much."""
        answer = self.post(
            "track",
            request_id=name or str(uuid.uuid4()),
            tenant_id=tenant,
            model=model,
            input_tokens=round(usd * A_DOLLAR[model]),
            output_tokens=0,
            **more,
        )
        assert answer.status == 200, answer

    def spend(self, tenant: str, usd: float, model: str = "small", **more: object) -> None:
        """Ask for a call, make it, and report what it has cost."""
        name = str(uuid.uuid4())
        answer = self.check(tenant, usd, model, name)
        assert answer.status == 200, answer
        self.track(tenant, usd, model, name, **more)


def a_caller(config: Path, url: str) -> Caller:
    """A caller whose token the process knows already, which takes up to two seconds."""
    found = Caller(url, a_token(config))
    until(lambda: found.post("set").status != 401, "the token is known", 10)
    return found


class Traffic:
    """So many callers at the same time, who ask for calls without an end, while it is a context."""

    def __init__(self, caller: Caller, tenants: Sequence[str], callers: int, pause: float) -> None:
        self._caller = caller
        self._tenants = tenants
        self._pause = pause
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(callers)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._ends.wait(self._pause):
            for tenant in self._tenants:
                with suppress(OSError, HTTPException):
                    self._caller.check(tenant, 0.001)
