"""Print docs/alerts.md: `make docs`. It is made of the rules, their runbooks and foreign.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RULES = Path(__file__).resolve().parent.parent / "rules"
GROUPS = ("cloud-budget", "ai-budget", "storage", "waste", "trend", "meta", "ai-ledger")

LABELS = {
    "severity": "`critical` (answer within 1 hour), `warning` (4 hours), `info` (1 week, by the "
    "weekly digest), `none` (the watchdog)",
    "component": "`finops`",
    "category": "the group",
    "escalate": "`leadership`: of real money only",
    "provider, account_id, service, owner": "where the alert is about one",
    "budget, budget_period, scope_type, scope_value, period, threshold": "of alerts on cloud "
    "budgets; `budget_period` is `current`, or `closing` for the period before, which is still "
    "being billed",
    "tenant_id, model, report_type": "of alerts on AI budgets; the model `*` is all of them",
    "cluster, namespace, pod, persistentvolumeclaim": "of alerts on what runs in Kubernetes; "
    "`cluster` where your Prometheus tells several apart by it",
}
ANNOTATIONS = {
    "summary": "one line",
    "description": "whole sentences with the value and its unit",
    "runbook_url": "the page of rules/runbooks",
    "dashboard_url": "the dashboard, with its variables set",
    "response_time": "1 hour, 4 hours or 1 week, by severity",
    "page_or_wait": "whether to get up for it",
    "action": "what to do first",
    "command": "one command that tells more",
    "budget_kind": "`AI` of AI budgets",
    "budget_name": "what people call the budget: its name; of AI budgets the tenant, and the model",
    "threshold": "the percents that are reached",
    "period": "`monthly`, ..., and whether it is the one that is closing",
    "scope": "what the budget is about, as `Team = data`",
    "limit": "US dollars, as `10000.00`",
    "spent": "US dollars",
    "used_percent": "spent of the limit, as `82.0`",
    "remaining": "US dollars, as `-250.00` where more than the limit is spent",
    "burn_rate": "US dollars a day",
    "days_left": "whole days until the limit is reached at that rate",
    "exhaustion_date": "the day (UTC) of that",
    "forecast": "US dollars at the end of the period (p50)",
    "forecast_low": "the p10 of it",
    "forecast_high": "the p90 of it",
    "data_through": "the newest complete day (UTC) of the provider, or of the latest of all",
    "drivers": "what drives it, the largest three, a line each",
}
"""What each annotation says. One whose value is not known is empty."""

HEAD = (
    "Generated from `rules/` (`make docs`); do not edit. [rules/README.md](../rules/README.md) "
    "says how to load the files and where to set the addresses of runbooks and dashboards."
)
AMOUNTS = (
    "Since when an alert fires is Alertmanager's `StartsAt`; amounts have no thousands separators, "
    "which are set where they are shown."
)

RECORDINGS = (
    "What dashboards read, too. Each takes the replica whose snapshot is the freshest; those of "
    "`ai-ledger` add up all processes. Of cloud budgets `budget_period` is `current` or `closing`."
)
FOREIGN = (
    "The files `storage.yaml` and `waste.yaml` read them, and may be left out; the others need "
    "only [our own metrics](metrics.md)."
)


def groups() -> Iterator[dict[str, Any]]:
    """The groups of all files, in the order in which they are told."""
    for name in GROUPS:
        (group,) = yaml.safe_load((RULES / f"{name}.yaml").read_text(encoding="utf-8"))["groups"]
        yield group


def page() -> str:
    """The whole page."""
    found = list(groups())
    return "\n".join(
        [
            "# Alerts",
            "",
            HEAD,
            "",
            *(line for group in found for line in _alerts(group)),
            "## Labels",
            "",
            *_table(("label", "meaning"), [(_code(name), text) for name, text in LABELS.items()]),
            "## Annotations",
            "",
            *_table(
                ("annotation", "meaning", "alerts"),
                [(_code(name), text, _users(name, found)) for name, text in ANNOTATIONS.items()],
            ),
            AMOUNTS,
            "",
            "## Recordings",
            "",
            RECORDINGS,
            "",
            *_table(("group", "recording"), [*_recordings(found)]),
            "## Metrics of other exporters",
            "",
            FOREIGN,
            "",
            *_foreign(),
        ]
    )


def _alerts(group: dict[str, Any]) -> list[str]:
    alerts = [rule for rule in group["rules"] if "alert" in rule]
    rows = [
        (
            f"[`{rule['alert']}`](../rules/runbooks/{rule['alert']}.md)",
            rule["labels"]["severity"],
            _times(rule),
            meaning(rule["alert"]),
        )
        for rule in alerts
    ]
    expressions = [
        f"- `{rule['alert']}` ({rule['labels']['severity']}): `{_one_line(rule['expr'])}`"
        for rule in alerts
    ]
    heading = ("alert", "severity", "for", "fires when")
    return [f"## {group['name']}", "", *_table(heading, rows), *expressions, ""]


def meaning(alert: str) -> str:
    """The first paragraph of an alert's runbook."""
    text = (RULES / "runbooks" / f"{alert}.md").read_text(encoding="utf-8")
    return _one_line(text.split("## Meaning\n\n")[1].split("\n\n")[0])


def _times(rule: dict[str, Any]) -> str:
    kept = rule.get("keep_firing_for")
    return f"{rule.get('for', 'at once')}" + (f", kept {kept}" if kept else "")


def _users(annotation: str, found: list[dict[str, Any]]) -> str:
    alerts = [rule for group in found for rule in group["rules"] if "alert" in rule]
    users = dict.fromkeys(rule["alert"] for rule in alerts if annotation in rule["annotations"])
    if len(users) == len({rule["alert"] for rule in alerts}):
        return "all"
    return ", ".join(f"`{alert}`" for alert in users)


def _recordings(found: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for group in found:
        names = dict.fromkeys(rule["record"] for rule in group["rules"] if "record" in rule)
        for number, name in enumerate(names):
            yield (group["name"] if number == 0 else "", f"`{name}`")


def _foreign() -> list[str]:
    exporters = tomllib.loads((RULES / "foreign.toml").read_text(encoding="utf-8"))["exporter"]
    rows = [
        (
            one["name"],
            f"{one['version']} or later",
            ", ".join(one["groups"]),
            ", ".join(f"`{metric}`" for metric in one["metrics"]),
            one["setup"],
        )
        for one in exporters
    ]
    return _table(("exporter", "version", "groups", "metrics", "what it needs"), rows)


def _table(heading: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [heading, ("---",) * len(heading), *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", "))


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - what it is for
