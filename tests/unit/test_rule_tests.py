"""tests/rules/*_test.yaml: each alert is silent first and then fires, with all that it says."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from rule_files import ALERTS, RULES
from shared import ROOT

FILES = sorted((ROOT / "tests/rules").glob("*.yaml"))
TESTS: dict[str, dict[str, Any]] = {
    file.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in FILES
}
ALWAYS = {"FinOpsWatchdog"}
"""It is never silent."""

Case = tuple[str, dict[str, Any]]


def cases(alert: str) -> list[Case]:
    """What is expected of an alert, in the order of its file; by the name of the test."""
    return [
        (test["name"], case)
        for file in TESTS.values()
        for test in file["tests"]
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == alert
    ]


@pytest.mark.parametrize("file", TESTS)
def test_a_file_lists_its_groups_in_order_and_names_its_tests(file: str) -> None:
    content = TESTS[file]
    assert file.endswith("_test.yaml")
    assert content["evaluation_interval"]
    groups = [name.split("/")[-1].removesuffix(".yaml") for name in content["rule_files"]]
    assert sorted(content["group_eval_order"]) == sorted(groups)
    assert all((RULES / f"{group}.yaml").exists() for group in groups)
    names = [test["name"] for test in content["tests"]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("alert", sorted({alert.name for alert in ALERTS}))
def test_an_alert_is_silent_first(alert: str) -> None:
    (_, first), *_ = cases(alert)
    assert bool(first["exp_alerts"]) == (alert in ALWAYS)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.id)
def test_an_alert_fires_with_everything_that_it_says(alert: Any) -> None:
    fired = [
        one
        for _, case in cases(alert.name)
        for one in case["exp_alerts"]
        if one["exp_labels"]["severity"] == alert.labels["severity"]
    ]
    assert fired
    for one in fired:
        assert set(one["exp_annotations"]) == set(alert.annotations)
