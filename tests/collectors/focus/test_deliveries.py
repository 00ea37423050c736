"""Versions and manifests: what belongs together is read together, and counts once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from collectors.focus.buckets_support import bill, billed, keys, rejected, run, source_of
from finops_exporter.collectors.focus import s3
from finops_exporter.model import Complete, ControlTotal

if TYPE_CHECKING:
    from doubles.buckets import Bucket


def manifest(*urls: str) -> str:
    return json.dumps({"columns": [], "dataFiles": urls})


def test_only_the_newest_version_is_read(bucket: Bucket) -> None:
    bucket.put("d/P=10/1/a.csv", bill("100"))
    bucket.put("d/P=10/2/a.csv", bill("1"))
    bucket.put("d/P=10/2/b.csv", bill("0.1"))
    bucket.put("d/P=11/1/a.csv", bill("0.01"))
    source = source_of(bucket, "s3://bills/d/P=*/{version}/*.csv")
    plan, items, _ = run(source)
    parts = ["s3://bills/d/P=10/{version}/*.csv", "s3://bills/d/P=11/{version}/*.csv"]
    assert (keys(plan), billed(items)) == (parts, Decimal("1.11"))
    bucket.put("d/P=10/3/a.csv", bill("2"))
    later, items, _ = run(source)
    assert (keys(later), billed(items)) == (parts, Decimal("2.01"))
    same = [one.fingerprint == two.fingerprint for one, two in zip(plan.parts, later.parts)]  # noqa: B905 - as many
    assert same == [False, True]


def test_the_ends_of_the_files_of_a_delivery_are_one(bucket: Bucket) -> None:
    bucket.put("d/1/a.csv", bill("1", "0.0000000000000000000000000000000000001"))
    bucket.put("d/1/b.csv", bill("2", ChargePeriodEnd="2026-11-01T05:00:00Z"))
    bucket.put("d/1/c.csv", bill("4", BillingCurrency="EUR", EffectiveCost="3"))
    plan, items, _ = run(source_of(bucket, "s3://bills/d/{version}/*.csv"))
    (part,) = plan.parts
    totals = {one.currency: one for one in items if isinstance(one, ControlTotal)}
    assert totals["USD"].billed == Decimal("3.0000000000000000000000000000000000001")
    assert totals["USD"].effective == 3
    assert [totals["EUR"].billed, totals["EUR"].effective] == [Decimal(4), Decimal(3)]
    assert {one.part for one in totals.values()} == {part.key}
    assert items[-1] == Complete(
        part.key, part.fingerprint, None, {"aws": datetime(2026, 11, 1, 5, tzinfo=UTC)}
    )


def test_one_bad_file_leaves_its_whole_delivery_out(bucket: Bucket) -> None:
    bucket.put("d/1/a.csv", bill("1"))
    bad = bucket.put("d/1/b.csv", bill("2", "many"))
    bucket.put("d/1/c.csv", bill("4"))
    items = run(source_of(bucket, "s3://bills/d/{version}/*.csv"))[1]
    (said,) = rejected(items)
    assert said.part == "s3://bills/d/{version}/*.csv"
    assert said.message.startswith(f"{bad}: 'many' is not a number")
    assert (said.row, said.column) == (2, "BilledCost")
    assert not any(isinstance(item, Complete | ControlTotal) for item in items)


def test_a_manifest_whose_files_are_overwritten(bucket: Bucket) -> None:
    files = [bucket.put(f"e/data/P=11/x-{n}.csv", bill(f"{n}")) for n in (1, 2)]
    bucket.put("e/data/P=11/x-3.csv", bill("100"))  # of a delivery that had more
    url = bucket.put("e/metadata/P=11/x-Manifest.json", manifest(*files))
    source = source_of(bucket, "s3://bills/e/metadata/P=*/*-Manifest.json")
    plan, items, asked = run(source)
    assert (keys(plan), billed(items), plan.whole) == ([url], 3, True)
    assert asked.calls == {"s3:ListObjectsV2": 2, "s3:GetObject": 3}
    assert plan.requests == {s3.LIST: 2, s3.GET: 3}
    (part,) = plan.parts
    assert part.size_bytes == 2 * len(bill("1"))
    bucket.put("e/data/P=11/x-1.csv", bill("5"))
    again, items, _ = run(source)
    assert (keys(again), billed(items)) == ([url], 7)
    assert again.parts != plan.parts


@pytest.mark.parametrize("folder", ["P=*", "P=*/{version}"])
def test_a_manifest_of_deliveries_beside_each_other(bucket: Bucket, folder: str) -> None:
    """The manifest lies once for all deliveries, or with each of them."""
    source = source_of(bucket, f"s3://bills/e/metadata/{folder}/x-Manifest.json")
    seen = []
    for run_id, amount in (("20261120-1", "1"), ("20261121-2", "2")):
        one = bucket.put(f"e/data/P=11/{run_id}/x-1.csv", bill(amount))
        place = folder.replace("*", "11").replace("{version}", run_id)
        bucket.put(f"e/metadata/{place}/x-Manifest.json", manifest(one))
        plan, items, _ = run(source)
        seen.append((keys(plan), billed(items)))
    key = f"s3://bills/e/metadata/{folder.replace('*', '11')}/x-Manifest.json"
    assert seen == [([key], 1), ([key], 2)]


def test_no_object_counts_twice(bucket: Bucket) -> None:
    files = [bucket.put(f"e/data/x-{n}.csv", bill("1")) for n in (1, 2, 3)]
    first = bucket.put("e/1-Manifest.json", manifest(*files[:2]))
    second = bucket.put("e/2-Manifest.json", manifest(*files[1:]))
    bucket.put("e/3-Manifest.json", manifest(files[0]))
    plan, items, _ = run(source_of(bucket, "s3://bills/e/*.json", "s3://bills/e/**/*.csv"))
    assert (keys(plan), billed(items)) == ([first, second], 3)


def test_manifests_that_cannot_be_followed(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    good = bucket.put("e/data/a.csv", bill("1"))
    bucket.put("e/data/b.zip", "x")
    bad = {
        "1-Manifest.json": ("[]", "bad_manifest", "is no manifest: "),
        "2-Manifest.json": (
            manifest(good, "s3://bills/e/data/gone.csv"),
            "missing_file",
            "names s3://bills/e/data/gone.csv, which is not there; ",
        ),
        "3-Manifest.json": (
            manifest(good, "e/data/b.zip"),
            "unsupported_format",
            "names s3://bills/e/data/b.zip: only .csv, .csv.gz, .parquet can be read",
        ),
        "4-Manifest.json": (
            manifest("s3://other/a.csv"),
            "unreadable",
            "there is no bucket other",
        ),
        "5-Manifest.json": ("[" + " " * 5000 + "]", "bad_manifest", "has 5002 bytes"),
    }
    for name, (content, _, _) in bad.items():
        bucket.put(f"e/{name}", content)
    last = bucket.put("e/6-Manifest.json", manifest(good))
    monkeypatch.setattr("finops_exporter.collectors.focus.deliveries.MOST_MANIFEST_BYTES", 5000)
    plan, items, _ = run(source_of(bucket, "s3://bills/e/*.json"))
    assert (keys(plan), billed(items), plan.whole) == ([last], 1, False)
    assert [(one.part, one.reason) for one in plan.unreadable] == [
        (f"s3://bills/e/{name}", reason) for name, (_, reason, _) in bad.items()
    ]
    for one, (_, _, words) in zip(plan.unreadable, bad.values(), strict=True):
        assert one.message.startswith(words)
