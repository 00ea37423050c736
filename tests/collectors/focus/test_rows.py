"""Right files: every trap that must not cost a row."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.focus.support import csv_text, items_of, rows_in
from finops_exporter.collectors.focus.columns import canonical
from finops_exporter.model import (
    NONE,
    Account,
    Complete,
    ControlTotal,
    CostRow,
    Item,
    Progress,
    Rejected,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


def only_row(folder: Path, text: str | bytes, name: str = "cost.csv") -> CostRow:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    (row,) = rows_in(items_of(path))
    return row


def test_a_row_as_it_is_meant(tmp_path: Path) -> None:
    tags = '{"Environment ": "prod", "cost": 7}'
    assert only_row(tmp_path, csv_text({"Tags": tags})) == CostRow(
        day=date(2026, 11, 1),
        provider="aws",
        account_id="111",
        service="Amazon EC2",
        region="eu-west-1",
        charge_category="Usage",
        billed=Decimal("1.25"),
        effective=Decimal(1),
        currency="USD",
        tags={"environment": "prod"},
        part=str(tmp_path / "cost.csv"),
    )


def test_the_order_of_items(tmp_path: Path) -> None:
    path = tmp_path / "cost.csv"
    path.write_text(csv_text({"SubAccountName": "web"}))
    items = items_of(path)
    size = path.stat().st_size
    assert items[0] == Progress(str(path), 0, size)
    assert [type(item) for item in items if not isinstance(item, Progress)] == [
        Account,
        CostRow,
        ControlTotal,
        Complete,
    ]
    assert items[-2] == Progress(str(path), size, size)


@pytest.mark.parametrize("absent", ["", "NULL", "null", " Null "])
def test_words_for_no_value(tmp_path: Path, absent: str) -> None:
    names = ("SubAccountId", "ServiceName", "RegionId", "Tags", "SubAccountName")
    row = only_row(tmp_path, csv_text(dict.fromkeys(names, absent)))
    assert (row.account_id, row.service, row.region, row.tags) == (NONE, NONE, NONE, {})


def test_second_choices(tmp_path: Path) -> None:
    changes = {"SubAccountId": "", "BillingAccountId": "99", "RegionId": "", "RegionName": "Ohio"}
    row = only_row(tmp_path, csv_text(changes))
    assert (row.account_id, row.region) == ("99", "Ohio")


def test_blanks_in_service_names_collapse(tmp_path: Path) -> None:
    row = only_row(tmp_path, csv_text({"ServiceName": "  Amazon \t S3 "}))
    assert row.service == "Amazon S3"


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026-11-02", date(2026, 11, 2)),
        ("2026-11-02 23:59:59", date(2026, 11, 2)),
        ("2026-11-02T23:59:59Z", date(2026, 11, 2)),
        ("2026-11-02T23:59Z", date(2026, 11, 2)),
        ("2026-11-02 23:59:59 UTC", date(2026, 11, 2)),
        ("2026-11-02T23:59:59.9999999Z", date(2026, 11, 2)),
        ("2026-11-02T01:00:00+02:00", date(2026, 11, 1)),
        ("2026-11-02T23:00:00-0500", date(2026, 11, 3)),
        (" 2026-11-02T00:00:00+00 ", date(2026, 11, 2)),
    ],
)
def test_ways_to_write_an_instant(tmp_path: Path, written: str, day: date) -> None:
    assert only_row(tmp_path, csv_text({"ChargePeriodStart": written})).day == day


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("0.00 ", "0"),
        ("1.5E-7", "0.00000015"),
        ("-1e3", "-1000"),
        ("+.5e1", "5"),
        ("12.340E2", "1234"),
        ("-12.34e-1", "-1.234"),
        ("5.", "5"),
        ("007.50", "7.5"),
        ("0e99", "0"),
        ("0.0000000000000000000000000001", "1E-28"),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ("0." + "5" * 38, "0." + "5" * 38),
        ("0.1" + "0" * 60, "0.1"),
    ],
)
def test_ways_to_write_an_amount(tmp_path: Path, written: str, amount: str) -> None:
    row = only_row(tmp_path, csv_text({"BilledCost": written, "EffectiveCost": " 1e-1"}))
    assert (row.billed, row.effective) == (Decimal(amount), Decimal("0.1"))


def test_each_amount_column_has_a_scale_of_its_own(tmp_path: Path) -> None:
    row = only_row(tmp_path, csv_text({"BilledCost": "1" * 30, "EffectiveCost": "1E-30"}))
    assert (row.billed, row.effective) == (Decimal("1" * 30), Decimal("1E-30"))


def test_credits_and_zeros_stay(tmp_path: Path) -> None:
    path = tmp_path / "cost.csv"
    path.write_text(
        csv_text(
            {"BilledCost": "10.1"},
            {"BilledCost": "-3.05", "ChargeCategory": "credit"},
            {"BilledCost": "0", "EffectiveCost": "0.0", "ChargeCategory": "TAX"},
        )
    )
    items = items_of(path)
    found = {row.charge_category: row.billed for row in rows_in(items)}
    assert found == {"Usage": Decimal("10.1"), "Credit": Decimal("-3.05"), "Tax": Decimal(0)}
    (total,) = [item for item in items if isinstance(item, ControlTotal)]
    assert (total.billed, total.effective) == (Decimal("7.05"), Decimal(2))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\r\n", "\n"),
        lambda text: text.replace("\r\n", "\r\n\r\n\r\n"),
        lambda text: text.rstrip(),
        lambda text: text.replace("BilledCost", "billedcost").replace("Tags", " TAGS "),
        lambda text: text.replace("Tags", "Tags,x_extra,x_extra").replace(",\r\n", ",,a,b\r\n"),
    ],
    ids=["bom", "lf", "blank-lines", "no-final-newline", "case", "extra"],
)
def test_shapes_of_a_csv(tmp_path: Path, change: object) -> None:
    assert callable(change)
    row = only_row(tmp_path, change(csv_text({})))
    assert (row.billed, row.account_id) == (Decimal("1.25"), "111")


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_no_row_is_lost_between_mixed_line_ends(data: st.DataObject) -> None:
    lines = csv_text(*({"ServiceName": f"s{n}"} for n in range(5))).splitlines()
    ends = data.draw(st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=6, max_size=6))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cost.csv"
        path.write_bytes("".join(map("".join, zip(lines, ends, strict=True))).encode())
        items = items_of(path)
    loaded = sum(isinstance(item, CostRow) for item in items)
    refused = sum(isinstance(item, Rejected) for item in items)
    assert (loaded, refused) in {(5, 0), (0, 1)}


def test_line_breaks_in_fields_of_a_file_that_is_read_in_pieces(tmp_path: Path) -> None:
    looks_like_a_row = csv_text({"BilledCost": "999", "Tags": '{"note": "'}).splitlines()[1]
    header, row = csv_text({"Tags": "\n".join([looks_like_a_row] * 50)}).split("\r\n", 1)
    path, count = tmp_path / "cost.csv", 40_000_000 // len(row)
    path.write_text(header + "\r\n" + row * count, newline="")
    (found,) = rows_in(items_of(path, tags={}))
    assert found.billed == Decimal("1.25") * count


def test_compressed(tmp_path: Path) -> None:
    row = only_row(tmp_path, gzip.compress(csv_text({}).encode()), "cost.CSV.gz")
    assert row.billed == Decimal("1.25")


def test_a_path_that_looks_like_a_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "[a-c]{x}'?"
    folder.mkdir()
    (folder / "cost*.csv").write_text(csv_text({}))
    (row,) = rows_in(items_of(tmp_path / "[[]a-c]*" / "*.csv"))
    assert row.part == str(folder / "cost*.csv")


def test_a_header_alone_is_a_complete_file_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "cost.csv"
    path.write_text(csv_text())
    items = [item for item in items_of(path) if not isinstance(item, Progress)]
    assert [type(item) for item in items] == [Complete]


@pytest.mark.parametrize(
    ("written", "slug"),
    [
        ("AWS", "aws"),
        ("Amazon Web Services", "aws"),
        ("Amazon Web Services, Inc.", "aws"),
        ("Microsoft", "azure"),
        ("azure", "azure"),
        ("Microsoft  Azure", "azure"),
        ("Google", "gcp"),
        ("Google Cloud", "gcp"),
        ("GCP", "gcp"),
        ("Google Cloud Platform", "gcp"),
        ("Oracle", "oracle"),
        ("Acme & Co. (EU)", "acme-co-eu"),
        ("***", None),
        (" null ", None),
    ],
)
def test_names_of_providers(written: str, slug: str | None) -> None:
    assert canonical("provider", written) == slug


def test_two_spellings_of_a_provider_are_one(tmp_path: Path) -> None:
    path = tmp_path / "cost.csv"
    path.write_text(csv_text({"ProviderName": "Amazon Web Services, Inc."}, {}))
    (row,) = rows_in(items_of(path))
    assert (row.provider, row.billed) == ("aws", Decimal("2.5"))


def test_defaults_stand_in_for_columns_and_for_empty_cells(tmp_path: Path) -> None:
    lacking, empty = tmp_path / "a.csv", tmp_path / "b.csv"
    lacking.write_text(csv_text({}, without=["ProviderName", "BillingCurrency"]))
    empty.write_text(csv_text({"ProviderName": "", "BillingCurrency": "NULL"}))
    defaults = {"provider": "Acme Co", "currency": "EUR"}
    rows = rows_in(items_of(lacking, empty, defaults=defaults))
    assert [(row.provider, row.currency) for row in rows] == [("acme-co", "EUR")] * 2


TAG_TEXTS: Mapping[str, Mapping[str, str]] = {
    '{"team": "web", "env": "prod"}': {"team": "web", "environment": "prod"},
    '"team": "web", "env": "prod"': {"team": "web", "environment": "prod"},
    ' {"team" : "web"}': {"team": "web"},
    '{" Team": "web"}': {"team": "web"},
    '{"env": "e", "environment": "full"}': {"environment": "full"},
    '{"env": "e", "environment": " "}': {"environment": "e"},
    '{"env": null, "team": null}': {},
    '{"team": 42, "env": true}': {"team": "42", "environment": "true"},
    '{"team": "w\u00e9b \U0001f600 \'q\' \\"d\\""}': {"team": "w\u00e9b \U0001f600 'q' \"d\""},
    "{}": {},
    "null": {},
}


@pytest.mark.parametrize("text", TAG_TEXTS)
def test_tags(tmp_path: Path, text: str) -> None:
    assert only_row(tmp_path, csv_text({"Tags": text})).tags == TAG_TEXTS[text]


def test_tag_keys_with_odd_characters(tmp_path: Path) -> None:
    path = tmp_path / "cost.csv"
    path.write_text(csv_text({"Tags": '{"a/b~c*\'$.": "x", "0": "zero"}'}))
    (row,) = rows_in(items_of(path, tags={"odd": ["A/b~C*'$."], "number": ["0"]}))
    assert row.tags == {"odd": "x", "number": "zero"}


def test_without_configured_tags_their_column_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "cost.csv"
    path.write_text(csv_text({"Tags": "{broken"}))
    (row,) = rows_in(items_of(path, tags={}))
    assert row.tags == {}


def test_a_window_keeps_rows_and_totals_inside(tmp_path: Path) -> None:
    path = tmp_path / "cost.csv"
    days = [f"2026-11-{day:02}" for day in range(1, 6)]
    path.write_text(csv_text(*({"ChargePeriodStart": day} for day in days)))
    window = Window(date(2026, 11, 2), date(2026, 11, 4))
    items = items_of(path, window=window)
    assert {row.day.day for row in rows_in(items)} == {2, 3}
    (total,) = [item for item in items if isinstance(item, ControlTotal)]
    assert total.billed == Decimal("2.50")
    assert isinstance(items[-1], Complete)
    assert items[-1].window == window


def reach(items: list[Item]) -> Mapping[str, datetime]:
    last = items[-1]
    assert isinstance(last, Complete)
    return last.covered_until


def test_how_far_usage_reaches(tmp_path: Path) -> None:
    short = {"ChargePeriodStart": "2026-11-03", "ChargePeriodEnd": "2026-11-04"}
    month = {"ChargePeriodStart": "2026-11-01", "ChargePeriodEnd": "2026-12-01"}
    path = tmp_path / "cost.csv"
    path.write_text(
        csv_text(
            short | {"ChargePeriodEnd": "2026-11-03T13:00:00+01:00"},
            short,
            month,
            month | {"ChargeCategory": "Purchase", "ChargePeriodEnd": "2027-11-01"},
            month | {"ProviderName": "Oracle"},
            short | {"ProviderName": "GCP", "ChargeCategory": "Tax"},
        )
    )
    assert reach(items_of(path)) == {
        "aws": datetime(2026, 11, 4, tzinfo=UTC),
        "oracle": datetime(2026, 12, 1, tzinfo=UTC),
    }


def test_accounts_have_their_latest_name(tmp_path: Path) -> None:
    path = tmp_path / "cost.csv"
    path.write_text(
        csv_text(
            {"ChargePeriodStart": "2026-11-02", "SubAccountName": "new", "BillingAccountId": "9"},
            {"ChargePeriodStart": "2026-11-01", "SubAccountName": "old", "BillingAccountId": "9"},
            {"ChargePeriodStart": "2026-11-04T23:00:00-05:00", "SubAccountId": "222"},
            {"SubAccountId": ""},
        )
    )
    accounts = {item for item in items_of(path) if isinstance(item, Account)}
    assert accounts == {
        Account("aws", "111", "new", "9", date(2026, 11, 2)),
        Account("aws", "222", None, None, date(2026, 11, 5)),
    }


def test_a_window_ends_what_is_known_of_an_account(tmp_path: Path) -> None:
    path = tmp_path / "cost.csv"
    path.write_text(csv_text(*({"ChargePeriodStart": f"2026-11-0{day}"} for day in (3, 1, 2))))
    items = items_of(path, window=Window(date(2026, 11, 1), date(2026, 11, 3)))
    assert [item.named_on for item in items if isinstance(item, Account)] == [date(2026, 11, 2)]


def test_an_escaped_backslash_before_u0000_is_plain_text(tmp_path: Path) -> None:
    row = only_row(tmp_path, csv_text({"Tags": r'{"team": "a\\u0000"}'}))
    assert row.tags == {"team": r"a\u0000"}
