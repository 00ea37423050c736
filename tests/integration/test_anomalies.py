"""Anomalies as they are stored and decided, and what the commands say of them."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from finops_exporter.store import anomalies
from finops_exporter.store.anomalies import Found, PlannedChange
from finops_exporter.store.reads import generation
from integration.feeding import NOW, cost, swap
from integration.processes import as_url, configure, invoke

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from click.testing import Result

    from finops_exporter.store.anomalies import Anomaly, Status
    from finops_exporter.store.database import Database

DAY = date(2026, 11, 20)


def found(excess: str = "50", *, back: int = 0, service: str = "S3", kind: str = "spike") -> Found:
    return Found(
        "111",
        service,
        DAY - timedelta(days=back),
        kind,
        6.5,
        Decimal(10),
        Decimal(10) + Decimal(excess),
        Decimal(excess),
    )


def record(
    database: Database, *those: Found, back: Sequence[int] = (0,), state: int | None = None
) -> set[tuple[object, ...]]:
    days = [DAY - timedelta(days=one) for one in back]
    return set(
        anomalies.record(
            database,
            "aws",
            "weekday_median",
            days,
            those,
            generation=generation(database) if state is None else state,
            now=NOW,
        )
    )


def only(database: Database) -> Anomaly:
    (one,) = anomalies.listed(database, withdrawn=True)
    return one


def decide(database: Database, status: Status, number: int | None = None) -> None:
    one = number or only(database).anomaly_id
    anomalies.decide(database, [one], status, note="seen", who="ann", now=NOW)


def test_an_anomaly_is_stored_once_and_follows_its_day(database: Database) -> None:
    assert record(database, found("50")) == set()
    record(database, found("60"))
    one = only(database)
    assert (one.excess_usd, one.status, one.withdrawn) == (Decimal(60), "open", False)
    assert anomalies.judged_until(database) == {"aws": DAY}


def test_a_day_that_is_restated_back_is_withdrawn_and_can_come_again(database: Database) -> None:
    record(database, found())
    record(database)
    assert only(database).withdrawn
    assert anomalies.listed(database) == []
    record(database, found())
    assert not only(database).withdrawn


def test_days_that_are_not_judged_stay_as_they_are(database: Database) -> None:
    record(database, found(back=5), back=[5])
    record(database, back=[0, 1, 2])
    assert not only(database).withdrawn
    assert anomalies.judged_until(database) == {"aws": DAY}


@pytest.mark.parametrize("status", ["acknowledged", "false_positive"])
def test_what_was_decided_alerts_nobody_any_more(database: Database, status: Status) -> None:
    record(database, found())
    before = generation(database)
    decide(database, status)
    assert generation(database) > before  # the next refresh sees it
    assert record(database, found("55")) == {("111", "S3", DAY)}
    assert only(database).status == status


def test_a_decision_ends_where_the_excess_is_half_as_large_again(database: Database) -> None:
    record(database, found("50"))
    decide(database, "acknowledged")
    assert record(database, found("75")) != set()
    assert record(database, found("76")) == set()
    assert only(database).status == "open"


def test_small_steps_do_not_stretch_a_decision(database: Database) -> None:
    record(database, found("50"))
    decide(database, "false_positive")
    for excess in ("60", "70"):
        assert record(database, found(excess)) != set()
    assert record(database, found("80")) == set()


def test_a_pattern_that_was_dismissed_does_not_come_back(database: Database) -> None:
    record(database, found("50", back=30), back=[30])
    decide(database, "false_positive")
    assert record(database, found("70")) == {("111", "S3", DAY)}
    newest, oldest = anomalies.listed(database)
    assert (newest.status, newest.note) == ("false_positive", f"like #{oldest.anomaly_id}")
    # Much more of the same, and another service, are something else; so is another kind.
    assert record(database, found("76"), found("70", service="EC2")) == set()
    assert record(database, found("60", back=1, kind="ramp"), back=[1]) == set()


def test_what_was_acknowledged_goes_on_while_it_goes_on(database: Database) -> None:
    record(database, found(back=9), back=[9])
    decide(database, "acknowledged")
    for back in (8, 5, 4):
        assert record(database, found(back=back), back=[back]) != set()
    assert record(database, found()) == set()
    told = [(one.status, one.note) for one in reversed(anomalies.listed(database))]
    first = anomalies.listed(database)[-1].anomaly_id
    assert told == [
        ("acknowledged", "seen"),
        *[("acknowledged", f"like #{first}")] * 3,
        ("open", None),
    ]


def test_a_decision_that_is_taken_back_holds_for_nothing_any_more(database: Database) -> None:
    record(database, found(back=30), back=[30])
    decide(database, "false_positive")
    original = only(database).anomaly_id
    assert record(database, found(back=9), back=[9]) != set()
    decide(database, "open", original)
    assert [one.status for one in anomalies.listed(database)] == ["open", "open"]
    assert record(database, found()) == set()


def test_a_note_stays_until_another_is_given(database: Database) -> None:
    record(database, found())
    decide(database, "acknowledged")
    one = only(database).anomaly_id
    anomalies.decide(database, [one], "open", note=None, who="bob", now=NOW)
    assert only(database).note == "seen"


def test_what_an_older_state_showed_is_not_written(database: Database) -> None:
    record(database, found())
    before = generation(database)
    swap(database, [cost(str(DAY), "1")])
    assert record(database, state=before) == set()
    assert not only(database).withdrawn


def test_what_was_announced_is_found_and_alerts_nobody(database: Database) -> None:
    change = PlannedChange(0, None, None, "S3", DAY, DAY + timedelta(days=1), "load test", "ann")
    number = anomalies.announce(database, change, NOW)
    assert record(database, found(), found(service="EC2")) == {("111", "S3", DAY)}
    told = {one.service: one.planned for one in anomalies.listed(database)}
    assert told == {"S3": "load test", "EC2": None}
    assert anomalies.planned(database, DAY) == [change._replace(change_id=number)]
    assert anomalies.planned(database, DAY + timedelta(days=2)) == []
    assert anomalies.forget(database, number, NOW)
    assert not anomalies.forget(database, number, NOW)
    assert record(database, found()) == set()


def test_deciding_on_one_that_does_not_exist_decides_on_none(database: Database) -> None:
    record(database, found())
    one = only(database).anomaly_id
    with pytest.raises(LookupError):
        anomalies.decide(database, [one, 999], "acknowledged", note=None, who="ann", now=NOW)
    assert only(database).status == "open"


@pytest.fixture
def config(database_url: str, tmp_path: Path) -> Path:
    return configure(tmp_path, as_url(database_url))


def say(config: Path, *words: object) -> Result:
    return invoke("anomalies", *words, "--config", config)


def test_the_commands_from_end_to_end(database: Database, config: Path) -> None:
    rows = [
        cost(str(DAY - timedelta(days=back)), "1", region=region, tags={"team": "data"})
        for back in range(40)
        for region in ("eu-west-1", "us-east-1")
    ]
    rows.append(cost(str(DAY), "50", region="eu-west-1", tags={"team": "data"}))
    swap(database, rows)
    record(database, found())
    number = only(database).anomaly_id
    listed = say(config, "list").output
    assert f"{number} │ 2026-11-20 │ aws" in listed
    assert "$60.00" in listed
    told = json.loads(say(config, "explain", number, "--format", "json").output)
    assert told["series"][-1] == {"day": "2026-11-20", "usd": 52.0}
    assert told["series"][-2] == {"day": "2026-11-19", "usd": 2.0}
    assert told["drivers"][0] == {
        "dimension": "region",
        "value": "eu-west-1",
        "usually_usd": "1",
        "cost_usd": "51",
    }
    assert told["unknown_dimensions"] == []
    explained = say(config, "explain", number).output
    assert "Fri 2026-11-20         $52.00 ####" in explained
    assert "team" in explained
    assert say(config, "ack", number, "--note", "mine", "--by", "ann").exit_code == 0
    assert say(config, "list").output == "no anomaly\n"
    assert "acknowledged by ann: mine" in say(config, "list", "--status", "all").output
    assert say(config, "reopen", number).exit_code == 0
    assert say(config, "dismiss", number).output == f"#{number}: false positive\n"
    announced = say(
        config,
        "expect",
        "--service",
        "S3",
        "--from",
        "2026-12-01",
        "--to",
        "2026-12-03",
        "--note",
        "load test",
        "--by",
        "ann",
    )
    assert "to take it back: anomalies expect --forget 1" in announced.output
    assert (
        "announced as 1: S3, 2026-12-01 to 2026-12-03, by ann: load test"
        in say(config, "list").output
    )
    assert say(config, "expect", "--forget", 1).exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ack", "7"), "there is no anomaly #7"),
        (("explain", "7"), "there is no anomaly #7"),
        (("expect", "--forget", "7"), "there is no announcement 7"),
        (("expect", "--service", "S3"), "--from, --to and --note are needed"),
        (
            ("expect", "--from", "2026-12-01", "--to", "2026-12-03", "--note", "x"),
            "one of --provider, --account and --service is needed",
        ),
        (
            (
                "expect",
                "--service",
                "S3",
                "--from",
                "2026-12-03",
                "--to",
                "2026-12-01",
                "--note",
                "x",
            ),
            "--from 2026-12-03 is after --to 2026-12-01",
        ),
    ],
)
def test_mistakes_are_told(
    database: Database, config: Path, words: tuple[str, ...], message: str
) -> None:
    del database
    said = say(config, *words)
    assert said.exit_code == 2
    assert message in said.output
