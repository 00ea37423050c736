"""The alerts in the code are those of rules/*.yaml, and are decided as promtool decides them."""

from __future__ import annotations

import re

import pytest

from finops_exporter.alerts.catalogue import ALERTS, UNDECIDED, called
from finops_exporter.errors import FinopsError
from promtool_verdict import rule_files, rules_of

COMPARISON = re.compile(r"(?<!=)(>=|<=|==|!=|>|<)\s*([\d.]+)(?:\s*\*\s*(86400))?(?![\w(])")
SELECTED = (
    r"(and|unless) on \(tenant_id\) last_over_time\(tenant:ai_budget_critical:max\[30m\]\) == 1"
)
"""Which of the two rules of AIBudgetExceeded speaks of a tenant: no limit."""


def comparisons(expr: str) -> list[tuple[str, float]]:
    """What an expression compares with numbers, each once, without the matchers of its labels."""
    bare = re.sub(r"\{[^}]*\}", "", re.sub(SELECTED, "", expr))
    found = COMPARISON.findall(bare)
    return sorted({(op, float(number) * float(days or 1)) for op, number, days in found})


def test_names_groups_and_severities_are_those_of_the_rules() -> None:
    rules = rules_of(rule_files())
    ours = [(one.group, one.name, one.severity) for one in ALERTS]
    ours += [(one.group, one.name, one.severity) for one in UNDECIDED]
    assert sorted(ours) == sorted(
        (group, rule["alert"], rule["labels"]["severity"]) for group, rule in rules
    )


def test_times_and_thresholds_are_those_of_the_rules() -> None:
    rules = {
        (rule["alert"], rule["labels"]["severity"]): rule for _, rule in rules_of(rule_files())
    }
    for alert in ALERTS:
        rule = rules[alert.name, alert.severity]
        assert rule.get("for", "") == alert.hold, alert.name
        assert rule.get("keep_firing_for", "") == alert.keep, alert.name
        # One that is a value by itself is compared with no number.
        fixed = [one for one in alert.limits if not (one.times and one.number == 1)]
        ours = sorted({(one.compare, float(one.number)) for one in (*fixed, *alert.elsewhere)})
        assert comparisons(rule["expr"]) == ours, alert.name
        joints = len(re.findall(r"\bor\b", rule["expr"]))
        if alert.any_of:
            assert joints == len(alert.limits) + len(alert.elsewhere) - 1


def test_one_percent_more_would_be_seen() -> None:
    assert comparisons('a{x=~"[1-9]>2"}[30m] > 0.20 and b > 2 * 86400 unless c >= 1') == [
        (">", 0.2),
        (">", 172800.0),
        (">=", 1.0),
    ]


def test_a_wrong_name_gets_close_ones() -> None:
    assert [one.severity for one in called("AIBudgetExceeded")[0]] == ["warning", "critical"]
    assert [one.name for one in called("UnusedPVC")[1]] == ["UnusedPVC"]
    with pytest.raises(FinopsError, match="did you mean CloudCostSpike"):
        called("cloudcostspikes")
    with pytest.raises(FinopsError, match=r"^there is no alert 'x' \(finops-exporter rules"):
        called("x")
