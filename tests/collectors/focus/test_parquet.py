"""Parquet files: every type that a column may have, and those it may not."""

from __future__ import annotations

from datetime import date
from decimal import Context, Decimal
from typing import TYPE_CHECKING

import pytest

from collectors.focus.support import (
    INEXACT,
    NUMBER,
    TIME,
    csv_text,
    items_of,
    parquet,
    rejection_in,
    rows_in,
)
from finops_exporter.model import ControlTotal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.mark.parametrize(
    ("sql", "tags"),
    [
        ("MAP {'team ': 'web', 'env': 'prod'}", {"team": "web", "environment": "prod"}),
        ("MAP {'environment': ' ', 'env': 'prod ', 'Team': NULL}", {"environment": "prod"}),
        ("MAP {'team': 'it''s \"web\"'}", {"team": 'it\'s "web"'}),
        ("MAP {'team': 7}", {"team": "7"}),
        ("{'Team': 'web', 'env': NULL}", {"team": "web"}),
        ("NULL::MAP(VARCHAR, VARCHAR)", {}),
        ("""'{"team": "web"}'""", {"team": "web"}),
        ("""'{"team": "web"}'::JSON""", {"team": "web"}),
    ],
)
def test_tags_in_parquet(tmp_path: Path, sql: str, tags: Mapping[str, str]) -> None:
    (row,) = rows_in(items_of(parquet(tmp_path / "cost.parquet", "range(1)", Tags=sql)))
    assert row.tags == tags


@pytest.mark.parametrize(
    ("sql", "day"),
    [
        ("TIMESTAMP '2026-11-02 23:00:00'", date(2026, 11, 2)),
        ("TIMESTAMP_NS '2026-11-02 23:00:00'", date(2026, 11, 2)),
        ("TIMESTAMPTZ '2026-11-02 23:00:00-05:00'", date(2026, 11, 3)),
        ("DATE '2026-11-02'", date(2026, 11, 2)),
        ("'2026-11-02T23:00:00-05:00'", date(2026, 11, 3)),
    ],
)
def test_instants_in_parquet(tmp_path: Path, sql: str, day: date) -> None:
    path = parquet(tmp_path / "cost.parquet", "range(1)", ChargePeriodStart=sql)
    (row,) = rows_in(items_of(path))
    assert row.day == day


@pytest.mark.parametrize(
    ("sql", "amount"),
    [
        ("0.1::DOUBLE", "0.1"),
        ("1e-7::DOUBLE", "0.0000001"),
        ("1e22::DOUBLE", "1E22"),
        ("-0.0::DOUBLE", "0"),
        ("123456.78::DOUBLE", "123456.78"),
        ("999999999999.99::DOUBLE", "999999999999.99"),
        ("9007199254740993::DOUBLE", "9007199254740992"),
        ("(0.1::DOUBLE + 0.2::DOUBLE)", "0.30000000000000004"),
        ("0.12345678901::DOUBLE", "0.12345678901"),
        ("99999.12345678901::DOUBLE", "99999.123456789"),
        ("999.9999999999999::DOUBLE", "999.9999999999999"),
        ("3.3e-15::DOUBLE", "3.3E-15"),
        ("1.2345678901234567e-21::DOUBLE", "1.2345678901234566E-21"),
        ("0.1::FLOAT", "0.1"),
        ("1234.5::DECIMAL(9, 4)", "1234.5"),
        ("1.2345678901234567890123456789::DECIMAL(38, 28)", "1.2345678901234567890123456789"),
        ("-7::BIGINT", "-7"),
        ("7::UTINYINT", "7"),
        ("7::HUGEINT", "7"),
        ("' 1.50 '", "1.5"),
    ],
)
def test_amounts_in_parquet(tmp_path: Path, sql: str, amount: str) -> None:
    path = parquet(tmp_path / "cost.parquet", "range(3)", BilledCost=sql, EffectiveCost="2")
    items = items_of(path)
    (row,) = rows_in(items)
    (total,) = [item for item in items if isinstance(item, ControlTotal)]
    assert row.billed == total.billed == Context(prec=50).multiply(Decimal(3), Decimal(amount))
    assert row.effective == total.effective == 6


def test_ids_that_are_numbers_in_parquet(tmp_path: Path) -> None:
    path = parquet(tmp_path / "cost.parquet", "range(1)", SubAccountId="42::BIGINT")
    (row,) = rows_in(items_of(path))
    assert row.account_id == "42"


def test_not_parquet(tmp_path: Path) -> None:
    path = tmp_path / "cost.parquet"
    path.write_text(csv_text({}))
    found = rejection_in(items_of(path))
    assert found.reason == "bad_parquet"
    assert str(path) in str(found)
    assert "finops-focus-" not in found.message


@pytest.mark.parametrize(
    ("column", "sql", "message"),
    [
        ("BilledCost", "CASE i WHEN 1 THEN 'nan'::DOUBLE ELSE 1 END", f"'nan'{NUMBER}"),
        ("BilledCost", "CASE i WHEN 1 THEN 'inf'::DOUBLE ELSE 1 END", f"'inf'{NUMBER}"),
        (
            "BilledCost",
            "CASE WHEN i <> 1 THEN 1::DECIMAL(9, 2) END",
            "is empty; BilledCost must be given in every row",
        ),
        ("BilledCost", "5e-324::DOUBLE", f"'5e-324'{INEXACT}"),
        ("BilledCost", "CASE i WHEN 1 THEN 1e300::DOUBLE ELSE 0.1 END", f"'1e+300'{INEXACT}"),
        (
            "BilledCost",
            "(9 - i)::DECIMAL(38, 37)",
            f"'8.{'0' * 37}'{INEXACT}",
        ),
        (
            "ChargePeriodStart",
            "CASE i WHEN 1 THEN 'infinity'::TIMESTAMP ELSE '2026-11-01'::TIMESTAMP END",
            f"'infinity'{TIME}",
        ),
    ],
)
def test_a_wrong_value_in_parquet(tmp_path: Path, column: str, sql: str, message: str) -> None:
    path = parquet(tmp_path / "cost.parquet", "range(1, 4) t(i)", **{column: sql})
    found = rejection_in(items_of(path))
    assert str(found) == f"{path}, data row 1, column {column}: {message}"


@pytest.mark.parametrize(
    ("column", "sql", "raw"),
    [
        ("SubAccountName", "CASE i WHEN 2 THEN 'a' || chr(0) END", "'a\\x00'"),
        ("Tags", "CASE i WHEN 2 THEN MAP {'x': chr(0)} END", "'{x=\\x00}'"),
        ("Tags", "CASE i WHEN 2 THEN MAP {chr(0): NULL} END", "'{\\x00=NULL}'"),
    ],
)
def test_a_nul_character_in_parquet(tmp_path: Path, column: str, sql: str, raw: str) -> None:
    path = parquet(tmp_path / "cost.parquet", "range(1, 4) t(i)", **{column: sql})
    found = rejection_in(items_of(path))
    assert (
        str(found) == f"{path}, data row 2, column {column}: {raw} holds a NUL character; remove it"
    )
