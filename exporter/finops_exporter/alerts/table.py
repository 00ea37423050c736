"""Alerts and what they look at, as values that any format can print, and as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finops_exporter.alerts.catalogue import ALERTS, UNDECIDED, called

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from finops_exporter.alerts.rule import Alert, Decided, Limit, State, Tested, Undecided, Unit
    from finops_exporter.alerts.values import Values


@dataclass(frozen=True, slots=True)
class Found:
    """An alert with its label sets as they are."""

    alert: Alert
    decided: tuple[Decided, ...]

    def count(self, state: State) -> int:
        """How many label sets are in that state."""
        return sum(one.state == state for one in self.decided)


@dataclass(frozen=True, slots=True)
class Answer:
    """What holds at `at` (aware UTC) of the alerts that were asked for."""

    at: datetime
    found: tuple[Found, ...]
    undecided: tuple[Undecided, ...]


def answer(values: Callable[[], Values], now: datetime, name: str | None = None) -> Answer:
    """Decide all alerts, or those called `name`, of what `values` reads at `now` (aware UTC).

    Nothing is read where nothing can be decided. Raises FinopsError for an unknown name, and what
    `values` raises.
    """
    alerts: Sequence[Alert] = ALERTS
    undecided: Sequence[Undecided] = UNDECIDED
    if name is not None:
        alerts, undecided = called(name)
    if not alerts:
        return Answer(now, (), tuple(undecided))
    read, at = values(), now.timestamp()
    found = tuple(Found(one, tuple(one.decide(read, at))) for one in alerts)
    return Answer(now, found, tuple(undecided))


def condition(alert: Alert) -> str:
    """The condition in words."""
    words = [_limit_words(one) for one in alert.limits]
    words += [f"{_limit_words(one)} (only Prometheus knows)" for one in alert.elsewhere]
    first, *others = words
    joints = [
        ", unless " if limit.unless else " or " if alert.any_of else " and "
        for limit in (*alert.limits[1:], *alert.elsewhere)
    ]
    return first + "".join(f"{joint}{text}" for joint, text in zip(joints, others, strict=True))


def shown(number: float | None, unit: Unit) -> str:
    """A value with its unit."""
    if number is None:
        return "unknown"
    if unit == "flag":
        return "yes" if number else "no"
    if unit == "usd":
        return f"-${-number:,.2f}" if number < 0 else f"${number:,.2f}"
    forms = {"ratio": ".1%", "times": ",.2f", "number": ",.0f", "seconds": ",.0f"}
    behind = {"times": " x", "seconds": " s"}
    return f"{number:{forms[unit]}}{behind.get(unit, '')}"


def threshold(limit: Limit) -> str:
    """The number that a limit compares with, and what it is multiplied with."""
    if not limit.times:
        # 0.5 % has a digit that others do not need.
        return f"{limit.number * 100:g}%" if limit.unit == "ratio" else _short(limit)
    return limit.times if limit.number == 1 else f"{limit.number:.0%} of {limit.times}"


def as_json(told: Answer) -> str:
    """All alerts in short; what is not decided here has a reason."""
    listed: list[dict[str, object]] = [
        {
            **_head(one.alert),
            "label_sets": len(one.decided),
            **{state.replace(" ", "_"): one.count(state) for state in _STATES},
        }
        for one in told.found
    ]
    return _json({"at": _instant(told), "alerts": listed + _undecided(told)})


def explained_as_json(told: Answer) -> str:
    """The same with every label set: its values, their thresholds, and how far they are apart."""
    listed = [
        {**_head(one.alert), "label_sets": [_label_set(decided) for decided in one.decided]}
        for one in told.found
    ]
    return _json({"at": _instant(told), "alerts": listed + _undecided(told)})


_STATES: tuple[State, ...] = ("met", "not met", "unknown")


def _limit_words(limit: Limit) -> str:
    if limit.unit == "flag":
        return limit.what
    return f"{limit.what} {limit.compare} {threshold(limit)}"


def _short(limit: Limit) -> str:
    return shown(limit.number, limit.unit).replace(".00", "")


def _head(alert: Alert) -> dict[str, object]:
    return {
        "alert": alert.name,
        "group": alert.group,
        "severity": alert.severity,
        "decided": True,
        "condition": condition(alert),
        "for": alert.hold,
        "keep_firing_for": alert.keep or None,
    }


def _undecided(told: Answer) -> list[dict[str, object]]:
    return [
        {
            "alert": one.name,
            "group": one.group,
            "severity": one.severity,
            "decided": False,
            "why": one.why,
        }
        for one in told.undecided
    ]


def _label_set(one: Decided) -> dict[str, object]:
    return {
        "labels": dict(one.labels),
        "state": one.state,
        "values": [_value(tested) for tested in one.tested],
        "beside_usd": dict(one.beside),
    }


def _value(one: Tested) -> dict[str, object]:
    return {
        "what": one.limit.what,
        "unit": one.limit.unit,
        "value": one.value,
        "compare": f"unless {one.limit.compare}" if one.limit.unless else one.limit.compare,
        "threshold": one.threshold,
        "distance": one.distance,
        "met": one.met,
    }


def _instant(told: Answer) -> str:
    return f"{told.at:%Y-%m-%dT%H:%M:%SZ}"


def _json(document: dict[str, object]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)
