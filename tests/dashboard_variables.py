"""What Grafana makes of a query before it asks: variables, intervals and the macros of SQL.

Written after what Grafana's documentation and its public sources say of the template engine, of
the Prometheus data source, and of the one for PostgreSQL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dashboard_files import Dashboard, Panel, Target, Variable

ALL = "$__all"
"""What a variable holds while all of its values are chosen."""

Value: TypeAlias = "str | tuple[str, ...]"
"""One value, or several of a variable that allows for it."""

Format: TypeAlias = "Callable[[Value, Variable | None, str], str]"
"""Writes a value of a variable; the text is what follows the format's name."""

REFERENCE = re.compile(
    r"\$(?P<plain>\w+)"
    r"|\[\[(?P<old>\w+?)(?::(?P<old_format>\w+))?\]\]"
    r"|\$\{(?P<braced>\w+)(?:\.(?P<path>[^:}]+))?(?::(?P<format>[^}]+))?\}"
)
MACRO = re.compile(r"\$(__[A-Za-z]+)\(([^)]*)\)")

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Chosen:
    """What somebody looks at: values of variables, all values there are, the time and its step.

    A variable that is not named has all of its values chosen.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    since: datetime = NOW - timedelta(days=35)
    until: datetime = NOW
    points: int = 1000
    """How many pixels a panel is wide."""
    minimum: timedelta = timedelta(seconds=15)
    """The shortest step: how often the data source scrapes, where nothing else is said."""

    @property
    def range(self) -> timedelta:
        return self.until - self.since

    @property
    def interval(self) -> timedelta:
        """The step of a range query: what a pixel covers, rounded as Grafana does it."""
        return max(rounded(self.range / self.points), self.minimum)

    def of(self, panel: Panel, target: Target) -> Chosen:
        """The same, where a panel or a query asks for fewer points or a shorter time."""
        shortest = target.fields.get("interval") or panel.fields.get("interval")
        time = panel.fields.get("timeFrom")
        return replace(
            self,
            since=self.until - timedelta(seconds=_seconds(str(time))) if time else self.since,
            points=int(panel.fields.get("maxDataPoints") or self.points),
            minimum=timedelta(seconds=_seconds(str(shortest))) if shortest else self.minimum,
        )


def promql(dashboard: Dashboard, expr: str, chosen: Chosen) -> str:
    """The expression that Prometheus is asked."""
    text = interpolate(dashboard, expr, chosen, for_prometheus)
    seconds = round(chosen.range.total_seconds())
    rate = max(chosen.interval + timedelta(seconds=15), timedelta(seconds=60))
    for name, written in (
        ("interval_ms", str(round(chosen.interval.total_seconds() * 1000))),
        ("interval", short(chosen.interval)),
        ("rate_interval_ms", str(round(rate.total_seconds() * 1000))),
        ("rate_interval", f"{round(rate.total_seconds())}s"),
        ("range_ms", str(seconds * 1000)),
        ("range_s", str(seconds)),
        ("range", f"{seconds}s"),
    ):
        text = text.replace(f"${{__{name}}}", written).replace(f"$__{name}", written)
    return text


def sql(dashboard: Dashboard, text: str, chosen: Chosen) -> str:
    """The statement that PostgreSQL is asked. Raises ValueError for macros that there are not."""
    filled = interpolate(dashboard, text, chosen, for_sql)
    milliseconds = round(chosen.interval.total_seconds() * 1000)
    filled = filled.replace("$__interval_ms", str(milliseconds))
    filled = filled.replace("$__interval", short(chosen.interval))
    return MACRO.sub(
        lambda found: _macro(found[1], found[2], found.string[found.end() :], chosen), filled
    )


def words(dashboard: Dashboard, text: str, chosen: Chosen) -> str:
    """A title or a description as people read it."""
    return interpolate(dashboard, text, chosen, FORMATS["text"])


def link(dashboard: Dashboard, url: str, chosen: Chosen) -> str:
    """A URL as it is followed; what a data link knows of the point (`__data`) stays as it is."""
    return interpolate(dashboard, url, chosen, FORMATS["percentencode"])


def names(text: str) -> set[str]:
    """The variables that a text refers to, without those that Grafana has itself, and amounts."""
    found = {m["plain"] or m["old"] or m["braced"] for m in REFERENCE.finditer(text)}
    return {name for name in found if not name.startswith("__") and not name[0].isdigit()}


def interpolate(dashboard: Dashboard, text: str, chosen: Chosen, default: Format) -> str:
    """The text with the values of variables; what is no variable stays as it is."""
    known = {one.name: one for one in dashboard.variables}

    def written(found: re.Match[str]) -> str:
        name = found["plain"] or found["old"] or found["braced"]
        kind, _, rest = (found["format"] or found["old_format"] or "").partition(":")
        form = FORMATS[kind] if kind else default
        if name in {"__from", "__to"}:
            moment = chosen.since if name == "__from" else chosen.until
            milliseconds = str(round(moment.timestamp() * 1000))
            return (form if kind else FORMATS["raw"])(milliseconds, None, rest)
        if name not in known:
            return found[0]
        if _is_all(chosen, known[name]):
            return _all(dashboard, known[name], chosen, form)
        return form(_chosen(chosen, known[name]), known[name], rest)

    return REFERENCE.sub(written, text)


def _is_all(chosen: Chosen, variable: Variable) -> bool:
    return chosen.values.get(variable.name, ALL) in {ALL, (ALL,)}


def _chosen(chosen: Chosen, variable: Variable) -> Value:
    """The value, in a tuple even if it is one, where there may be several."""
    value = chosen.values[variable.name]
    return (value,) if variable.multi and isinstance(value, str) else value


def _all(dashboard: Dashboard, variable: Variable, chosen: Chosen, form: Format) -> str:
    """What stands for all values: a word, what the variable says, or the list of them."""
    if form is _queryparam:
        return f"var-{variable.name}={ALL}"
    if form is _text:
        return "All"
    if variable.all_value:  # as it is, whatever the format
        return interpolate(dashboard, variable.all_value, chosen, form)
    return form(chosen.options.get(variable.name, ()), variable, "")


# Formats


def _listed(value: Value) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _alternatives(escaped: list[str]) -> str:
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def for_prometheus(value: Value, variable: Variable | None, _rest: str = "") -> str:
    """A variable in PromQL: a regular expression inside a string where it may be several values.

    Otherwise it is a string's content; one that is in no list of values may hold a quote (').
    """
    if variable is None or not variable.is_escaped:
        return ",".join(_listed(value)).replace("\\", r"\\").replace("'", r"\\'")
    escaped = [
        re.sub(r"[$^*{}\[\]+?.()|]", r"\\\\\g<0>", one.replace("\\", "\\" * 4))
        for one in _listed(value)
    ]
    return _alternatives(escaped)


def for_sql(value: Value, variable: Variable | None, _rest: str = "") -> str:
    """A variable in SQL: literals where it may be several values, else the content of one."""
    quoted = ["'" + one.replace("'", "''") + "'" for one in _listed(value)]
    if variable is not None and not variable.is_escaped:
        return quoted[0][1:-1]
    return ",".join(quoted)


def _regex(value: Value, _variable: Variable | None, _rest: str) -> str:
    return _alternatives(
        [re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", one) for one in _listed(value)]
    )


def _sqlstring(value: Value, _variable: Variable | None, _rest: str) -> str:
    # Two quotes are one in a literal of SQL; the other kind gets a backslash, whatever SQL says.
    return ",".join(
        "'" + one.replace("'", "''").replace('"', r"\"") + "'" for one in _listed(value)
    )


def _queryparam(value: Value, variable: Variable | None, _rest: str) -> str:
    name = "" if variable is None else variable.name
    return "&".join(f"var-{name}={quote(one, safe='@:$,;-_.~')}" for one in _listed(value))


def _percentencode(value: Value, _variable: Variable | None, _rest: str) -> str:
    text = value if isinstance(value, str) else f"{{{','.join(value)}}}"
    return quote(text, safe="-_.~")


def _text(value: Value, _variable: Variable | None, _rest: str) -> str:
    return " + ".join(_listed(value))


def _glob(value: Value, _variable: Variable | None, _rest: str) -> str:
    listed = _listed(value)
    return listed[0] if len(listed) == 1 else f"{{{','.join(listed)}}}"


def _date(value: Value, _variable: Variable | None, rest: str) -> str:
    """Milliseconds since the epoch as a date: iso (the default), ms, seconds or a pattern."""
    milliseconds = int(_listed(value)[0])
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    if rest in {"", "iso"}:
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if rest in {"ms", "seconds"}:
        return str(milliseconds if rest == "ms" else round(milliseconds / 1000))
    for part, code in (("YYYY", "%Y"), ("MM", "%m"), ("DD", "%d"), ("HH", "%H"), ("mm", "%M")):
        rest = rest.replace(part, code)
    return moment.strftime(rest.replace("ss", "%S"))


FORMATS: Mapping[str, Format] = {
    "regex": _regex,
    "sqlstring": _sqlstring,
    "raw": lambda value, _variable, _rest: ",".join(_listed(value)),
    "csv": lambda value, _variable, _rest: ",".join(_listed(value)),
    "pipe": lambda value, _variable, _rest: "|".join(_listed(value)),
    "text": _text,
    "queryparam": _queryparam,
    "percentencode": _percentencode,
    "glob": _glob,
    "date": _date,
}


# Intervals and macros

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

_ROUNDED = (
    *((1.5, 1), (3.5, 2), (7.5, 5), (12.5, 10), (17.5, 15), (25, 20), (45, 30), (90, 60)),
    *((210, 120), (450, 300), (750, 600), (1050, 900), (1500, 1200), (2700, 1800)),
    *((5400, 3600), (9000, 7200), (16_200, 10_800), (32_400, 21_600), (86_400, 43_200)),
    *((604_800, 86_400), (1_814_400, 604_800), (3_628_800, 2_592_000)),
)
"""Up to so many seconds, a step is so many."""


def rounded(step: timedelta) -> timedelta:
    """A step of the kind that people choose: Grafana asks for no other."""
    seconds = step.total_seconds()
    found = (step for limit, step in _ROUNDED if seconds <= limit)
    return timedelta(seconds=next(found, 31_536_000))


def short(step: timedelta) -> str:
    """A step as 30s, 5m, 2h or 1d: in the largest unit that it fills."""
    seconds = round(step.total_seconds())
    unit, size = next(
        (
            (unit, size)
            for unit, size in reversed(_UNITS.items())
            if unit != "w" and seconds >= size
        ),
        ("s", 1),
    )
    return f"{seconds // size}{unit}"


def _seconds(text: str) -> int:
    """The length of an interval such as '5m' or 1h. Raises ValueError."""
    if found := re.fullmatch(r"'?(\d+)([smhdw])'?", text):
        return int(found[1]) * _UNITS[found[2]]
    raise ValueError(f"{text} is no interval; write it as '5m'")


def _macro(name: str, inside: str, behind: str, chosen: Chosen) -> str:
    given = [one.strip() for one in inside.split(",")]
    since, until = (one.isoformat().replace("+00:00", "Z") for one in (chosen.since, chosen.until))
    first, last = int(chosen.since.timestamp()), int(chosen.until.timestamp())
    if name == "__timeGroup" and behind.startswith(","):
        name = "__timeGroupAlias"  # as it was before there was that name
    plain = {
        "__time": f'{given[0]} AS "time"',
        "__timeEpoch": f'extract(epoch from {given[0]}) as "time"',
        "__timeFilter": f"{given[0]} BETWEEN '{since}' AND '{until}'",
        "__timeFrom": f"'{since}'",
        "__timeTo": f"'{until}'",
        "__unixEpochFilter": f"{given[0]} >= {first} AND {given[0]} <= {last}",
        "__unixEpochFrom": str(first),
        "__unixEpochTo": str(last),
    }
    if name in plain:
        return plain[name]
    grouped = re.fullmatch(r"__(time|unixEpoch)Group(Alias)?", name)
    if grouped is None or len(given) < 2:
        raise ValueError(f"${name}({inside}) is no macro of the data source for PostgreSQL")
    size = _seconds(given[1])
    of = f"extract(epoch from {given[0]})" if grouped[1] == "time" else f"({given[0]})"
    return f"floor({of}/{size})*{size}" + (' AS "time"' if grouped[2] else "")
