"""What must hold of the queries of every dashboard, and of its variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dashboard_files import POSTGRES, PROMETHEUS
from dashboard_variables import Chosen, names, promql
from rule_files import selectors
from rule_metrics import RECORDED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dashboard_files import Dashboard, Target

SOURCES = {"datasource": PROMETHEUS, "postgresql": POSTGRES}
"""Variables that say which data source is asked, and its kind."""

OF_DAYS = re.compile(r"cloud_(cost_|budget_(spent|used|forecast|burn_rate))")
"""Recordings that add up complete days, and so are known through a day."""
NOT_OF_DAYS = {
    "provider_account:cloud_cost_today_usd:sum": "the day under way",
    "provider:cloud_cost_restated_usd_total:max": "by the time at which it was corrected",
    "provider:cloud_cost_spike_floor_usd:max": "a limit of alerts",
    "provider:cloud_cost_anomaly_floor_usd:max": "a limit of alerts",
}
OF_PROMETHEUS = {"ALERTS", "ALERTS_FOR_STATE"}
"""What it says itself of the alerts of rules."""

THROUGH = re.compile(r"\$(through\b|\{through\b)")

VALUES = ("one", r"Amazon S3 (EU) a|b.c\d")
"""What may be chosen, with characters that mean something in a regular expression."""


def sources(dashboard: Dashboard, _all: Mapping[str, Dashboard]) -> list[str]:
    """Who is asked is a variable, of the kind that the query is written for."""
    known = {one.name: one.query for one in dashboard.variables if one.kind == "datasource"}
    found = [
        f"variable {name} chooses among {kind}, not {SOURCES.get(name)}"
        for name, kind in known.items()
        if SOURCES.get(name) != kind
    ]
    asked = [
        *(
            (f"{panel.title} {one.ref_id}", one.source_type, one.source, one.sql)
            for panel, one in dashboard.queries
        ),
        *(("an annotation", one.source_type, one.source, one.sql) for one in dashboard.annotations),
        *(
            (f"variable {one.name}", one.source_type, one.source, "")
            for one in dashboard.variables
            if one.kind == "query"
        ),
    ]
    for what, kind, uid, statement in asked:
        name = uid.removeprefix("${").removesuffix("}")
        if uid != f"${{{name}}}" or name not in known:
            found.append(f"{what} asks {uid or 'nobody'}, which is no variable of data sources")
        elif kind != SOURCES.get(name):
            found.append(f"{what} takes {uid} for {kind}")
        elif statement and kind != POSTGRES:
            found.append(f"{what} asks {kind} for SQL")
    for panel in dashboard.shown:
        theirs = {one.source for one in panel.targets}
        if theirs and panel.source not in {*theirs, "-- Mixed --"}:
            whom = panel.source or "nobody"
            found += [f"{panel.title} asks {whom}, its queries ask others"]
    return found


def parses(dashboard: Dashboard, _all: Mapping[str, Dashboard]) -> list[str]:
    """Every expression is one, whatever is chosen."""
    found = []
    for what, expr in expressions(dashboard):
        if not expr.strip():
            found.append(f"{what}: an empty query")
        for chosen in choices(dashboard):
            try:
                selectors(promql(dashboard, expr, chosen))
            except (ValueError, KeyError) as error:
                found.append(f"{what}: {error}")
    return list(dict.fromkeys(found))


def recorded(dashboard: Dashboard, _all: Mapping[str, Dashboard]) -> list[str]:
    """Only what rules record is asked for, and alerts."""
    found = [
        f"{what}: nothing records {name}"
        for what, name in asked_for(dashboard)
        if name not in {*RECORDED, *OF_PROMETHEUS}
    ]
    return list(dict.fromkeys(found))


def asked_for(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """The names (or patterns of names) of all metrics that are asked for, and by what."""
    for what, expr in expressions(dashboard):
        for one in selectors(promql(dashboard, expr, Chosen(options=_options(dashboard)))):
            yield what, one.name


def expressions(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """Every expression of PromQL, and where it stands."""
    for panel, target in dashboard.queries:
        if not _is_sql(target):
            yield f"{panel.title} {target.ref_id}", target.expr
    for target in dashboard.annotations:
        if not _is_sql(target):
            yield "an annotation", target.expr
    for variable in dashboard.variables:
        if variable.kind == "query" and variable.source_type == PROMETHEUS:
            yield f"variable {variable.name}", in_question(variable.query)


def _is_sql(target: Target) -> bool:
    return target.source_type == POSTGRES


LABEL_VALUES = re.compile(r"label_values\((?:(.+),)?\s*(\w+)\s*\)", re.DOTALL)
QUERY_RESULT = re.compile(r"query_result\((.+)\)", re.DOTALL)


def in_question(query: str) -> str:
    """The expression in what a variable asks: label_values(expr, label) or query_result(expr)."""
    if found := LABEL_VALUES.fullmatch(query.strip()) or QUERY_RESULT.fullmatch(query.strip()):
        return str(found[1] or "")
    return query


def choices(dashboard: Dashboard) -> list[Chosen]:
    """All values, one of each variable, several of those that may have several."""
    asked = [one for one in dashboard.variables if one.kind != "datasource"]
    options = _options(dashboard)
    several = {one.name: VALUES if one.multi else VALUES[1] for one in asked}
    return [
        Chosen(options=options),
        Chosen({one.name: VALUES[0] for one in asked}, options),
        Chosen(several, options),
    ]


def _options(dashboard: Dashboard) -> dict[str, tuple[str, ...]]:
    return {one.name: VALUES for one in dashboard.variables}


def variables(dashboard: Dashboard, _all: Mapping[str, Dashboard]) -> list[str]:
    """What is referred to is defined, and what is defined is referred to (not only by itself)."""
    rest = {**dashboard.fields, "templating": None}
    used = _names(rest)
    for fields in dashboard.fields.get("templating", {}).get("list", []):
        used |= _names(fields) - {fields["name"]}
    defined = {one.name for one in dashboard.variables}
    return [
        *(f"${name} is not defined" for name in sorted(used - defined)),
        *(f"${name} is not used" for name in sorted(defined - used)),
    ]


def _names(fields: object) -> set[str]:
    """Variables in any text of a part of the JSON, and those by which panels are repeated."""
    if isinstance(fields, dict):
        repeat = fields.get("repeat")
        found = {repeat} if isinstance(repeat, str) and repeat else set()
        return found.union(*map(_names, fields.values()))
    if isinstance(fields, list):
        return set[str]().union(*map(_names, fields))
    return names(fields) if isinstance(fields, str) else set()


OF_LIMITS = {"Monthly Budget"}
"""Panels that ask for costs only to know whose limits are needed."""


def through(dashboard: Dashboard, _all: Mapping[str, Dashboard]) -> list[str]:
    """Whoever looks at costs is told through which day they are known."""
    names_of: dict[str, set[str]] = {}
    for panel, target in dashboard.queries:
        if not _is_sql(target):
            expr = promql(dashboard, target.expr, Chosen(options=_options(dashboard)))
            names_of.setdefault(panel.title, set()).update(one.name for one in selectors(expr))
    return [
        f"{title}: its title does not say through which day"
        for title, asked in names_of.items()
        if title not in OF_LIMITS
        and any(OF_DAYS.search(one) for one in asked - NOT_OF_DAYS.keys())
        and not THROUGH.search(title)
    ]
