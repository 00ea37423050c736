"""A route: what may be asked at a path, by whom, and what is answered."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from finops_exporter.api_token import Role
    from finops_exporter.web.api.problem import Kind


class Asked(BaseModel):
    """What a request says: frozen, without unknown keys, and nothing is taken for another type.

    Its validator is built for the first one: most processes get none.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
        defer_build=True,
    )


class Parameters(BaseModel):
    """What a request says in its path and query, where everything is text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )


A = TypeVar("A", bound=Asked | Parameters)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered with status 200: a dataclass, and headers of its own."""

    body: object
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route(Generic[A]):
    """One method of one path, in which {name} stands for a parameter.

    `asks` is what it reads: the JSON of the body if that is Asked, else parameters of path and
    query. `roles` are those of a token that may ask; none: whoever comes. `tenant` tells whom a
    request is about: a token that is bound to tenants may ask of them alone, and of no route
    without `tenant`. `answers` is the dataclass of the answer, and `headers` tells what those that
    may come with it mean; `problems` are those of its own.
    """

    method: Literal["GET", "POST"]
    path: str
    summary: str
    asks: type[A]
    answers: type
    handle: Callable[[A], Awaitable[Answer]]
    description: str = ""
    roles: frozenset[Role] = frozenset()
    tenant: Callable[[A], str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Kind, ...] = ()
    example: Mapping[str, Any] | None = None
    example_answer: Mapping[str, Any] | None = None

    @property
    def has_body(self) -> bool:
        """Whether what it asks comes in the body."""
        return issubclass(self.asks, Asked)

    @property
    def path_parameters(self) -> list[str]:
        """The names of the parameters in the path."""
        return re.findall(r"\{(\w+)\}", self.path)

    def pattern(self) -> re.Pattern[str]:
        """What paths (still encoded) it is for; the groups are its parameters."""
        pieces = re.split(r"(\{\w+\})", self.path)
        return re.compile(
            "".join(
                f"(?P<{piece[1:-1]}>[^/]*)" if piece.startswith("{") else re.escape(piece)
                for piece in pieces
            )
        )
