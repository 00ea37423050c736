"""rules/*.yaml hold what docs/alerts.md and rules/README.md promise of every rule."""

from __future__ import annotations

import re
import runpy
from collections import Counter
from typing import TYPE_CHECKING

import promql_parser
import pytest
import yaml

from finops_exporter import __version__
from finops_exporter.exposition.catalogue import COST_METRICS, cost_metric
from rule_files import (
    ALERTS,
    FILES,
    RECORDINGS,
    RUNBOOKS,
    Rule,
    comparisons,
    groups,
    is_zero,
    parse,
    selectors,
    template_queries,
    walk,
)
from rule_metrics import FOREIGN, RECORDED, unknown
from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rule_files import Node

URGENCY = {
    "critical": ("1 hour", "page: answer within 1 hour"),
    "warning": ("4 hours", "wait: answer within 4 hours"),
    "info": ("1 week", "wait: answer within 1 week"),
    "none": ("none", "wait: nothing is wrong while it fires"),
}
REQUIRED = {
    "summary",
    "description",
    "runbook_url",
    "dashboard_url",
    "response_time",
    "page_or_wait",
    "action",
    "command",
}
DASHBOARDS = {
    "finops-overview": {"provider", "account", "budget"},
    "finops-cloud-cost": {
        *("provider", "account", "region", "service", "team", "environment", "budget"),
    },
    "finops-ai-budget": {"tenant", "model"},
}
"""The variables of each dashboard that an alert may link to."""

LABEL_OF = {"account": "account_id", "tenant": "tenant_id"}
"""The label that a variable is filled from, where it has not its name."""

RAW = {
    "FinOpsExporterDown": "a recording could not tell that there is nothing to record",
    "FinOpsBillingDataStale": "the age of the freshest snapshot, of which there is one a replica",
    "AILedgerDown": "processes without a snapshot; whether there are any",
    "AILedgerFailOpen": "the same, and also of one that is gone",
}
"""Alerts that read a metric itself, and why."""

WITHOUT_FLOOR = {
    "BudgetExceeded80Percent": "the limit is an amount that somebody has set",
    "BudgetExceededCritical": "the same",
    "ForecastExceedsBudget": "the same",
    "AIBudgetWarning": "the same",
    "AIBudgetExceeded": "the same",
    "ClickHouseDiskHigh": "a disk is as full as it is, whatever its size",
    "FinOpsBillingDataStale": "a number of intervals, not of money",
    "FinOpsApiBudgetExhausted": "the cap is an amount that somebody has set",
}
"""Alerts on a ratio without an amount beside it, and why."""

AMOUNT = "_usd|tokens|reports|cores|increase"

each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule.id)
each_rule = pytest.mark.parametrize(
    "rule", [*RECORDINGS, *ALERTS], ids=lambda rule: f"{rule.group}-{rule.id}"
)


def queries(rule: Rule) -> Iterator[str]:
    """The expressions in an alert's labels and annotations."""
    for text in [*rule.labels.values(), *rule.annotations.values()]:
        yield from template_queries(text)


# Every rule


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_says_its_version_and_holds_one_group_of_its_name(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"# finops rules v{__version__}\n")
    assert [group["name"] for group in yaml.safe_load(text)["groups"]] == [file.stem]


@each_rule
def test_what_a_rule_asks_for_exists(rule: Rule) -> None:
    assert [problem for asked in selectors(rule.expr) if (problem := unknown(asked))] == []


@each_rule
def test_nothing_is_divided_by_what_may_be_nothing(rule: Rule) -> None:
    for node in walk(parse(rule.expr)):
        if not isinstance(node, promql_parser.BinaryExpr) or str(node.op) not in {"/", "%"}:
            continue
        if not isinstance(node.rhs, promql_parser.NumberLiteral):
            positive = [one for one in comparisons(node.rhs) if str(one.op) == ">"]
            assert any(is_zero(one.rhs) for one in positive), node.rhs.prettify()


@each_rule
def test_a_comparison_is_not_taken_for_one_of_the_freshest_replica(rule: Rule) -> None:
    # `x and on (job, instance) topk(1, y) == 0` compares y.
    for one in comparisons(parse(rule.expr)):
        assert not (isinstance(one.lhs, promql_parser.AggregateExpr) and "topk" in str(one.lhs.op))


@pytest.mark.parametrize("rule", RECORDINGS, ids=lambda rule: f"{rule.group}-{rule.name}")
def test_a_recording_is_named_by_level_metric_and_operations(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z_]+:[a-z][a-z0-9_]+:[a-z0-9_]+", rule.name)


@pytest.mark.parametrize("group", groups())
def test_recordings_come_first_and_before_what_reads_them(group: str) -> None:
    rules = groups()[group]
    kinds = ["alert" in rule for rule in rules]
    assert kinds == sorted(kinds)
    mine = {rule["record"] for rule in rules if "record" in rule}
    recorded: set[str] = set()
    for rule in rules:
        asked = {one.name for one in selectors(rule["expr"])} & RECORDED
        assert asked <= mine, "another group's recording is an interval late"
        assert asked <= recorded
        recorded |= {rule.get("record", "")}


def test_a_recording_stands_in_one_group_and_once_for_each_set_of_labels() -> None:
    made = Counter((rule.name, tuple(sorted(rule.labels.items()))) for rule in RECORDINGS)
    assert [name for name, count in made.items() if count > 1] == []
    assert len({(rule.group, rule.name) for rule in RECORDINGS}) == len(RECORDED)


def test_families_of_providers_are_recorded_for_all_of_them() -> None:
    asked = {one.name for rule in RECORDINGS for one in selectors(rule.expr)}
    for name in COST_METRICS:
        wanted = {cost_metric(name, one)[0].name for one in ("aws", "azure", "gcp", "else")}
        assert wanted <= asked or not wanted & asked, name


# Alerts


@each_alert
def test_an_alert_reads_recordings_through_gaps(alert: Rule) -> None:
    raw = {one.name for one in selectors(alert.expr)} - RECORDED
    assert bool(raw) == (alert.name in RAW)
    bridged = {str(node.vector_selector) for node in walk(parse(alert.expr)) if is_range(node)}
    for node in walk(parse(alert.expr)):
        if isinstance(node, promql_parser.VectorSelector) and node.name in RECORDED:
            # The size of a bucket is looked for over two days by its recording.
            assert str(node) in bridged or alert.name in {"S3BucketLarge", "IdleLoadBalancer"}


def is_range(node: object) -> bool:
    return isinstance(node, promql_parser.MatrixSelector)


@each_alert
def test_a_ratio_has_a_floor_beside_it(alert: Rule) -> None:
    parts = [one.prettify() for one in conjuncts(parse(alert.expr))]
    ratios = [part for part in parts if re.search(r":(ratio|p9\d)", part)]
    floors = [part for part in parts if part not in ratios and re.search(AMOUNT, part)]
    assert not ratios or bool(floors) != (alert.name in WITHOUT_FLOOR)


def conjuncts(node: Node) -> Iterator[Node]:
    """What must hold all at once."""
    if isinstance(node, promql_parser.ParenExpr):
        yield from conjuncts(node.expr)
    elif isinstance(node, promql_parser.BinaryExpr) and str(node.op) == "and":
        yield from conjuncts(node.lhs)
        yield from conjuncts(node.rhs)
    else:
        yield node


@each_alert
def test_labels_are_complete(alert: Rule) -> None:
    labels = alert.labels
    assert labels["component"] == "finops"
    assert labels["category"] == alert.group
    assert labels["severity"] in URGENCY
    assert ("escalate" in labels) == (alert.name == "BudgetExceededCritical")


@each_alert
def test_annotations_are_complete(alert: Rule) -> None:
    notes, severity = alert.annotations, alert.labels["severity"]
    assert set(notes) >= REQUIRED
    assert notes["description"].endswith(".")
    assert (notes["response_time"], notes["page_or_wait"]) == URGENCY[severity]
    assert notes["runbook_url"] == f"https://runbooks.example.com/finops/{alert.name}.md"


@each_alert
def test_a_link_sets_variables_that_its_dashboard_has(alert: Rule) -> None:
    url = alert.annotations["dashboard_url"]
    found = re.match(r"https://grafana\.example\.com/d/([a-z-]+)(?=[?{]|$)", url)
    assert found
    assert "\n" not in url
    variables = DASHBOARDS[found[1]]
    for name, value in re.findall(r"var-({{.+?}}|[^=]*)=({{.+?}}|[^&{]*)", url):
        if name.startswith("{{"):
            # A budget's scope type is a variable's name where the condition says so.
            assert name == "{{ $labels.scope_type }}"
            (types,) = re.findall(r'if match "\^\(([a-z|]+)\)\$" \$labels\.scope_type', url)
            assert set(types.split("|")) <= variables
            assert value == "{{ $labels.scope_value | urlquery }}"
        else:
            assert name in variables
            label = LABEL_OF.get(name, name)
            assert value in {"aws", "{{ . | urlquery }}", f"{{{{ $labels.{label} | urlquery }}}}"}


@each_alert
def test_an_alert_on_a_budget_links_to_it(alert: Rule) -> None:
    on_a_budget = alert.group in {"cloud-budget", "meta"} and "$labels.budget" in str(
        [alert.annotations[name] for name in ("summary", "command")]
    )
    link = "?var-budget={{ $labels.budget | urlquery }}"
    assert (link in alert.annotations["dashboard_url"]) == on_a_budget


@each_alert
def test_a_name_in_quotes_is_one_word_of_a_shell(alert: Rule) -> None:
    # Budgets and tenants are called what people and callers call them, quotes included.
    command = alert.annotations["command"]
    quoted = re.findall(r"'{{(.+?)}}'", command)
    assert all(one.startswith(r""" reReplaceAll "'" "'\\''" $labels.""") for one in quoted)
    assert bool(quoted) == bool(re.search(r"\$labels\.(budget|tenant_id)\b", command))


@each_alert
def test_what_annotations_ask_for_exists(alert: Rule) -> None:
    found = [
        problem for query in queries(alert) for one in selectors(query) if (problem := unknown(one))
    ]
    assert found == []


def test_every_annotation_is_explained() -> None:
    page = runpy.run_path(str(ROOT / "tools" / "alerts_page.py"))
    assert {name for alert in ALERTS for name in alert.annotations} == set(page["ANNOTATIONS"])


def test_no_alert_is_there_twice() -> None:
    named = Counter((rule.name, rule.labels["severity"]) for rule in ALERTS)
    assert [name for name, count in named.items() if count > 1] == []
    assert Counter(rule.expr for rule in ALERTS).most_common(1)[0][1] == 1
    assert len({(rule.group, rule.name) for rule in ALERTS}) == len({rule.name for rule in ALERTS})


def test_the_eighteen_and_their_guards() -> None:
    wanted = {
        "cloud-budget": "BudgetExceeded80Percent BudgetExceededCritical CloudCostSpike "
        "ForecastExceedsBudget BudgetThresholdReached",
        "ai-budget": "AIBudgetWarning AIBudgetExceeded TotalAISpendHigh AITokenAnomaly "
        "AIReportCostHigh",
        "storage": "S3BucketLarge ClickHouseDiskHigh PostgresWALGrowth",
        "waste": "OverprovisionedPod IdleLoadBalancer UnusedPVC",
        "trend": "CostGrowthHigh UnitEconomicsWorsening CostAnomalyDetected",
        "meta": "FinOpsExporterDown FinOpsBillingDataStale FinOpsBillingDataMissing "
        "FinOpsBudgetMissing FinOpsUnreconciled FinOpsApiBudgetExhausted FinOpsRowsRejected "
        "FinOpsWatchdog",
        "ai-ledger": "AILedgerDown AILedgerErrors AILedgerSlow AILedgerFailOpen AILedgerUnpriced",
    }
    assert {
        group: " ".join(dict.fromkeys(r.name for r in ALERTS if r.group == group))
        for group in groups()
    } == wanted


# What is said about them


def test_the_page_for_people_is_up_to_date() -> None:
    page = runpy.run_path(str(ROOT / "tools" / "alerts_page.py"))["page"]()
    assert (ROOT / "docs/alerts.md").read_text(encoding="utf-8") == page, "run: make docs"


def test_every_declared_foreign_metric_is_read() -> None:
    assert set(FOREIGN) == {one.name for rule in RECORDINGS for one in selectors(rule.expr)} & set(
        FOREIGN
    )


def test_every_alert_has_a_runbook_and_none_is_left_over() -> None:
    assert {file.stem for file in RUNBOOKS.iterdir()} == {alert.name for alert in ALERTS}
