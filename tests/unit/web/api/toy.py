"""A small API inside the test, and what it answers over a real socket."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Any

from aiohttp import ClientSession
from pydantic import Field

from finops_exporter.api_token import ApiToken, digest_of
from finops_exporter.errors import UnavailableError
from finops_exporter.web.api.bearer import Bearers
from finops_exporter.web.api.problem import NOT_FOUND, ProblemError
from finops_exporter.web.api.route import Answer, Asked, Parameters, Route
from finops_exporter.web.api.server import Options, start
from finops_exporter.web.protection import Protection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from finops_exporter.api_token import Role
    from finops_exporter.web.server import Listener

LOOPBACK = "127.0.0.1"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = "0123456789abcdef" * 4


def toy_token(
    digit: str, role: Role, *tenants: str, expires_at: datetime | None = None
) -> ApiToken:
    """A token whose id is the digit, twelve times; all have the same secret."""
    name, digest = f"token {digit}", digest_of(SECRET)
    return ApiToken(digit * 12, name, role, tenants, digest, NOW, expires_at)


def authorization(digit: str) -> dict[str, str]:
    return {"Authorization": f"Bearer fai_{digit * 12}_{SECRET}"}


TOKENS = (
    toy_token("1", "service"),
    toy_token("2", "reader"),
    toy_token("3", "service", "acme"),
    toy_token("4", "service", expires_at=NOW),
)


class Order(Asked):
    """What is ordered."""

    tenant: Annotated[str, Field(min_length=1)]
    pieces: Annotated[int, Field(ge=1, le=10)] = 1


class Which(Parameters):
    """A thing, and how many of it."""

    name: Annotated[str, Field(min_length=1, max_length=5)]
    count: Annotated[int, Field(ge=1, le=100)] = 10


class Nothing(Parameters):
    """Nothing."""


@dataclass(frozen=True)
class Done:
    """What was done."""

    name: str
    pieces: int
    price: Decimal = Decimal("1.10")


async def order(asked: Order) -> Answer:
    if asked.tenant == "mistake":
        raise LookupError("a secret detail")
    if asked.tenant == "late":
        raise TimeoutError
    if asked.tenant == "away":
        raise UnavailableError("the database db.internal:5432/finops is unreachable")
    return Answer(Done(asked.tenant, asked.pieces), {"X-Pieces": str(asked.pieces)})


async def thing(asked: Which) -> Answer:
    if asked.name == "none":
        raise ProblemError(NOT_FOUND, "there is no such thing")
    return Answer(Done(asked.name, asked.count))


async def everybody(_asked: Nothing) -> Answer:
    return Answer(Done("everybody", 0))


ROUTES: tuple[Route[Any], ...] = (
    Route(
        "POST",
        "/api/order",
        "Order something.",
        Order,
        Done,
        order,
        description="Orders `pieces` <of it>.\n\nAt once.",
        roles=frozenset({"service"}),
        tenant=lambda asked: asked.tenant,
        example={"tenant": "acme", "pieces": 2},
        example_answer={"name": "acme", "pieces": 2, "price": 1.1},
        headers={"X-Pieces": "how many"},
    ),
    Route(
        "GET",
        "/api/thing/{name}",
        "A thing.",
        Which,
        Done,
        thing,
        roles=frozenset({"service", "reader"}),
        problems=(NOT_FOUND,),
    ),
    Route("GET", "/api/open", "For everybody.", Nothing, Done, everybody),
)
OPTIONS = Options(LOOPBACK, 0, title="Toys", version="7", about="What `toys` there are.")


@dataclass(frozen=True)
class Answered:
    status: int
    headers: Mapping[str, str]
    body: bytes


@asynccontextmanager
async def serving(
    options: Options = OPTIONS, *, known: bool = True, protection: Protection | None = None
) -> AsyncIterator[Listener]:
    bearers = Bearers()
    if known:
        bearers.use(TOKENS)
    protected = protection or Protection(None, {})
    listener = await start(
        ROUTES, options, bearers=bearers, protection=protected, clock=lambda: NOW
    )
    try:
        yield listener
    finally:
        await listener.stop()
        protected.close()


def ask(
    path: str,
    method: str = "GET",
    *,
    who: str | None = "1",
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    options: Options = OPTIONS,
    known: bool = True,
    chunked: bool | None = None,
) -> Answered:
    """One request over a real socket, with a body of JSON if there is one."""

    async def go() -> Answered:
        sent = authorization(who) if who else {}
        sent |= {"Content-Type": "application/json"} if data is not None else {}
        async with (
            serving(options, known=known) as listener,
            ClientSession(skip_auto_headers=["Content-Type"]) as session,
            session.request(
                method,
                f"http://{LOOPBACK}:{listener.port}{path}",
                data=None if data is None else BytesIO(data),
                chunked=chunked,
                headers={**sent, **(headers or {})},
            ) as got,
        ):
            return Answered(got.status, got.headers.copy(), await got.read())

    return asyncio.run(go())
