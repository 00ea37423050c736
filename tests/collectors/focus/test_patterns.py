"""Which keys a pattern stands for: held against the glob over real files, and against versions."""

from __future__ import annotations

import glob
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from finops_exporter.collectors.focus.objects import StoredObject
from finops_exporter.collectors.focus.patterns import Pattern, chosen, parsed

START = datetime(2026, 11, 1, tzinfo=UTC)


def pattern(keys: str) -> Pattern:
    found = parsed(f"s3://bills/{keys}", {"s3"})
    assert found is not None
    return found


def stored(key: str, minutes: int = 0) -> StoredObject:
    return StoredObject("s3", "bills", key, 1, '"x"', START + timedelta(minutes=minutes))


def keys_of(text: str, *listed: StoredObject) -> dict[str, list[str]]:
    found = chosen(pattern(text), listed)
    return {
        key.removeprefix("s3://bills/"): [one.key for one in objects]
        for key, objects in found.items()
    }


NAMES = st.text("ab.[]!*é", min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})
KEYS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
PIECES = st.sampled_from(["*", "?", "a", "b", ".", "[ab]", "[!a]", "[", "]", "**", "é", "[]]"])
SEGMENTS = st.one_of(st.just("**"), st.lists(PIECES, min_size=1, max_size=3).map("".join), NAMES)
GLOBS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join)


@given(st.lists(KEYS, min_size=1, max_size=6), GLOBS)
def test_a_pattern_means_what_it_means_among_files(keys: list[str], text: str) -> None:
    assume(not {".", ".."} & set(text.split("/")))
    with TemporaryDirectory() as folder:
        written = set()
        for key in keys:
            path = Path(folder, key)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("")
            except OSError:
                continue  # one key is the folder of another: stores have that, disks have not
            written.add(key)
        found = glob.glob(text, root_dir=folder, recursive=True)  # noqa: PTH207 - the reference
        # Of a file `a`, glob takes "a/" for a match of a/**.
        files = {name for name in found if Path(folder, name).is_file()}
        expected = {name for name in files if not name.endswith("/")}
    assert {key for key in written if pattern(text).match(key) is not None} == expected


@given(KEYS, GLOBS)
def test_what_matches_begins_with_the_prefix(key: str, text: str) -> None:
    assume(pattern(text).match(key) is not None)
    assert key.startswith(pattern(text).prefix)


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("a/b.csv", "a/b.csv"),
        ("a/BILLING_PERIOD=*/b.csv", "a/BILLING_PERIOD="),
        ("a/**/b.csv", "a/"),
        ("a/{version}/b.csv", "a/"),
        ("**", ""),
        ("a/b[12].csv", "a/b"),
    ],
)
def test_no_more_is_listed_than_must_be(text: str, prefix: str) -> None:
    assert pattern(text).prefix == prefix


def test_folders_are_no_objects() -> None:
    assert keys_of("a/**", stored("a/"), stored("a/b/"), stored("a/b/c")) == {"a/b/c": ["a/b/c"]}


def test_only_the_newest_version_is_taken_of_each_folder() -> None:
    found = keys_of(
        "data/PERIOD=*/{version}/*.csv",
        stored("data/PERIOD=10/z/1.csv", 1),
        stored("data/PERIOD=10/a/1.csv", 2),
        stored("data/PERIOD=10/a/2.csv", 0),
        stored("data/PERIOD=11/a/1.csv", 5),
        stored("data/PERIOD=11/a/notes.txt", 9),
        stored("data/PERIOD=11/b/1.csv", 6),
        stored("data/PERIOD=11/c/deep/1.csv", 7),
        stored("data/PERIOD=11/.hidden/1.csv", 8),
    )
    assert found == {
        "data/PERIOD=10/{version}/*.csv": ["data/PERIOD=10/a/1.csv", "data/PERIOD=10/a/2.csv"],
        "data/PERIOD=11/{version}/*.csv": ["data/PERIOD=11/b/1.csv"],
    }


def test_of_versions_of_the_same_time_the_last_name_is_taken() -> None:
    found = keys_of("{version}/x.csv", stored("b/x.csv"), stored("c/x.csv"), stored("a/x.csv"))
    assert found == {"{version}/x.csv": ["c/x.csv"]}


def test_each_manifest_of_a_version_stands_for_itself() -> None:
    found = keys_of(
        "m/{version}/*-Manifest.json",
        stored("m/1/a-Manifest.json", 1),
        stored("m/2/a-Manifest.json", 2),
        stored("m/2/b-Manifest.json", 2),
    )
    assert found == {
        "m/{version}/a-Manifest.json": ["m/2/a-Manifest.json"],
        "m/{version}/b-Manifest.json": ["m/2/b-Manifest.json"],
    }


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("pq"), st.sampled_from("abc"), st.sampled_from("xy")),
        st.integers(0, 3),
    ),
    st.randoms(),
)
def test_the_order_of_a_listing_does_not_matter(
    objects: dict[tuple[str, str, str], int], random: object
) -> None:
    listed = [stored("/".join(names), minutes) for names, minutes in objects.items()]
    mixed = sorted(listed, key=lambda _one: random.random())  # type: ignore[attr-defined]
    found = keys_of("*/{version}/*", *mixed)
    assert found == keys_of("*/{version}/*", *listed)
    for period in {names[0] for names in objects}:
        by_age = sorted((minutes, n[1]) for n, minutes in objects.items() if n[0] == period)
        newest = by_age[-1][1]
        expected = sorted("/".join(n) for n in objects if n[:2] == (period, newest))
        assert found[f"{period}/{{version}}/*"] == expected


@pytest.mark.parametrize("text", ["a.csv", "/data/**", "~/x{1}.csv", "a:/b", "$X/*.csv.gz"])
def test_local_files(text: str) -> None:
    assert parsed(text, {"s3"}) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gs://bills/*.csv", "^must be a local path or start with s3://"),
        ("http://bills/a.csv", "^must be a local path or start with s3://"),
        ("s3://bills", "^must name a bucket and its objects, such as s3://bucket/"),
        ("s3://bills/", "^must name a bucket and its objects"),
        ("s3://bills/folder/", "^must name a bucket and its objects"),
        ("s3:///a.csv", "^must name a bucket and its objects"),
        ("s3://bi lls/a.csv", "^must name a bucket and its objects"),
        ("s3://*/a.csv", "^must name a bucket and its objects"),
        ("s3://bills/v{version}/a.csv", r"^\{version\} must be the whole name of one folder"),
        (
            "s3://bills/{version}/{version}/a.csv",
            r"^\{version\} must be the whole name of one folder",
        ),
        ("s3://bills/{version}", r"^\{version\} must be the whole name of one folder"),
        ("/data/{version}/a.csv", "for local files name the folder or write"),
        ("/data/x-Manifest.json", "for local files name the data"),
    ],
)
def test_what_is_no_pattern(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parsed(text, {"s3"})


def test_a_scheme_in_capitals() -> None:
    found = parsed("S3://bills/a.csv", {"s3"})
    assert found is not None
    assert (found.scheme, found.bucket, found.segments) == ("s3", "bills", ("a.csv",))
