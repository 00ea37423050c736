"""What manifests of the three known kinds say, and what is said of malformed ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.collectors.focus.manifests import named_in, prefixes
from finops_exporter.collectors.focus.objects import StoredObject

MANIFEST = StoredObject(
    "s3", "bills", "m/x-Manifest.json", 1, '"x"', datetime(2026, 11, 1, tzinfo=UTC)
)


def named(told: Any) -> list[tuple[str, str]]:
    return named_in(json.dumps(told).encode(), MANIFEST)


def test_of_aws_data_exports() -> None:
    files = ["s3://bills/d/x-00001.csv.gz", "s3://other/d/a b+%.csv.gz", "d/x-00002.csv.gz"]
    assert named({"dataFiles": files, "columns": [{"name": "BilledCost"}]}) == [
        ("bills", "d/x-00001.csv.gz"),
        ("other", "d/a b+%.csv.gz"),
        ("bills", "d/x-00002.csv.gz"),
    ]


def test_of_the_older_reports_of_aws() -> None:
    keys = ["r/20261101-20261201/1/r-1.csv.gz", "r/20261101-20261201/1/r-2.csv.gz"]
    expected = [("elsewhere", key) for key in keys]
    assert named({"bucket": "elsewhere", "reportKeys": keys, "assemblyId": "1"}) == expected
    assert named({"reportKeys": keys[:1]}) == [("bills", keys[0])]


def test_of_azure() -> None:
    blobs = [{"blobName": "e/1/part_0.csv", "byteCount": 12}, {"blobName": "e/1/part_1.csv"}]
    assert named({"manifestVersion": "2024-04-01", "blobCount": 2, "blobs": blobs}) == [
        ("bills", "e/1/part_0.csv"),
        ("bills", "e/1/part_1.csv"),
    ]


def test_a_file_that_is_named_twice_counts_once() -> None:
    assert named({"dataFiles": ["s3://bills/a.csv", "a.csv"]}) == [("bills", "a.csv")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "has no dataFiles, reportKeys or blobs"),
        (b'{"dataFiles": []}', "names no data file"),
        (b'{"dataFiles": "a.csv"}', "dataFiles must hold names of files"),
        (b'{"dataFiles": [1]}', "dataFiles must hold names of files"),
        (b'{"dataFiles": [""]}', "dataFiles must hold names of files"),
        (b'{"dataFiles": ["gs://bills/a.csv"]}', "'gs://bills/a.csv', which is no s3:// address"),
        (b'{"dataFiles": ["s3://bills"]}', "'s3://bills', which is no s3:// address"),
        (b'{"bucket": 1, "reportKeys": ["a"]}', "bucket must hold names"),
        (b'{"reportKeys": null}', "reportKeys must hold names of files"),
        (b'{"blobs": ["a"]}', "blobs must be a list of objects"),
        (b'{"blobs": [{}]}', "blobName must hold names of files"),
    ],
)
def test_a_malformed_manifest(content: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        named_in(content, MANIFEST)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
KINDS = st.dictionaries(st.sampled_from(["dataFiles", "reportKeys", "bucket", "blobs"]), JSON)


@given(st.binary() | (JSON | KINDS).map(lambda told: json.dumps(told).encode()))
def test_anything_is_names_or_a_sentence(content: bytes) -> None:
    found: list[tuple[str, str]] = []
    said = ""
    try:
        found = named_in(content, MANIFEST)
    except ValueError as error:
        said = str(error)
    assert bool(found) != said.startswith(("is ", "names "))
    assert len(set(found)) == len(found)
    assert all(text for one in found for text in one)


NAMED = st.lists(
    st.tuples(st.sampled_from(["b", "c"]), st.text("ab/", min_size=1, max_size=5)), min_size=1
)


@given(NAMED)
def test_the_prefixes_cover_what_is_named_and_no_other_folder(
    names: list[tuple[str, str]],
) -> None:
    found = prefixes(names)
    folders = {(bucket, key.rpartition("/")[0]) for bucket, key in names}
    assert len(found) == len(folders)
    for bucket, key in names:
        assert any(bucket == one and key.startswith(prefix) for one, prefix in found)
    for bucket, prefix in found:
        assert any(bucket == one and prefix.startswith(folder) for one, folder in folders)


def test_of_one_file_no_more_than_itself_is_listed() -> None:
    assert prefixes([("b", "d/x-1.csv")]) == [("b", "d/x-1.csv")]
    assert prefixes([("b", "d/x-1.csv"), ("b", "d/x-22.csv")]) == [("b", "d/x-")]
