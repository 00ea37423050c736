"""Each fault of a table that would show only in Grafana is found."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from dashboard_files import FILES, load, read
from dashboard_tables import tables

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
LINK = '/d/x?var-service=${__data.fields["Service"]:percentencode}'
TABLE: dict[str, Any] = {
    "id": 1,
    "type": "table",
    "title": "Spenders",
    "gridPos": {"x": 0, "y": 0, "w": 24, "h": 5},
    "targets": [
        {"refId": "A", "expr": "(month:sum) + 0", "datasource": SOURCE},
        {"refId": "B", "expr": "(day:sum) + 0", "datasource": SOURCE},
    ],
    "transformations": [
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {}},
        {
            "id": "organize",
            "options": {
                "renameByName": {
                    "service": "Service",
                    "Value #A": "Month",
                    "Value #B": "Day",
                    "Value": "Month",
                }
            },
        },
    ],
    "fieldConfig": {
        "overrides": [
            {
                "matcher": {"id": "byName", "options": "Service"},
                "properties": [{"id": "links", "value": [{"url": LINK}]}],
            },
            {"matcher": {"id": "byRegexp", "options": ".*"}, "properties": []},
        ]
    },
    "options": {"sortBy": [{"displayName": "Month"}]},
}


def found(panel: dict[str, Any]) -> list[str]:
    return tables(read({"uid": "x", "panels": [panel]}), {})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_tables_of_dashboards_are_what_their_queries_make(file: Any) -> None:
    assert tables(load(file), {}) == []


def keeps_a_name(panel: dict[str, Any]) -> None:
    panel["targets"][1]["expr"] = "day:sum"


def joins_nothing(panel: dict[str, Any]) -> None:
    del panel["transformations"][0]


def misses_a_query(panel: dict[str, Any]) -> None:
    del panel["targets"][1]


def paints_no_column(panel: dict[str, Any]) -> None:
    panel["fieldConfig"]["overrides"][0]["matcher"]["options"] = "Services"


def sorts_by_no_column(panel: dict[str, Any]) -> None:
    panel["options"]["sortBy"][0]["displayName"] = "Amount"


def links_from_no_column(panel: dict[str, Any]) -> None:
    names = panel["transformations"][2]["options"]["renameByName"]
    names["service"] = "What"
    panel["fieldConfig"]["overrides"][0]["matcher"]["options"] = "What"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (keeps_a_name, "B keeps the name of its metric"),
        (joins_nothing, "its rows go through ['filterFieldsByName', 'organize']"),
        (misses_a_query, "its columns are those of queries ['A', 'B']"),
        (paints_no_column, "there is no column 'Services'"),
        (sorts_by_no_column, "there is no column 'Amount'"),
        (links_from_no_column, "there is no column 'Service'"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_fault_is_found(fault: Callable[[dict[str, Any]], None], words: str) -> None:
    assert found(TABLE) == []
    panel = copy.deepcopy(TABLE)
    fault(panel)
    (problem,) = found(panel)
    assert words in problem
