"""The Parquet files hold exactly the computed charges, and replacing them never breaks anything."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from finops_exporter.demo import Totals, charges, generate
from finops_exporter.errors import FinopsError, UsageError
from shared import shared_data

NOW = datetime(2026, 3, 2, 10, 20, tzinfo=UTC)
CLOUDS = ("aws", "gcp", "azure")
NAMES = [f"{cloud}-2026-{month}.parquet" for month in ("02", "03") for cloud in CLOUDS]


def states(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.iterdir())
    }


def read(path: Path, columns: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = f"SELECT {columns} FROM read_parquet($1)"
        return connection.execute(query, [str(path)]).fetchall()


def test_the_files_are_the_charges_to_the_last_digit(tmp_path: Path) -> None:
    files = generate(NOW, tmp_path, months=2)
    assert [path.name for path in files.written] == NAMES
    expected: Counter[tuple[object, ...]] = Counter()
    for row in charges(NOW, months=2):
        item = row.item
        tags = dict(item.workload.tags) if item.workload else {}
        expected[
            item.account.provider.name,
            item.account.id,
            item.account.name,
            item.service,
            item.region.id if item.region else None,
            row.category,
            row.frequency,
            row.start.timestamp(),
            row.end.timestamp(),
            row.billed,
            row.effective,
            row.listed,
            row.quantity,
            row.commitment.id if row.commitment else None,
            tuple(sorted(tags.items())) or None,
        ] += 1
    found = Counter(
        row
        for path in files.written
        for *values, keys, labels in read(
            path,
            "ProviderName, SubAccountId, SubAccountName, ServiceName, RegionId, ChargeCategory, "
            "ChargeFrequency, epoch(ChargePeriodStart), epoch(ChargePeriodEnd), BilledCost, "
            "EffectiveCost, ListCost, ConsumedQuantity, CommitmentDiscountId, "
            "json_keys(Tags::JSON), Tags::JSON->>'$.*'",
        )
        for row in [(*values, tuple(sorted(zip(keys, labels, strict=True))) if keys else None)]
    )
    assert found == expected
    assert files.rows == expected.total()


def test_the_totals_are_those_of_the_files(tmp_path: Path) -> None:
    files = generate(NOW, tmp_path, months=3)
    for cloud in CLOUDS:
        ((billed, effective, rows),) = read(
            tmp_path / f"{cloud}-*.parquet", "sum(BilledCost), sum(EffectiveCost), count(*)"
        )
        assert files.totals[cloud] == Totals(billed, effective)
        assert isinstance(files.totals[cloud].billed, Decimal)
        assert rows > 1_000


def test_the_columns_are_those_of_a_published_focus_export(tmp_path: Path) -> None:
    with shared_data("focus/focus-1.0_sample_1000.csv").open(encoding="utf-8") as sample:
        published = set(next(csv.reader(sample))) - {"Id"}  # a column of the sample's own
    for path in generate(NOW, tmp_path, months=1).written:
        columns = duckdb.read_parquet(str(path)).columns
        assert set(columns) == published
        assert len(columns) == len(published)


@pytest.mark.parametrize(
    ("cloud", "tags", "time"),
    [
        ("aws", "MAP(VARCHAR, VARCHAR)", "TIMESTAMP"),
        ("gcp", "VARCHAR", "TIMESTAMP WITH TIME ZONE"),
        ("azure", "VARCHAR", "TIMESTAMP WITH TIME ZONE"),
    ],
)
def test_each_cloud_has_its_own_types(tmp_path: Path, cloud: str, tags: str, time: str) -> None:
    generate(NOW, tmp_path, months=1)
    types = read(
        tmp_path / f"{cloud}-2026-03.parquet",
        "DISTINCT typeof(Tags), typeof(ChargePeriodStart), typeof(BilledCost)",
    )
    assert types == [(tags, time, "DECIMAL(38,16)")]


def test_billing_periods_are_calendar_months_and_corrections_say_so(tmp_path: Path) -> None:
    generate(NOW + timedelta(days=5), tmp_path, months=1)
    periods = read(
        tmp_path / "*.parquet",
        "DISTINCT epoch(BillingPeriodStart), epoch(BillingPeriodEnd)",
    )
    march, april = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    assert periods == [(march.timestamp(), april.timestamp())]
    classes = read(tmp_path / "*.parquet", "DISTINCT ChargeCategory, ChargeClass")
    assert {found for found in classes if found[1]} == {("Adjustment", "Correction")}


def test_a_second_run_touches_nothing(tmp_path: Path) -> None:
    first = generate(NOW, tmp_path, months=2)
    before = states(tmp_path)
    second = generate(NOW, tmp_path, months=2)
    assert second.written == ()
    assert second.unchanged == first.written
    assert second.totals == first.totals
    assert states(tmp_path) == before


def test_an_hour_later_only_the_running_month_is_written(tmp_path: Path) -> None:
    generate(NOW, tmp_path, months=2)
    later = generate(NOW + timedelta(hours=1), tmp_path, months=2)
    assert [path.name for path in later.written] == NAMES[3:]
    assert [path.name for path in later.unchanged] == NAMES[:3]


def test_just_after_midnight_on_the_first_a_file_holds_only_fees(tmp_path: Path) -> None:
    files = generate(datetime(2026, 3, 1, 0, 30, tzinfo=UTC), tmp_path, months=1)
    assert files.written == tuple(tmp_path / name for name in NAMES[3:])
    categories = read(tmp_path / "*.parquet", "DISTINCT ChargeCategory")
    assert set(categories) == {("Tax",), ("Purchase",)}


def test_files_of_an_earlier_run_go_and_foreign_files_stay(tmp_path: Path) -> None:
    ours = ["aws-2024-01.parquet", "gcp-2027-01.parquet", ".azure-2026-03.parquet.tmp"]
    foreign = ["aws-2024-01.csv", "my-aws-2024-01.parquet", "oci-2024-01.parquet", "aws.parquet"]
    for name in [*ours, *foreign]:
        (tmp_path / name).write_text("before", encoding="utf-8")
    files = generate(NOW, tmp_path, months=1)
    assert {path.name for path in files.removed} == {"aws-2024-01.parquet", "gcp-2027-01.parquet"}
    assert {path.name for path in tmp_path.iterdir()} == {*foreign, *NAMES[3:]}


def test_a_failing_rename_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(NOW, tmp_path, months=1)
    before = states(tmp_path)

    def full(_: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(FinopsError, match=r"No space left .* name a folder"):
        generate(NOW + timedelta(hours=1), tmp_path, months=1)
    assert states(tmp_path) == before


def test_a_failing_write_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(NOW, tmp_path, months=1)
    before = states(tmp_path)

    def broken(_: object, path: str, **__: object) -> None:
        Path(path).write_bytes(b"PAR1 half a file")
        raise duckdb.IOException("the disk is full")

    monkeypatch.setattr(duckdb.DuckDBPyRelation, "write_parquet", broken)
    with pytest.raises(FinopsError, match="the disk is full"):
        generate(NOW + timedelta(hours=1), tmp_path, months=1)
    assert states(tmp_path) == before


def test_a_run_that_is_stopped_leaves_whole_files_only(tmp_path: Path) -> None:
    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(NOW, tmp_path, months=2, progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES[:2])
    assert all(read(path, "count(*) > 0") == [(True,)] for path in tmp_path.iterdir())


def test_progress_counts_the_files(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    generate(NOW, tmp_path, months=2, progress=lambda done, total: heard.append((done, total)))
    assert heard == [(done, 6) for done in range(1, 7)]


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(FinopsError, match="file"):
        generate(NOW, tmp_path / "file", months=1)


def test_awkward_folder_names_are_only_names(tmp_path: Path) -> None:
    folder = tmp_path / 'de\'mo "quoted" %20 [x]'
    assert len(generate(NOW, folder, months=1).written) == 3
    assert len(list(folder.iterdir())) == 3


def test_without_duckdb_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UsageError, match=r"finops-exporter\[focus\]"):
        generate(NOW, tmp_path, months=1)


def test_importing_the_demo_does_not_import_duckdb() -> None:
    code = "import sys, finops_exporter.demo; sys.exit('duckdb' in sys.modules)"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )
