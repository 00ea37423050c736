"""Answers the requests of an API: finds the route, asks who it is, reads, calls, writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from aiohttp import HttpVersion10, HttpVersion11, web

from finops_exporter.errors import UnavailableError
from finops_exporter.web.api import problem
from finops_exporter.web.api.problem import NOTHING, ProblemError
from finops_exporter.web.api.reading import body_of, from_body, from_parameters
from finops_exporter.web.api.sending import Whole
from finops_exporter.web.api.writing import to_json

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from pydantic import BaseModel

    from finops_exporter.api_token import ApiToken
    from finops_exporter.web.api.bearer import Bearers
    from finops_exporter.web.api.rate import Rates
    from finops_exporter.web.api.route import Route
    from finops_exporter.web.connection import Connection

VERSIONS = (HttpVersion10, HttpVersion11)
AGAIN_SECONDS = "2"
"""When to ask again while the database is away."""

JSON_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="finops-exporter"'}


class File(NamedTuple):
    """A page that never changes and that anybody may read; it is made when somebody asks for it."""

    body: Callable[[], bytes]
    headers: Mapping[str, str]


class _Place(NamedTuple):
    """What there is at a path."""

    by_method: Mapping[str, Route[Any]]
    file: File | None = None

    @property
    def allow(self) -> str:
        """The methods, as the header Allow names them."""
        methods = {"OPTIONS", *self.by_method}
        if "GET" in methods or self.file:
            methods |= {"GET", "HEAD"}
        return ", ".join(sorted(methods))


class Api:
    """The routes, and files by their paths; `headers` belong to every answer."""

    def __init__(
        self,
        routes: Iterable[Route[Any]],
        files: Mapping[str, File],
        *,
        bearers: Bearers,
        rates: Rates,
        headers: Callable[[], Mapping[str, str]],
        clock: Callable[[], datetime],
    ) -> None:
        self._bearers = bearers
        self._rates = rates
        self._headers = headers
        self._clock = clock
        self._fixed = {path: _Place({}, file) for path, file in files.items()}
        self._patterns: list[tuple[re.Pattern[str], _Place]] = []
        by_path: dict[str, dict[str, Route[Any]]] = {}
        for route in routes:
            by_path.setdefault(route.path, {})[route.method] = route
        for path, by_method in by_path.items():
            if "{" in path:
                pattern = next(iter(by_method.values())).pattern()
                self._patterns.append((pattern, _Place(by_method)))
            else:
                self._fixed[path] = _Place(by_method)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to a request whose head is understood."""
        cast("Connection", request.protocol).head_is_complete()
        try:
            answer: web.StreamResponse = await self._answer(request)
        except ProblemError as error:
            answer = error.answer()
        except UnavailableError:  # whose text names the database
            text, again = "the database cannot be asked now", {"Retry-After": AGAIN_SECONDS}
            answer = ProblemError(problem.UNAVAILABLE, text, headers=again).answer()
        if not isinstance(answer, Whole):
            answer.headers.extend(self._headers())
        if not request.content.is_eof() or request.version not in VERSIONS:
            # Nobody reads what follows, so it must not be taken for another request.
            answer.force_close()
        return answer

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.version not in VERSIONS:
            raise ProblemError(problem.WRONG_VERSION, "HTTP/1.1 is spoken here")
        place = self._fixed.get(request.raw_path)
        query, found = "", NOTHING
        if place is None:
            query = request.rel_url.raw_query_string
            place, found = self._find(request.rel_url.raw_path)
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={"Allow": place.allow})
        method = "GET" if request.method == "HEAD" else request.method
        if place.file is not None and method == "GET":
            return web.Response(body=place.file.body(), headers=place.file.headers)
        route = place.by_method.get(method)
        if route is None:
            text = f"{request.method} is not among them: {place.allow}"
            allow = {"Allow": place.allow}
            raise ProblemError(problem.WRONG_METHOD, text, headers=allow)
        return await self._call(route, request, found, query)

    def _find(self, path: str) -> tuple[_Place, Mapping[str, str]]:
        place = self._fixed.get(path)
        if place is not None:
            return place, NOTHING
        for pattern, one in self._patterns:
            if found := pattern.fullmatch(path):
                return one, found.groupdict()
        raise ProblemError(problem.NOT_FOUND, "nothing is at this path; see /api/docs")

    async def _call(
        self, route: Route[Any], request: web.BaseRequest, path: Mapping[str, str], query: str
    ) -> web.StreamResponse:
        token = self._token(route, request) if route.roles else None
        data = await body_of(request) if route.has_body else b""
        if token and not self._rates.admits(token.id):
            text = "this token asks more often than it may"
            more, headers = {"reason": "rate_limited"}, {"Retry-After": "1"}
            raise ProblemError(problem.RATE_LIMITED, text, more=more, headers=headers)
        asked = _asked(route, data, path, query)
        if token and token.tenants and route.tenant and not token.may_see(route.tenant(asked)):
            raise _forbidden("the token is bound to other tenants")
        answer = await route.handle(asked)
        body = to_json(answer.body)
        if request.method == "HEAD" or request.version == HttpVersion10:
            return web.Response(body=body, headers={**JSON_HEADERS, **answer.headers})
        return Whole(body, JSON_HEADERS, answer.headers, self._headers())

    def _token(self, route: Route[Any], request: web.BaseRequest) -> ApiToken:
        """The token of a request that may be asked by it, whatever it is about."""
        token = self._bearers.find(request.headers.get("Authorization", ""), self._clock())
        if token is None:
            text = "the request has no token, or one that does not hold"
            raise ProblemError(problem.UNAUTHORIZED, text, headers=CHALLENGE)
        if token.role not in route.roles:
            raise _forbidden(f"a token of the role {token.role} may not do this")
        if token.tenants and route.tenant is None:
            raise _forbidden("a token that is bound to tenants may not do this")
        return token


def _asked(route: Route[Any], data: bytes, path: Mapping[str, str], query: str) -> BaseModel:
    found: BaseModel
    if not route.has_body:
        found = from_parameters(route.asks, path, query)
    elif query:
        raise problem.invalid("query", "this path has no parameters")
    else:
        found = from_body(route.asks, data)
    return found


def complaint(status: int) -> web.Response:
    """The problem of a request that reached no route, or on which one of them failed."""
    server = problem.INTERNAL.status
    kind = problem.INTERNAL if status >= server else problem.MALFORMED
    text = "the log of the server tells more" if status >= server else "this is not HTTP"
    return ProblemError(kind, text).answer()


def _forbidden(text: str) -> ProblemError:
    return ProblemError(problem.FORBIDDEN, text)
