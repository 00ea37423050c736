"""The rules that Prometheus is given: ours, or copies with short waits, and who scrapes what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from local_stack.installed import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = ROOT / "rules"

SCRAPE = "5s"
EVALUATION = "15s"
"""Of groups whose file does not say."""

QUICK = {"for": "10s", "keep_firing_for": "30s", "interval": "5s"}
"""What durations become where nobody wants to wait for them."""

_DURATION = re.compile(rf"^( +)({'|'.join(QUICK)}): \S+$", re.MULTILINE)


def rule_files(folder: Path, *, quick: bool) -> list[Path]:
    """The files that we ship, or copies of them below `folder` in which nothing waits for long."""
    files = sorted(SHIPPED.glob("*.yaml"))
    if not quick:
        return files
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file.name).write_text(quickened(file.read_text("utf-8")), encoding="utf-8")
    return [folder / file.name for file in files]


def quickened(text: str) -> str:
    """A rule file with short durations; its expressions stay as they are."""
    return _DURATION.sub(lambda found: f"{found[1]}{found[2]}: {QUICK[found[2]]}", text)


def prometheus_config(
    rules: list[Path], exporter: str, manager: str | None, *, quick: bool
) -> dict[str, Any]:
    """A configuration that scrapes `exporter` and tells `manager` (both host:port)."""
    timing = {
        "scrape_interval": SCRAPE,
        "scrape_timeout": SCRAPE,
        "evaluation_interval": QUICK["interval"] if quick else EVALUATION,
    }
    config: dict[str, Any] = {
        "global": timing,
        "rule_files": [str(rule) for rule in rules],
        "scrape_configs": [{"job_name": "finops", "static_configs": [{"targets": [exporter]}]}],
    }
    if manager:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]}
    return config
