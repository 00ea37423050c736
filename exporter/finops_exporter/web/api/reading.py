"""Reads what a request says, or tells in plain words why it cannot be read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl, unquote

from aiohttp.web import RequestPayloadError
from pydantic import BaseModel, ValidationError

from finops_exporter.explain import sentence, unknown_key
from finops_exporter.web.api.problem import (
    INVALID,
    MALFORMED,
    TOO_LARGE,
    TOO_SLOW,
    WRONG_TYPE,
    FieldError,
    ProblemError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aiohttp.web import BaseRequest
    from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)

BODY_BYTES = 64 * 1024
BODY_SECONDS = 10.0
"""How long a client may take for the body of a request, from the end of its head."""

MOST_ERRORS = 20
"""More wrong fields than these are not told: somebody sends nonsense, and words take time."""

JSON = "application/json"


async def body_of(request: BaseRequest) -> bytes:
    """The body of a request; raises ProblemError when it is not JSON, too large or too slow."""
    headers = request.headers
    if request.content_type != JSON or headers.get("Content-Encoding", "identity") != "identity":
        raise ProblemError(WRONG_TYPE, f"the body must be {JSON}, and not packed")
    if (request.content_length or 0) > BODY_BYTES:
        raise _too_large()
    content = request.content
    try:
        if content.is_eof():  # it came together with its head
            return _limited(content.read_nowait())
        async with asyncio.timeout(BODY_SECONDS):
            await _continue(request)
            found = b""
            while not content.at_eof():
                found = _limited(found + await content.readany())
            return found
    except TimeoutError:
        text = f"the body must be there within {BODY_SECONDS:.0f} s"
        raise ProblemError(TOO_SLOW, text) from None
    except ConnectionError:
        raise ProblemError(TOO_SLOW, "the client hung up") from None  # which nobody reads
    except RequestPayloadError:
        raise ProblemError(MALFORMED, "the body is not in the form that its head tells") from None


def from_body(model: type[M], data: bytes) -> M:
    """What the JSON says; raises ProblemError that names every wrong field."""
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise _told(error, model) from None


def from_parameters(model: type[M], path: Mapping[str, str], query: str) -> M:
    """What path and query (both still encoded) say; raises ProblemError like `from_body`."""
    try:
        found = {name: unquote(text, errors="strict") for name, text in path.items()}
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise ProblemError(MALFORMED, "path and query must be UTF-8, encoded with %") from None
    for name, text in pairs:
        if name in found:
            raise ProblemError(MALFORMED, f"the parameter {name} is given twice")
        found[name] = text
    try:
        return model.model_validate(found)
    except ValidationError as error:
        raise _told(error, model) from None


def _limited(data: bytes) -> bytes:
    if len(data) > BODY_BYTES:
        raise _too_large()
    return data


def _too_large() -> ProblemError:
    return ProblemError(TOO_LARGE, f"the body must have at most {BODY_BYTES} bytes")


async def _continue(request: BaseRequest) -> None:
    """Tell a client that waits for it to send the body."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # nothing of the answer is sent yet


def _told(error: ValidationError, model: type[BaseModel]) -> ProblemError:
    details = error.errors(include_url=False)
    if details[0]["type"] == "json_invalid":
        reason = details[0].get("ctx", {}).get("error", "it cannot be read")
        return ProblemError(MALFORMED, f"the body is not JSON: {reason}")
    found = list(_errors(details[:MOST_ERRORS], model))
    first = found[0]
    more = f" (and {len(details) - 1} more, see errors)" if len(details) > 1 else ""
    return ProblemError(INVALID, f"{first.field}: {first.detail}{more}", errors=found)


def _errors(details: list[ErrorDetails], model: type[BaseModel]) -> Iterator[FieldError]:
    for detail in details:
        name = ".".join(str(part) for part in detail["loc"]) or "body"
        if detail["type"] == "extra_forbidden":
            yield FieldError(name[:60], unknown_key(name, model.model_fields))
        else:
            yield FieldError(name, sentence(detail))
