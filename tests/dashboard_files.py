"""dashboards/*.json as Python reads them: panels, what they ask for, and variables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DASHBOARDS = ROOT / "dashboards"
FILES = sorted(DASHBOARDS.glob("*.json"))

PROMETHEUS, POSTGRES = "prometheus", "grafana-postgresql-datasource"

Fields: TypeAlias = "Mapping[str, Any]"
"""A part of the JSON as it stands there."""


@dataclass(frozen=True)
class Target:
    """One query, of PromQL (`expr`) or of SQL (`sql`); the other one is empty."""

    ref_id: str
    source_type: str
    source: str
    expr: str
    sql: str
    instant: bool
    range: bool
    fields: Fields

    @property
    def query(self) -> str:
        """The query in its language."""
        return self.expr or self.sql


@dataclass(frozen=True)
class Panel:
    """One panel or one row; `place` is x, y, width and height on a grid of 24 columns."""

    id: int
    kind: str
    title: str
    description: str
    place: tuple[int, int, int, int]
    targets: tuple[Target, ...]
    fields: Fields
    inside: str = ""
    """The title of the collapsed row that holds it."""

    @property
    def is_row(self) -> bool:
        return self.kind == "row"

    @property
    def source(self) -> str:
        """The uid of its data source; empty when it has none."""
        return str((self.fields.get("datasource") or {}).get("uid", ""))

    @property
    def defaults(self) -> Fields:
        """What holds for all of its fields: unit, thresholds, noValue."""
        return dict(self.fields.get("fieldConfig", {}).get("defaults", {}))

    @property
    def overrides(self) -> list[tuple[str, Any]]:
        """What holds for some of its fields: the name of each property with its value."""
        found = self.fields.get("fieldConfig", {}).get("overrides", [])
        return [(str(one["id"]), one.get("value")) for each in found for one in each["properties"]]

    def properties(self, name: str) -> list[Any]:
        """What is said of a property, for all fields and for some."""
        everywhere = [self.defaults[name]] if name in self.defaults else []
        return [*everywhere, *(value for one, value in self.overrides if one == name)]


@dataclass(frozen=True)
class Variable:
    """One variable; `query` is empty for those that ask nobody."""

    name: str
    kind: str
    label: str
    query: str
    source_type: str
    source: str
    regex: str
    multi: bool
    include_all: bool
    all_value: str
    fields: Fields

    @property
    def is_escaped(self) -> bool:
        """Whether data sources take it for a list of values, even where there is one only."""
        return self.multi or self.include_all


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; `panels` has those in collapsed rows as well, and the rows themselves."""

    file: str
    """The name of its file, without .json."""
    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...]
    annotations: tuple[Target, ...]
    fields: Fields

    @property
    def shown(self) -> list[Panel]:
        """The panels without the rows."""
        return [panel for panel in self.panels if not panel.is_row]

    @property
    def queries(self) -> Iterator[tuple[Panel, Target]]:
        """Every target of every panel."""
        return ((panel, target) for panel in self.panels for target in panel.targets)

    def variable(self, name: str) -> Variable:
        """The variable of that name. Raises KeyError."""
        return {one.name: one for one in self.variables}[name]


def load(file: Path) -> Dashboard:
    """The dashboard in a file. Raises ValueError for what is no JSON."""
    return read(json.loads(file.read_text(encoding="utf-8")), file.stem)


def read(fields: Fields, file: str = "") -> Dashboard:
    """The dashboard that this JSON describes."""
    return Dashboard(
        file=file or str(fields.get("uid", "")),
        uid=str(fields.get("uid", "")),
        title=str(fields.get("title", "")),
        description=str(fields.get("description", "")),
        panels=tuple(_panels(fields.get("panels", []))),
        variables=tuple(map(_variable, fields.get("templating", {}).get("list", []))),
        annotations=tuple(_annotations(fields.get("annotations", {}).get("list", []))),
        fields=fields,
    )


def committed() -> list[Dashboard]:
    """All dashboards of the project."""
    return [load(file) for file in FILES]


def _panels(found: list[Fields], inside: str = "") -> Iterator[Panel]:
    for fields in found:
        panel = _panel(fields, inside)
        yield panel
        yield from _panels(fields.get("panels", []), panel.title)


def _panel(fields: Fields, inside: str) -> Panel:
    place = fields.get("gridPos", {})
    x, y, width, height = (int(place.get(name, 0)) for name in "xywh")
    return Panel(
        id=int(fields.get("id", 0)),
        kind=str(fields.get("type", "")),
        title=str(fields.get("title", "")),
        description=str(fields.get("description", "")),
        place=(x, y, width, height),
        targets=tuple(_target(one, fields) for one in fields.get("targets", [])),
        fields=fields,
        inside=inside,
    )


def _target(fields: Fields, above: Fields) -> Target:
    """A query: over a range if it does not say, and of the panel's data source if it names none."""
    source = fields.get("datasource") or above.get("datasource") or {}
    instant = bool(fields.get("instant", False))
    return Target(
        ref_id=str(fields.get("refId", "")),
        source_type=str(source.get("type", "")),
        source=str(source.get("uid", "")),
        expr=str(fields.get("expr", "")),
        sql=str(fields.get("rawSql", "")),
        instant=instant,
        range=bool(fields.get("range", not instant)),
        fields=fields,
    )


def _annotations(found: list[Fields]) -> Iterator[Target]:
    """What marks moments, without Grafana's own (which asks no data source)."""
    for fields in found:
        if not fields.get("builtIn"):
            yield _target({**fields, **(fields.get("target") or {})}, fields)


def _variable(fields: Fields) -> Variable:
    query, source = fields.get("query") or "", fields.get("datasource") or {}
    if isinstance(query, dict):
        query = query.get("rawSql") or query.get("query") or ""
    return Variable(
        name=str(fields["name"]),
        kind=str(fields["type"]),
        label=str(fields.get("label") or ""),
        query=str(query),
        source_type=str(source.get("type", "")),
        source=str(source.get("uid", "")),
        regex=str(fields.get("regex") or ""),
        multi=bool(fields.get("multi")),
        include_all=bool(fields.get("includeAll")),
        all_value=str(fields.get("allValue") or ""),
        fields=fields,
    )
