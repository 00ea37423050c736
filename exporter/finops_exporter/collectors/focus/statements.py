# ruff: noqa: S608 - every text in these statements is ours or goes through `literal`
"""The statements that check and sum up one FOCUS file: pure text, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finops_exporter.collectors.focus.columns import (
    AMOUNTS,
    INSTANTS,
    NAMES,
    OPTIONAL,
    spellings,
)
from finops_exporter.collectors.focus.views import literal
from finops_exporter.model import CHARGE_CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Check:
    """What makes a row unusable: the column, the SQL that finds it, and what would be allowed."""

    column: str
    reason: str
    bad: str
    rule: str


_NUMBER = (
    "is not a number; write digits with an optional sign, point and exponent,"
    " such as -12.5 or 1.5E-7, without currency sign or thousands separator"
)
_TIME = "is not a date and time; write ISO 8601, such as 2025-04-01T00:00:00Z"

_NUL = "holds a NUL character; remove it"
# An even number of backslashes before it are backslashes, and the u is a plain letter.
_ESCAPED_NUL = r"(^|[^\\])(\\\\)*\\u0000"

CHECKS = (
    *(Check(column, "bad_amount", f"{name} IS NULL", _NUMBER) for name, column in AMOUNTS.items()),
    *(
        Check(column, "bad_timestamp", f"{name} IS NULL", _TIME)
        for name, column in INSTANTS.items()
    ),
    # No text of PostgreSQL holds this character, so one of them would stop the whole run.
    *(
        Check(column, "bad_text", f"contains({column}, chr(0))", _NUL)
        for column in (*NAMES.values(), *OPTIONAL)
        if column != "Tags"
    ),
    Check(
        "Tags",
        "bad_text",
        "contains(tags, chr(0)) OR"
        rf" (contains(tags, '\u0000') AND regexp_matches(tags, '{_ESCAPED_NUL}'))",
        _NUL,
    ),
    Check(
        "Tags",
        "bad_tags",
        "tags IS NOT NULL AND NOT json_valid(tags)",
        'is not a JSON object; write {"team": "web"}, with or without the outer braces',
    ),
)
"""What SQL finds on every row; texts that name something are judged by `canonical`."""

_RULES = {
    "provider": "holds no letter a-z and no digit",
    "category": f"is not a FOCUS charge category; allowed are {', '.join(CHARGE_CATEGORIES)}",
    "currency": "is not a currency",
}


def name_check(name: str, raws: Collection[str | None]) -> Check:
    """The check that finds the given texts of provider, category or currency."""
    column = NAMES[name]
    texts = ", ".join(literal(raw) for raw in raws if raw is not None)
    nulls = f"{column} IS NULL" if None in raws else "false"
    bad = f"{nulls} OR {column} IN ({texts})" if texts else nulls
    return Check(column, f"bad_{name}", bad, _RULES[name])


def columns(relation: str) -> str:
    """Name and type of each column (and more, after those)."""
    return f"DESCRIBE SELECT * FROM {relation}"


def profile(checked: str, checks: Sequence[Check], digits: Sequence[str]) -> str:
    """Per provider, category and currency as written: those three, rows, bad rows, and digits.

    `digits` is SQL as views.Source gives it.
    """
    bad = " OR ".join(["shifted", *(f"({check.bad})" for check in checks)])
    names = ", ".join(NAMES.values())
    told = ", ".join([names, "count(*)", f"count_if({bad})", *digits])
    return f"SELECT {told} FROM ({checked}) GROUP BY {names}"


def first_bad(checked: str, checks: Sequence[Check]) -> str:
    """The first bad row: its number, whether its fields are shifted, a flag and raw per check."""
    flags = [f"coalesce({check.bad}, false)" for check in checks]
    raws = ", ".join(f"raw_{check.column}" for check in checks)
    return (
        f"SELECT row, shifted, [{', '.join(flags)}], [{raws}] FROM ({checked})"
        f" WHERE shifted OR {' OR '.join(flags)} ORDER BY row LIMIT 1"
    )


def needed_digits(checked: str, amount: str) -> str:
    """The most digits after and before the point that an amount kept as text really needs."""
    return f"SELECT max(fraction_digits({amount})), max(whole_digits({amount})) FROM ({checked})"


def longest(checked: str, amount: str) -> str:
    """The row (number, raw value) whose amount, kept as text, has the most digits."""
    return (
        f"SELECT row, raw_{AMOUNTS[amount]} FROM ({checked})"
        f" ORDER BY fraction_digits({amount}) + whole_digits({amount}) DESC, row LIMIT 1"
    )


def largest(checked: str, amount: str) -> str:
    """The row (number, raw value) that holds the largest absolute amount."""
    return (
        f"SELECT row, raw_{AMOUNTS[amount]} FROM ({checked})"
        f" ORDER BY abs({amount}::DOUBLE) DESC, row LIMIT 1"
    )


def tag_keys(facts: str) -> str:
    """The keys that occur in any row's tags, which are JSON, as the file spells them."""
    return f"SELECT DISTINCT unnest(json_keys(tags)) FROM ({facts})"


def map_keys(tags: str) -> str:
    """The keys that occur in any row's tags, which are a map, and whether a NUL is with them."""
    pairs = f"SELECT unnest(map_keys(tags)) AS key, unnest(map_values(tags)) AS value FROM ({tags})"
    nul = "contains(key, chr(0)) OR count_if(contains(value, chr(0))) > 0"
    return f"SELECT key, {nul} FROM ({pairs}) GROUP BY key"


def tag_values(
    tags: Mapping[str, Sequence[str]], found: Sequence[str], *, mapped: bool
) -> tuple[str, list[str]]:
    """How to read the configured tags where the file has the keys `found`.

    The first is SQL for a list of the values of all keys of interest, so that a row's JSON is
    parsed once (a map is read as it is); the others take it as `listed` and give, per tag, the
    first non-blank value among its keys or NULL.
    """
    candidates = [spellings(keys, found) for keys in tags.values()]
    asked = sorted({key for keys in candidates for key in keys})
    if not asked:
        return "NULL", ["NULL::VARCHAR"] * len(tags)
    pointers = ", ".join(literal(_pointer(key)) for key in asked)
    listed = "NULL" if mapped else f"json_extract_string(tags, [{pointers}])"
    values = {
        key: f"tags[{literal(key)}]" if mapped else f"listed[{place}]"
        for place, key in enumerate(asked, 1)
    }
    return listed, [
        "coalesce("
        + "".join(f"nullif(trim({values[key]}), ''), " for key in keys)
        + "NULL::VARCHAR)"
        for keys in candidates
    ]


def _pointer(key: str) -> str:
    """`key` as a JSON pointer, in which (unlike in a JSON path) every character can stand."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def groups(facts: str, listed: str, tags: Sequence[str]) -> str:
    """The cost rows: day, five dimensions, currency, both sums, one value per tag.

    Each is an array of texts in JSON, which DuckDB writes in a third of the time that Python takes.
    """
    keys = ["start_at::DATE", "provider", "account_id", "service", "region", "category", "currency"]
    named = [f"{sql} AS key_{place}" for place, sql in enumerate([*keys, *tags])]
    outer = [f"key_{place}" for place in range(len(named))]
    sums = [f"sum({name})::VARCHAR" for name in AMOUNTS]
    fields = ["key_0::VARCHAR", *outer[1:7], *sums, *outer[7:]]
    return (
        f"SELECT to_json([{', '.join(fields)}])::VARCHAR"
        f" FROM (SELECT {', '.join(named)}, billed, effective"
        f" FROM (SELECT *, {listed} AS listed FROM ({facts})))"
        f" GROUP BY {', '.join(outer)}"
    )


TOTAL, ACCOUNT, REACH = range(3)
"""The kinds of rows in a summary."""


def summary(facts: str) -> str:
    """The file's own totals, its accounts and its reach in one scan, told apart by kind.

    TOTAL (provider, month, currency): both totals. ACCOUNT (provider, account): latest name and
    billing account, and the newest day. REACH (provider): the instant up to which usage reaches,
    or NULL. Days and instants are ISO 8601 in UTC.
    """
    # Each set would sum up all rows anew; so few are made of them first, which say the same.
    month, day = "date_trunc('month', start_at)::DATE", "end_at - start_at <= INTERVAL 1 DAY"
    few = (
        f"SELECT provider, {month} AS month, currency, account_id, account_name,"
        " billing_account_id, category = 'Usage' AS usage,"
        f" {', '.join(f'sum({name}) AS {name}' for name in AMOUNTS)}, max(start_at) AS start_at,"
        f" max(end_at) AS end_at, max(end_at) FILTER (WHERE {day}) AS day_end_at"
        f" FROM ({facts}) GROUP BY ALL"
    )
    return (
        f"SELECT CASE WHEN grouping(month) = 0 THEN {TOTAL} WHEN grouping(account_id) = 0"
        f" THEN {ACCOUNT} ELSE {REACH} END, provider, strftime(month, '%Y-%m-%d'), currency,"
        f" {', '.join(f'sum({name})::VARCHAR' for name in AMOUNTS)}, account_id,"
        " arg_max(account_name, start_at), arg_max(billing_account_id, start_at),"
        " strftime(max(start_at), '%Y-%m-%d'),"
        # Purchases, and usage billed by the month, end long after the data does.
        " strftime("
        "coalesce(max(day_end_at) FILTER (WHERE usage), max(end_at) FILTER (WHERE usage)),"
        " '%Y-%m-%dT%H:%M:%S.%f+00:00')"
        f" FROM ({few})"
        " GROUP BY GROUPING SETS ((provider, month, currency), (provider, account_id), (provider))"
    )
