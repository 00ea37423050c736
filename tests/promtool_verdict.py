"""What Prometheus' own promtool makes of the rules, held against what `rules` says of values."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from finops_exporter.alerts.catalogue import ALERTS
from shared import ROOT, tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from finops_exporter.alerts.rule import Decided
    from finops_exporter.alerts.values import Values
    from finops_exporter.exposition.metric import Family

RULES = ROOT / "rules"
MINUTES = 6
"""So long after the epoch promtool looks: what is met is pending by then."""


def rule_files() -> list[Path]:
    """The rules, or a skip."""
    if not RULES.is_dir():
        pytest.skip("rules/ is not in this checkout: there is nothing to hold the command against")
    return sorted(RULES.glob("*.yaml"))


def rules_of(files: Iterable[Path]) -> list[tuple[str, Mapping[str, Any]]]:
    """Each alert with its group."""
    return [
        (group["name"], rule)
        for file in files
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


def moved(families: Iterable[Family], now: float) -> list[Family]:
    """The same, with instants as long before MINUTES after the epoch as they are before `now`."""
    found = []
    for family in families:
        seconds = now - 60 * MINUTES if family.metric.name.endswith("_timestamp_seconds") else 0.0
        samples = {key: number - seconds for key, number in family.samples.items()}
        found.append(type(family)(family.metric, samples))
    return found


def hold(families: Iterable[Family], values: Values, folder: Path) -> int:
    """Fail where promtool decides otherwise than we do; returns how many label sets are met.

    `families` are those behind `values`, with instants around the epoch.
    """
    files = rule_files()
    met = [
        {"alertname": alert.name, "severity": alert.severity, **_labels(one)}
        for alert in ALERTS
        for one in alert.decide(values, 60 * MINUTES)
        if one.state == "met"
    ]
    kept = sorted({label for labels in met for label in labels} | {"provider", "severity"})
    tests = {
        "rule_files": [str(file) for file in files],
        "evaluation_interval": f"{MINUTES}m",
        "tests": [
            {
                "interval": "1m",
                "input_series": list(_series(families)),
                "promql_expr_test": [
                    {
                        "expr": f"max by ({','.join(kept)}) ({_alerts()})",
                        "eval_time": f"{MINUTES}m",
                        "exp_samples": [
                            {"labels": _selector("", labels), "value": 1} for labels in met
                        ],
                    }
                ],
            }
        ],
    }
    file = folder / "verdict_test.yaml"
    file.write_text(yaml.safe_dump(tests, width=10_000), encoding="utf-8")
    told = subprocess.run(
        [tool("prometheus", "promtool"), "test", "rules", file],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert told.returncode == 0, _difference(told.stdout + told.stderr)
    return len(met)


def _difference(output: str) -> str:
    """What only one of the two says, where promtool tells both."""
    both = re.search(r"exp: (.*)\n\s+got: (.*)", output)
    if both is None:
        return output
    ours, theirs = (set(side.split(" 1E+00, ")) for side in both.groups())
    return f"only we: {sorted(ours - theirs)}; only promtool: {sorted(theirs - ours)}"


def _alerts() -> str:
    """All that are pending or fire, of those that we decide."""
    names = "|".join(sorted({alert.name for alert in ALERTS}))
    # In ALERTS, a label that is made by a template and empty keeps the template's text.
    return f'label_replace(ALERTS{{alertname=~"{names}"}}, "provider", "", "provider", "{{{{.*")'


def _labels(one: Decided) -> dict[str, str]:
    """As the alert has them: those of a provider's budget name the provider."""
    labels = dict(one.labels)
    if labels.get("scope_type") == "provider":
        labels["provider"] = labels["scope_value"]
    return labels


def _series(families: Iterable[Family]) -> Iterable[dict[str, str]]:
    snapshot = _selector("finops_snapshot_timestamp_seconds", {"instance": "a"})
    yield {"series": snapshot, "values": f"0+60x{MINUTES}"}
    for family in families:
        for key, number in family.samples.items():
            labels = dict(zip(family.metric.labels, key, strict=True))
            series = _selector(family.metric.name, {**labels, "instance": "a"})
            yield {"series": series, "values": f"{number!r}x{MINUTES}"}


def _selector(name: str, labels: Mapping[str, str]) -> str:
    given = {**({"job": "finops"} if name else {}), **labels}
    inside = ",".join(f"{label}={_quoted(text)}" for label, text in given.items() if text)
    return f"{name}{{{inside}}}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
