"""Committed dashboards are as they must be, and each check finds what it is there for."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import pytest

from dashboard_checks import CHECKS, REFRESH
from dashboard_files import FILES, POSTGRES, committed, load, read
from dashboard_links import wrong
from rule_files import ALERTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboard_checks import Check
    from rule_files import Rule

EVERYTHING = {one.uid: one for one in committed()}

each_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)


@each_check
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_dashboard_is_as_it_must_be(file: Any, check: Check) -> None:
    assert check(load(file), EVERYTHING) == []


def test_the_three_are_there() -> None:
    assert set(EVERYTHING) == set(REFRESH)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.id)
def test_an_alert_leads_to_a_dashboard_and_variables_that_exist(alert: Rule) -> None:
    urls = led_to(alert.annotations["dashboard_url"])
    assert [wrong(url, EVERYTHING) for url in urls] == [""] * len(urls)


def led_to(url: str) -> list[str]:
    """Where a template of a URL leads whose variable is one of those that it matches."""
    kinds = re.search(r'match "\^\(([a-z|]+)\)\$"', url)
    one_of = "{{ $labels.scope_type }}"
    return [url.replace(one_of, kind) for kind in kinds[1].split("|")] if kinds else [url]


# Each check, by a fault that is planted


PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
RUNBOOK = {"type": "link", "url": "https://runbooks.example.com/finops/BudgetExceededCritical.md"}
MONTH = 'sum(provider_account:cloud_cost_today_usd:sum{provider=~"$provider"})'


def panel(number: int, place: tuple[int, int, int, int], **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "type": "stat",
        "title": f"Panel {number}",
        "description": "What it means.",
        "gridPos": dict(zip("xywh", place, strict=True)),
        "datasource": PROMETHEUS,
        "targets": [{"refId": "A", "expr": MONTH, "datasource": PROMETHEUS}],
        "links": [RUNBOOK],
        "fieldConfig": {
            "defaults": {
                "unit": "currencyUSD",
                "noValue": "Nothing is stored",
                "thresholds": {"steps": [{"value": None}, {"value": 1}, {"value": 2}]},
            },
            "overrides": [],
        },
        **more,
    }


def good() -> dict[str, Any]:
    """A dashboard with which every check is content."""
    spent = "sum(provider_account_service:cloud_cost_monthly_usd:sum)"
    row = {"id": 3, "type": "row", "title": "Calls", "gridPos": {"x": 0, "y": 5, "w": 24, "h": 1}}
    postgres = {"type": POSTGRES, "uid": "${postgresql}"}
    statement = {"refId": "A", "rawSql": "SELECT 1", "datasource": postgres}
    provider = {
        "name": "provider",
        "type": "query",
        "label": "Provider",
        "datasource": PROMETHEUS,
        "query": {"query": "label_values(provider_account:cloud_cost_today_usd:sum, provider)"},
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
    }
    day = "query_result(max(provider:cloud_billing_newest_day_timestamp_seconds:max))"
    newest = {**provider, "name": "through", "multi": False, "includeAll": False, "query": day}
    return {
        "uid": "finops-overview",
        "title": "Overview",
        "description": "What it is for.",
        "schemaVersion": 42,
        "editable": False,
        "refresh": "5m",
        "timezone": "utc",
        "links": [{"type": "link", "url": "/d/finops-overview?var-provider=aws"}],
        "annotations": {
            "list": [
                {"builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}},
                {"datasource": PROMETHEUS, "expr": 'ALERTS{alertstate="firing"}'},
            ]
        },
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "label": "D", "query": "prometheus"},
                {"name": "postgresql", "type": "datasource", "label": "P", "query": POSTGRES},
                provider,
                newest,
            ]
        },
        "panels": [
            panel(1, (0, 0, 12, 5)),
            panel(
                2,
                (12, 0, 12, 5),
                title="Spent through ${through}",
                targets=[{"refId": "A", "expr": spent, "datasource": PROMETHEUS}],
            ),
            row,
            panel(4, (0, 6, 24, 8), type="table", datasource=postgres, targets=[statement]),
        ],
    }


def problems(check: Check, fields: dict[str, Any]) -> list[str]:
    found = read(fields, "finops-overview")
    return check(found, {found.uid: found})


@each_check
def test_the_example_is_good(check: Check) -> None:
    assert problems(check, good()) == []


Fault = tuple[str, "Callable[[dict[str, Any]], object]", str]


def override(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def plant(fields: dict[str, Any]) -> None:
        one = {"matcher": {}, "properties": [{"id": name, "value": value}]}
        fields["panels"][0]["fieldConfig"]["overrides"].append(one)

    return plant


def default(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields["panels"][0]["fieldConfig"]["defaults"].update({name: value})


def first(**more: Any) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields["panels"][0].update(more)


def query(number: int, **more: Any) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields["panels"][number]["targets"][0].update(more)


def place(number: int, **more: int) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields["panels"][number]["gridPos"].update(more)


def of_variable(number: int, **more: Any) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields["templating"]["list"][number].update(more)


def whole(**more: Any) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields.update(more)


def steps(*values: float | None) -> dict[str, Any]:
    return {"steps": [{"value": value} for value in values]}


def url(text: str) -> list[dict[str, str]]:
    return [RUNBOOK, {"url": text}]


PLANTED: list[Fault] = [
    ("header", whole(uid="another"), "uid is 'another', not 'finops-overview'"),
    ("header", whole(editable=True), "editable is True"),
    ("header", whole(schemaVersion=39), "schemaVersion is 39"),
    ("header", whole(refresh="1m"), "refresh is '1m', not '5m'"),
    ("header", whole(timezone="browser"), "timezone is 'browser'"),
    ("header", whole(title=""), "no title"),
    ("header", whole(description=""), "no description"),
    ("count", whole(panels=[]), "no panels"),
    ("count", whole(uid="finops-cloud-cost"), "3 panels, not 10"),
    ("count", whole(uid="finops-ai-budget"), "3 panels, not 11"),
    ("texts", first(title=" "), "panel 1 has no title"),
    ("texts", first(title="Calls"), "title 'Calls' is there 2 times"),
    ("texts", first(description=""), "Panel 1: no description"),
    ("texts", default("noValue", ""), "Panel 1: no noValue"),
    ("texts", of_variable(2, label=""), "variable provider has no label"),
    ("ids", first(id=4), "id 4 is there 2 times"),
    ("ids", first(id=0), "Panel 1: id 0"),
    ("ids", first(targets=[]), "Panel 1: no query"),
    ("ids", query(0, refId=""), "a query without refId"),
    ("ids", first(targets=[{"refId": "A"}, {"refId": "A"}]), "refId 'A' is there 2 times"),
    ("ids", of_variable(2, name="through"), "variable 'through' is there 2 times"),
    ("layout", place(1, x=13), "is not within 24 columns"),
    ("layout", place(1, w=0), "is not within 24 columns"),
    ("layout", place(0, w=13), "Panel 1 and Spent through ${through} overlap"),
    ("layout", place(3, y=5), "Calls and Panel 4 overlap"),
    ("layout", place(3, y=7), "Panel 4: there is nothing above it"),
    ("layout", place(2, h=2), "Calls: a row is 24 columns wide and 1 high"),
    ("sources", query(0, datasource={"type": "prometheus", "uid": "P1"}), "Panel 1 A asks P1"),
    ("sources", query(3, rawSql="SELECT 1", datasource=PROMETHEUS), "prometheus for SQL"),
    ("sources", query(0, datasource={"type": "loki", "uid": "${datasource}"}), "for loki"),
    ("sources", first(datasource=None), "Panel 1 asks nobody, its queries ask others"),
    ("sources", of_variable(0, query="loki"), "chooses among loki, not prometheus"),
    ("sources", of_variable(2, datasource=None), "variable provider asks nobody"),
    (
        "sources",
        lambda fields: fields["annotations"]["list"][1].update(datasource={"uid": "P"}),
        "an annotation asks P",
    ),
    ("parses", query(0, expr="sum(a"), "Panel 1 A: "),
    ("parses", query(0, expr=""), "Panel 1 A: an empty query"),
    ("parses", query(0, expr='a{b="$provider" c}'), "Panel 1 A: "),
    ("parses", query(0, expr="a{b=~$provider}"), "Panel 1 A: "),
    ("parses", of_variable(2, query="label_values(a{, b)"), "variable provider: "),
    ("recorded", query(0, expr="sum(aws_cost_monthly_usd)"), "nothing records aws_cost_monthly"),
    ("recorded", query(0, expr='{__name__=~"provider.+"}'), "nothing records provider.+"),
    ("recorded", of_variable(2, query="label_values(up, b)"), "variable provider: nothing"),
    (
        "recorded",
        lambda fields: fields["annotations"]["list"][1].update(expr="changes(up[5m])"),
        "an annotation: nothing records up",
    ),
    ("variables", query(0, expr=MONTH.replace('provider"', 'tenant"')), "$tenant is not defined"),
    ("variables", first(repeat="account"), "$account is not defined"),
    ("variables", query(0, expr="a"), "$provider is not used"),
    ("variables", first(title="Cost in ${region}"), "$region is not defined"),
    ("units", default("unit", "dollars"), "Panel 1: unknown unit 'dollars'"),
    ("units", default("unit", ""), "Panel 1: unknown unit ''"),
    ("units", override("unit", "percent"), "Panel 1: unknown unit 'percent'"),
    ("units", lambda fields: fields["panels"][0].pop("fieldConfig"), "Panel 1: no unit"),
    ("thresholds", default("thresholds", steps(0, 1)), "the first threshold is 0, not null"),
    ("thresholds", default("thresholds", steps(None, 2, 1)), "[2, 1] are not in order"),
    ("thresholds", override("thresholds", steps(None, 1, 1)), "[1, 1] are not in order"),
    ("thresholds", override("thresholds", steps(None, None)), "[None] are not in order"),
    ("links", first(links=[]), "Panel 1: no link to a runbook"),
    ("links", first(links=url("https://runbooks.example.com/finops/No.md")), "no such runbook"),
    ("links", first(links=url("https://x.example.com/docs/no.md#a")), "no such page"),
    ("links", first(links=url("/d/finops")), "there is no such dashboard"),
    ("links", first(links=url("https://runbooks.example.com/finops/${x}.md")), "it leads neither"),
    ("links", first(links=url("https://grafana.com")), "it leads neither to a dashboard nor"),
    (
        "links",
        override("links", url("/d/finops-overview?var-x=${provider}&var-provider=a")),
        "['x']",
    ),
    ("through", lambda fields: fields["panels"][1].update(title="Spent"), "Spent: its title does"),
    ("through", query(0, expr="budget:cloud_budget_used:ratio"), "Panel 1: its title does"),
    ("portable", whole(id=7), "id is set"),
    ("portable", whole(secureJsonData={}), "secureJsonData is in it"),
]


@pytest.mark.parametrize(
    ("name", "plant", "problem"), PLANTED, ids=[f"{one[0]}-{one[2][:40]}" for one in PLANTED]
)
def test_a_check_finds_what_it_is_there_for(
    name: str, plant: Callable[[dict[str, Any]], object], problem: str
) -> None:
    fields = copy.deepcopy(good())
    plant(fields)
    (check,) = [check for check in CHECKS if check.__name__ == name]
    found = problems(check, fields)
    assert [one for one in found if problem in one], found


def test_every_check_has_a_fault() -> None:
    assert {name for name, _, _ in PLANTED} == {check.__name__ for check in CHECKS}


def test_panels_in_a_collapsed_row_are_looked_at_too() -> None:
    fields = good()
    inside = fields["panels"].pop()
    fields["panels"][2].update(collapsed=True, panels=[{**inside, "description": ""}])
    assert [one for check in CHECKS for one in problems(check, fields)] == [
        "Panel 4: no description"
    ]


def test_a_page_of_docs_is_enough() -> None:
    fields = good()
    page = "https://github.com/example/finops-exporter/blob/main/docs/budgets.md#scopes"
    fields["panels"][0]["links"] = [{"url": page}]
    assert [one for check in CHECKS for one in problems(check, fields)] == []
