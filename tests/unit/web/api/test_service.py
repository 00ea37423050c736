"""What each request gets: the route, or a problem that says what is wrong."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from finops_exporter.web import connection
from finops_exporter.web.api import reading
from unit.web.api.toy import (
    LOOPBACK,
    OPTIONS,
    SECRET,
    Answered,
    ask,
    authorization,
    serving,
)
from unit.web.support import raw, until

if TYPE_CHECKING:
    from collections.abc import Mapping

ORDER = b'{"tenant":"acme","pieces":2}'
HEAD = b"POST /api/order HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + (
    f"Authorization: {authorization('1')['Authorization']}\r\n".encode()
)
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(ORDER) + ORDER
LAST = WHOLE.replace(b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n")


def problem(answer: Answered, status: int, kind: str) -> dict[str, Any]:
    """The problem, which must be one of that status and kind."""
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    found: dict[str, Any] = json.loads(answer.body)
    assert found["type"] == f"/api/docs#{kind}"
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    return found


def sent(data: bytes) -> bytes:
    """What comes back for the bytes until the server closes."""

    async def go() -> bytes:
        async with serving() as listener:
            return await raw(listener.port, data)

    return asyncio.run(go())


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", answer)]


def test_a_body_reaches_its_route_and_the_answer_comes_back() -> None:
    answer = ask("/api/order", "POST", data=ORDER)
    assert answer.status == 200
    assert answer.body == b'{"name":"acme","pieces":2,"price":1.1}'
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Server"] == "finops-exporter"
    assert answer.headers["X-Pieces"] == "2"
    assert "Date" in answer.headers


@pytest.mark.parametrize(
    ("path", "name", "pieces"),
    [
        ("/api/thing/nut", "nut", 10),
        ("/api/thing/nut?count=7", "nut", 7),
        ("/api/thing/n%2Ft", "n/t", 10),
        ("/api/thing/n%C3%BC", "nü", 10),
        ("/api/thing/a%20b?count=1", "a b", 1),
        ("/api/open", "everybody", 0),
        ("/api/%6Fpen", "everybody", 0),
        ("/api/open?", "everybody", 0),
    ],
)
def test_parameters_come_from_the_path_and_the_query(path: str, name: str, pieces: int) -> None:
    answer = ask(path)
    assert (answer.status, json.loads(answer.body)["name"]) == (200, name)
    assert json.loads(answer.body)["pieces"] == pieces


@pytest.mark.parametrize(
    ("path", "field", "detail"),
    [
        ("/api/thing/nut?count=0", "count", "must be at least 1, not '0'"),
        ("/api/thing/nut?count=x", "count", "must be a whole number, not 'x'"),
        ("/api/thing/nut?cont=1", "cont", 'unknown key; did you mean "count"? (allowed: cou'),
        ("/api/thing/", "name", "must have 1 or more characters"),
        ("/api/thing/too-long", "name", "must have 5 or fewer characters"),
        ("/api/open?a=1", "a", "unknown key (allowed: none)"),
    ],
)
def test_wrong_parameters_are_named_with_what_is_allowed(
    path: str, field: str, detail: str
) -> None:
    found = problem(ask(path), 422, "invalid")
    (error,) = found["errors"]
    assert error["field"] == field
    assert error["detail"].startswith(detail)
    assert found["detail"].startswith(f"{field}: {detail}")


@pytest.mark.parametrize(
    "path", ["/api/thing/%ff", "/api/thing/nut?count=%ff", "/api/thing/nut?count=1&count=2"]
)
def test_parameters_that_cannot_be_read(path: str) -> None:
    problem(ask(path), 400, "malformed")


def test_parameters_of_a_route_that_has_a_body_are_refused() -> None:
    found = problem(ask("/api/order?dry=1", "POST", data=ORDER), 422, "invalid")
    assert found["errors"] == [{"field": "query", "detail": "this path has no parameters"}]


@pytest.mark.parametrize("path", ["/", "/api", "/api/order/", "/api/thing/a/b", "/metrics", "//"])
def test_unknown_paths(path: str) -> None:
    assert "/api/docs" in problem(ask(path), 404, "not-found")["detail"]


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [
        ("/api/order", "GET", "OPTIONS, POST"),
        ("/api/order", "HEAD", "OPTIONS, POST"),
        ("/api/order", "DELETE", "OPTIONS, POST"),
        ("/api/thing/nut", "POST", "GET, HEAD, OPTIONS"),
        ("/api/docs", "POST", "GET, HEAD, OPTIONS"),
        ("/api/openapi.json", "TRACE", "GET, HEAD, OPTIONS"),
    ],
)
def test_wrong_methods_are_told_the_right_ones(path: str, method: str, allow: str) -> None:
    answer = ask(path, method)
    assert (answer.status, answer.headers["Allow"]) == (405, allow)
    if method != "HEAD":
        problem(answer, 405, "wrong-method")


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/api/order", "OPTIONS, POST"),
        ("/api/thing/nut", "GET, HEAD, OPTIONS"),
        ("/api/docs", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_tell_the_methods(path: str, allow: str) -> None:
    answer = ask(path, "OPTIONS", who=None)
    assert (answer.status, answer.headers["Allow"], answer.body) == (204, allow, b"")


@pytest.mark.parametrize("path", ["/api/open", "/api/thing/nut", "/api/docs", "/api/openapi.json"])
def test_head_has_the_headers_of_get_and_no_body(path: str) -> None:
    head, get = ask(path, "HEAD"), ask(path)
    assert (head.status, head.body) == (get.status, b"") == (200, b"")
    assert {**head.headers, "Date": ""} == {**get.headers, "Date": ""}
    assert get.headers["Content-Length"] == str(len(get.body))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the body is not JSON: EOF while parsing"),
        (b"{", "the body is not JSON: EOF while parsing an object at line 1 column 1"),
        (b'{"tenant":"a"', "the body is not JSON"),
        (b'{"tenant":"a"} x', "the body is not JSON"),
        (b"{'tenant':'a'}", "the body is not JSON"),
        (b'{"tenant":"\xff"}', "the body is not JSON"),
        (b'{"tenant":"\\ud800"}', "the body is not JSON"),
        (b"[" * 60_000, "the body is not JSON"),
        (b'{"tenant":"a","pieces":' + b"9" * 5_000 + b"}", "the body is not JSON"),
        (ORDER.decode().encode("utf-16"), "the body is not JSON"),
    ],
)
def test_what_is_not_json_is_malformed(body: bytes, told: str) -> None:
    found = problem(ask("/api/order", "POST", data=body), 400, "malformed")
    assert found["detail"].startswith(told)
    assert len(found["detail"]) < 200


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (b"[]", {"body": "must be a mapping of keys to values, not a list"}),
        (b"null", {"body": "must be a mapping of keys to values, not an empty value"}),
        (b"{}", {"tenant": "required key is missing"}),
        (b'{"tenant":5}', {"tenant": "must be text, not 5; put it in quotes"}),
        (b'{"tenant":""}', {"tenant": "must have 1 or more characters"}),
        (b'{"tenant":"a","pieces":0}', {"pieces": "must be at least 1, not 0"}),
        (b'{"tenant":"a","pieces":11}', {"pieces": "must be at most 10, not 11"}),
        (b'{"tenant":"a","pieces":"5"}', {"pieces": "must be a whole number, not '5'"}),
        (b'{"tenant":"a","pieces":1.5}', {"pieces": "must be a whole number, not 1.5"}),
        (b'{"tenant":"a","pieces":true}', {"pieces": "must be a whole number, not true"}),
        (b'{"tenant":"a","pieces":NaN}', {"pieces": "must be a whole number, not nan"}),
        (b'{"tenant":"a","pieces":null}', {"pieces": "must be a whole number, not an empty value"}),
        (
            b'{"piece":1,"x":2}',
            {
                "tenant": "required key is missing",
                "piece": 'unknown key; did you mean "pieces"? (allowed: pieces, tenant)',
                "x": "unknown key (allowed: pieces, tenant)",
            },
        ),
    ],
)
def test_each_wrong_field_is_named_with_what_is_allowed(
    body: bytes, errors: Mapping[str, str]
) -> None:
    found = problem(ask("/api/order", "POST", data=body), 422, "invalid")
    assert {one["field"]: one["detail"] for one in found["errors"]} == errors


def test_what_is_quoted_of_a_request_is_short() -> None:
    body = json.dumps({"tenant": "a", "pieces": "x" * 9_000, "y" * 9_000: 1}).encode()
    found = problem(ask("/api/order", "POST", data=body), 422, "invalid")
    assert len(json.dumps(found)) < 1_000


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
        {"Content-Encoding": "gzip"},
    ],
)
def test_another_type_of_body_is_refused(headers: Mapping[str, str]) -> None:
    problem(ask("/api/order", "POST", data=ORDER, headers=headers), 415, "wrong-type")


def test_the_type_of_a_body_may_have_parameters() -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert ask("/api/order", "POST", data=ORDER, headers=headers).status == 200


@pytest.mark.parametrize("size", [reading.BODY_BYTES + 1, 200_000, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused(size: int, chunked: bool) -> None:  # noqa: FBT001 -- a column
    body = b'{"tenant":"' + b"a" * (size - 13) + b'"}'
    answer = ask("/api/order", "POST", data=body, chunked=chunked or None)
    assert "65536 bytes" in problem(answer, 413, "too-large")["detail"]


def test_a_body_as_large_as_allowed_is_read() -> None:
    body = b'{"tenant":"' + b"a" * (reading.BODY_BYTES - 13) + b'"}'
    assert len(body) == reading.BODY_BYTES
    assert ask("/api/order", "POST", data=body).status == 200
    assert ask("/api/order", "POST", data=body, chunked=True).status == 200


def test_a_chunked_body_that_is_broken() -> None:
    answer = sent(HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n")
    assert statuses(answer) == [400]
    assert b"application/problem+json" in answer


def test_a_body_that_comes_too_slowly_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BODY_SECONDS", 0.05)
    answer = sent(HEAD + b"Content-Length: 28\r\n\r\n" + ORDER[:5])
    assert statuses(answer) == [408]
    assert b"Connection: close\r\n" in answer
    assert b"#too-slow" in answer


def test_a_client_that_hangs_up_within_its_body_fills_no_log() -> None:
    async def go() -> None:
        async with serving() as listener:
            _, writer = await asyncio.open_connection(LOOPBACK, listener.port)
            writer.write(HEAD + b"Content-Length: 28\r\n\r\n" + ORDER[:5])
            await writer.drain()
            await until(lambda: listener.open == 1)
            writer.close()
            await until(lambda: listener.open == 0)

    with capture_logs() as entries:
        asyncio.run(go())
    assert [entry for entry in entries if entry["log_level"] != "debug"] == []


def test_a_client_that_waits_to_be_told_sends_its_body_then() -> None:
    async def go() -> bytes:
        async with serving() as listener:
            reader, writer = await asyncio.open_connection(LOOPBACK, listener.port)
            writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: 28\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(ORDER)
            answer = await reader.readuntil(b"}")
            writer.close()
            return answer

    assert statuses(asyncio.run(go())) == [200]


def test_a_client_that_waits_is_not_told_to_send_what_is_refused() -> None:
    too_much = HEAD + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n"
    assert statuses(sent(too_much)) == [413]
    assert statuses(sent(too_much.replace(SECRET.encode(), SECRET[::-1].encode()))) == [401]


def test_a_connection_serves_many_bodies_also_sent_at_once() -> None:
    assert statuses(sent(WHOLE * 30 + LAST)) == [200] * 31


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_request_may_come_in_any_pieces(size: int) -> None:
    async def go() -> bytes:
        async with serving() as listener:
            reader, writer = await asyncio.open_connection(LOOPBACK, listener.port)
            data = WHOLE + LAST
            for start in range(0, len(data), size):
                writer.write(data[start : start + size])
                await writer.drain()
                await asyncio.sleep(0)
            answer = await reader.read()
            writer.close()
            return answer

    assert statuses(asyncio.run(go())) == [200, 200]


def test_after_a_body_the_connection_waits_as_long_as_any_that_is_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.05)
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.3)
    assert statuses(sent(WHOLE)) == [200]  # and no 408 after it
    assert statuses(sent(WHOLE + b"P")) == [200]
    assert statuses(sent(b"P")) == [408]


def test_a_head_has_limits_where_bodies_are_taken() -> None:
    long = HEAD + b"".join(b"X%d: %b\r\n" % (n, b"a" * 380) for n in range(95))
    assert statuses(sent(long + b"Content-Length: 28\r\n\r\n" + ORDER)) == [431]
    assert statuses(sent(HEAD + b"X: " + b"a" * 33_000)) == [431]


def test_a_smuggled_request_is_never_answered() -> None:
    smuggled = b"0\r\n\r\n" + LAST
    both = HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert statuses(sent(both + smuggled)) == [400]
    inside = HEAD + b"Content-Length: 9999\r\nContent-Type: text/plain\r\n\r\n"
    answer = sent(inside.replace(b"Content-Type: application/json\r\n", b"") + WHOLE)
    assert statuses(answer) == [415]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /api/open HTTP/2.0\r\nHost: x\r\n\r\n", 0),
        (b"GET /api/open HTTP/1.0\r\n\r\n", 200),
    ],
)
def test_what_is_not_quite_http(data: bytes, status: int) -> None:
    answer = sent(data)
    assert statuses(answer) == ([status] if status else [])
    assert status or answer.startswith(b"HTTP/2.0 505 ")
    assert (b"application/problem+json" in answer) is (status != 200)


def test_a_mistake_of_ours_is_logged_and_told_without_its_reason() -> None:
    with capture_logs() as entries:
        answer = ask("/api/order", "POST", data=b'{"tenant":"mistake"}')
    assert "secret" not in str(problem(answer, 500, "internal"))
    (entry,) = entries
    assert entry["log_level"] == "error"
    assert isinstance(entry["exc_info"], LookupError)


def test_a_time_out_of_ours_is_a_mistake_too() -> None:
    with capture_logs() as entries:
        problem(ask("/api/order", "POST", data=b'{"tenant":"late"}'), 500, "internal")
    assert [entry["log_level"] for entry in entries] == ["error"]


def test_a_database_that_is_away_is_told_with_when_to_ask_again() -> None:
    answer = ask("/api/order", "POST", data=b'{"tenant":"away"}')
    assert "db.internal" not in str(problem(answer, 503, "unavailable"))
    assert answer.headers["Retry-After"] == "2"


def test_a_route_says_itself_that_something_is_not_there() -> None:
    found = problem(ask("/api/thing/none"), 404, "not-found")
    assert found["detail"] == "there is no such thing"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic fai_{'1' * 12}_{SECRET}",
        f"Bearer fai_{'1' * 12}_{SECRET[::-1]}",
        f"Bearer fai_{'9' * 12}_{SECRET}",
        f"Bearer fai_{'4' * 12}_{SECRET}",
        f"Bearer fai_{'1' * 12}_{SECRET}x",
        f"Bearer fai_{'1' * 12}_{SECRET.upper()}",
        "Bearer x" + "y" * 5_000,
    ],
)
def test_without_a_token_that_holds_nothing_is_told(header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    with capture_logs() as entries:
        answer = ask("/api/order", "POST", data=ORDER, who=None, headers=headers)
    found = problem(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="finops-exporter"'
    assert SECRET not in str(found)
    assert entries == []


def test_who_may_not_ask_learns_nothing_of_the_body() -> None:
    assert ask("/api/order", "POST", data=b"{", who="2").status == 403
    assert ask("/api/order", "POST", data=b"{", who=None).status == 401


def test_a_token_has_a_role() -> None:
    found = problem(ask("/api/order", "POST", data=ORDER, who="2"), 403, "forbidden")
    assert found["detail"] == "a token of the role reader may not do this"
    assert ask("/api/thing/nut", who="2").status == 200


def test_a_token_may_be_bound_to_tenants() -> None:
    assert ask("/api/order", "POST", data=ORDER, who="3").status == 200
    other = ask("/api/order", "POST", data=ORDER.replace(b"acme", b"umbrel"), who="3")
    assert "umbrel" not in str(problem(other, 403, "forbidden"))
    everything = problem(ask("/api/thing/nut", who="3"), 403, "forbidden")
    assert everything["detail"] == "a token that is bound to tenants may not do this"


def test_before_tokens_are_known_nobody_is_turned_away_for_good() -> None:
    answer = ask("/api/thing/nut", known=False)
    problem(answer, 503, "unavailable")
    assert ask("/api/open", known=False).status == 200


def test_a_token_may_ask_so_often_a_second() -> None:
    async def go() -> bytes:
        async with serving(replace(OPTIONS, per_second=2)) as listener:
            return await raw(listener.port, WHOLE * 2 + LAST)  # at once

    answer = asyncio.run(go())
    assert statuses(answer) == [200, 200, 429]
    assert b"Retry-After: 1\r\n" in answer
    assert b'"reason":"rate_limited"' in answer


def test_the_version_is_told_only_where_it_is_asked_for() -> None:
    assert ask("/api/open").headers["Server"] == "finops-exporter"
    told = ask("/api/open", options=replace(OPTIONS, server="1.2.3"))
    assert told.headers["Server"] == "finops-exporter/1.2.3"
