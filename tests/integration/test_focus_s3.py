"""FOCUS files in a bucket, from the kernel to the stored costs."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from finops_exporter.collectors.focus.collector import FocusCollector
from finops_exporter.collectors.focus.options import FocusOptions
from finops_exporter.kernel import Source
from finops_exporter.model import Window
from finops_exporter.store.reads import costs_by
from integration.bills import charge, write_bill
from integration.scripted import kernel
from shared import shared_data

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.buckets import Bucket
    from finops_exporter.one_run import Report
    from finops_exporter.store.database import Database

SAMPLE = "focus/focus-1.0_sample_1000.csv"
ALL = Window(date(2020, 1, 1), date(2030, 1, 1))


def run(database: Database, bucket: Bucket, *paths: str, **options: Any) -> Report:
    config = FocusOptions.model_validate({"paths": paths, "aws": bucket.aws, **options})
    collector = FocusCollector("bill", config, {})
    hour = timedelta(hours=1)
    return kernel(database).run(Source(collector, 6 * hour, hour, timedelta(0)))


def stored(database: Database) -> tuple[Decimal, Decimal]:
    """Billed and effective, of all days."""
    found = costs_by(database, [], ALL)
    return sum((one.billed for one in found), Decimal(0)), sum(
        (one.effective for one in found), Decimal(0)
    )


def billed(database: Database) -> Decimal:
    return stored(database)[0]


def spent(database: Database) -> dict[str, tuple[int, Decimal]]:
    with database.connection() as connection:
        found = connection.execute("SELECT api, requests, cost_usd FROM api_requests").fetchall()
    return {api: (requests, usd) for api, requests, usd in found}


@pytest.fixture
def bill(tmp_path: Path) -> Any:
    """The bytes of a bill of one charge a given amount."""

    def made(*amounts: str) -> bytes:
        charges = (charge(f"2026-11-{n:02}", amount) for n, amount in enumerate(amounts, 1))
        return write_bill(tmp_path / "bill.csv", *charges).read_bytes()

    return made


def counted(report: Report) -> tuple[int, int, int]:
    return report.parts, report.unchanged, report.withdrawn


def test_the_published_sample(database: Database, bucket: Bucket) -> None:
    bucket.put("export/data/sample.csv", shared_data(SAMPLE).read_bytes())
    first = run(database, bucket, "s3://bills/export/data/**/*.csv")
    assert (first.outcome, counted(first)) == ("succeeded", (1, 0, 0))
    assert stored(database) == (Decimal("20.52022672899"), Decimal("14.97651418586"))
    assert (first.requests, first.cost_usd) == (2, Decimal("0.0000054"))
    again = run(database, bucket, "s3://bills/export/data/**/*.csv")
    assert (again.outcome, counted(again)) == ("succeeded", (0, 1, 0))
    assert (again.requests, again.cost_usd) == (1, Decimal("0.000005"))
    assert stored(database) == (Decimal("20.52022672899"), Decimal("14.97651418586"))


def test_changed_objects_are_read_again_and_those_that_are_gone_withdrawn(
    database: Database, bucket: Bucket, bill: Any
) -> None:
    for name, amount in (("a", "1"), ("b", "10"), ("c", "100")):
        bucket.put(f"x/{name}.csv", bill(amount))
    pattern = "s3://bills/x/*.csv"
    assert counted(run(database, bucket, pattern)) == (3, 0, 0)
    assert billed(database) == 111
    bucket.put("x/b.csv", bill("20"))
    bucket.delete("x/c.csv")
    kept = run(database, bucket, pattern, missing_files="keep")
    assert counted(kept) == (1, 1, 0)
    assert billed(database) == 121
    not_whole = run(database, bucket, pattern, "s3://bills/unmounted/*.csv")
    assert (not_whole.outcome, counted(not_whole)) == ("partial", (0, 2, 0))
    assert billed(database) == 121
    assert counted(run(database, bucket, pattern)) == (0, 2, 1)
    assert billed(database) == 21


def test_a_newer_delivery_takes_the_place_of_the_older_one_whatever_else_is_wrong(
    database: Database, bucket: Bucket, bill: Any
) -> None:
    paths = ["s3://bills/e/metadata/*/x-Manifest.json", "s3://bills/unmounted/*.csv"]

    def deliver(name: str, *contents: bytes) -> None:
        files = [bucket.put(f"e/data/P=11/{name}/x-{n}.csv", one) for n, one in enumerate(contents)]
        bucket.put("e/metadata/P=11/x-Manifest.json", json.dumps({"dataFiles": files}))

    deliver("1", bill("1"), bill("10"), bill("100"))
    first = run(database, bucket, *paths)
    assert (first.outcome, counted(first)) == ("partial", (1, 0, 0))
    assert billed(database) == 111
    deliver("2", bill("2"), b"no bill", bill("200"))
    second = run(database, bucket, *paths)
    assert (second.outcome, counted(second)) == ("failed", (0, 0, 0))
    assert "e/data/P=11/2/x-1.csv: " in str(second.error)
    assert billed(database) == 111
    deliver("3", bill("3"), bill("30"))
    assert counted(run(database, bucket, *paths)) == (1, 0, 0)
    assert billed(database) == 33
    bucket.delete("e/data/P=11/3/x-0.csv")
    assert counted(run(database, bucket, *paths)) == (0, 0, 0)
    assert billed(database) == 33


def test_versions_and_what_their_requests_cost(
    database: Database, bucket: Bucket, bill: Any
) -> None:
    pattern = "s3://bills/d/P=*/{version}/*.csv"
    bucket.put("d/P=10/1/a.csv", bill("1"))
    bucket.put("d/P=11/1/a.csv", bill("10"))
    assert counted(run(database, bucket, pattern)) == (2, 0, 0)
    bucket.put("d/P=11/2/a.csv", bill("20"))
    bucket.put("d/P=11/2/b.csv", bill("300"))
    assert counted(run(database, bucket, pattern)) == (1, 1, 0)
    assert billed(database) == 321
    assert spent(database) == {
        "s3:ListObjectsV2": (2, 2 * Decimal("0.000005")),
        "s3:GetObject": (4, 4 * Decimal("0.0000004")),
    }
