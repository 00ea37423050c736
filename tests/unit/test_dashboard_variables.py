"""Variables, intervals and macros are written as Grafana writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard_files import read
from dashboard_variables import (
    ALL,
    Chosen,
    interpolate,
    link,
    names,
    promql,
    rounded,
    short,
    sql,
    words,
)
from dashboard_variables import for_prometheus as prometheus_format
from dashboard_variables import for_sql as sql_format
from rule_files import parse, walk

if TYPE_CHECKING:
    from dashboard_files import Dashboard

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SINCE, UNTIL = datetime(2026, 10, 17, 12, tzinfo=UTC), datetime(2026, 11, 21, 12, tzinfo=UTC)


def variable(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "query", "datasource": SOURCE, **more}


def dashboard(*variables: dict[str, Any]) -> Dashboard:
    return read({"uid": "d", "title": "D", "templating": {"list": list(variables)}})


MULTI = dashboard(
    variable("account", multi=True, includeAll=True, allValue=".*"),
    variable("service", multi=True, includeAll=True),
    variable("month"),
)


def chosen(**values: str | tuple[str, ...]) -> Chosen:
    return Chosen(values, {"service": ("S3", "EC2")}, SINCE, UNTIL)


# Prometheus


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, 'x{account=~".*",service=~"(S3|EC2)"}'),
        ({"account": ALL, "service": (ALL,)}, 'x{account=~".*",service=~"(S3|EC2)"}'),
        ({"account": "111", "service": ("S3",)}, 'x{account=~"111",service=~"S3"}'),
        (
            {"account": ("a.b", "c|d"), "service": "E(C)2"},
            r'x{account=~"(a\\.b|c\\|d)",service=~"E\\(C\\)2"}',
        ),
        ({"account": "back\\slash"}, r'x{account=~"back\\\\slash",service=~"(S3|EC2)"}'),
    ],
)
def test_several_values_are_alternatives(
    values: dict[str, str | tuple[str, ...]], expected: str
) -> None:
    expr = 'x{account=~"$account",service=~"${service}"}'
    assert promql(MULTI, expr, chosen(**values)) == expected


def test_one_value_is_the_content_of_a_string() -> None:
    text = promql(MULTI, 'x{month="$month"} + y{m="[[month]]"}', chosen(month="2026-11"))
    assert text == 'x{month="2026-11"} + y{m="2026-11"}'
    assert promql(MULTI, 'x{month="$month"}', chosen(month="a\\b")) == r'x{month="a\\b"}'


@given(st.lists(st.text(alphabet="aZ0. |()[]{}*+?^$\\-_:/é", min_size=1), min_size=1, max_size=3))
def test_a_value_means_itself_in_a_regular_expression(values: list[str]) -> None:
    asked = f'x{{a=~"{prometheus_format(tuple(values), MULTI.variable("account"))}"}}'
    (selector,) = [node for node in walk(parse(asked)) if hasattr(node, "matchers")]
    (matcher,) = selector.matchers.matchers
    escaped = [matcher.value] if len(values) == 1 else split(matcher.value[1:-1])
    assert [plain(one) for one in escaped] == values


def split(alternatives: str) -> list[str]:
    """The alternatives of a regular expression whose own | are escaped."""
    found, escaped = [""], False
    for character in alternatives:
        if character == "|" and not escaped:
            found.append("")
            continue
        found[-1] += character
        escaped = character == "\\" and not escaped
    return found


def plain(escaped: str) -> str:
    """What a regular expression without any operator matches."""
    found, quoted = "", False
    for character in escaped:
        if character == "\\" and not quoted:
            quoted = True
            continue
        assert quoted or character not in "$^*{}[]+?.()|"
        found, quoted = found + character, False
    return found


def test_intervals_and_the_range_are_filled_in() -> None:
    expr = "x[$__interval] y[${__rate_interval}] z[$__range] $__range_s $__interval_ms"
    expected = "x[1h] y[3615s] z[3024000s] 3024000 3600000"
    assert promql(MULTI, expr, chosen()) == expected


@pytest.mark.parametrize(
    ("seconds", "step", "text"),
    [(0.2, 1, "1s"), (44, 30, "30s"), (75, 60, "1m"), (3024, 3600, "1h"), (90_000, 86_400, "1d")],
)
def test_a_step_is_one_that_people_choose(seconds: float, step: int, text: str) -> None:
    assert rounded(timedelta(seconds=seconds)).total_seconds() == step
    assert short(timedelta(seconds=step)) == text


def test_a_panel_may_ask_for_fewer_points_and_longer_steps() -> None:
    target = {"refId": "A", "expr": "a", "interval": "1d"}
    found = read(
        {
            "panels": [
                {"maxDataPoints": 30, "targets": [{"refId": "A"}]},
                {"interval": "2h", "targets": [{"refId": "A"}, target]},
                {"timeFrom": "24h", "targets": [{"refId": "A"}]},
            ]
        }
    )
    looks = [chosen().of(panel, one) for panel, one in found.queries]
    assert [one.interval / timedelta(hours=1) for one in looks] == [24, 2, 24, 1 / 60]
    assert [one.range.days for one in looks] == [35, 35, 35, 1]


# PostgreSQL


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "t IN ('S3','EC2') AND m = ''"),
        ({"service": "it's", "month": "o'clock"}, "t IN ('it''s') AND m = 'o''clock'"),
        ({"service": ("a", "b"), "month": "11"}, "t IN ('a','b') AND m = '11'"),
    ],
)
def test_values_in_sql_are_literals(
    values: dict[str, str | tuple[str, ...]], expected: str
) -> None:
    given_values = {"month": "", **values}
    assert sql(MULTI, "t IN ($service) AND m = '$month'", chosen(**given_values)) == expected


@given(st.text(max_size=20))
def test_no_value_leaves_its_literal(value: str) -> None:
    for name in ("service", "month"):
        text = sql_format(value, MULTI.variable(name))
        inside = text[1:-1] if name == "service" else text
        assert inside.replace("''", "").count("'") == 0
        assert inside.replace("''", "'") == value


def test_all_is_written_as_it_is() -> None:
    assert sql(MULTI, "a ~ '${account:raw}' OR '.*' = '$account'", chosen()) == (
        "a ~ '.*' OR '.*' = '.*'"
    )


@pytest.mark.parametrize(
    ("macro", "expected"),
    [
        ("$__timeFilter(time)", "time BETWEEN '2026-10-17T12:00:00Z' AND '2026-11-21T12:00:00Z'"),
        ("$__timeFrom()", "'2026-10-17T12:00:00Z'"),
        ("$__timeTo()", "'2026-11-21T12:00:00Z'"),
        ("$__timeGroup(time, '1h')", "floor(extract(epoch from time)/3600)*3600"),
        ("$__timeGroup(time,1d), x", 'floor(extract(epoch from time)/86400)*86400 AS "time", x'),
        ("$__timeGroupAlias(t, '5m')", 'floor(extract(epoch from t)/300)*300 AS "time"'),
        ("$__timeGroup(t, $__interval)", "floor(extract(epoch from t)/3600)*3600"),
        ("$__unixEpochFilter(e)", "e >= 1792238400 AND e <= 1795262400"),
        ("$__unixEpochFrom() $__unixEpochTo()", "1792238400 1795262400"),
        ("$__unixEpochGroup(e, '1h')", "floor((e)/3600)*3600"),
        ("$__time(t)", 't AS "time"'),
        ("$__timeEpoch(t)", 'extract(epoch from t) as "time"'),
        ("to_char($1, 'x')", "to_char($1, 'x')"),
    ],
)
def test_macros_become_sql(macro: str, expected: str) -> None:
    assert sql(MULTI, macro, chosen()) == expected


@pytest.mark.parametrize("macro", ["$__timeFliter(t)", "$__timeGroup(t)"])
def test_an_unknown_macro_is_an_error(macro: str) -> None:
    with pytest.raises(ValueError, match="is no macro of the data source for PostgreSQL"):
        sql(MULTI, macro, chosen())


def test_an_interval_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="'5x' is no interval; write it as '5m'"):
        sql(MULTI, "$__timeGroup(t, '5x')", chosen())


# Formats


@pytest.mark.parametrize(
    ("text", "one", "two"),
    [
        ("${account:regex}", r"a\.b", r"(a\.b|c)"),
        ("${account:sqlstring}", "'a.b'", "'a.b','c'"),
        ("${account:raw}", "a.b", "a.b,c"),
        ("${account:csv}", "a.b", "a.b,c"),
        ("${account:pipe}", "a.b", "a.b|c"),
        ("${account:text}", "a.b", "a.b + c"),
        ("${account:queryparam}", "var-account=a.b", "var-account=a.b&var-account=c"),
        ("${account:percentencode}", "a.b", "%7Ba.b%2Cc%7D"),
        ("${account:glob}", "a.b", "{a.b,c}"),
        ("[[account:raw]]", "a.b", "a.b,c"),
    ],
)
def test_a_format_decides_how_values_are_written(text: str, one: str, two: str) -> None:
    if text != "${account:percentencode}":  # of which a list of one is a list
        assert promql(MULTI, text, chosen(account=("a.b",))) == one
    assert promql(MULTI, text, chosen(account=("a.b", "c"))) == two


def test_all_has_a_word_and_a_parameter_of_its_own() -> None:
    assert words(MULTI, "of $account in ${service}", chosen()) == "of All in All"
    assert words(MULTI, "of $account", chosen(account=("a", "b"))) == "of a + b"
    assert link(MULTI, "/d/x?${account:queryparam}", chosen()) == "/d/x?var-account=$__all"
    assert link(MULTI, "/d/x?var-month=${month}&p=${__data.fields.p}", chosen(month="a b")) == (
        "/d/x?var-month=a%20b&p=${__data.fields.p}"
    )


def test_quotes_in_sqlstring() -> None:
    text = promql(MULTI, "${account:sqlstring}", chosen(account="""it's "x" """.strip()))
    assert text == r"""'it''s \"x\"'"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$__from", "1792238400000"),
        ("${__to:date}", "2026-11-21T12:00:00.000Z"),
        ("${__to:date:iso}", "2026-11-21T12:00:00.000Z"),
        ("${__from:date:ms}", "1792238400000"),
        ("${__from:date:seconds}", "1792238400"),
        ("${__from:date:YYYY-MM-DD HH:mm:ss}", "2026-10-17 12:00:00"),
    ],
)
def test_the_range_is_a_date_too(text: str, expected: str) -> None:
    assert interpolate(MULTI, text, chosen(), sql_format) == expected


def test_what_is_no_variable_stays_as_it_is() -> None:
    text = "${unknown} $other ${__field.name} $1"
    assert promql(MULTI, text, chosen()) == text
    assert names(text + " ${a.b:raw} [[c]] $__interval") == {"unknown", "other", "a", "c"}


def test_all_values_may_refer_to_another_variable() -> None:
    found = dashboard(
        variable("provider"), variable("account", includeAll=True, allValue="$provider-.+")
    )
    assert promql(found, "$account", chosen(provider="aws")) == "aws-.+"
