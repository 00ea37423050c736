"""A server that speaks the JSON 1.1 protocol of AWS as Cost Explorer and Organizations do.

What it says comes from a function; what goes wrong on the way is a list of faults, used up one a
request. For all that moto's server does not do: throttling, expired tokens, half a page.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from doubles.aws_bill import RefusedRequest
from doubles.threaded import ThreadedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp.typedefs import Handler

Answer = dict[str, Any]

COST_EXPLORER = "AWSInsightsIndexService"
ORGANIZATIONS = "AWSOrganizationsV20161128"


@dataclass(frozen=True)
class Fault:
    """An answer that is none: an error of the service, or a line that breaks."""

    kind: str = ""
    status: int = 400
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks: str = ""


def refusal(kind: str, status: int = 400, **headers: str) -> Fault:
    """The service's error of this type."""
    return Fault(kind, status, {name.replace("_", "-"): text for name, text in headers.items()})


HALF_A_PAGE = Fault(breaks="half")
DEAD_LINE = Fault(breaks="dead")


class AwsServer(ThreadedServer):
    """Serves `answers[operation](request)` on a free port of 127.0.0.1 until it is left.

    `asked` holds every request as (operation, body); `keys` the access keys they were signed with.
    """

    def __init__(self, **answers: Callable[[Mapping[str, Any]], Answer]) -> None:
        super().__init__()
        self.answers = answers
        self.faults: deque[Fault | None] = deque()
        self.asked: list[tuple[str, Answer]] = []
        self.keys: list[str] = []

    def count(self, operation: str = "GetCostAndUsage") -> int:
        """How many requests of the operation came, answered or not."""
        return sum(name == operation for name, _ in self.asked)

    def _handlers(self) -> Mapping[str, Handler]:
        return {"/": self._handle}

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        operation = request.headers["X-Amz-Target"].partition(".")[2]
        body = json.loads(await request.text())
        self.asked.append((operation, body))
        self.keys.append(request.headers["Authorization"].split("Credential=")[1].split("/")[0])
        fault = self.faults.popleft() if self.faults else None
        if fault is not None and fault.kind:
            return _error(fault.kind, "said so", fault.status, fault.headers)
        try:
            answer = self.answers[operation](body)
        except RefusedRequest as refused:
            return _error(refused.kind, refused.text)
        text = json.dumps(answer).encode()
        if fault is not None:
            return await self._broken(request, text, fault)
        return web.Response(body=text, content_type="application/x-amz-json-1.1")

    async def _broken(self, request: web.Request, text: bytes, fault: Fault) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(text))})
        if fault.breaks == "half":
            await response.prepare(request)
            await response.write(text[: len(text) // 2])
        assert request.transport is not None
        request.transport.close()
        return response


def _error(
    kind: str, text: str, status: int = 400, headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.Response(
        status=status,
        body=json.dumps({"__type": kind, "message": text}).encode(),
        content_type="application/x-amz-json-1.1",
        headers=headers,
    )
