"""What must hold of every dashboard: each check returns what is wrong, in words."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeAlias

from dashboard_links import links
from dashboard_queries import parses, recorded, sources, through, variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dashboard_files import Dashboard, Panel

Check: TypeAlias = "Callable[[Dashboard, Mapping[str, Dashboard]], list[str]]"
"""Of a dashboard, beside all dashboards by their uids."""

SCHEMA_VERSION = 42
COLUMNS = 24

REFRESH = {"finops-overview": "5m", "finops-ai-budget": "1m", "finops-cloud-cost": "5m"}
COUNTS = {"finops-ai-budget": 11, "finops-cloud-cost": 10}
"""How many panels were asked for, rows apart."""

UNITS = {
    "currencyUSD": "US dollars, with K and M",
    "locale": "a number with all its digits, in groups",
    "percentunit": "a share: 1 is 100 %",
    "short": "a number, with K and Mil",
    "none": "a number as it is",
    "s": "seconds, told in the unit that fits",
    "dtdurations": "seconds, as so many days, hours and minutes",
    "dateTimeAsIso": "milliseconds since the epoch, as a date and a time",
    "dateTimeAsIsoNoDateIfToday": "the same; of today only the time",
    "dateTimeFromNow": "milliseconds since the epoch, as how long ago that is",
    "bytes": "bytes, in KiB and MiB",
    "string": "a text",
}
"""Grafana's ids of the units that we use, and how it writes them."""

WITHOUT_UNIT = {"table", "text", "alertlist"}
"""Kinds of panels whose fields have units of their own, or none."""


def header(dashboard: Dashboard, _all: Mapping[str, Dashboard]) -> list[str]:
    """Of the dashboard itself."""
    fields = dashboard.fields
    wanted = {
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "refresh": REFRESH.get(dashboard.uid),
        "timezone": "utc",
        "uid": dashboard.file,
    }
    found = [
        f"{name} is {fields.get(name)!r}, not {value!r}"
        for name, value in wanted.items()
        if fields.get(name) != value
    ]
    return found + [f"no {name}" for name in ("title", "description") if not fields.get(name)]


def count(dashboard: Dashboard, _all: Mapping[str, Dashboard]) -> list[str]:
    """As many panels as were asked for."""
    shown, wanted = len(dashboard.shown), COUNTS.get(dashboard.uid)
    if not shown:
        return ["no panels"]
    return [] if wanted in {None, shown} else [f"{shown} panels, not {wanted}"]


def texts(dashboard: Dashboard, _all: Mapping[str, Dashboard]) -> list[str]:
    """Every panel says what it is and why it may be empty, and no two are called alike."""
    found = [f"panel {one.id} has no title" for one in dashboard.panels if not one.title.strip()]
    for panel in dashboard.shown:
        if not panel.description.strip():
            found.append(f"{panel.title}: no description")
        if not str(panel.defaults.get("noValue", "")).strip():
            found.append(f"{panel.title}: no noValue")
    found += [
        f"variable {one.name} has no label" for one in dashboard.variables if not one.label.strip()
    ]
    return found + twice("title", (panel.title for panel in dashboard.panels))


def ids(dashboard: Dashboard, _all: Mapping[str, Dashboard]) -> list[str]:
    """Panels and queries can be told from each other."""
    found = twice("id", (panel.id for panel in dashboard.panels))
    for panel in dashboard.panels:
        if panel.id < 1:
            found.append(f"{panel.title}: id {panel.id}")
        if not panel.targets and not panel.is_row and panel.kind != "text":
            found.append(f"{panel.title}: no query")
        refs = [target.ref_id for target in panel.targets]
        found += [f"{panel.title}: {problem}" for problem in twice("refId", refs)]
        if not all(refs):
            found.append(f"{panel.title}: a query without refId")
    return found + twice("variable", (one.name for one in dashboard.variables))


def twice(what: str, given: Iterator[Any] | list[Any]) -> list[str]:
    """What is there more than once."""
    return [f"{what} {one!r} is there {n} times" for one, n in Counter(given).items() if n > 1]


def layout(dashboard: Dashboard, _all: Mapping[str, Dashboard]) -> list[str]:
    """Panels lie within the columns, upon each other as Grafana puts them, and never over one."""
    found = []
    for inside in dict.fromkeys(panel.inside for panel in dashboard.panels):
        panels = [panel for panel in dashboard.panels if panel.inside == inside]
        top = min(panel.place[1] for panel in panels)
        for panel in panels:
            x, y, width, height = panel.place
            if not (0 <= x < x + width <= COLUMNS and y >= 0 and height > 0):
                found.append(f"{panel.title}: {panel.place} is not within {COLUMNS} columns")
            if panel.is_row and (x, width, height) != (0, COLUMNS, 1):
                found.append(f"{panel.title}: a row is {COLUMNS} columns wide and 1 high")
            if y > top and not any(_rests(panel, other) for other in panels):
                found.append(f"{panel.title}: there is nothing above it, so it would move up")
        for one, other in combinations(panels, 2):
            if _over(one, other):
                found.append(f"{one.title} and {other.title} overlap")
    return found


def _beside(one: Panel, other: Panel) -> bool:
    return one.place[0] < sum(other.place[0::2]) and other.place[0] < sum(one.place[0::2])


def _over(one: Panel, other: Panel) -> bool:
    (top, below), (its_top, its_below) = (
        (panel.place[1], panel.place[1] + panel.place[3]) for panel in (one, other)
    )
    return _beside(one, other) and top < its_below and its_top < below


def _rests(panel: Panel, other: Panel) -> bool:
    return _beside(panel, other) and other.place[1] + other.place[3] == panel.place[1]


def units(dashboard: Dashboard, _all: Mapping[str, Dashboard]) -> list[str]:
    """Every number has a unit, and Grafana knows it."""
    found = []
    for panel in dashboard.shown:
        given = panel.properties("unit")
        found += [f"{panel.title}: unknown unit {one!r}" for one in given if one not in UNITS]
        if not given and panel.kind not in WITHOUT_UNIT:
            found.append(f"{panel.title}: no unit")
    return found


def thresholds(dashboard: Dashboard, _all: Mapping[str, Dashboard]) -> list[str]:
    """The first step begins below everything, the others are in order."""
    found = []
    for panel in dashboard.shown:
        for one in panel.properties("thresholds"):
            first, *others = [step.get("value") for step in one["steps"]]
            if first is not None:
                found.append(f"{panel.title}: the first threshold is {first}, not null")
            if None in others or others != sorted(set(others)):
                found.append(f"{panel.title}: thresholds {others} are not in order")
    return found


def portable(dashboard: Dashboard, _all: Mapping[str, Dashboard]) -> list[str]:
    """Nothing in it is only known to one Grafana: no ids of its database, no secrets of sources."""
    text = json.dumps(dashboard.fields)
    found = [
        f"{name} is set" for name in ("id", "version", "__inputs") if dashboard.fields.get(name)
    ]
    return found + [f"{word} is in it" for word in ("password", "secureJsonData") if word in text]


CHECKS: tuple[Check, ...] = (
    *(header, count, texts, ids, layout, sources, parses, recorded, variables, units),
    *(thresholds, links, through, portable),
)
