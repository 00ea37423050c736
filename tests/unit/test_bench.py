from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from bench.__main__ import main
from bench.harness import (
    Job,
    NotMeasured,
    Row,
    bar,
    exit_code,
    interleaved,
    percentile99,
    table,
    within,
    write_json,
)
from bench.processes import UnavailableError, program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.harness import Result

FASTER = Row("job", "theirs", baseline=6.0, ours=2.0, bar=3.0)
LONGER = Row("job", "theirs", baseline=2.0, ours=3.0, bar=1.5, direction="at most")
MISSING = NotMeasured("job", "theirs", "absent")


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
    ("results", "code"),
    [
        ([FASTER, LONGER], 0),
        ([FASTER, replace(LONGER, ours=4.0)], 1),
        ([replace(FASTER, ours=4.0), LONGER], 1),
        ([replace(FASTER, ours=4.0, gating=False)], 0),
        ([FASTER, MISSING], 0),
        ([replace(FASTER, ours=4.0), MISSING], 1),
        ([MISSING], 1),
        ([], 1),
    ],
)
def test_one_missed_bar_fails_the_run_and_so_does_measuring_nothing(
    results: list[Result], code: int
) -> None:
    assert exit_code(results) == code


def test_a_row_that_does_not_gate_says_so_only_when_it_misses() -> None:
    assert replace(FASTER, gating=False).verdict == "ok"
    assert replace(FASTER, ours=4.0, gating=False).verdict == "recorded, not gating"


def test_a_row_without_a_bar_is_recorded_whatever_it_says() -> None:
    assert {replace(FASTER, bar=None, ours=ours).verdict for ours in (0.1, 100.0)} == {
        "recorded, not gating"
    }


def test_a_limit_in_megabytes_is_kept_to_the_last_one() -> None:
    assert within("memory", 85.0, 85).verdict == "ok"
    assert within("memory", 85.1, 85).verdict == "missed"
    assert within("memory", 42.5, 85).ratio == 0.5


def test_the_99th_percentile_leaves_one_of_a_hundred_out() -> None:
    # Of 101 samples in order, 99 % of the way from the first to the last is the hundredth.
    assert percentile99([float(number) for number in reversed(range(101))]) == 99.0


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
    longer = replace(LONGER, name="a longer job", ours=4.0)
    told = replace(FASTER, bar=None)
    missing = replace(MISSING, name="another")
    off = within("off", 7.25, 10, "percent")
    assert table([FASTER, longer, told, within("held", 100.25, 85), off, missing]).splitlines() == [
        "what          baseline  baseline's        ours  ratio  bar      verdict",
        "job           theirs    6000.00 ms  2000.00 ms  3.00x  >= 3x    ok",
        "a longer job  theirs    2000.00 ms  4000.00 ms  2.00x  <= 1.5x  missed",
        "job           theirs    6000.00 ms  2000.00 ms  3.00x  -        recorded, not gating",
        "held          limit        85.0 MB    100.2 MB  1.18x  <= 1x    missed",
        "off           limit        10.00 %      7.25 %  0.72x  <= 1x    ok",
        "another       theirs             -           -      -  -        not measured: absent",
    ]


def test_the_file_holds_what_the_table_shows(tmp_path: Path) -> None:
    write_json(tmp_path / "bench.json", [LONGER, MISSING], {"quick": True})
    assert json.loads((tmp_path / "bench.json").read_text()) == {
        "quick": True,
        "rows": [
            {
                "name": "job",
                "baseline_name": "theirs",
                "baseline": 2.0,
                "ours": 3.0,
                "bar": 1.5,
                "direction": "at most",
                "gating": True,
                "unit": "seconds",
                "ratio": 1.5,
                "verdict": "ok",
            },
            {
                "name": "job",
                "baseline_name": "theirs",
                "reason": "absent",
                "verdict": "not measured: absent",
            },
        ],
    }


@pytest.mark.parametrize(("arguments", "bar", "code"), [([], 2.0, 0), (["--quick"], 4.0, 1)])
def test_the_command_measures_what_is_asked_for_and_fails_where_a_bar_is_missed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    *,
    arguments: list[str],
    bar: float,
    code: int,
) -> None:
    def rows(*, quick: bool) -> Iterator[Result]:
        assert quick is bool(arguments)
        yield from (replace(FASTER, bar=bar), MISSING)

    monkeypatch.setattr("bench.__main__.SUBJECTS", {"this": rows, "that": Mock()})
    monkeypatch.setattr("bench.__main__.signal", Mock())  # the alarm is pytest's own here
    file = tmp_path / "figures.json"
    monkeypatch.setattr("sys.argv", ["bench", "this", "--json", str(file), *arguments])
    assert main() == code
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert json.loads(file.read_text())["quick"] is bool(arguments)


def test_an_unknown_subject_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "speed"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "unknown subject 'speed'; known: scrape, " in capsys.readouterr().err


def test_a_baseline_that_cannot_be_had_says_where_it_was_looked_for() -> None:
    with pytest.raises(UnavailableError, match=r"no-such-program is neither below .* nor on PATH"):
        program("no-such-package", "no-such-program")
