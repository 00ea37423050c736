"""What has fired in a run, alert by alert, and whether that is what was reviewed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from shared import ROOT
from simulated.recording import TICK
from tables import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from simulated.rule_engine import Fired

GOLDEN = ROOT / "tests" / "golden" / "quiet_days"


class _Key(NamedTuple):
    severity: str
    name: str
    about: str


def summary(fired: Iterable[Fired]) -> str:
    """A line for each alert and label set: since when first, and how long in all."""
    firsts: dict[_Key, datetime] = {}
    ticks: dict[_Key, int] = {}
    days: dict[_Key, int] = {}
    for one in fired:
        key = _Key(one.severity, one.name, one.about)
        firsts.setdefault(key, one.since)
        ticks[key] = ticks.get(key, 0) + one.ticks
        days[key] = days.get(key, 0) + 1
    rows = [
        (*key, f"{firsts[key]:%Y-%m-%d %H:%M}", f"{days[key]}", hours(ticks[key] * TICK))
        for key in sorted(firsts)
    ]
    return table(("severity", "alert", "about", "first", "days", "hours"), rows)


def hours(duration: timedelta) -> str:
    """With one decimal."""
    return f"{duration.total_seconds() / 3600:.1f}"


def pages(fired: Sequence[Fired]) -> list[Fired]:
    """What somebody is called for."""
    return [one for one in fired if one.severity == "critical"]


def reviewed(name: str, text: str) -> None:
    """Compare with the file of this name; FINOPS_UPDATE_GOLDEN=1 writes it anew."""
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("FINOPS_UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{text}\n", encoding="utf-8")
    assert f"{text}\n" == file.read_text(encoding="utf-8"), "review, then FINOPS_UPDATE_GOLDEN=1"
