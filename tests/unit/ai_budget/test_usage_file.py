from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.ai_budget.importing import given_price
from finops_exporter.ai_budget.usage_file import Columns, UsageFile, instant, read
from finops_exporter.ai_model import Tokens, UsageRow
from finops_exporter.errors import FinopsError

if TYPE_CHECKING:
    from pathlib import Path

    from finops_exporter.model import Progress

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
PRICE = given_price("gpt-4o", Decimal("2.50"), Decimal(10))


def nothing(_step: Progress) -> None:
    """Nobody watches."""


def usage_file(path: Path, text: str | bytes) -> UsageFile:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return UsageFile(path, "acme", "gpt-4o", PRICE, report_type="nightly")


def rows(path: Path, text: str | bytes) -> list[UsageRow]:
    return list(read(usage_file(path, text), NOW, nothing))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.csv"


def test_a_row_is_a_call(path: Path) -> None:
    (row,) = rows(path, HEAD + "2023-11-16 18:17:03.9799600,4808,10")
    assert row == UsageRow(
        request_id=row.request_id,
        time=datetime(2023, 11, 16, 18, 17, 3, 979960, tzinfo=UTC),
        tenant_id="acme",
        model="gpt-4o",
        tokens=Tokens(4808, 10),
        cost_usd=Decimal("0.01212"),  # 4808 * 2.50 / 10^6 + 10 * 10 / 10^6
        price_source="given with the import",
        report_type="nightly",
    )


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2023-11-16 18:17:03.9799600", datetime(2023, 11, 16, 18, 17, 3, 979960, tzinfo=UTC)),
        ("2023-11-16 18:17:03", datetime(2023, 11, 16, 18, 17, 3, tzinfo=UTC)),
        ("2023-11-16T18:17Z", datetime(2023, 11, 16, 18, 17, tzinfo=UTC)),
        ("2023-11-16T18:17:03.5+05:30", datetime(2023, 11, 16, 12, 47, 3, 500000, tzinfo=UTC)),
        ("2023-11-16 18:17:03 -0800", datetime(2023, 11, 17, 2, 17, 3, tzinfo=UTC)),
        (" 2023-11-16 18:17:03+01 ", datetime(2023, 11, 16, 17, 17, 3, tzinfo=UTC)),
        ("2023-11-16", None),
        ("20231116T181703", None),
        ("2023-W46-4T18:17", None),
        ("16.11.2023 18:17", None),
        ("2023-02-29 00:00", None),
        ("2023-11-16 18:60", None),
        ("0001-01-01 00:00+02:00", None),
        ("1700158623", None),
        ("2023-11-16 18:1\u0667", None),
        ("now", None),
        ("", None),
    ],
)
def test_times_as_machines_write_them(text: str, time: datetime | None) -> None:
    assert instant(text) == time


@given(
    when=st.datetimes(datetime(2000, 1, 2), datetime(2026, 11, 20)),  # noqa: DTZ001 -- see zone
    zone=st.integers(-14 * 60, 14 * 60).map(lambda n: timezone(timedelta(minutes=n))),
    separator=st.sampled_from(" T"),
)
def test_any_instant_is_read_as_it_is_written(
    when: datetime, zone: timezone, separator: str
) -> None:
    aware = when.replace(tzinfo=zone)
    assert instant(aware.isoformat(separator)) == aware


calls = st.lists(
    st.tuples(
        st.datetimes(datetime(2000, 1, 1), datetime(2026, 11, 20)),  # noqa: DTZ001 -- UTC
        st.integers(0, 10**9),
        st.integers(0, 10**9),
    ),
    min_size=1,
    max_size=30,
)


@given(written=calls, more=calls)
def test_what_was_written_is_read_and_known_again_in_a_longer_file(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[tuple[datetime, int, int]],
    more: list[tuple[datetime, int, int]],
) -> None:
    path = tmp_path_factory.mktemp("read") / "calls.csv"

    def text(of: list[tuple[datetime, int, int]]) -> str:
        return HEAD + "".join(f"{when},{given},{made}\n" for when, given, made in of)

    found = rows(path, text(written))
    assert [(one.time, one.tokens) for one in found] == [
        (when.replace(tzinfo=UTC), Tokens(given, made)) for when, given, made in written
    ]
    for one in found:
        cost = Fraction(5, 2) * one.tokens.input + 10 * one.tokens.output
        assert Fraction(one.cost_usd) == cost / 10**6
    longer = rows(path, text(written + more))
    ids = [one.request_id for one in longer]
    assert ids[: len(found)] == [one.request_id for one in found]
    assert len(set(ids)) == len(ids)


def test_a_call_is_another_one_elsewhere_but_not_by_another_name(path: Path) -> None:
    file = usage_file(path, HEAD + "2023-11-16 18:17:03,1,2\n")

    def request_id(file: UsageFile) -> str:
        (row,) = read(file, NOW, nothing)
        return row.request_id

    mine = request_id(file)
    assert request_id(replace(file, tenant_id="other")) != mine
    assert request_id(replace(file, model="other")) != mine
    assert request_id(replace(file, report_type="other")) == mine
    assert request_id(replace(file, price=given_price("x", Decimal(1), Decimal(1)))) == mine
    assert request_id(usage_file(path, HEAD + "2023-11-16T18:17:03.000Z,1,2\n")) == mine
    assert request_id(usage_file(path, HEAD + "2023-11-16 18:17:03,1,3\n")) != mine


def test_as_spreadsheets_write_it(path: Path) -> None:
    text = (
        "\ufeffnote,made , given,at\r\n"
        '"a, b",7,5,2026-01-31 08:15:00\r\n'
        "\r\n"
        ",\t 8 ,6,2026-01-31 08:16:00,surplus\r\n"
    )
    for content in (text.encode(), gzip.compress(text.encode())):
        file = replace(usage_file(path, content), columns=Columns("at", "given", "made"))
        assert [one.tokens for one in read(file, NOW, nothing)] == [Tokens(5, 7), Tokens(6, 8)]


GOOD = "2023-11-16 18:17:03,1,2\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", " is empty: it has no header"),
        (HEAD, " is empty: it has no row below its header"),
        ("TIMESTAMP,Context\n", ", line 1: there is no column ContextTokens (found: TIMESTAMP, Co"),
        (HEAD + GOOD + "2023-11-16 18:17:04,5\n", ", line 3: it has only 2 columns"),
        (
            HEAD + "16.11.2023,1,2\n",
            ", line 2, column TIMESTAMP: must be a time such as 2026-01-31 08:15:00.5 (UTC) or ",
        ),
        (
            HEAD + GOOD + "\n" + "2023-11-16 18:17:04,-5,2\n",
            "4, column ContextTokens: must be a whole number from 0 to 1,000,000,000, not '-5'",
        ),
        (HEAD + "2023-11-16 18:17:04,5,1.5\n", ", line 2, column GeneratedTokens: must be a whole"),
        (HEAD + "2023-11-16 18:17:04,5,\n", "GeneratedTokens: must be a whole number from 0 to"),
        (HEAD + "2023-11-16 18:17:04,1_0,5\n", "not '1_0'"),
        (HEAD + "2023-11-16 18:17:04,\u0663,5\n", "not '\u0663'"),
        (HEAD + "2023-11-16 18:17:04,1000000001,5\n", "not '1000000001'"),
        (HEAD + f"2023-11-16 18:17:04,{'9' * 5000},5\n", "column ContextTokens: must be a whole"),
        (
            HEAD + "2026-11-21 12:05:01,1,1\n",
            "column TIMESTAMP: 2026-11-21 12:05:01 is in the future; times without a zone are UTC",
        ),
        (HEAD + "1999-12-31 23:59:59,1,1\n", "TIMESTAMP: must be in the year 2000 or later, not"),
        (HEAD + '2023-11-16 18:17:04,"1,1\n', ", line 2: unexpected end of data"),
    ],
)
def test_a_mistake_is_told_with_its_place(path: Path, text: str, words: str) -> None:
    with pytest.raises(FinopsError) as caught:
        rows(path, text)
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEAD.encode() + b"\xff\xff", "it is not UTF-8"),
        (gzip.compress((HEAD + GOOD * 999).encode())[:-9], "it is no whole gzip file"),
    ],
)
def test_a_file_that_cannot_be_read(path: Path, content: bytes, words: str) -> None:
    with pytest.raises(FinopsError, match=words):
        rows(path, content)


def test_there_is_no_such_file(tmp_path: Path) -> None:
    file = UsageFile(tmp_path / "calls.csv", "acme", "gpt-4o", PRICE)
    with pytest.raises(FinopsError, match=r"cannot read .*calls.csv: No such file"):
        list(read(file, NOW, nothing))


def test_an_unknown_price_and_an_absurd_one(path: Path) -> None:
    file = usage_file(path, HEAD + GOOD)
    with pytest.raises(FinopsError, match="line 2, column TIMESTAMP: no price is known of the mod"):
        list(read(replace(file, price=lambda _: None), NOW, nothing))
    dear = given_price("gpt-4o", Decimal(1_000_000), Decimal(1_000_000))
    file = usage_file(path, HEAD + "2023-11-16 18:17:03,1000000000,1000000000\n")
    with pytest.raises(FinopsError, match=r"costs \$2,000,000,000\.00; \$1,000,000,000 is the"):
        list(read(replace(file, price=dear), NOW, nothing))


def test_what_would_be_removed_at_once_is_not_taken(path: Path) -> None:
    file = usage_file(path, HEAD + GOOD)
    kept_since = datetime(2023, 11, 16, 18, 17, 3, tzinfo=UTC)
    assert len(list(read(replace(file, kept_since=kept_since), NOW, nothing))) == 1
    late = replace(file, kept_since=kept_since + timedelta(seconds=1))
    with pytest.raises(FinopsError, match=r"is older than calls are kept \(ai\.usage_retention\)"):
        list(read(late, NOW, nothing))


def test_how_far_it_is_read_is_told(path: Path) -> None:
    told: list[Progress] = []
    file = usage_file(path, HEAD + GOOD * 25_000)
    assert sum(1 for _ in read(file, NOW, told.append)) == 25_000
    size = path.stat().st_size
    assert {(one.part, one.total) for one in told} == {("calls.csv", size)}
    done = [one.done for one in told]
    assert done == sorted(done)
    assert (len(done), done[-1]) == (3, size)
