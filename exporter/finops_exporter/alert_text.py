"""What people see of alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from finops_exporter import printing
from finops_exporter.alerts.table import condition, shown, threshold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finops_exporter.alerts.rule import Alert, Decided, Tested
    from finops_exporter.alerts.table import Answer, Found


def listed(told: Answer) -> None:
    """All alerts with how many label sets meet their condition now; then the others."""
    head = ("alert", "group", "severity", "label sets", "met now", "unknown", "condition")
    lines = [
        (
            one.alert.name,
            one.alert.group,
            one.alert.severity,
            str(len(one.decided)),
            str(one.count("met")),
            str(one.count("unknown")),
            condition(one.alert),
        )
        for one in told.found
    ]
    printing.table(head, lines, numbers=(3, 4, 5))
    click.echo("needs Prometheus: not decided here")
    others = [(one.name, one.group, one.severity, one.why) for one in told.undecided]
    printing.table(("alert", "group", "severity", "because"), others, numbers=())


def explained(told: Answer) -> None:
    """Every label set of the alerts that were asked for."""
    for one in told.found:
        _explain(one)
    for other in told.undecided:
        click.echo(
            f"{other.name} ({other.group}, {other.severity}): needs Prometheus, not decided here: "
            f"{other.why}"
        )


def _explain(found: Found) -> None:
    alert = found.alert
    click.echo(f"{alert.name} ({alert.group}, {alert.severity}): {condition(alert)}")
    click.echo(f"{_times(alert)}; met now: {found.count('met')} of {len(found.decided)}")
    if not found.decided:
        click.echo("there is nothing that it could look at")
        return
    head = ("labels", "state", "what", "now", "threshold", "difference")
    lines = [line for one in found.decided for line in _lines(one)]
    printing.table(head, lines, numbers=(3, 4, 5))


def _times(alert: Alert) -> str:
    keep = f", and stays for {alert.keep} when it does not any more" if alert.keep else ""
    return f"Prometheus fires once it has held for {alert.hold}{keep}"


def _lines(one: Decided) -> Iterator[tuple[str, ...]]:
    """A line for each comparison, and one for what is beside; the labels stand in the first."""
    labels = ", ".join(f"{name}={text}" for name, text in one.labels.items()) or "(all together)"
    first: tuple[str, str] = (labels, one.state)
    for tested in one.tested:
        yield (*first, tested.limit.what, *_numbers(tested))
        first = ("", "")
    for name, usd in one.beside.items():
        yield (*first, f"  {name}", shown(usd, "usd"), "", "")


def _numbers(tested: Tested) -> tuple[str, str, str]:
    limit = tested.limit
    now = shown(tested.value, limit.unit)
    if limit.unit == "flag":
        return now, "yes", ""
    number = shown(tested.threshold, limit.unit) if limit.times else threshold(limit)
    word = "unless " if limit.unless else ""
    distance = "" if tested.distance is None else _signed(tested)
    return now, f"{word}{limit.compare} {number}", distance


def _signed(tested: Tested) -> str:
    """How far above, or below, the threshold; shares differ by points, not by per cent."""
    distance = tested.distance or 0.0
    sign = "+" if distance >= 0 else "-"
    if tested.limit.unit == "ratio":
        return f"{sign}{abs(distance) * 100:.1f} points"
    return f"{sign}{shown(abs(distance), tested.limit.unit)}"
