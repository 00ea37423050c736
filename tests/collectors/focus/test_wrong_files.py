"""Wrong files: each is left out as a whole, with a message that says where and what to do."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from collectors.focus.support import (
    INEXACT,
    NUMBER,
    TIME,
    collector,
    csv_text,
    items_of,
    rejection_in,
    rows_in,
)
from finops_exporter.model import Complete, Rejected

if TYPE_CHECKING:
    from pathlib import Path

LAST = {"SubAccountId": "9"}

VALUES: dict[str, tuple[dict[str, str], str, str]] = {
    "currency sign": (
        {"BilledCost": "$50,000.00 "},
        "bad_amount",
        f"data row 2, column BilledCost: '$50,000.00 '{NUMBER}",
    ),
    "not a number": (
        {"EffectiveCost": "NaN"},
        "bad_amount",
        f"data row 2, column EffectiveCost: 'NaN'{NUMBER}",
    ),
    "infinite": (
        {"BilledCost": "-inf"},
        "bad_amount",
        f"data row 2, column BilledCost: '-inf'{NUMBER}",
    ),
    "decimal comma": (
        {"BilledCost": "1,5"},
        "bad_amount",
        f"data row 2, column BilledCost: '1,5'{NUMBER}",
    ),
    "long text": (
        {"BilledCost": "x" * 100},
        "bad_amount",
        f"data row 2, column BilledCost: '{'x' * 60}...'{NUMBER}",
    ),
    "no amount": (
        {"BilledCost": "NULL"},
        "missing_value",
        "data row 2, column BilledCost: is empty; BilledCost must be given in every row",
    ),
    "hour 30": (
        {"ChargePeriodEnd": "2026-11-01T30:00:00Z"},
        "bad_timestamp",
        f"data row 2, column ChargePeriodEnd: '2026-11-01T30:00:00Z'{TIME}",
    ),
    "slashes": (
        {"ChargePeriodStart": "4/1/25"},
        "bad_timestamp",
        f"data row 2, column ChargePeriodStart: '4/1/25'{TIME}",
    ),
    "no such day": (
        {"ChargePeriodStart": "2026-02-30"},
        "bad_timestamp",
        f"data row 2, column ChargePeriodStart: '2026-02-30'{TIME}",
    ),
    "category": (
        {"ChargeCategory": "Fee"},
        "bad_category",
        (
            "data row 2, column ChargeCategory: 'Fee' is not a FOCUS charge category;"
            " allowed are Usage, Purchase, Tax, Credit, Adjustment"
        ),
    ),
    "provider": (
        {"ProviderName": "***"},
        "bad_provider",
        "data row 2, column ProviderName: '***' holds no letter a-z and no digit",
    ),
    "no currency": (
        {"BillingCurrency": ""},
        "missing_value",
        "data row 2, column BillingCurrency: is empty; BillingCurrency must be given in every row",
    ),
    "tags": (
        {"Tags": '{"team": '},
        "bad_tags",
        (
            "data row 2, column Tags: '{\"team\": ' is not a JSON object;"
            ' write {"team": "web"}, with or without the outer braces'
        ),
    ),
    "tags in a list": (
        {"Tags": '["team"]'},
        "bad_tags",
        (
            "data row 2, column Tags: '[\"team\"]' is not a JSON object;"
            ' write {"team": "web"}, with or without the outer braces'
        ),
    ),
    "39 digits": (
        {"BilledCost": "9" * 39},
        "not_exact",
        f"data row 2, column BilledCost: '{'9' * 39}'{INEXACT}",
    ),
    "too far apart": (
        {"BilledCost": "1E-38"},
        "not_exact",
        f"data row 2, column BilledCost: '1E-38'{INEXACT}",
    ),
}


@pytest.mark.parametrize("case", VALUES)
def test_a_wrong_value(tmp_path: Path, case: str) -> None:
    changes, reason, message = VALUES[case]
    path = tmp_path / "cost.csv"
    path.write_text(csv_text({"BilledCost": "1.25"}, changes, changes | LAST))
    found = rejection_in(items_of(path))
    assert (str(found), found.reason, found.rows) == (f"{path}, {message}", reason, 3)


def test_the_first_wrong_row_is_named_whatever_its_column(tmp_path: Path) -> None:
    path = tmp_path / "cost.csv"
    path.write_text(csv_text({}, {"ChargeCategory": "Fee"}, {"BilledCost": "x"}, {"Tags": "x"}))
    found = rejection_in(items_of(path))
    assert (found.row, found.column) == (2, "ChargeCategory")


def test_a_sum_that_has_no_room(tmp_path: Path) -> None:
    path = tmp_path / "cost.csv"
    path.write_text(csv_text({}, {"EffectiveCost": "9" * 38}, {"EffectiveCost": "8" * 38}))
    found = rejection_in(items_of(path))
    assert str(found) == f"{path}, data row 2, column EffectiveCost: '{'9' * 38}'{INEXACT}"


NUL = " holds a NUL character; remove it"


@pytest.mark.parametrize(
    "column",
    [
        "ProviderName",
        "ChargeCategory",
        "BillingCurrency",
        "SubAccountId",
        "SubAccountName",
        "BillingAccountId",
        "ServiceName",
        "RegionId",
        "RegionName",
    ],
)
@pytest.mark.parametrize("text", ["a\0b", "\0", "Usage\0"])
def test_a_nul_character(tmp_path: Path, column: str, text: str) -> None:
    path = tmp_path / "cost.csv"
    path.write_text(csv_text({column: "Usage"}, {column: text}))
    found = rejection_in(items_of(path))
    assert str(found) == f"{path}, data row 2, column {column}: {text!r}{NUL}"
    assert (found.reason, found.rows) == ("bad_text", 2)


@pytest.mark.parametrize(
    "text", ['{"team": "a\0"}', r'{"te\u0000am": "a"}', r'{"team": "\u0000"}', r'"a": "\\\u0000"']
)
def test_a_nul_character_in_tags(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cost.csv"
    path.write_text(csv_text({}, {"Tags": text}))
    found = rejection_in(items_of(path))
    assert str(found) == f"{path}, data row 2, column Tags: {text!r}{NUL}"
    assert found.reason == "bad_text"


def file_of(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else content


GOOD = csv_text({}, {})
FILES: dict[str, tuple[str, bytes, str, str]] = {
    "no bytes": (
        "cost.csv",
        b"",
        "empty_file",
        ": the file has no bytes, not even a header; export it again",
    ),
    "blank lines": (
        "cost.csv",
        b"\n\n",
        "empty_file",
        ": the file has no text, not even a header; export it again",
    ),
    "no columns": (
        "cost.csv",
        csv_text({}, without=["EffectiveCost", "ProviderName"]).encode(),
        "missing_columns",
        (
            ": the file has no column EffectiveCost, ProviderName; export it with these FOCUS"
            " columns, or set defaults.provider for ProviderName"
        ),
    ),
    "column twice": (
        "cost.csv",
        GOOD.replace("RegionId", "billedcost").encode(),
        "duplicate_column",
        ", column BilledCost: the file has this column twice; remove one",
    ),
    "field too few": (
        "cost.csv",
        (GOOD + "1,2,3\r\n").encode(),
        "bad_csv",
        (
            ", data row 3: has 3 fields where the header has 11;"
            " put fields that hold a comma or a line break in double quotes"
        ),
    ),
    "field too many": (
        "cost.csv",
        GOOD.replace("EC2", "EC2, Spot", 1).encode(),
        "bad_csv",
        (
            ", data row 1: has 12 fields where the header has 11;"
            " put fields that hold a comma or a line break in double quotes"
        ),
    ),
    "trailing comma": (
        "cost.csv",
        (GOOD + GOOD.splitlines()[1] + ",\r\n").encode(),
        "bad_csv",
        (
            ", data row 3: has 12 fields where the header has 11;"
            " put fields that hold a comma or a line break in double quotes"
        ),
    ),
    "last field cut": (
        "cost.csv",
        GOOD.rstrip().rstrip(",").encode(),
        "bad_csv",
        (
            ", data row 2: has 10 fields where the header has 11;"
            " put fields that hold a comma or a line break in double quotes"
        ),
    ),
    "cut in the first quotes": (
        "cost.csv",
        (GOOD + '"1.2').encode(),
        "bad_csv",
        ", data row 3: is not valid CSV (unexpected end of data)",
    ),
    "cut in the first quotes, after a line break in quotes": (
        "cost.csv",
        (csv_text({"ServiceName": "a\nb"}) + '"1.2').encode(),
        "bad_csv",
        ", data row 2: is not valid CSV (unexpected end of data)",
    ),
    "blank line above": (
        "cost.csv",
        b"\n" + GOOD.encode(),
        "bad_csv",
        ": blank lines stand above the header; remove them",
    ),
    "open quote": (
        "cost.csv",
        GOOD.replace("Amazon EC2,eu-west-1,\r\n", '"Amazon EC2,eu-west-1,\r\n', 1).encode(),
        "bad_csv",
        ", data row 1: is not valid CSV (unexpected end of data)",
    ),
    "latin-1": (
        "cost.csv",
        csv_text({}, {"ServiceName": "Caf\u00e9"}).encode("latin-1"),
        "not_utf8",
        ", data row 2: holds bytes that are not UTF-8; save the file as UTF-8",
    ),
    "cut gzip": (
        "cost.csv.gz",
        gzip.compress(GOOD.encode(), mtime=0)[:-9],
        "bad_gzip",
        (
            ": cannot be decompressed (Compressed file ended before the end-of-stream marker was"
            " reached); export or copy it again"
        ),
    ),
    "not gzip": (
        "cost.csv.gz",
        GOOD.encode(),
        "bad_gzip",
        ": cannot be decompressed (Not a gzipped file (b'Bi')); export or copy it again",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_wrong_file(tmp_path: Path, case: str) -> None:
    name, content, reason, message = FILES[case]
    path = tmp_path / name
    path.write_bytes(content)
    found = rejection_in(items_of(path))
    assert (str(found), found.reason) == (f"{path}{message}", reason)


def test_a_gzip_whose_checksum_is_wrong(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(GOOD.encode(), mtime=0))
    packed[-8] ^= 1
    path = tmp_path / "cost.csv.gz"
    path.write_bytes(packed)
    found = rejection_in(items_of(path))
    assert found.reason == "bad_gzip"
    assert "CRC check failed" in found.message


def test_a_wrong_file_does_not_hold_up_the_next(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "b.csv").write_text(GOOD)
    items = items_of(tmp_path / "*.csv")
    assert [item.part[-5:] for item in items if isinstance(item, Rejected | Complete)] == [
        "a.csv",
        "b.csv",
    ]
    assert rows_in(item for item in items if not isinstance(item, Rejected))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"paths": []}, "at least 1 item"),
        ({"memory_limit": "lots"}, "must be a size such as"),
        ({"memory_limit": "0MB"}, "must be a size such as"),
        ({"missing_files": "forget"}, "'withdraw' or 'keep'"),
        ({"defaults": {"provider": "***"}}, "names no provider"),
        ({"path": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        collector(**({"paths": ["x.csv"]} | options))
