"""Whether tables of dashboards are what their queries make: Grafana joins rows by what is equal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dashboard_files import PROMETHEUS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dashboard_files import Dashboard, Panel

NAMELESS = re.compile(r"\(.*\) \+ 0", re.DOTALL)
"""An expression whose series have no name: arithmetic takes it away."""

OF_ROW = re.compile(r'\$\{__data\.fields\["([^"]+)"\]')


def tables(dashboard: Dashboard, _all: Mapping[str, Dashboard]) -> list[str]:
    """Rows of several queries can be joined, and whatever speaks of a column means one."""
    panels = (panel for panel in dashboard.shown if panel.kind == "table")
    return [f"{panel.title}: {problem}" for panel in panels for problem in _wrong(panel)]


def _wrong(panel: Panel) -> Iterator[str]:
    for target in panel.targets:
        if target.source_type == PROMETHEUS and not NAMELESS.fullmatch(target.expr):
            yield f"{target.ref_id} keeps the name of its metric, by which rows would differ"
    order = [one["id"] for one in panel.fields.get("transformations", [])]
    if order != ["merge", "filterFieldsByName", "organize"]:
        yield f"its rows go through {order}"
        return
    names = panel.fields["transformations"][2]["options"]["renameByName"]
    letters = {found[1] for field in names if (found := re.fullmatch("Value #(.)", field))}
    if letters and letters != {target.ref_id for target in panel.targets}:
        yield f"its columns are those of queries {sorted(letters)}"
    for name in sorted(_spoken_of(panel) - set(names.values())):
        yield f"there is no column {name!r}"


def _spoken_of(panel: Panel) -> set[str]:
    """Columns that have a look of their own, that links take a value from, or that rows sort by."""
    config = panel.fields["fieldConfig"]
    looks = {
        str(one["matcher"]["options"])
        for one in config["overrides"]
        if one["matcher"]["id"] == "byName"
    }
    order = {str(one["displayName"]) for one in panel.fields["options"].get("sortBy", [])}
    return looks | order | set(OF_ROW.findall(str(config)))
