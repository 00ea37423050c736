"""What an API answers when it cannot do what it was asked: problems (RFC 9457), and their kinds."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from aiohttp import web

from finops_exporter.web.api.writing import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONTENT_TYPE = "application/problem+json"
DOCS_PATH = "/api/docs"
"""Where each kind of problem is explained, so that a problem's type is an address."""

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldError:
    """A field of a request with what is wrong and what is allowed."""

    field: str
    detail: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request was not answered as it wished."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem, by its name in the type's address.

    `meaning` says to the caller what to do; `shape` is a dataclass with all members of the answer;
    `headers` names those that come with it.
    """

    name: str
    status: int
    title: str
    meaning: str
    shape: type = Problem
    headers: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """The address that tells the kind."""
        return f"{DOCS_PATH}#{self.name}"


MALFORMED = Kind("malformed", 400, "Malformed request", "What was sent is not HTTP, or not JSON.")
UNAUTHORIZED = Kind(
    "unauthorized",
    401,
    "A token is needed",
    "Send `Authorization: Bearer TOKEN` with a token that is neither revoked nor expired.",
    headers=("WWW-Authenticate",),
)
FORBIDDEN = Kind(
    "forbidden",
    403,
    "The token does not allow this",
    "Use a token of another role, or one that is not bound to other tenants.",
)
NOT_FOUND = Kind(
    "not-found", 404, "There is no such thing", "The path or what it names is unknown."
)
WRONG_METHOD = Kind(
    "wrong-method",
    405,
    "Wrong method",
    "The header Allow names the methods of this path.",
    headers=("Allow",),
)
TOO_SLOW = Kind("too-slow", 408, "The body came too slowly", "Send it again, at once.")
TOO_LARGE = Kind("too-large", 413, "The body is too large", "A body may have 64 KiB.")
WRONG_TYPE = Kind(
    "wrong-type", 415, "Wrong type of body", "Send `Content-Type: application/json`, not packed."
)
INVALID = Kind(
    "invalid",
    422,
    "A field is wrong",
    "`errors` names each wrong field with what is allowed. The same request fails again.",
)
RATE_LIMITED = Kind(
    "rate-limited",
    429,
    "Too many requests",
    "This token asks more often than the configuration allows; ask again after Retry-After.",
    headers=("Retry-After",),
)
INTERNAL = Kind("internal", 500, "A mistake of ours", "The server's log tells what went wrong.")
UNAVAILABLE = Kind(
    "unavailable",
    503,
    "The database is away",
    "Ask the same again after Retry-After.",
    headers=("Retry-After",),
)
WRONG_VERSION = Kind("wrong-version", 505, "HTTP/1.1 is spoken here", "Use HTTP/1.1.")

KINDS = (
    MALFORMED,
    UNAUTHORIZED,
    FORBIDDEN,
    NOT_FOUND,
    WRONG_METHOD,
    TOO_SLOW,
    TOO_LARGE,
    WRONG_TYPE,
    INVALID,
    RATE_LIMITED,
    INTERNAL,
    UNAVAILABLE,
    WRONG_VERSION,
)
"""What any route may answer."""


class ProblemError(Exception):
    """Ends a request with a problem; `more` are members beside those that all problems have."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        more: Mapping[str, object] = NOTHING,
        headers: Mapping[str, str] = NOTHING,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = tuple(errors)
        self.more = more
        self.headers = headers

    def answer(self) -> web.Response:
        """The problem as it is sent."""
        kind = self.kind
        body = {"type": kind.type, "title": kind.title, "status": kind.status}
        whole = {**body, "detail": self.detail, "errors": self.errors, **self.more}
        headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store", **self.headers}
        return web.Response(status=kind.status, body=to_json(whole), headers=headers)


def invalid(field_name: str, detail: str) -> ProblemError:
    """The problem that one field is wrong."""
    return ProblemError(INVALID, f"{field_name}: {detail}", errors=[FieldError(field_name, detail)])
