from __future__ import annotations

import gzip
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from unit.web.support import LARGE, OPEN, OPTIONS, VIEWS, Page, ask, body, views_of

if TYPE_CHECKING:
    from finops_exporter.web.views import Views

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS = {
    "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "Accept-Encoding": "gzip",
}


def test_metrics_as_they_are() -> None:
    answer = ask("/metrics")
    assert answer.status == 200
    assert answer.body == b"".join(LARGE.identity)
    assert answer.headers["Content-Type"] == TEXT
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert "Content-Encoding" not in answer.headers


def test_prometheus_gets_packed_openmetrics() -> None:
    answer = ask("/metrics", headers=PROMETHEUS)
    assert answer.body == b"".join(OPEN.gzip)
    assert gzip.decompress(answer.body) == b"".join(OPEN.identity)
    assert answer.headers["Content-Type"] == OPENMETRICS
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Length"] == str(len(answer.body))


def test_a_small_body_is_not_packed() -> None:
    small = views_of(Page(*[body(b"x 1\n")] * 2))
    assert ask("/metrics", views=small, headers=PROMETHEUS).body == b"x 1\n"


def test_an_empty_body_is_a_body() -> None:
    answer = ask("/metrics", views=views_of(Page(*[body()] * 2)))
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/nothing"])
def test_head_has_the_headers_of_get_and_no_body(path: str) -> None:
    head, get = ask(path, "HEAD"), ask(path)
    assert (head.status, head.body) == (get.status, b"")
    assert get.headers["Content-Length"] == str(len(get.body))
    assert {**head.headers, "Date": ""} == {**get.headers, "Date": ""}


def test_healthy_and_ready() -> None:
    assert ask("/-/healthy").body == b"healthy\n"
    assert ask("/-/ready").body == b"ready\n"


def test_not_ready_says_why() -> None:
    views = replace(VIEWS, not_ready=lambda: ["the database db:5432/finops is unreachable"])
    answer = ask("/-/ready", views=views)
    assert answer.status == 503
    assert answer.body == b"not ready: the database db:5432/finops is unreachable\n"
    assert ask("/-/healthy", views=views).status == 200
    assert b"is unreachable" in ask("/", views=views).body


def landing(views: Views = VIEWS) -> str:
    answer = ask("/", views=views)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return answer.body.decode()


def test_the_landing_page_says_that_old_values_are_shown() -> None:
    views = replace(VIEWS, problem=lambda: "The last good values are shown: db is <gone>")
    page = landing(views)
    assert "<strong>The last good values are shown: db is &lt;gone&gt;</strong>" in page
    assert "Ready." not in page


def test_the_landing_page_shows_links_and_ages_escaped() -> None:
    page = landing()
    for link in ("/metrics", "/-/healthy", "/-/ready"):
        assert f'href="{link}"' in page
    assert "<td>&lt;aws&gt;</td><td>2026-11</td><td>2026-11-20</td><td>12 hours ago</td>" in page
    assert "<td>bill</td><td>failed</td>" in page
    assert "<td>never</td><td>no &lt;file&gt;</td>" in page
    assert (
        landing(replace(VIEWS, providers=list, sources=list)).count("Nothing is stored yet.") == 2
    )


@pytest.mark.parametrize("path", ["/", "/metrics", "/nothing"])
def test_the_version_is_told_only_where_it_is_asked_for(path: str) -> None:
    for shown in (False, True):
        answer = ask(path, options=replace(OPTIONS, show_version=shown))
        assert answer.headers["Server"] == ("finops-exporter/1.2.3" if shown else "finops-exporter")
        assert (b"1.2.3" in answer.body) is (shown and path == "/")


def test_metrics_may_have_another_path() -> None:
    options = replace(OPTIONS, telemetry_path="/finops/metrics")
    assert ask("/finops/metrics", options=options).headers["Content-Type"] == TEXT
    assert ask("/metrics", options=options).status == 404
    assert b'href="/finops/metrics"' in ask("/", options=options).body


@pytest.mark.parametrize("path", ["/", "/metrics", "/nothing"])
@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "PUT"])
def test_other_methods_are_refused(method: str, path: str) -> None:
    answer = ask(path, method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


def test_an_unknown_path_is_not_repeated() -> None:
    answer = ask("/<script>alert(1)</script>")
    assert (answer.status, answer.body) == (404, b"not found\n")


@pytest.mark.parametrize("path", ["/metrics", "/nothing"])
def test_a_body_is_refused_and_ends_the_connection(path: str) -> None:
    answer = ask(path, data=b"GET /metrics HTTP/1.1\r\n\r\n")
    assert answer.status == 413
    assert answer.headers["Connection"] == "close"
