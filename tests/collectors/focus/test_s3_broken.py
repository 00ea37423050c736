"""Objects of S3 from a server that breaks off, repeats itself, or gives other bytes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from collectors.focus.buckets_support import CHANGED
from collectors.focus.scripted_server import Answer, answering
from collectors.focus.support import NOW, csv_text
from doubles.asked import Asked
from finops_exporter.collectors.focus import s3
from finops_exporter.collectors.focus.objects import ObjectError, StoredObject
from finops_exporter.collectors.focus.options import FocusOptions
from finops_exporter.errors import CollectError

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path


ETAG = '"e"'
CONTENT = csv_text({}).encode()


def store_at(url: str) -> s3.S3Store:
    options = FocusOptions(paths=["s3://bills/*.csv"], aws={"endpoint_url": url})  # type: ignore[arg-type]
    return s3.S3Store(options, "files")


def fetched(url: str, into: Path, size: int = len(CONTENT)) -> tuple[list[int], Counter[str]]:
    store = store_at(url)
    asked = Asked(store)
    one = StoredObject("s3", "bills", "a.csv", size, ETAG, NOW)
    return list(store.fetch(one, into, asked, threading.Event())), asked.calls


def test_a_connection_that_breaks_off_is_taken_up_again(tmp_path: Path) -> None:
    broken = Answer(b"x" * 40, declared=len(CONTENT))
    with answering(broken, broken, Answer(CONTENT)) as (url, asked):
        steps, calls = fetched(url, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert (steps, calls) == ([len(CONTENT)], {"s3:GetObject": 3})
    assert [headers["If-Match"] for headers in asked] == [ETAG] * 3


def test_a_connection_that_always_breaks_off(tmp_path: Path) -> None:
    broken = Answer(b"x" * 40, declared=len(CONTENT))
    with (
        answering(*[broken] * 6) as (url, _),
        pytest.raises(CollectError, match=r"^files: s3:GetObject: "),
    ):
        fetched(url, tmp_path / "a")


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_another_size_than_listed(tmp_path: Path, size: int) -> None:
    with answering(Answer(CONTENT)) as (url, _), pytest.raises(ObjectError) as caught:
        fetched(url, tmp_path / "a", size)
    assert (caught.value.reason, str(caught.value)) == ("changed_while_read", CHANGED)


def test_a_range_of_another_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "RANGE", 10)
    other = Answer(b"x" * 10, 206, {"Content-Range": "bytes 0-9/99"})
    with answering(other) as (url, asked), pytest.raises(ObjectError) as caught:
        fetched(url, tmp_path / "a")
    assert caught.value.reason == "changed_while_read"
    assert [headers["Range"] for headers in asked] == ["bytes=0-9"]


def page(token: str | None) -> Answer:
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return Answer(
        f"<ListBucketResult><IsTruncated>true</IsTruncated>{more}</ListBucketResult>".encode()
    )


@pytest.mark.parametrize("tokens", [("a", "b", "a"), ("a", "a"), (None,)])
def test_a_listing_without_end(tokens: tuple[str | None, ...]) -> None:
    with answering(*map(page, tokens)) as (url, asked), pytest.raises(ObjectError) as caught:
        list(store_at(url).objects("bills", "", Asked(store_at(url))))
    assert len(asked) == len(tokens)
    assert str(caught.value) == "bills gives no way to the rest of its listing"
