"""How all dashboards look: words, kinds of panels, colours, units, columns, links, the grid."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import piechart, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.piechart import PieChartLegendValues, PieChartType

from dashboards.asking import PROMETHEUS, data_source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from grafana_foundation_sdk.cog.variants import Dataquery

RUNBOOKS = "https://runbooks.example.com/finops"
"""A placeholder, as in rules/*.yaml: dashboards/README.md says how to replace it."""

TITLES = {
    "finops-overview": "FinOps overview",
    "finops-cloud-cost": "FinOps cloud cost",
    "finops-ai-budget": "FinOps AI budget",
}

USD = "currencyUSD"
EXACT = "locale"
"""Money in a table: every digit group and two decimals, where `currencyUSD` would say $12.3 K."""

RATIO = "percentunit"
COUNT = "short"

BLUE, GREEN, YELLOW, RED, GREY = "blue", "green", "#EAB839", "red", "#8e8e8e"
WARNING, EXCEEDED = 0.8, 1.0
"""Of a budget: where BudgetExceeded80Percent and BudgetExceededCritical begin."""

THROUGH = " (through ${through})"
"""Ends the title of whatever adds up complete days."""


Panel: TypeAlias = Builder[models.Panel]
"""A panel of any kind that is finished."""


class Worded(Protocol):
    """What the builders of all kinds of panels have in common."""

    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: common.DataSourceRef) -> Self: ...
    def span(self, w: int) -> Self: ...
    def height(self, h: int) -> Self: ...
    def no_value(self, no_value: str) -> Self: ...
    def links(self, links: list[Builder[models.DashboardLink]]) -> Self: ...
    def with_target(self, target: Builder[Dataquery]) -> Self: ...
    def unit(self, unit: str) -> Self: ...
    def thresholds(self, thresholds: Builder[models.ThresholdsConfig]) -> Self: ...
    def color_scheme(self, color: Builder[models.FieldColor]) -> Self: ...


P = TypeVar("P", bound=Worded)


class Overridden(Protocol):
    """Panels whose series or columns can differ from the others."""

    def override_by_name(self, name: str, properties: list[models.DynamicConfigValue]) -> Self: ...


class Empty(NamedTuple):
    """What stands in a panel without data, and what to do about it, which its description tells.

    The first is short: a figure's place makes a long sentence tiny.
    """

    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Words:
    """What a panel says of itself: its title, what it means, what it tells when it is empty."""

    title: str
    about: str
    empty: Empty
    runbook: str


def panel(kind: P, words: Words, size: tuple[int, int], *queries: Builder[Dataquery]) -> P:
    """The panel with its words, its width and height in the grid of 24 columns, and its queries."""
    width, height = size
    about = f"{words.about}\n\nIf it is empty: {words.empty.remedy}"
    kind.title(words.title).description(about).no_value(words.empty.text)
    kind.span(width).height(height).datasource(PROMETHEUS)
    kind.links([link(f"Runbook: {words.runbook}", f"{RUNBOOKS}/{words.runbook}.md", new_tab=True)])
    for query in queries:
        kind.with_target(query)
    return kind


def figure(unit: str, *, colour: str = BLUE) -> stat.Panel:
    """A big figure for each series, with its name below it."""
    return (
        stat.Panel()
        .unit(unit)
        .decimals(2 if unit == USD else 0)
        .thresholds(steps(colour))
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME)
        .reduce_options(newest())
    )


def newest() -> common_builders.ReduceDataOptions:
    """Of each series its newest value."""
    return common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False)


def pie(kind: PieChartType) -> piechart.Panel:
    """US dollars as parts of a whole, with a legend of amounts and shares."""
    legend = (
        piechart.PieChartLegendOptions()
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.RIGHT)
        .show_legend(show_legend=True)
        .values([PieChartLegendValues.VALUE, PieChartLegendValues.PERCENT])
    )
    made = piechart.Panel().unit(USD).decimals(2).pie_type(kind)
    return made.reduce_options(newest()).legend(legend)


def lines(unit: str) -> timeseries.Panel:
    """Lines over time."""
    return (
        timeseries.Panel()
        .unit(unit)
        .line_width(2)
        .fill_opacity(0)
        .show_points(common.VisibilityMode.NEVER)
        .axis_soft_min(0)
        .legend(
            common_builders.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
        .tooltip(
            common_builders.VizTooltipOptions()
            .mode(common.TooltipDisplayMode.MULTI)
            .sort(common.SortOrder.DESCENDING)
        )
    )


def bars(unit: str) -> timeseries.Panel:
    """A bar a day."""
    return (
        lines(unit)
        .draw_style(common.GraphDrawStyle.BARS)
        .fill_opacity(70)
        .line_width(0)
        .interval("1d")
    )


def steps(base: str, *above: tuple[float, str]) -> builders.ThresholdsConfig:
    """The colour at first, and from each value on."""
    found = [models.Threshold(value=None, color=base)]
    found += [models.Threshold(value=value, color=colour) for value, colour in above]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found)


def of_budget() -> builders.ThresholdsConfig:
    """Green, yellow near the limit, red from the limit on."""
    return steps(GREEN, (WARNING, YELLOW), (EXCEEDED, RED))


def by_value() -> builders.FieldColor:
    """The colour of a value is that of its threshold."""
    return builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)


def fixed(colour: str) -> dict[str, str]:
    """This colour, whatever the value is."""
    return {"mode": "fixed", "fixedColor": colour}


def looks(kind: Overridden, name: str, properties: Mapping[str, object]) -> None:
    """What is different in the series or the column of this name."""
    kind.override_by_name(
        name,
        [models.DynamicConfigValue(id_val=key, value=value) for key, value in properties.items()],
    )


def band(kind: timeseries.Panel) -> None:
    """A forecast as a thin line in the area between its low and its high estimate."""
    edge = {
        "color": fixed(GREEN),
        "custom.lineWidth": 0,
        "custom.hideFrom": {"legend": True, "tooltip": False, "viz": False},
    }
    area = {"custom.fillBelowTo": "forecast, low", "custom.fillOpacity": 15}
    looks(kind, "forecast, low", edge)
    looks(kind, "forecast, high", {**edge, **area})
    looks(kind, "forecast, likely", {"color": fixed(GREEN), "custom.lineWidth": 1})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: a label, or `Value #A`, `Value #B` and so on for the queries."""

    field: str
    name: str
    unit: str = ""
    decimals: int | None = None
    width: int | None = None
    url: str = ""
    hidden: bool = False
    thresholds: builders.ThresholdsConfig | None = None
    words: Mapping[str, tuple[str, str]] | None = None
    """What a value is told as, and in which colour."""


def grid(kind: table.Panel, columns: Sequence[Column], *, by: str = "", up: bool = False) -> None:
    """Join the rows of all queries by their labels; the columns in this order, sorted by one."""
    kind.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    names = {column.field: column.name for column in columns}
    places = {field: place for place, field in enumerate(names)}
    if "Value #A" in names:  # what Grafana calls it while it is the only query with an answer
        names["Value"], places["Value"] = names["Value #A"], places["Value #A"]
    # What is not listed is left out: a label of tomorrow shall not widen the table.
    kind.with_transformation(
        models.DataTransformerConfig(
            id_val="filterFieldsByName", options={"include": {"names": [*names]}}
        )
    )
    kind.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {},
                "indexByName": places,
                "renameByName": names,
            },
        )
    )
    # What a panel tells when it is empty is no text for each empty cell.
    kind.override_by_regexp(".*", [models.DynamicConfigValue(id_val="noValue", value="-")])
    kind.cell_height(common.TableCellHeight.SM).show_header(show_header=True)
    if by:
        order = common_builders.TableSortByFieldState().display_name(by).desc(desc=not up)
        kind.sort_by([order])
    for column in columns:
        if properties := _looks(column):
            looks(kind, column.name, properties)


def _looks(column: Column) -> dict[str, object]:
    found: dict[str, object] = {}
    if column.unit:
        found["unit"] = column.unit
    if column.decimals is not None:
        found["decimals"] = column.decimals
    if column.width:
        found["custom.width"] = column.width
    if column.hidden:  # there for a link; versions of Grafana call it one way or the other
        found["custom.hidden"] = True
        found["custom.hideFrom"] = {"legend": False, "tooltip": False, "viz": True}
    if column.url:
        found["links"] = [{"title": "Look closer", "url": column.url}]
    if column.thresholds:
        found["thresholds"] = column.thresholds.build()
    if column.words:
        told = {key: {"text": text, "color": to} for key, (text, to) in column.words.items()}
        found["mappings"] = [{"type": "value", "options": told}]
    if column.thresholds or column.words:
        found["custom.cellOptions"] = {"type": "color-text"}
    return found


def link(title: str, url: str, *, new_tab: bool = False) -> builders.DashboardLink:
    """A link to an address; relative ones stay in this Grafana."""
    made = builders.DashboardLink(title).type(models.DashboardLinkType.LINK).url(url)
    return made.target_blank(target_blank=new_tab)


def of_budget_in(budget: str, scope: str, value: str) -> str:
    """The address of a budget's costs, by the columns of its name and of what it is about.

    Kinds of scopes are called as the variables that choose them; what has none is ignored.
    """
    about = f'${{__data.fields["{scope}"]}}=${{__data.fields["{value}"]:percentencode}}'
    return f"{look_at('finops-cloud-cost', budget=budget)}&var-{about}"


def look_at(uid: str, **variables: str) -> str:
    """The address of a dashboard, with variables from columns of the row and the same time."""
    chosen = "&".join(
        f'var-{name}=${{__data.fields["{column}"]:percentencode}}'
        for name, column in variables.items()
    )
    return f"/d/{uid}?{chosen}&${{__url_time_range}}"


def dashboard(
    uid: str,
    about: str,
    refresh: str,
    since: str,
    *,
    variables: Sequence[Builder[models.VariableModel]],
    parts: Mapping[str, Sequence[Panel]],
    annotations: Sequence[Builder[models.AnnotationQuery]] = (),
) -> models.Dashboard:
    """A dashboard of rows, each with its heading (none where it is empty) and its panels."""
    made = (
        builders.Dashboard(TITLES[uid])
        .uid(uid)
        .description(about)
        .tags(["finops"])
        .readonly()
        .timezone("utc")
        .refresh(refresh)
        .time(since, "now")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
    )
    first = data_source("datasource", "Data source", "prometheus", "finops-prometheus")
    made.variables([first, *variables]).annotations([*annotations])
    for other, title in TITLES.items():
        if other != uid:
            to = link(title, f"/d/{other}").include_vars(include_vars=True)
            made.link(to.keep_time(keep_time=True))
    for heading, panels in parts.items():
        if heading:
            made.with_row(builders.Row(heading))
        for one in panels:
            made.with_panel(one)
    return _numbered(made.build())


def _numbered(made: models.Dashboard) -> models.Dashboard:
    """Panels get their numbers, and queries their letters, by their places.

    Links and annotations are shown beside the variables: the SDK would put them into a menu. The
    day that is complete is no choice that a link should carry.
    """
    for one in made.templating.list_val or ():
        one.skip_url_sync = one.name == "through"
    shown: list[Any] = [*(made.links or ()), *(made.annotations.list_val or ())]
    for mark in shown:
        mark.placement = None
    for number, placed in enumerate(made.panels or [], 1):
        placed.id_val = number
        targets: list[Any] = getattr(placed, "targets", None) or []
        for letter, target in zip(ascii_uppercase, targets, strict=False):
            target.ref_id = letter
    return made
