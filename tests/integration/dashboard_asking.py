"""Dashboards as Grafana shows them: their variables get values, their panels answers."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from dashboard_files import PROMETHEUS
from dashboard_queries import LABEL_VALUES, QUERY_RESULT
from dashboard_variables import Chosen, promql
from integration.dashboard_history import MOMENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dashboard_files import Dashboard, Panel, Target, Variable
    from dashboard_variables import Value
    from integration.dashboard_history import Answers, Series

DAYS = 35


def opened(
    dashboard: Dashboard, server: Answers, values: Mapping[str, Value] | None = None
) -> Chosen:
    """What is chosen as somebody opens the dashboard over 35 days: these values, else all.

    Variables are asked for in their order; one that has no All has its first value.
    """
    chosen = Chosen(dict(values or {}), {}, MOMENT - timedelta(days=DAYS), MOMENT)
    for variable in dashboard.variables:
        if variable.kind != "query" or variable.source_type != PROMETHEUS:
            continue
        found = tuple(options(dashboard, variable, server, chosen))
        chosen = replace(chosen, options={**chosen.options, variable.name: found})
        if not variable.include_all and variable.name not in chosen.values:
            first = found[0] if found else ""
            chosen = replace(chosen, values={**chosen.values, variable.name: first})
    return chosen


def options(dashboard: Dashboard, variable: Variable, server: Answers, chosen: Chosen) -> list[str]:
    """The values among which one can choose, each once."""
    query = promql(dashboard, variable.query, chosen).strip()
    if found := LABEL_VALUES.fullmatch(query):
        texts = server.label_values(found[2], (found[1] or "").strip())
    elif found := QUERY_RESULT.fullmatch(query):
        texts = [_told(one) for one in server.now(found[1], chosen.until)]
    else:
        raise AssertionError(f"{variable.name}: only label_values and query_result are known here")
    return list(dict.fromkeys(_kept(variable.regex, texts)))


def _told(one: Series) -> str:
    """A result as Grafana writes it for variables: the series, its value, milliseconds."""
    labels, points = one
    inside = ",".join(f'{key}="{text}"' for key, text in labels.items() if key != "__name__")
    seconds, value = points[-1]
    return f"{labels.get('__name__', '')}{{{inside}}} {value:g} {seconds * 1000:.0f}"


def _kept(regex: str, texts: list[str]) -> Iterator[str]:
    """The texts, or what a pattern (/between slashes/) captures of those that it fits."""
    pattern = re.compile(regex.removeprefix("/").removesuffix("/"))
    for text in texts:
        if not regex:
            yield text
        elif found := pattern.search(text):
            yield found[1] if pattern.groups else found[0]


def ask(
    dashboard: Dashboard, panel: Panel, target: Target, server: Answers, chosen: Chosen
) -> list[Series]:
    """What a query of PromQL answers; of one that is for both, at the end and over time."""
    looks = chosen.of(panel, target)
    expr = promql(dashboard, target.expr, looks)
    found: list[Series] = []
    if target.instant:
        found += server.now(expr, looks.until)
    if target.range:
        found += server.course(expr, looks.since, looks.until, looks.interval)
    return found
