"""Dashboards are read whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dashboard_files import POSTGRES, load

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def variable(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "query", "datasource": SOURCE, **more}


def test_panels_variables_and_annotations_are_read(tmp_path: Path) -> None:
    table = {
        "id": 3,
        "type": "table",
        "title": "Calls",
        "gridPos": {"x": 0, "y": 9, "w": 24, "h": 8},
        "datasource": {"type": POSTGRES, "uid": "${postgresql}"},
        "targets": [{"refId": "A", "rawSql": "SELECT 1", "format": "table"}],
        "fieldConfig": {
            "defaults": {"unit": "short", "noValue": "none"},
            "overrides": [
                {"matcher": {}, "properties": [{"id": "unit", "value": "currencyUSD"}]},
                {"matcher": {}, "properties": [{"id": "links"}]},
            ],
        },
    }
    row = {"id": 2, "type": "row", "title": "More", "collapsed": True, "panels": [table]}
    stat = {
        "id": 1,
        "type": "stat",
        "description": "What",
        "datasource": SOURCE,
        "targets": [
            {"refId": "A", "expr": "a", "instant": True},
            {"refId": "B", "expr": "b", "datasource": {"type": "prometheus", "uid": "other"}},
            {"refId": "C", "expr": "c", "instant": True, "range": True},
        ],
    }
    marks = [
        {"builtIn": 1, "name": "Annotations & Alerts"},
        {"name": "Firing", "datasource": SOURCE, "expr": "ALERTS"},
    ]
    asked = [
        variable("plain", query="label_values(a, b)"),
        variable("new", query={"query": "query_result(a)", "refId": "v"}, regex="/x/"),
        {"name": "datasource", "type": "datasource", "query": "prometheus"},
    ]
    file = tmp_path / "d.json"
    document = {
        "uid": "d",
        "title": "D",
        "panels": [stat, row],
        "annotations": {"list": marks},
        "templating": {"list": asked},
    }
    file.write_text(json.dumps(document), encoding="utf-8")
    found = load(file)
    assert [panel.id for panel in found.panels] == [1, 2, 3]
    assert [panel.id for panel in found.shown] == [1, 3]
    assert [one.query for _, one in found.queries] == ["a", "b", "c", "SELECT 1"]
    first, _, last = found.panels
    assert [(one.instant, one.range) for one in first.targets] == [
        (True, False),
        (False, True),
        (True, True),
    ]
    assert [one.source for one in first.targets] == ["${datasource}", "other", "${datasource}"]
    assert (last.place, last.inside, last.source) == ((0, 9, 24, 8), "More", "${postgresql}")
    assert last.properties("unit") == ["short", "currencyUSD"]
    assert last.properties("links") == [None]
    assert [one.expr for one in found.annotations] == ["ALERTS"]
    assert [one.query for one in found.variables] == [
        "label_values(a, b)",
        "query_result(a)",
        "prometheus",
    ]
    assert found.variable("new").regex == "/x/"
    with pytest.raises(KeyError):
        found.variable("absent")
