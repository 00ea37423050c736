"""What people see of anomalies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from finops_exporter import printing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from finops_exporter.anomaly_desk import Explanation
    from finops_exporter.store.anomalies import Anomaly, PlannedChange

BAR = 40
"""Characters of the longest bar."""


def listed(found: Sequence[Anomaly], planned: Sequence[PlannedChange]) -> None:
    """The anomalies as a table, then what is announced."""
    if found:
        head = ("#", "day", "provider", "account", "service", "kind", "cost", "expected", "excess")
        rows = [
            (
                str(one.anomaly_id),
                str(one.day),
                one.provider,
                one.account_id,
                one.service,
                one.kind,
                _usd(one.actual_usd),
                _usd(one.expected_usd),
                _usd(one.excess_usd),
                _state(one),
            )
            for one in found
        ]
        printing.table((*head, "state"), rows, numbers=(6, 7, 8))
    else:
        click.echo("no anomaly")
    for change in planned:
        scope = ", ".join(filter(None, (change.provider, change.account_id, change.service)))
        click.echo(
            f"announced as {change.change_id}: {scope}, {change.since} to {change.until}, by "
            f"{change.announced_by}: {change.note}"
        )


def explained(found: Explanation) -> None:
    """Why it counts as one, its last days, and its parts."""
    one = found.anomaly
    click.echo(f"#{one.anomaly_id} {one.provider} {one.account_id} {one.service}")
    score = "" if one.score is None else f", score {one.score:.1f}"
    click.echo(
        f"{one.day} (UTC): {one.kind}, cost {_usd(one.actual_usd)}, expected "
        f"{_usd(one.expected_usd)}, excess {_usd(one.excess_usd)}{score}"
    )
    click.echo(f"state: {_state(one)}\n")
    most = max((usd or 0.0 for _, usd in found.series), default=0.0) or 1.0
    for day, usd in found.series:
        told = "unknown" if usd is None else f"${usd:,.2f}"
        bar = "" if usd is None else "#" * max(0, round(usd / most * BAR))
        click.echo(f"{day:%a %Y-%m-%d} {told:>14} {bar}".rstrip())
    if found.drivers:
        click.echo("\nagainst the same weekday of the four weeks before:")
        rows = [
            (part.dimension, part.value, _usd(part.usually), _usd(part.cost), _usd(part.change))
            for part in found.drivers
        ]
        printing.table(("by", "value", "usually", "cost", "change"), rows, numbers=(2, 3, 4))
    if found.unknown:
        click.echo(f"\nnot known together with account and service: {', '.join(found.unknown)}")


def _state(one: Anomaly) -> str:
    if one.withdrawn:
        return "withdrawn: restated since"
    told = one.status.replace("_", " ")
    if one.decided_by and one.status != "open":
        told += f" by {one.decided_by}"
    if one.note and one.status != "open":
        told += f": {one.note}"
    return f"announced: {one.planned}" if one.planned and one.status == "open" else told


def _usd(amount: Decimal) -> str:
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount):,.2f}"
