from __future__ import annotations

import re

from exporter_commands import all_commands, commands
from finops_exporter.collectors import BUILT_IN, collector_class
from finops_exporter.exposition.ai_catalogue import AI_METRICS, AI_PROCESS_METRICS
from finops_exporter.exposition.catalogue import (
    COST_METRICS,
    FINOPS_METRICS,
    LIVE_METRICS,
    PROCESS_METRICS,
)
from shared import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")

OF_OTHERS = {
    "--json",  # curl
    *("--max-block-duration", "--eval-interval", "--start", "--end", "--url", "--output-dir"),
    *("--storage.tsdb.path", "--storage.tsdb.retention.time"),
}
"""Options of curl, promtool and Prometheus."""


def test_every_metric_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"`((?:P|finops|cloud|ai_budget)_[a-z0-9_]+)`", README))
    others = (FINOPS_METRICS, AI_METRICS, AI_PROCESS_METRICS, PROCESS_METRICS, LIVE_METRICS)
    known = {f"P_{name}" for name in COST_METRICS}.union(*others)
    assert named
    assert named <= known


def test_every_cost_metric_is_in_the_readme() -> None:
    assert {name for name in COST_METRICS if f"P_{name}" not in README} == set()


def test_the_commands_of_the_readme_are_the_commands() -> None:
    section = README.split("## Commands")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE) == [
        "serve",
        "collect",
        "costs",
        "sources",
        "budget",
        "customers",
        "ai",
        "check-config",
        "anomalies",
        "doctor",
        "backtest",
        "rules",
        "backfill",
        "migrate",
        "demo",
        "version",
    ]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)) == set(commands())


def test_every_option_that_the_readme_names_exists() -> None:
    options = {
        option
        for command in all_commands().values()
        for parameter in command.params
        for option in parameter.opts
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z.-]+", README))
    assert named <= options | {"--help"} | OF_OTHERS


def test_every_option_of_a_built_in_source_is_explained() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for kind in BUILT_IN:
        section = text.split(f"## Sources of type `{kind}`")[1].split("\n## ")[0]
        options = collector_class(kind).Config.model_fields
        assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(options)


def test_the_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README):
        assert (ROOT / target).exists(), target
