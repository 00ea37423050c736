from __future__ import annotations

import gzip
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.backtest import reading
from finops_exporter.backtest.reading import History, read
from finops_exporter.errors import FinopsError

if TYPE_CHECKING:
    from pathlib import Path

    from finops_exporter.model import Progress

HEAD = "series_id,date,cost_usage,cost_total\n"
NAN = float("nan")


def nothing(_step: Progress) -> None:
    """Nobody watches."""


def history(path: Path, text: str, column: str = "cost_usage") -> History:
    path.write_text(text, encoding="utf-8")
    return read(path, column, nothing)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "costs.csv"


def test_rows_in_any_order_gaps_and_other_columns(file: Path) -> None:
    text = (
        "note,date,series_id,cost_total,cost_usage\n"
        "x,2026-01-04,b,9,4\n"
        "\n"
        'x,2026-01-01,"a, the first",8,1.5\n'
        "x,2026-01-03,b,-7,0\n"
        "x,2026-01-02,b,6,\n"
    )
    found = history(file, text)
    assert found.series == ("a, the first", "b")
    assert found.first_day == date(2026, 1, 1)
    assert found.days == 4
    np.testing.assert_array_equal(found.amounts, [[1.5, NAN, NAN, NAN], [NAN, NAN, 0, 4]])
    total = history(file, text, "cost_total")
    np.testing.assert_array_equal(total.amounts, [[8, NAN, NAN, NAN], [NAN, 6, -7, 9]])


def test_gzip_and_a_byte_order_mark_whatever_the_name(tmp_path: Path) -> None:
    path = tmp_path / "costs"
    path.write_bytes(gzip.compress(f"\ufeff{HEAD}a,2026-01-01,1,2\r\n".encode()))
    assert read(path, "cost_usage", nothing).amounts == [[1]]


amounts = st.floats(-1e9, 1e9).map(lambda value: round(value, 4))
tables = st.dictionaries(
    st.tuples(st.text("abc,\" '\n", min_size=1), st.dates(date(2024, 1, 1), date(2024, 12, 31))),
    amounts,
    min_size=1,
)


@given(table=tables, seed=st.integers(0, 99))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, table: dict[tuple[str, date], float], seed: int
) -> None:
    rows = [
        f'"{name.replace(chr(34), chr(34) * 2)}",{day},{amount!r},0\n'
        for (name, day), amount in table.items()
    ]
    rows = [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))]
    found = history(tmp_path_factory.mktemp("read") / "costs.csv", HEAD + "".join(rows))
    cells = {
        (name, date.fromordinal(found.first_day.toordinal() + int(day))): found.amounts[row, day]
        for row, name in enumerate(found.series)
        for day in np.flatnonzero(np.isfinite(found.amounts[row]))
    }
    assert cells == table


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "{} is empty: it has no header"),
        (HEAD, "{} is empty: it has no row below its header"),
        (
            "series_id,day,cost_usage\n",
            "{}, line 1: there is no column date (found: series_id, day, cost_usage)",
        ),
        (
            "series_id,date,cost_total\na,2026-01-01,1\n",
            "{}, line 1: there is no column cost_usage (found: series_id, date, cost_total)",
        ),
        (
            f"{HEAD}a,2026-01-01,1,1\na,01/02/2026,1,1\n",
            "{}, line 3, column date: '01/02/2026' is no day such as 2026-01-31",
        ),
        (f"{HEAD}a,2026-02-29,1,1\n", "{}, line 2, column date: '2026-02-29' is no day such as"),
        (f"{HEAD}a,2026-01-01,$5,1\n", "{}, line 2, column cost_usage: '$5' is no number"),
        (f"{HEAD}a,2026-01-01,nan,1\n", "{}, line 2, column cost_usage: 'nan' is no number"),
        (f"{HEAD}a,2026-01-01,1e999,1\n", "{}, line 2, column cost_usage: '1e999' is no number"),
        (f"{HEAD}a,2026-01-01,1_0,1\n", "{}, line 2, column cost_usage: '1_0' is no number"),
        (f"{HEAD},2026-01-01,1,1\n", "{}, line 2, column series_id: it is empty"),
        (f"{HEAD}a,2026-01-01\n", "{}, line 2: it has only 2 columns"),
        (
            f"{HEAD}a,2026-01-01,1,1\nb,2026-01-01,1,1\na,2026-01-01,2,1\n",
            "{}, line 4, column date: series 'a' has 2026-01-01 already in line 2",
        ),
        (f'{HEAD}a,"2026-01-01,1,1\n', "{}, line 2: unexpected end of data"),
        (
            f"{HEAD}a,2026-01-01,1,1\na,0206-01-01,1,1\n",
            "{}, column date: the days reach from 0206-01-01 to 2026-01-01, over ten years",
        ),
    ],
)
def test_mistakes_name_the_place(file: Path, text: str, message: str) -> None:
    with pytest.raises(FinopsError) as caught:
        history(file, text)
    assert message.format(file) in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for name, content, message in (
        ("cut.gz", gzip.compress(HEAD.encode() * 99)[:40], "it is no whole gzip file"),
        ("latin.csv", f"{HEAD}\xe4,2026-01-01,1,1\n".encode("latin-1"), "it is not UTF-8"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(FinopsError, match=message):
            read(path, "cost_usage", nothing)
    with pytest.raises(FinopsError, match=r"cannot read .*: No such file or directory"):
        read(tmp_path / "none.csv", "cost_usage", nothing)
    with pytest.raises(FinopsError, match=r"cannot read .*: Is a directory"):
        read(tmp_path, "cost_usage", nothing)


def test_progress_is_told_in_bytes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ROWS_A_STEP", 2)
    file.write_text(HEAD + "".join(f"a,2026-01-{day:02},1,1\n" for day in range(1, 8)))
    seen: list[Progress] = []
    read(file, "cost_usage", seen.append)
    size = file.stat().st_size
    assert [(step.part, step.done, step.total) for step in seen] == [("costs.csv", size, size)] * 3
