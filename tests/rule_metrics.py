"""Which metrics the rules may ask for: ours, those of declared exporters, and what is recorded."""

from __future__ import annotations

import tomllib

from finops_exporter.exposition.ai_catalogue import AI_METRICS, AI_PROCESS_METRICS
from finops_exporter.exposition.catalogue import (
    COST_METRICS,
    FINOPS_METRICS,
    LIVE_METRICS,
    PROCESS_METRICS,
    cost_metric,
)
from rule_files import RECORDINGS, RULES, Selector


def ours() -> dict[str, set[str]]:
    """The labels of every metric that we expose."""
    costs = [
        cost_metric(name, provider)[0]
        for name in COST_METRICS
        for provider in ("aws", "azure", "gcp", "else")
    ]
    families = (
        FINOPS_METRICS,
        AI_METRICS,
        AI_PROCESS_METRICS,
        PROCESS_METRICS,
        LIVE_METRICS,
    )
    found: dict[str, set[str]] = {}
    for metric in [*costs, *(metric for family in families for metric in family.values())]:
        if metric.kind == "histogram":
            found[f"{metric.name}_bucket"] = {*metric.labels, "le"}
            found[f"{metric.name}_count"] = found[f"{metric.name}_sum"] = {*metric.labels}
        else:
            found[metric.name] = {*metric.labels}
    return found


def foreign() -> dict[str, set[str]]:
    """The labels that we use of every metric that others expose."""
    exporters = tomllib.loads((RULES / "foreign.toml").read_text(encoding="utf-8"))["exporter"]
    return {name: set(labels) for one in exporters for name, labels in one["metrics"].items()}


OURS, FOREIGN = ours(), foreign()
RECORDED = {rule.name for rule in RECORDINGS}


def unknown(asked: Selector) -> str:
    """What is wrong with a selector of a metric; empty when nothing is."""
    known = {**OURS, **FOREIGN, **dict.fromkeys(RECORDED), "ALERTS": None, "up": None}
    if asked.name not in known:
        return f"nobody exposes or records {asked.name}"
    labels = known[asked.name]
    if labels is not None and not asked.labels <= {*labels, "job", "instance"}:
        return f"{asked.name} has no labels {sorted(asked.labels - labels)}"
    return ""
