"""The description of the routes is valid, complete, and needs nothing from elsewhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from finops_exporter.ai_budget.handlers import Budgets
from finops_exporter.ai_budget.routes import ABOUT, TITLE, VERSION, routes
from finops_exporter.web.api.docs_page import docs_page
from finops_exporter.web.api.openapi import document, kinds_of
from finops_exporter.web.api.problem import KINDS
from unit.web.api.toy import ROUTES, ask

NOBODY: Any = None
TABLES = {
    "toys": ROUTES,
    "budgets": routes(Budgets(NOBODY, NOBODY, NOBODY, NOBODY, NOBODY)),
}
DOCUMENTS = {
    name: document(table, title=TITLE, version=VERSION, about=ABOUT)
    for name, table in TABLES.items()
}


@pytest.mark.parametrize("name", TABLES)
def test_the_document_is_valid(name: str) -> None:
    described = DOCUMENTS[name]
    assert described["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(described).iter_errors()) == []


@pytest.mark.parametrize("name", TABLES)
def test_each_route_is_described_with_all_that_it_may_answer(name: str) -> None:
    described = DOCUMENTS[name]["paths"]
    for route in TABLES[name]:
        operation = described[route.path][route.method.lower()]
        expected = {"200"} | {str(kind.status) for kind in kinds_of(route)}
        assert set(operation["responses"]) == expected
        assert ("security" in operation) is bool(route.roles)
        assert ("requestBody" in operation) is route.has_body
        if not route.has_body:
            names = {one["name"] for one in operation["parameters"]}
            assert names == set(route.asks.model_fields)
    assert sum(len(methods) for methods in described.values()) == len(TABLES[name])


@pytest.mark.parametrize("name", TABLES)
def test_examples_are_what_the_routes_take(name: str) -> None:
    for route in TABLES[name]:
        if route.example is not None:
            assert route.asks.model_validate_json(json.dumps(route.example))


def test_parameters_say_where_they_are_and_what_they_may_be() -> None:
    parameters = DOCUMENTS["toys"]["paths"]["/api/thing/{name}"]["get"]["parameters"]
    assert parameters == [
        {
            "name": "name",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 5},
        },
        {
            "name": "count",
            "in": "query",
            "required": False,
            "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
        },
    ]


def test_a_field_of_a_body_says_what_it_may_be() -> None:
    order = DOCUMENTS["toys"]["components"]["schemas"]["Order"]
    assert order["properties"]["pieces"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 10,
        "default": 1,
    }
    assert order["required"] == ["tenant"]
    assert order["additionalProperties"] is False


def test_the_document_is_served_as_it_is_to_anybody() -> None:
    answer = ask("/api/openapi.json", who=None)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    served = json.loads(answer.body)
    assert served["paths"].keys() == DOCUMENTS["toys"]["paths"].keys()
    assert served["info"] == {
        "title": "Toys",
        "version": "7",
        "description": "What `toys` there are.",
    }


class Links(HTMLParser):
    """Collects what a page refers to, and checks that what is opened is closed."""

    EMPTY = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "link", "img", "iframe"}
        given = dict(attrs)
        self.found += [given[key] or "" for key in ("href", "src") if key in given]
        if name := given.get("id"):
            self.ids.add(name)
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", TABLES)
def test_the_page_for_people_needs_nothing_from_elsewhere(name: str) -> None:
    page = docs_page(TABLES[name], DOCUMENTS[name])
    links = Links()
    links.feed(page)
    links.close()
    assert links.open == []
    assert links.found == ["/api/openapi.json"]
    assert "url(" not in page
    assert "@import" not in page
    kinds = {kind.name for kind in KINDS} | {
        kind.name for route in TABLES[name] for kind in route.problems
    }
    assert links.ids == kinds


def test_the_page_tells_each_field_and_what_it_may_be() -> None:
    page = docs_page(TABLES["budgets"], DOCUMENTS["budgets"])
    for route in TABLES["budgets"]:
        assert f"<code>{route.method} {route.path}</code>" in page
        for field in route.asks.model_fields:
            assert f"<tr><td><code>{field}</code></td>" in page
    row = re.search(r"<tr><td><code>input_tokens</code></td><td>(.*?)</td><td>(.*?)</td>", page)
    assert row
    assert row.groups() == ("integer from 0 to 1000000000", "required")
    limit = re.search(r"<tr><td><code>limit</code></td><td>(.*?)</td><td>(.*?)</td>", page)
    assert limit
    assert limit.groups() == ("integer from 1 to 100", "default 10")
    tier = re.search(r"<tr><td><code>tier</code></td><td>(.*?)</td>", page)
    assert tier
    assert tier[1] == "starter | professional | enterprise | custom"


def test_the_page_is_served_escaped_and_with_a_policy() -> None:
    answer = ask("/api/docs", who=None)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")
    page = answer.body.decode()
    assert "<p>Orders <code>pieces</code> &lt;of it&gt;.</p><p>At once.</p>" in page
    assert "<h1>Toys 7</h1>" in page
