"""Objects of S3, against moto: which there are, what they hold, and what asking costs."""

from __future__ import annotations

import gzip
import importlib.util
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from collectors.focus.buckets_support import (
    CHANGED,
    bill,
    billed,
    keys,
    rejected,
    run,
    source_of,
)
from collectors.focus.support import NOW, ROW, TAGS, TASK, collector, csv_text, rows_in
from doubles.asked import Asked
from finops_exporter.collectors.focus import s3
from finops_exporter.collectors.focus.options import FocusOptions
from finops_exporter.errors import CollectError
from finops_exporter.model import Complete, Progress, Rejected, Task, Window

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.buckets import Bucket
    from finops_exporter.model import Plan


def test_local_files_and_objects_side_by_side(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(bill("1"))
    bucket.put("x/b.csv", bill("0.1"))
    bucket.put("x/deep/er/c.csv.gz", gzip.compress(bill("0.01").encode()))
    bucket.put("y/d.csv", bill("100"))
    source = source_of(bucket, tmp_path / "*.csv", "s3://bills/x/**/*.csv*")
    plan, items, asked = run(source)
    remote = ["s3://bills/x/b.csv", "s3://bills/x/deep/er/c.csv.gz"]
    assert keys(plan) == [str(tmp_path / "a.csv"), *remote]
    assert billed(items) == Decimal("1.11")
    assert {row.part for row in rows_in(items)} == set(keys(plan))
    assert asked.calls == {"s3:ListObjectsV2": 1, "s3:GetObject": 2}
    assert plan.requests == {s3.LIST: 1, s3.GET: 2}
    assert plan.cost_usd == Decimal("0.0000058")
    assert (plan.unreadable, plan.whole) == ((), True)
    assert [item.part for item in items if isinstance(item, Complete)] == keys(plan)


NAMES = [
    "a b.csv",
    "ü/é.csv",
    "plus+percent%20.csv",
    "back\\slash.csv",
    "q?'\"&=.CSV",
    "x;y.csv.csv",
]


def test_any_name_will_do(bucket: Bucket) -> None:
    urls = [bucket.put(f"names/{name}", bill("1")) for name in NAMES]
    bucket.put("names/.hidden.csv", bill("1"))
    plan, items, _ = run(source_of(bucket, "s3://bills/names/**"))
    assert sorted(keys(plan)) == sorted(urls)
    assert billed(items) == len(NAMES)
    assert plan.unreadable == ()


def test_a_listing_of_several_pages(bucket: Bucket) -> None:
    for number in range(1002):
        bucket.put(f"many/{number:04}.txt", "x")
    last = bucket.put("many/last.csv", bill("1"))
    plan, items, asked = run(source_of(bucket, "s3://bills/many/*.csv"))
    assert (keys(plan), billed(items)) == ([last], 1)
    assert asked.calls["s3:ListObjectsV2"] == plan.requests[s3.LIST] == 2


def test_what_is_no_file_of_ours(bucket: Bucket) -> None:
    bucket.put("d/", "")
    bucket.put("d/a.csv", bill("1"))
    bucket.put("d/a.csv.gz", gzip.compress(bill("1").encode()))
    bucket.put("d/notes.txt", "x")
    plan, items, _ = run(source_of(bucket, "s3://bills/d/*", "s3://bills/d/*[!z]"))
    assert (keys(plan), billed(items), plan.whole) == (["s3://bills/d/a.csv"], 1, True)
    assert [(one.part, one.reason) for one in plan.unreadable] == [
        ("s3://bills/d/notes.txt", "unsupported_format"),
        ("s3://bills/d/a.csv.gz", "duplicate_file"),
    ]


@pytest.mark.parametrize(
    ("path", "reason", "words"),
    [
        ("s3://bills/nothing/*.csv", "no_match", "no file matches"),
        ("s3://bills/x/*.parquet", "no_match", "no file matches"),
        ("s3://none/*.csv", "unreadable", "cannot be listed: there is no bucket none"),
        ("s3://bills/nothing/{version}/*.csv", "no_match", "no file matches"),
        ("s3://bills/nothing/*-Manifest.json", "no_match", "no file matches"),
    ],
)
def test_a_place_without_files(bucket: Bucket, path: str, reason: str, words: str) -> None:
    bucket.put("x/a.csv", bill("1"))
    plan, items, _ = run(source_of(bucket, path, "s3://bills/x/*.csv"))
    assert (billed(items), plan.whole) == (1, False)
    (said,) = plan.unreadable
    assert (said.part, said.reason) == (path, reason)
    assert said.message.startswith(words)


def test_a_bucket_that_may_not_be_read(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("x/a.csv", bill("1"))
    source = source_of(bucket, "s3://bills/x/*.csv")
    plan = source.plan(TASK, Asked(source))
    import boto3  # noqa: PLC0415 - the names in this module are those of the exporter

    iam = boto3.client("iam", endpoint_url=bucket.endpoint, region_name="us-east-1")
    iam.create_user(UserName="nobody")
    made = iam.create_access_key(UserName="nobody")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", made["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", made["SecretAccessKey"])
    bucket.moto.control("reset-auth", b"0")
    try:
        refused = source_of(bucket, "s3://bills/x/*.csv")
        listed = refused.plan(TASK, Asked(refused))
        refused._objects = source._objects  # noqa: SLF001 - may list, but not read
        items = list(refused.collect(TASK, plan, Asked(refused)))
    finally:
        bucket.moto.control("reset-auth", b"inf")
    (said,) = listed.unreadable
    assert (listed.parts, listed.whole) == ((), False)
    assert (said.part, said.reason) == ("s3://bills/x/*.csv", "refused")
    assert said.message.startswith("cannot be listed: AWS does not allow s3:ListObjectsV2: ")
    assert said.message.endswith("; docs/configuration.md shows the policy that is needed")
    (said,) = rejected(items)
    assert (said.part, said.reason) == ("s3://bills/x/a.csv", "refused")
    assert said.message.startswith("AWS does not allow s3:GetObject: ")


def test_without_credentials(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    source = source_of(bucket, "s3://bills/x/*.csv")
    with pytest.raises(CollectError, match="files: no AWS credentials are found"):
        source.plan(TASK, Asked(source))


def test_an_object_that_is_replaced_after_it_was_listed(bucket: Bucket) -> None:
    urls = [bucket.put(f"x/{name}.csv", bill("1")) for name in "ab"]
    source = source_of(bucket, "s3://bills/x/*.csv")
    plan = source.plan(TASK, Asked(source))
    bucket.put("x/a.csv", bill("2"))
    bucket.delete("x/b.csv")
    items = list(source.collect(TASK, plan, Asked(source)))
    assert rejected(items) == [
        Rejected(urls[0], "changed_while_read", CHANGED),
        Rejected(urls[1], "changed_while_read", "has vanished; it is read when it is back"),
    ]
    again, items, _ = run(source)
    assert (keys(again), billed(items)) == (urls[:1], 2)


def test_only_what_changed_has_another_fingerprint(bucket: Bucket) -> None:
    for name in "ab":
        bucket.put(f"x/{name}.csv", bill("1"))

    def planned(tags: Any = None, stored: dict[str, str] | None = None, **options: Any) -> Plan:
        source = collector(["s3://bills/x/*.csv"], tags, aws=bucket.aws, **options)
        return source.plan(Task(NOW, stored=stored or {}), Asked(source))

    def fingerprints(plan: Plan) -> dict[str, str]:
        return {part.key[-5:]: part.fingerprint for part in plan.parts}

    first = planned()
    assert fingerprints(planned(memory_limit="1GB", missing_files="keep")) == fingerprints(first)
    bucket.put("x/a.csv", bill("1"))  # the same content again, later
    assert fingerprints(planned()) == fingerprints(first)
    for other in (planned(TAGS | {"owner": ["o"]}), planned(defaults={"currency": "EUR"})):
        assert not set(fingerprints(other).values()) & set(fingerprints(first).values())
    bucket.put("x/a.csv", bill("2"))
    second = planned(stored={part.key: part.fingerprint for part in first.parts})
    assert fingerprints(second)["a.csv"] != fingerprints(first)["a.csv"]
    assert fingerprints(second)["b.csv"] == fingerprints(first)["b.csv"]
    assert second.requests == {s3.LIST: 1, s3.GET: 1}


def test_a_window(bucket: Bucket) -> None:
    bucket.put("x/a.csv", bill("1"))
    first = datetime(2026, 11, 1, tzinfo=UTC).date()
    source = source_of(bucket, "s3://bills/x/*.csv")
    inside = Task(NOW, Window(first, first + timedelta(days=1)))
    plan = source.plan(inside, Asked(source))
    assert (plan.requests[s3.GET], billed(list(source.collect(inside, plan, Asked(source))))) == (
        1,
        1,
    )
    after = Task(NOW, Window(first + timedelta(days=1), first + timedelta(days=2)))
    assert rows_in(run(source, after)[1]) == []


def test_archived_objects(bucket: Bucket) -> None:
    url = bucket.put("x/a.csv", bill("1"), StorageClass="DEEP_ARCHIVE")
    bucket.put("x/b.csv", bill("2"))
    plan, items, _ = run(source_of(bucket, "s3://bills/x/*.csv"))
    message = "is archived; restore it, or leave it out of the pattern"
    assert rejected(items) == [Rejected(url, "archived", message)]
    assert sum(isinstance(item, Complete) for item in items) == 1
    assert plan.whole


def test_an_empty_object_costs_no_request(bucket: Bucket) -> None:
    url = bucket.put("x/a.csv", "")
    plan, items, asked = run(source_of(bucket, "s3://bills/x/*.csv"))
    assert [(one.part, one.reason) for one in rejected(items)] == [(url, "empty_file")]
    assert "s3:GetObject" not in asked.calls
    assert s3.GET not in plan.requests


def test_what_the_reader_says_names_the_object(bucket: Bucket) -> None:
    url = bucket.put("x/a.parquet", "no parquet")
    (said,) = rejected(run(source_of(bucket, "s3://bills/x/*"))[1])
    assert (said.part, said.reason) == (url, "bad_parquet")
    assert "finops-focus-" not in said.message


def test_a_disk_that_is_full(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    url = bucket.put("x/a.csv", bill("1"))

    def full(*_args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(s3, "_get", full)
    (said,) = rejected(run(source_of(bucket, "s3://bills/x/*"))[1])
    assert (said.part, said.reason) == (url, "no_space")
    assert "No space left on device; make room there, or set TMPDIR" in said.message


def test_large_objects_come_in_ranges(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(s3, "RANGE", 1000)
    monkeypatch.setattr(s3, "CHUNK", 300)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    text = bill(*["0.25"] * 100)
    url = bucket.put("x/a.csv", text)
    gets = -(-len(text) // 1000)
    plan, items, asked = run(source_of(bucket, "s3://bills/x/*"))
    assert billed(items) == 25
    assert asked.calls["s3:GetObject"] == plan.requests[s3.GET] == gets > 5
    steps = [item for item in items if isinstance(item, Progress)]
    assert {step.part for step in steps} == {url}
    assert {step.total for step in steps} == {2 * len(text)}
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[:3] == [0, 1000, 2000]
    assert done[-1] == 2 * len(text)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after", [0, 1, 2])
def test_cancelling_stops_a_download(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, after: int
) -> None:
    monkeypatch.setattr(s3, "RANGE", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    bucket.put("x/a.csv", bill(*["0.25"] * 100))
    source = source_of(bucket, "s3://bills/x/*")
    asked = Asked(source)
    items = source.collect(TASK, source.plan(TASK, asked), asked)
    for _ in range(after + 1):
        assert isinstance(next(items), Progress)
    source.cancel()
    with pytest.raises(CollectError, match=r"s3://bills/x/a\.csv: stopped before it was fetched"):
        list(items)
    assert asked.calls["s3:GetObject"] == after + 1
    assert list(tmp_path.iterdir()) == []
    assert billed(run(source)[1]) == 25


# What a day costs


def test_what_a_day_costs(bucket: Bucket) -> None:
    stored = {"s3://bills/m/P=10/x-Manifest.json": "1", "s3://bills/m/P=11/x-Manifest.json": "2"}
    hours = timedelta(hours=6)
    one = source_of(bucket, "s3://bills/x/*.csv", "a.csv")
    assert one.daily_usd(hours, {}) == 4 * Decimal("0.000005")
    two = source_of(bucket, "s3://bills/m/*/*.json")
    assert two.daily_usd(hours, stored) == 4 * (3 * Decimal("0.000005") + 2 * Decimal("0.0000004"))
    assert collector(["a.csv"]).daily_usd(hours, stored) == 0


# What is installed

LOCAL = """
import sys
from finops_exporter.collectors import collector_class
from finops_exporter.model import Task
from datetime import UTC, datetime
kind = collector_class("focus")
source = kind("f", kind.Config(paths=[sys.argv[1]]), {})
task = Task(datetime.now(UTC))
plan = source.plan(task, None)
items = list(source.collect(task, plan, None))
print(len(items) > 0, sorted({"boto3", "botocore"} & set(sys.modules)))
"""


def test_local_files_need_no_library_of_aws(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_text(ROW))
    told = subprocess.run(
        [sys.executable, "-c", LOCAL, str(tmp_path / "*.csv")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "True []\n"


def test_without_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(
        ValueError, match=r"s3:// needs boto3: pip install 'finops-exporter\[aws\]'"
    ):
        FocusOptions(paths=["s3://bills/*.csv"])
    assert FocusOptions(paths=["*.csv"]).local() == ["*.csv"]
