"""What dashboards ask for: data sources, queries, variables, annotations.

A query asks only for what rules/ record, so that replicas and providers never count twice.
Variables choose by label, and All is the pattern `.*`. A query that must know whether anything is
chosen says so with a matcher on `narrowed`, a label that no series has: `narrowed=~"$service"`
holds while `$service` is All (`.*` matches what is not there), `narrowed!~"$service"` as soon as a
service is chosen.
"""

from __future__ import annotations

from typing import Literal

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

PROMETHEUS = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
POSTGRESQL = common.DataSourceRef(type_val="grafana-postgresql-datasource", uid="${postgresql}")

ALL = ".*"
LABEL_VALUES, QUERY_RESULT = 1, 3
"""How the Prometheus data source numbers the kinds of questions that a variable asks."""


class Sql(Dataquery, Builder[Dataquery]):
    """A query of the PostgreSQL data source, for which the SDK has no model."""

    def __init__(self, sql: str, shape: Literal["table", "time_series"]) -> None:
        self.sql = sql
        self.shape = shape
        self.ref_id = ""

    def to_json(self) -> dict[str, object]:
        """As Grafana keeps it."""
        return {
            "datasource": POSTGRESQL,
            "editorMode": "code",
            "format": self.shape,
            "rawQuery": True,
            "rawSql": self.sql,
            "refId": self.ref_id,
        }

    def build(self) -> Dataquery:
        """Itself: there is nothing left to build."""
        return self


def now(expr: str, legend: str) -> prometheus.Dataquery:
    """The values of an expression at this moment, a series each."""
    return _query(expr).instant().legend_format(legend)


def rows(expr: str) -> prometheus.Dataquery:
    """The values of an expression at this moment as rows of a table, a column a label.

    `+ 0` takes away the metric's own name, by which rows of several queries would differ.
    """
    return _query(f"({expr}) + 0").instant().format(PromQueryFormat.TABLE)


def course(expr: str, legend: str) -> prometheus.Dataquery:
    """How the values of an expression went."""
    return _query(expr).range().legend_format(legend)


def _query(expr: str) -> prometheus.Dataquery:
    asked = prometheus.Dataquery().datasource(PROMETHEUS).expr(expr)
    return asked.editor_mode(QueryEditorMode.CODE)


def named(costs: str) -> str:
    """Costs with the names of their accounts; what has none is called by its id."""
    return (
        f"({costs}) * on (provider, account_id) group_left (account_name)"
        " provider_account_name:finops_account_info:max"
    )


def variable(name: str, label: str, series: str, *, many: bool = True) -> builders.QueryVariable:
    """What can be chosen: the values that a label of some series has, all, one or some of them."""
    at_first = models.VariableOption(text=["All"], value=["$__all"])
    if not many:
        at_first = models.VariableOption(text="All", value="$__all")
    return (
        _asked(name, name.capitalize(), f"label_values({series}, {label})", LABEL_VALUES)
        .multi(multi=many)
        .include_all(include_all=True)
        .all_value(ALL)
        .current(at_first)
        .sort(models.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )


def through() -> builders.QueryVariable:
    """The newest day (UTC) through which everything is complete that the chosen providers bill.

    A provider that ended more than 40 days before the others holds nothing back. Days are told as
    text by PromQL itself: Grafana would tell them in the time zone of the browser.
    """
    of_all = 'provider:cloud_billing_newest_day_timestamp_seconds:max{provider=~"$provider"}'
    day = f"min({of_all} > scalar(max({of_all})) - 40 * 86400)"
    number = f"year({day}) * 10000 + month({day}) * 100 + day_of_month({day})"
    text = (
        f'label_replace(count_values("day", {number}), "day", "$1-$2-$3", "day", "(....)(..)(..)")'
    )
    return (
        _asked("through", "Complete through", f"query_result({text})", QUERY_RESULT)
        .regex('/day="([^"]+)"/')
        .description("The newest day (UTC) that is complete for every chosen provider")
    )


def _asked(name: str, label: str, query: str, kind: int) -> builders.QueryVariable:
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query(
            {
                "qryType": kind,
                "query": query,
                "refId": "PrometheusVariableQueryEditor-VariableQuery",
            }
        )
        .definition(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    )


def data_source(name: str, label: str, kind: str, uid: str) -> builders.DatasourceVariable:
    """The data source that a dashboard asks: any of its kind, at first the one we provision."""
    return (
        builders.DatasourceVariable(name)
        .label(label)
        .type(kind)
        .current(models.VariableOption(text=uid, value=uid))
    )


def of_costs() -> list[builders.AnnotationQuery]:
    """Marks for alerts on cloud costs."""
    return [
        firing("Budget alerts", "cloud-budget", "budget", "red"),
        firing("Trends and anomalies", "trend", "service", "yellow"),
    ]


def firing(name: str, category: str, label: str, colour: str) -> builders.AnnotationQuery:
    """A mark for as long as alerts of a category fire."""
    expr = f'ALERTS{{alertstate="firing",category="{category}"}}'
    asked = course(expr, "").ref_id("Anno").interval("5m")
    return (
        builders.AnnotationQuery()
        .name(name)
        .enable(enable=True)
        .datasource(PROMETHEUS)
        .expr(expr)
        .target(asked)
        .title_format("{{alertname}}")
        .text_format(f"{{{{{label}}}}}")
        .tag_keys("severity")
        .step("5m")
        .icon_color(colour)
    )
