from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from bench.harness import Job, Row, bar, exit_code, interleaved, table, write_json

if TYPE_CHECKING:
    from pathlib import Path

FASTER = Row("job", "theirs", baseline=6.0, ours=2.0, bar=3.0)
LONGER = Row("job", "theirs", baseline=2.0, ours=3.0, bar=1.5, direction="at most")


def test_at_least_asks_how_many_times_as_fast_we_are() -> None:
    assert FASTER.ratio == 3.0
    assert FASTER.verdict == "ok"
    assert replace(FASTER, ours=2.01).verdict == "missed"
    assert replace(FASTER, ours=1.0).verdict == "ok"


def test_at_most_asks_how_many_times_as_long_we_take() -> None:
    assert LONGER.ratio == 1.5
    assert LONGER.verdict == "ok"
    assert replace(LONGER, ours=3.01).verdict == "missed"
    assert replace(LONGER, ours=1.0).verdict == "ok"


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([FASTER, LONGER], 0),
        ([FASTER, replace(LONGER, ours=4.0)], 1),
        ([replace(FASTER, ours=4.0), LONGER], 1),
        ([replace(FASTER, ours=4.0, gating=False)], 0),
        ([], 1),
    ],
)
def test_one_missed_bar_fails_the_run_and_so_does_measuring_nothing(
    rows: list[Row], code: int
) -> None:
    assert exit_code(rows) == code


def test_a_row_that_does_not_gate_says_so_only_when_it_misses() -> None:
    assert replace(FASTER, gating=False).verdict == "ok"
    assert replace(FASTER, ours=4.0, gating=False).verdict == "recorded, not gating"


def test_a_quick_run_widens_the_bar_in_the_direction_that_forgives() -> None:
    assert bar(3.0, quick=False) == 3.0
    assert bar(3.0, quick=True) == 2.0
    assert bar(1.5, "at most", quick=False) == 1.5
    assert bar(1.5, "at most", quick=True) == 2.25


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A stopwatch whose hand the jobs move themselves."""
    hand = [0.0]
    monkeypatch.setattr("bench.harness.perf_counter", lambda: hand[0])
    return hand


def test_jobs_take_turns_and_the_median_forgives_one_bad_round(clock: list[float]) -> None:
    turns: list[str] = []
    slow = count()

    def ours() -> None:
        turns.append("ours")
        clock[0] += 50.0 if next(slow) == 0 else 2.0

    def theirs() -> None:
        turns.append("theirs")
        clock[0] += 8.0

    jobs = {"theirs": Job(theirs), "ours": Job(ours, repeat=2)}
    assert interleaved(jobs, rounds=3, limit=1000) == {"theirs": 8.0, "ours": 2.0}
    assert turns == ["theirs", "ours", "ours"] * 3


def test_time_over_ends_the_rounds_but_never_before_three(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    turns: list[int] = []

    def job() -> None:
        turns.append(1)
        clock[0] += 10.0

    assert interleaved({"job": Job(job)}, rounds=9, limit=45) == {"job": 10.0}
    assert len(turns) == 5
    turns.clear()
    assert interleaved({"job": Job(job)}, rounds=9, limit=1) == {"job": 10.0}
    assert len(turns) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert "stopped after 3 of 9 rounds" in output.err


def test_the_table_shows_both_sides_the_ratio_and_the_verdict() -> None:
    assert table([FASTER, replace(LONGER, name="a longer job", ours=4.0)]).splitlines() == [
        "what          baseline  baseline ms  ours ms  ratio  bar      verdict",
        "job           theirs        6000.00  2000.00  3.00x  >= 3x    ok",
        "a longer job  theirs        2000.00  4000.00  2.00x  <= 1.5x  missed",
    ]


def test_the_file_holds_what_the_table_shows(tmp_path: Path) -> None:
    write_json(tmp_path / "bench.json", [LONGER], {"quick": True})
    assert json.loads((tmp_path / "bench.json").read_text()) == {
        "quick": True,
        "rows": [
            {
                "name": "job",
                "baseline_name": "theirs",
                "baseline_seconds": 2.0,
                "ours_seconds": 3.0,
                "ratio": 1.5,
                "direction": "at most",
                "bar": 1.5,
                "gating": True,
                "verdict": "ok",
            }
        ],
    }
