"""The API of AI budgets inside the test, with a ledger in memory, over a real socket."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession

from doubles.ai_ledger import NEW, NOW, MemoryLedger, MemoryPrices, tokens_of
from finops_exporter.ai_budget.api import AiApi, Parts, start
from finops_exporter.ai_config import Ai
from finops_exporter.api_token import ApiToken, digest_of
from finops_exporter.web.protection import Protection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from finops_exporter.api_token import Role

LOOPBACK = "127.0.0.1"
CONFIG = Ai(listen=f"{LOOPBACK}:0")
BASE = "/api/ai-budget"
CHECK: Mapping[str, Any] = {
    "request_id": "r1",
    "tenant_id": "acme",
    "model": "claude-3-opus",
    "input_tokens": 1000,
    "max_output_tokens": 500,
}
TRACK: Mapping[str, Any] = {
    "request_id": "r1",
    "tenant_id": "acme",
    "model": "claude-3-opus",
    "input_tokens": 1000,
    "output_tokens": 200,
}


def token(name: str, role: Role, *tenants: str, expires_at: datetime | None = None) -> ApiToken:
    """A token that is known; `bearer` gives its text."""
    return ApiToken(
        id=name.encode().hex()[:12].ljust(12, "0"),
        name=name,
        role=role,
        tenants=tenants,
        digest=digest_of(name.encode().hex().ljust(64, "0")),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        expires_at=expires_at,
    )


def bearer(name: str) -> str:
    """The text of the token of that name, of up to 6 letters."""
    digits = name.encode().hex()
    return f"fai_{digits[:12].ljust(12, '0')}_{digits.ljust(64, '0')}"


TOKENS = (
    token("reader", "reader"),
    token("caller", "service"),
    token("acme", "service", "acme"),
    token("other", "service", "umbrel"),
    token("admin", "admin"),
    token("old", "admin", expires_at=NOW),
)


def ledger_of(limit: str = "0.01") -> MemoryLedger:
    """A ledger in which acme may spend so much."""
    ledger = MemoryLedger()
    ledger.budgets["acme", "*"] = replace(NEW, tenant_id="acme", limit_usd=Decimal(limit))
    return ledger


@dataclass(frozen=True)
class Got:
    status: int
    headers: Mapping[str, str]
    text: str = field(repr=False)

    @property
    def json(self) -> Any:
        """The body, with its numbers as they are written."""
        return json.loads(self.text, parse_float=Decimal)


@dataclass
class Client:
    """Asks the API; what it is not told it asks as `caller`."""

    api: AiApi
    session: ClientSession

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        who: str | None = "caller",
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Got:
        sent = {} if who is None else {"Authorization": f"Bearer {bearer(who)}"}
        if body is not None:
            data = json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        async with self.session.request(
            method,
            f"http://{LOOPBACK}:{self.api.listener.port}{path}",
            data=data,
            headers={**sent, **(headers or {})},
        ) as got:
            return Got(got.status, got.headers.copy(), await got.text())

    async def check(self, **fields: object) -> Got:
        return await self.ask("POST", f"{BASE}/check", {**CHECK, **fields})

    async def track(self, **fields: object) -> Got:
        return await self.ask("POST", f"{BASE}/track", {**TRACK, **fields})


@asynccontextmanager
async def serving(
    ledger: MemoryLedger | None = None,
    config: Ai = CONFIG,
    tokens: Sequence[ApiToken] = TOKENS,
    **options: Any,
) -> AsyncIterator[Client]:
    """The API until the block ends."""
    parts = Parts(
        ledger=ledger or ledger_of(),
        prices=MemoryPrices(),
        tokens_of=tokens_of,
        tokens=lambda: tokens,
        protection=Protection(None, {}),
        clock=lambda: NOW,
    )
    api = await start(parts, config, **options)
    try:
        async with ClientSession() as session:
            yield Client(api, session)
    finally:
        await api.stop()
        parts.protection.close()


def ask(
    method: str,
    path: str,
    body: object = None,
    *,
    ledger: MemoryLedger | None = None,
    config: Ai = CONFIG,
    **options: Any,
) -> Got:
    async def go() -> Got:
        async with serving(ledger, config) as client:
            return await client.ask(method, f"{BASE}/{path}", body, **options)

    return asyncio.run(go())


def check(ledger: MemoryLedger | None = None, config: Ai = CONFIG, /, **fields: Any) -> Got:
    return ask("POST", "check", {**CHECK, **fields}, ledger=ledger, config=config)


def track(ledger: MemoryLedger | None = None, /, **fields: Any) -> Got:
    return ask("POST", "track", {**TRACK, **fields}, ledger=ledger)


def put(ledger: MemoryLedger | None = None, /, **fields: Any) -> Got:
    return ask("POST", "set", fields, ledger=ledger, who="admin")


def errors(got: Got) -> dict[str, str]:
    """The wrong fields of a request that was refused for them."""
    assert (got.status, got.headers["Content-Type"]) == (422, "application/problem+json")
    assert got.json["type"] == "/api/docs#invalid"
    return {one["field"]: one["detail"] for one in got.json["errors"]}
