# ruff: noqa: S608 - every text in these statements is ours or goes through `literal`
"""How DuckDB sees the rows of one FOCUS file: pure text, no I/O.

`checked` gives NULL for whatever cannot be taken exactly, `facts` trusts a file whose every row has
passed the checks. Instants are UTC timestamps without zone; missing text is NULL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finops_exporter.collectors.focus.columns import AMOUNTS, INSTANTS, NAMES, OPTIONAL, REQUIRED
from finops_exporter.model import NONE

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DIGITS = 38
"""The widest DECIMAL of DuckDB; a column that needs more digits cannot be summed exactly."""

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}
_INTEGERS |= {f"U{name}" for name in _INTEGERS}

_SHORT = 10
"""So many digits after the point are looked for in a double before its text is made."""

_AMOUNT = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
_INSTANT = (
    r"[12]\d{3}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|UTC|[+-]\d{2}(:?\d{2})?))?)?"
)


def literal(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


# A cast to DECIMAL rounds silently, and a cast to TIMESTAMP takes 4/1/25 for the year 4: only text
# that matches a strict pattern is cast at all.
MACROS = (
    "cleaned(x) AS CASE WHEN strlen(x) IN (0, 4) AND lower(x) IN ('', 'null') THEN NULL ELSE x END",
    # Most texts have nothing to collapse, and looking is ten times cheaper than replacing.
    r"""folded(x) AS CASE WHEN contains(x, '  ') OR contains(x, e'\t') OR contains(x, e'\n')
        OR contains(x, e'\r') THEN regexp_replace(x, '\s+', ' ', 'g') ELSE x END""",
    "sane(x) AS CASE WHEN x BETWEEN TIMESTAMP '1000-01-01' AND TIMESTAMP '2999-12-31' THEN x END",
    # The cast that minds an offset is five times slower than the one that drops it.
    """instant(x) AS CASE WHEN contains(x[12:], '+') OR contains(x[12:], '-')
        THEN TRY_CAST(x AS TIMESTAMPTZ) AT TIME ZONE 'UTC' ELSE TRY_CAST(x AS TIMESTAMP) END""",
    f"checked_instant(x) AS CASE WHEN regexp_full_match(x, '{_INSTANT}') THEN instant(x) END",
    # 1.5E-7 becomes 0.00000015: the digits, padded with zeros, and the point moved by the exponent.
    """pointed(minus, padded, point) AS
        minus || '0' || left(padded, point) || '.' || substr(padded, point + 1)""",
    """moved(minus, digits, point) AS pointed(minus, repeat('0', greatest(0, -point)) || digits
        || repeat('0', greatest(0, point - length(digits))), greatest(0, point))""",
    """expanded(mantissa, exponent) AS moved(
        CASE WHEN mantissa[1] = '-' THEN '-' ELSE '' END,
        replace(ltrim(mantissa, '+-'), '.', ''),
        length(split_part(ltrim(mantissa, '+-'), '.', 1)) + exponent)""",
    """plain(x) AS CASE WHEN contains(x, 'e') OR contains(x, 'E') THEN expanded(
        split_part(lower(x), 'e', 1), TRY_CAST(split_part(lower(x), 'e', 2) AS INTEGER))
        ELSE x END""",
    f"checked_amount(x) AS CASE WHEN regexp_full_match(x, '{_AMOUNT}') THEN plain(x) END",
    "finite(x) AS CASE WHEN isfinite(x) THEN x END",
    # A double stands for the shortest text that means it. Making that text takes ten times as long
    # as asking whether it has 15 digits at most: then no other text so short means this double.
    "short(x, power) AS abs(x) * power < 1e15 AND round(x * power) / power = x",
    """double_digits(x) AS CASE WHEN short(x, 1e2) THEN 2 WHEN short(x, 1e6) THEN 6
        WHEN short(x, 1e10) THEN 10 ELSE greatest(0, 17 - floor(log10(abs(x))))::INTEGER END""",
    "double_width(x) AS ceil(log10(abs(x) + 1))::INTEGER + 1",
    "fraction_digits(x) AS strlen(rtrim(split_part(plain(x::VARCHAR), '.', 2), '0'))",
    "whole_digits(x) AS strlen(ltrim(split_part(plain(x::VARCHAR), '.', 1), '+-0'))",
    # Azure leaves the braces of the JSON object away.
    "braced(x) AS CASE WHEN starts_with(x, '{') THEN x ELSE '{' || x || '}' END",
)
"""Definitions to run once on a connection, each after `CREATE TEMP MACRO`."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file: how to name it in SQL, and its DuckDB type."""

    sql: str
    type: str = "VARCHAR"

    @property
    def is_number(self) -> bool:
        """Whether DuckDB adds it up exactly as it is; else it is read as text."""
        return self.type.startswith("DECIMAL(") or self.type in _INTEGERS

    @property
    def is_double(self) -> bool:
        """Whether it holds binary fractions, each of which stands for its shortest text."""
        return self.type == "DOUBLE"

    @property
    def is_map(self) -> bool:
        """Whether it holds keys and values as they are, rather than as JSON."""
        return self.type == "MAP(VARCHAR, VARCHAR)"

    @property
    def is_time(self) -> bool:
        """Whether it holds instants or days rather than text; without a zone they are UTC."""
        return self.type == "DATE" or self.type.startswith("TIMESTAMP")


@dataclass(frozen=True, slots=True)
class Padded:
    """A second way to read a CSV file, which shows rows that have too few or too many fields.

    DuckDB takes a row with one empty field too many for a good one, and with it whatever an
    unquoted comma has shifted. So the checks read the padded relation, and the sums the strict one.
    """

    relation: str
    last: str
    beyond: str


@dataclass(frozen=True, slots=True)
class Source:
    """One file: what stands behind FROM, its columns by FOCUS name, and the stand-in values."""

    relation: str
    columns: Mapping[str, Column]
    defaults: Mapping[str, str]
    reads_tags: bool
    padded: Padded | None = None

    def missing(self) -> list[str]:
        """The required columns that neither the file nor the configuration gives."""
        return [name for name in REQUIRED if name not in {*self.columns, *self.defaults}]

    def texts(self) -> list[str]:
        """Our names of the amounts that the file keeps as text (or as binary fractions)."""
        return [name for name, column in AMOUNTS.items() if not self.columns[column].is_number]

    def digits(self) -> list[str]:
        """Per amount of `texts` the most digits after and before the point: SQL over `checked`.

        Of doubles, whose text is made only where it must be, it is a little more than there are.
        """
        return [sql for name in self.texts() for sql in self._digits(name)]

    def _digits(self, name: str) -> tuple[str, str]:
        if self.columns[AMOUNTS[name]].is_double:
            return f"max(double_digits({name}))", f"double_width(max(abs({name})))"
        after, before = (f"max(strlen(split_part({name}, '.', {part})))" for part in (2, 1))
        return after, before

    @property
    def maps_tags(self) -> bool:
        """Whether `facts` give the tags as a map; else they are JSON, as they are in `checked`."""
        return self.reads_tags and "Tags" in self.columns and self.columns["Tags"].is_map

    def tags(self) -> str:
        """SELECT of the tags of all rows as `tags`, where they are a map."""
        return _select({"tags": self.columns["Tags"].sql}, self.relation)

    def _own_columns(self) -> dict[str, str]:
        """The file's own columns by FOCUS name, text trimmed once; absent ones are NULL."""
        listed = dict.fromkeys((*REQUIRED, *OPTIONAL), "NULL::VARCHAR")
        listed |= {name: _own(name, column) for name, column in self.columns.items()}
        if not self.reads_tags:
            listed["Tags"] = "NULL::VARCHAR"
        return listed

    def checked(self, *, numbered: bool = False) -> str:
        """SELECT of all rows, NULL where a value is wrong.

        With `numbered` each row has its number (`row`, from 1) and its raw texts (`raw_...`).
        """
        bottom, relation = self._own_columns(), self.relation
        bottom["shifted"] = "false"
        if self.padded:
            relation = self.padded.relation
            bottom["shifted"] = f"{self.padded.last} IS NULL OR {self.padded.beyond} IS NOT NULL"
        if numbered:
            bottom |= {f"raw_{name}": "NULL::VARCHAR" for name in (*REQUIRED, *OPTIONAL)}
            bottom |= {f"raw_{name}": f"{col.sql}::VARCHAR" for name, col in self.columns.items()}
            bottom["row"] = "row_number() OVER ()"
        listed = {
            name: column if self.columns[column].is_time else f"checked_instant({column})"
            for name, column in INSTANTS.items()
        }
        for name, column in AMOUNTS.items():
            check = "finite" if self.columns[column].is_double else "checked_amount"
            listed[name] = f"{check}({column})" if name in self.texts() else column
        listed |= {"tags": _json("Tags") if self.maps_tags else "braced(cleaned(Tags))", "*": ""}
        return _select(listed, f"({_select(bottom, relation)})")

    def facts(
        self, names: Mapping[str, Mapping[str, str]], scales: Mapping[str, int], where: str
    ) -> str:
        """SELECT of the rows in the window, canonical; every row must have passed the checks.

        `names` maps the texts of provider, category and currency to what they stand for;
        `scales` gives the digits after the point of each amount that is kept as text.
        """
        listed = {
            name: column if self.columns[column].is_time else f"instant({column})"
            for name, column in INSTANTS.items()
        }
        for name, column in AMOUNTS.items():
            listed[name] = self._exact(column, scales[name]) if name in scales else column
        for name, column in NAMES.items():
            listed[name] = _case(column, names[name], self.defaults.get(column))
        none = literal(NONE)
        listed |= {
            "account_id": f"coalesce(cleaned(SubAccountId), cleaned(BillingAccountId), {none})",
            "account_name": "cleaned(SubAccountName)",
            "billing_account_id": "cleaned(BillingAccountId)",
            "service": f"coalesce(folded(cleaned(ServiceName)), {none})",
            "region": f"coalesce(cleaned(RegionId), cleaned(RegionName), {none})",
            "tags": "Tags" if self.maps_tags else "braced(cleaned(Tags))",
        }
        own = f"({_select(self._own_columns(), self.relation)})"
        return f"SELECT * FROM ({_select(listed, own)}) {where}"

    def _exact(self, column: str, scale: int) -> str:
        text = f"plain({column}::VARCHAR)::DECIMAL({MAX_DIGITS}, {scale})"
        if not self.columns[column].is_double:
            return text
        near = min(scale, _SHORT)
        return (
            f"CASE WHEN short({column}, 1e{near}) THEN {column}::DECIMAL(18, {near})"
            f"::DECIMAL({MAX_DIGITS}, {scale}) ELSE {text} END"
        )


def _own(name: str, column: Column) -> str:
    """The SQL that takes one column of the file as it is, or as text without blanks around it."""
    if name in INSTANTS.values() and column.is_time:
        zone = " AT TIME ZONE 'UTC'" if column.type == "TIMESTAMP WITH TIME ZONE" else ""
        return f"sane(({column.sql}{zone})::TIMESTAMP)"
    if name in AMOUNTS.values() and (column.is_number or column.is_double):
        return column.sql
    if name == "Tags" and column.is_map:
        return column.sql
    if name == "Tags" and column.type.startswith(("MAP(", "STRUCT(")):
        return _json(column.sql)
    return f"trim({column.sql}::VARCHAR)"


def _json(tags: str) -> str:
    return f"CASE WHEN {tags} IS NOT NULL THEN to_json({tags})::VARCHAR END"


def _select(listed: Mapping[str, str], relation: str) -> str:
    columns = (f"{sql} AS {name}" if sql else name for name, sql in listed.items())
    return f"SELECT {', '.join(columns)} FROM {relation}"


def _case(subject: str, answers: Mapping[str, str], default: str | None) -> str:
    whens = "".join(f" WHEN {literal(raw)} THEN {literal(answers[raw])}" for raw in answers)
    otherwise = "NULL" if default is None else literal(default)
    return f"CASE {subject}{whens} ELSE {otherwise} END" if whens else otherwise
