"""Random files in every format: our sums are those of Python's Decimal, to the last digit."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import defaultdict
from datetime import date
from decimal import Decimal, localcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.focus.support import ROW, items_of, parquet, rows_in
from finops_exporter.model import NONE, ControlTotal

if TYPE_CHECKING:
    from collections.abc import Sequence

TAGS = {"team": ["team", "squad"]}
COLUMNS = list(ROW)
PROVIDERS = {"AWS": "aws", "Microsoft": "azure", "Oracle": "oracle", "oracle": "oracle"}

letters = st.characters(exclude_categories=["C", "Z"])
values = st.text(letters | st.just(" "), max_size=8)
tags = st.dictionaries(
    st.sampled_from(["team", " team", "TEAM ", "squad", "Squad", "org"]) | st.text(letters),
    st.one_of(values, st.none(), st.booleans(), st.integers(-99, 99)),
    max_size=4,
).filter(lambda found: len({key.strip().lower() for key in found}) == len(found))


@st.composite
def amounts(draw: st.DrawFn) -> str:
    """Up to 8 digits before and 28 after the point, as some file might write them."""
    sign = draw(st.sampled_from(["", "-", "+"]))
    whole = str(draw(st.integers(0, 10**8 - 1)))
    fraction = draw(st.text("0123456789", max_size=28))
    text = f"{sign}{whole}.{fraction}" if fraction else sign + whole
    if draw(st.booleans()):
        move = draw(st.integers(-5, 5))
        text = f"{Decimal(text).scaleb(-move):f}{draw(st.sampled_from('eE'))}{move:+}"
    return draw(st.sampled_from(["", " "])) + text + draw(st.sampled_from(["", "  "]))


@st.composite
def tag_texts(draw: st.DrawFn) -> str:
    found = draw(tags)
    if not found:
        return draw(st.sampled_from(["", "NULL", "null", "{}"]))
    text = json.dumps(found, ensure_ascii=draw(st.sampled_from([True, False])))
    return draw(st.sampled_from([text, text[1:-1]]))


rows = st.fixed_dictionaries(
    {
        "BilledCost": amounts(),
        "EffectiveCost": amounts(),
        "ChargePeriodStart": st.dates(date(2001, 1, 1), date(2099, 12, 31)).map(str),
        "ChargePeriodEnd": st.just("2026-12-01T00:00:00Z"),
        "ChargeCategory": st.sampled_from(["Usage", "TAX", "credit"]),
        "ProviderName": st.sampled_from(list(PROVIDERS)),
        "BillingCurrency": st.sampled_from(["USD", "EUR"]),
        "SubAccountId": st.sampled_from(["", "NULL", "1", "2"]),
        "ServiceName": st.sampled_from(["null", "A", " B  b", 'C\n,"c"']),
        "RegionId": st.sampled_from(["", "eu-west-1"]),
        "Tags": tag_texts(),
    }
)


def team(text: str) -> str:
    if text.lower() in {"", "null"}:
        return NONE
    found: dict[str, Any] = json.loads(text if text.startswith("{") else "{" + text + "}")
    known = {key.strip().lower(): value for key, value in found.items()}
    for key in ("team", "squad"):
        value = known.get(key)
        shown = json.dumps(value) if isinstance(value, bool | int) else value
        if shown is not None and shown.strip(" "):
            return str(shown).strip(" ")
    return NONE


def expected(records: Sequence[dict[str, str]]) -> dict[tuple[str, ...], list[Decimal]]:
    sums: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for record in records:
        service = " ".join(record["ServiceName"].split())
        key = (
            record["ChargePeriodStart"],
            PROVIDERS[record["ProviderName"]],
            NONE if record["SubAccountId"] in {"", "NULL"} else record["SubAccountId"],
            NONE if service == "null" else service,
            record["RegionId"] or NONE,
            record["ChargeCategory"].capitalize(),
            record["BillingCurrency"],
            team(record["Tags"]),
        )
        sums[key][0] += Decimal(record["BilledCost"])
        sums[key][1] += Decimal(record["EffectiveCost"])
    return dict(sums)


def write(folder: Path, records: Sequence[dict[str, str]]) -> list[Path]:
    """The same rows as CSV, gzip, Parquet with text, and Parquet with decimals and times."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(records)
    paths = [folder / name for name in ("a.csv", "b.csv.gz", "c.parquet", "d.parquet")]
    paths[0].write_text(text.getvalue(), encoding="utf-8", newline="")
    paths[1].write_bytes(gzip.compress(text.getvalue().encode()))
    number, instant = "DECIMAL(38, 28)", "TIMESTAMP"
    types = {"BilledCost": number, "EffectiveCost": number, "ChargePeriodStart": instant}
    typed = [
        record | {c: f"{Decimal(record[c]):f}" for c in types if types[c] == number}
        for record in records
    ]
    with duckdb.connect() as database:
        for path, kinds, full in [(paths[2], {}, records), (paths[3], types, typed)]:
            listed = ", ".join(f"{c} {kinds.get(c, 'VARCHAR')}" for c in COLUMNS)
            database.execute(f"CREATE OR REPLACE TABLE rows ({listed})")
            insert = f"INSERT INTO rows VALUES ({', '.join('?' * len(COLUMNS))})"
            database.executemany(insert, [[record[c] for c in COLUMNS] for record in full])
            database.execute(f"COPY rows TO '{path}'")
    return paths


whole_cents = st.integers(-(10**12), 10**12)
doubles = st.one_of(
    st.floats(-1e9, 1e9).filter(lambda found: found == 0 or abs(found) > 1e-9),
    st.builds(lambda cents, power: cents / 10**power, whole_cents, st.integers(0, 13)),
)


@given(st.lists(st.tuples(doubles, doubles), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_doubles_stand_for_their_shortest_text(pairs: list[tuple[float, float]]) -> None:
    with localcontext(prec=80), TemporaryDirectory() as name:
        path = Path(name) / "cost.parquet"
        listed = ", ".join(f"({billed!r}::DOUBLE, {other!r}::DOUBLE)" for billed, other in pairs)
        values = f"(VALUES {listed}) v(a, b)"
        items = items_of(parquet(path, values, BilledCost="a", EffectiveCost="b"))
        (row,) = rows_in(items)
        (total,) = [item for item in items if isinstance(item, ControlTotal)]
        wanted = [
            sum(Decimal(repr(each)) for each in column) for column in zip(*pairs, strict=True)
        ]
        assert [row.billed, row.effective] == [total.billed, total.effective] == wanted


@given(st.lists(rows, min_size=1, max_size=12))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_sums_are_exact_in_every_format(records: list[dict[str, str]]) -> None:
    with localcontext(prec=80), TemporaryDirectory() as name:
        paths = write(Path(name), records)
        items = items_of(*paths, tags=TAGS)
        wanted = expected(records)
        found = rows_in(items)
        for path in paths:
            ours = {
                (
                    row.day.isoformat(),
                    row.provider,
                    row.account_id,
                    row.service,
                    row.region,
                    row.charge_category,
                    row.currency,
                    row.tags.get("team", NONE),
                ): [row.billed, row.effective]
                for row in found
                if row.part == str(path)
            }
            assert ours == wanted
        per_month: dict[tuple[str, ...], list[Decimal]] = defaultdict(
            lambda: [Decimal(0), Decimal(0)]
        )
        for row in found:
            key = (row.part, row.provider, row.day.replace(day=1).isoformat(), row.currency)
            per_month[key][0] += row.billed
            per_month[key][1] += row.effective
        totals = {
            (item.part, item.provider, item.month.isoformat(), item.currency): [
                item.billed,
                item.effective,
            ]
            for item in items
            if isinstance(item, ControlTotal)
        }
        assert totals == per_month
