"""What a replica has shown becomes series in promtool's notation."""

from __future__ import annotations

from datetime import UTC, datetime

from simulated.recording import TICK, Recording, words

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = {"a", "b_timestamp_seconds", "finops_snapshot_timestamp_seconds"}


def recorded() -> Recording:
    found = Recording(START, 10)
    second = START.timestamp()
    found.take(START, f'# HELP a\na{{x="1"}} 1\nb_timestamp_seconds {second}\nother 4')
    found.take(START + 3 * TICK, 'a{x="1"} 2.5')
    found.take(START + 5 * TICK, f'a{{x="1"}} 2.5\nb_timestamp_seconds {second + 1}')
    return found


def test_values_hold_until_they_change_and_instants_count_from_the_start() -> None:
    at = 'job="finops",instance="one"'
    assert dict(recorded().series(NAMES, "one")) == {
        f"finops_snapshot_timestamp_seconds{{{at}}}": "0+1800x9",
        f'a{{x="1",{at}}}': "1x2 2.5x6",
        f"b_timestamp_seconds{{{at}}}": "0x2 stale _x1 1x4",
    }


def test_a_late_replica_learns_of_all_later_and_is_the_older_one() -> None:
    at = 'job="finops",instance="two"'
    assert dict(recorded().series(NAMES, "two", late=1)) == {
        f"finops_snapshot_timestamp_seconds{{{at}}}": "-10+1800x9",
        f'a{{x="1",{at}}}': "1x3 2.5x5",
        f"b_timestamp_seconds{{{at}}}": "0x3 stale _x1 1x3",
    }


def test_nothing_is_told_while_nobody_answers() -> None:
    recording = recorded()
    recording.away(START + 5.5 * TICK, START + 8 * TICK)
    at = 'job="finops",instance="one"'
    assert dict(recording.series(NAMES, "one")) == {
        f"finops_snapshot_timestamp_seconds{{{at}}}": "0+1800x5 stale _x1 14400+1800x1",
        f'a{{x="1",{at}}}': "1x2 2.5x2 stale _x1 2.5x1",
        f"b_timestamp_seconds{{{at}}}": "0x2 stale _x1 1x0 stale _x1 1x1",
    }


def test_names_are_found_in_expressions() -> None:
    expression = 'sum by (team) (a:b_usd:sum{x="y"}[30m]) > 0.20'
    assert {"a:b_usd:sum", "sum", "team"} <= words(expression)
