from __future__ import annotations

import re

from finops_exporter.exposition.catalogue import (
    COST_METRICS,
    FINOPS_METRICS,
    LIVE_METRICS,
    as_markdown,
    cost_metric,
)
from shared import ROOT


def test_the_page_for_people_is_the_catalogue() -> None:
    written = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert written == as_markdown(), "run: make docs"


def test_names_follow_the_conventions() -> None:
    for metric in [*COST_METRICS.values(), *FINOPS_METRICS.values(), *LIVE_METRICS.values()]:
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
