"""The commands on an AWS source: what they say before anything is paid, and afterwards."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from doubles.aws_bill import RefusedRequest
from doubles.aws_server import AwsServer, refusal
from doubles.aws_support import server
from integration.processes import as_url, configure, invoke
from integration.test_aws_kill import bill_of_today

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

AWS: dict[str, Any] = {"type": "aws_cost_explorer", "name": "aws", "history_months": 0}


@pytest.fixture
def aws() -> Iterator[AwsServer]:
    with server(bill_of_today(), lambda: datetime.now(UTC)) as running:
        yield running


def config(folder: Path, url: str | None, aws: AwsServer, **options: Any) -> Path:
    given = AWS | {"endpoint_url": aws.url} | options
    return configure(folder, url, given, tags={"team": ["team"]})


def test_check_config_tells_the_price_and_asks_nobody(
    tmp_path: Path, aws: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    result = invoke("check-config", "--config", config(tmp_path, None, aws))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "aws: 4 parts; at least 7 paid requests, $0.07",
        "  planned at this interval: $0.28 a day; the cap is $1 a day",
        "ok: 1 sources",
    ]
    assert aws.asked == []


@pytest.mark.parametrize("schema", [True, False])
def test_a_dry_run_tells_what_would_be_asked_and_pays_nothing(
    tmp_path: Path, aws: AwsServer, request: pytest.FixtureRequest, *, schema: bool
) -> None:
    url = as_url(request.getfixturevalue("database_url" if schema else "empty_url"))
    result = invoke("collect", "--dry-run", "--config", config(tmp_path, url, aws))
    month = f"{datetime.now(UTC):%Y-%m}"
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        # Organizations, which is free, says that there are two accounts.
        "aws: would read 4 parts, 0 unchanged; withdraw 0; 8 paid requests, $0.08",
        "  planned at this interval: $0.32 a day; the cap is $1 a day",
        f"  read {month} account,charge_category",
        f"  read {month} account,region,service",
        f"  read {month} account,charge_category,service",
        f"  read {month} account,tag:team",
    ]
    assert [operation for operation, _ in aws.asked] == ["ListAccounts"]


def lines_of(file: Path) -> list[dict[str, Any]]:
    result = invoke("sources", "--format", "json", "--config", file)
    assert result.exit_code == 0
    found: list[dict[str, Any]] = json.loads(result.stdout)["sources"]
    return found


def test_sources_tells_how_each_stands(tmp_path: Path, aws: AwsServer, database_url: str) -> None:
    file = config(tmp_path, as_url(database_url), aws)
    (before,) = lines_of(file)
    assert (before["outcome"], before["last_run"], before["newest_day"]) == ("never", None, None)
    began = datetime.now(UTC).replace(microsecond=0)
    assert invoke("collect", "--once", "--config", file).exit_code == 0
    (line,) = lines_of(file)
    assert line["outcome"] == "succeeded"
    assert datetime.fromisoformat(line["last_run"]) >= began
    # Over for 24 h: what every day but the last two is.
    assert line["newest_day"] == str((began - timedelta(days=2)).date())
    assert 24 * 3600 <= line["age"] < 48 * 3600
    assert float(line["asked_today_usd"]) == pytest.approx(aws.count() / 100)
    pause = datetime.fromisoformat(line["next_run"]) - datetime.fromisoformat(line["last_run"])
    assert pause == timedelta(hours=6)

    aws.faults.append(refusal("AccessDeniedException"))
    window = ("--since", str(began.date()))
    assert invoke("collect", "--once", *window, "--config", file).exit_code == 1
    (line,) = lines_of(file)
    assert line["outcome"] == "failed"
    assert "AWS does not allow ce:GetCostAndUsage" in line["error"]
    table = invoke("sources", "--config", file).stdout
    for words in ("last run", "newest day", "age", "cost today", "next run", "last error"):
        assert words in table
    assert "AWS does not allow ce:GetCostAndUsage" in table


def test_a_source_that_was_removed_is_named_as_such(
    tmp_path: Path, aws: AwsServer, database_url: str
) -> None:
    url = as_url(database_url)
    assert invoke("collect", "--once", "--config", config(tmp_path, url, aws)).exit_code == 0
    file = configure(tmp_path, url)
    (line,) = lines_of(file)
    assert (line["source"], line["is_configured"], line["next_run"]) == ("aws", False, None)
    assert line["newest_day"] is not None
    assert "configured no more" in invoke("sources", "--config", file).stdout


def test_what_a_run_noticed_is_told(tmp_path: Path, aws: AwsServer, database_url: str) -> None:
    aws.answers["ListAccounts"] = _refused
    result = invoke("collect", "--once", "--config", config(tmp_path, as_url(database_url), aws))
    assert result.exit_code == 0
    assert "aws: AWS does not allow organizations:ListAccounts" in result.stderr


def _refused(_asked: Mapping[str, Any]) -> dict[str, Any]:
    raise RefusedRequest("AccessDeniedException", "no")


def test_costs_that_no_cut_knows_are_wrong_usage(
    tmp_path: Path, aws: AwsServer, database_url: str
) -> None:
    file = config(tmp_path, as_url(database_url), aws)
    assert invoke("collect", "--once", "--config", file).exit_code == 0
    result = invoke("costs", "--by", "service,team", "--config", file)
    assert result.exit_code == 2
    assert "does not know service and team together (it knows: " in result.stderr
    known = invoke("costs", "--by", "account,team", "--format", "json", "--config", file)
    assert known.exit_code == 0
    assert len(json.loads(known.stdout)["groups"]) == 4
