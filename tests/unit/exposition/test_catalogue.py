from __future__ import annotations

import re

from prometheus_client import CollectorRegistry

from finops_exporter.ai_budget.meters import Meters
from finops_exporter.exposition.ai_catalogue import AI_METRICS, AI_PROCESS_METRICS
from finops_exporter.exposition.catalogue import (
    COST_METRICS,
    FINOPS_METRICS,
    LIVE_METRICS,
    PROCESS_METRICS,
    as_markdown,
    cost_metric,
)
from shared import ROOT


def test_the_page_for_people_is_the_catalogue() -> None:
    written = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert written == as_markdown(), "run: make docs"


def test_names_follow_the_conventions() -> None:
    groups = (
        COST_METRICS,
        FINOPS_METRICS,
        AI_METRICS,
        AI_PROCESS_METRICS,
        PROCESS_METRICS,
        LIVE_METRICS,
    )
    for metric in [metric for group in groups for metric in group.values()]:
        assert re.fullmatch("[a-z][a-z0-9_]+", metric.name)
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert metric.help.endswith(".")
        assert len(set(metric.labels)) == len(metric.labels)


def test_a_cost_family_says_its_unit_and_its_time_zone() -> None:
    for metric in COST_METRICS.values():
        assert "US dollars" in metric.help
        assert metric.name == "cost_restated_usd_total" or "UTC" in metric.help


def test_providers_without_families_of_their_own_share_some() -> None:
    metric, first = cost_metric("cost_today_usd", "aws")
    assert (metric.name, metric.labels, first) == ("aws_cost_today_usd", ("account_id",), ())
    metric, first = cost_metric("cost_today_usd", "oracle")
    assert metric.name == "other_cost_today_usd"
    assert metric.labels == ("provider", "account_id")
    assert first == ("oracle",)


def test_a_family_of_ai_says_its_unit_and_whose_months_it_means() -> None:
    for metric in AI_METRICS.values():
        assert metric.unit != "usd" or "US dollars" in metric.help
        if "calendar month" in metric.help:
            assert "time zone" in metric.help


def test_what_a_process_counts_of_its_ledger_is_what_the_page_says() -> None:
    registry = CollectorRegistry()
    meters = Meters(registry)
    meters.checked("admitted", 0.1)
    meters.charged(1)
    meters.database_is(up=True)
    meters.follow(lambda: False)
    counted = set()
    for family in registry.collect():
        labels = {name for one in family.samples for name in one.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        counted.add((name, family.type, family.documentation, tuple(sorted(labels))))
    assert counted == {
        (metric.name, metric.kind, metric.help, metric.labels)
        for metric in AI_PROCESS_METRICS.values()
    }
