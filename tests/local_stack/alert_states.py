"""What Prometheus says of its alerts, as lines for people. No clock and no network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FOREVER = "FinOpsWatchdog"
"""Fires as long as anything works: no news to anybody."""

ORDER = ("critical", "warning", "info")

SOON = timedelta(minutes=1)
"""Groups with a longer interval look at other exporters, which the demo has not."""


@dataclass(frozen=True)
class AlertState:
    """One alert that is pending or firing, about one thing; times are aware."""

    name: str
    severity: str
    about: str
    labels: tuple[tuple[str, str], ...]
    firing: bool
    since: datetime
    waits: timedelta

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """By which it is the same one a moment later."""
        return self.labels

    def standing(self, now: datetime) -> str:
        """Since when it fires, or in how long it will."""
        if self.firing:
            return "fires"
        left = self.since + self.waits - now
        return f"fires in {duration(left)}" if left > timedelta(0) else "about to fire"


def states(groups: Iterable[Mapping[str, Any]]) -> list[AlertState]:
    """All alerts of an answer to /api/v1/rules, the worst and nearest first."""
    found = [
        _state(rule, alert)
        for group in groups
        for rule in group["rules"]
        for alert in rule.get("alerts") or ()
        if rule["name"] != FOREVER
    ]
    return sorted(found, key=_rank)


def evaluated(groups: Sequence[Mapping[str, Any]], since: datetime) -> bool:
    """Whether every group that looks at us was evaluated after `since` (aware)."""
    ours = [group for group in groups if timedelta(seconds=group["interval"]) <= SOON]
    return bool(ours) and all(_time(group["lastEvaluation"]) > since for group in ours)


def duration(left: timedelta) -> str:
    """A time to wait, as coarse as people say it."""
    seconds = max(round(left.total_seconds()), 1)
    if seconds < 60:
        return f"{seconds} s"
    minutes = -(-seconds // 60)
    return f"{minutes} min" if minutes < 120 else f"{round(minutes / 60)} h"


def table(found: Sequence[AlertState], now: datetime) -> str:
    """A line an alert, with columns below each other."""
    rows = [(one.name, one.severity, one.standing(now), one.about) for one in found]
    widths = [max(len(row[place]) for row in rows) for place in range(3)] if rows else []
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )


def news(before: Iterable[AlertState], after: Iterable[AlertState]) -> list[str]:
    """What began to fire between two answers, and what ended."""
    fired = {one.key: one for one in before if one.firing}
    fires = {one.key: one for one in after if one.firing}
    begun = [one for key, one in fires.items() if key not in fired]
    ended = [one for key, one in fired.items() if key not in fires]
    return [f"fires: {line}" for line in _called(begun)] + [
        f"over: {line}" for line in _called(ended)
    ]


def _called(found: Iterable[AlertState]) -> list[str]:
    """A line for each alert, of whatever many things it speaks."""
    about: dict[str, list[str]] = {}
    for one in found:
        about.setdefault(f"{one.name} ({one.severity})", []).append(one.about)
    return [
        f"{name}: {lines[0]}" if len(lines) == 1 else f"{name}, of {len(lines)} things"
        for name, lines in about.items()
    ]


def _state(rule: Mapping[str, Any], alert: Mapping[str, Any]) -> AlertState:
    labels = alert["labels"]
    return AlertState(
        name=rule["name"],
        severity=labels.get("severity", "none"),
        about=alert["annotations"].get("summary", ""),
        labels=tuple(sorted(labels.items())),
        firing=alert["state"] == "firing",
        since=_time(alert["activeAt"]),
        waits=timedelta(seconds=rule["duration"]),
    )


def _rank(one: AlertState) -> tuple[bool, int, datetime, str]:
    place = ORDER.index(one.severity) if one.severity in ORDER else len(ORDER)
    return not one.firing, place, one.since + one.waits, one.name + one.about


def _time(text: str) -> datetime:
    """Go's times have nine digits of a second; Python takes as many since 3.11."""
    return datetime.fromisoformat(text)
