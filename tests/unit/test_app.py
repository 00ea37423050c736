from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from finops_exporter import app
from finops_exporter.collectors.focus.collector import FocusCollector
from finops_exporter.config import load
from finops_exporter.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from finops_exporter.config import Config

TWO_SOURCES = """
billing: {basis: effective, period_hold_days: 3, rates: {EUR: [{from: 2026-01-01, usd: "1.1"}]}}
tags: {team: [team], stage: [env]}
accounts:
  - {provider: aws, id: "111", name: production, owner: platform}
  - {provider: aws, id: "222", owner: data}
collectors:
  - {type: focus, name: one, paths: [a.csv], interval: 1h, timeout: 5m}
  - {type: focus, name: two, paths: [b.csv], lag: 1d}
"""


def config(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load(path, {})


def test_sources_carry_what_the_configuration_says(tmp_path: Path) -> None:
    one, two = app.sources(config(tmp_path, TWO_SOURCES))
    assert (one.name, one.interval, one.timeout, one.lag) == (
        "one",
        timedelta(hours=1),
        timedelta(minutes=5),
        FocusCollector.default_lag,
    )
    assert (two.name, two.lag) == ("two", timedelta(days=1))
    assert isinstance(two.collector, FocusCollector)


def test_mistakes_of_an_aws_source_are_told_with_their_remedy(tmp_path: Path) -> None:
    text = """
tags: {team: [team], stage: [a, b, c]}
collectors:
  - {type: aws_cost_explorer, name: a, tags: {team: [team]}, daily_cap_usd: 0.01}
  - {type: aws_cost_explorer, name: b}
  - {type: aws_cost_explorer, name: c, tags: {squad: [squad]}}
  - {type: aws_cost_explorer, name: d, tags: {}, history_months: 14}
  - {type: aws_cost_explorer, name: e, tags: {}, assume_role: {role_arn: billing}}
  - {type: aws_cost_explorer, name: f, tags: {}, billed_metric: Unblended}
  - {type: aws_cost_explorer, name: g, tags: {}, acounts: ["012345678901"]}
"""
    with pytest.raises(ConfigError) as caught:
        app.sources(config(tmp_path, text))
    said = str(caught.value).replace(f"{tmp_path}/config.yaml", "")
    assert said.splitlines() == [
        (
            ":4: collectors[0].daily_cap_usd: a: daily_cap_usd is $0.01, but running every 6h is "
            "planned to cost $0.28 a day; raise daily_cap_usd or interval"
        ),
        (
            ":5: collectors[1].tags: the tag stage has 3 keys, and Cost Explorer can look at 2 at "
            "once; name those to ask for in this source, as in tags: {stage: [a]}"
        ),
        ":6: collectors[2].tags: tags.squad is none of the configured tags (stage, team)",
        ":7: collectors[3].history_months: must be at most 13, not 14",
        (
            ":8: collectors[4].assume_role.role_arn: must be the ARN of a role, such as "
            "arn:aws:iam::123456789012:role/billing, not 'billing'"
        ),
        (
            ":9: collectors[5].billed_metric: must be 'UnblendedCost', 'NetUnblendedCost' or "
            "'BlendedCost', not 'Unblended'"
        ),
        (
            ':10: collectors[6].acounts: unknown key; did you mean "accounts"? (allowed: '
            "account_names, accounts, assume_role, billed_metric, closed_after_days, "
            "daily_cap_usd, effective_metric, endpoint_url, history_months, interval, lag, name, "
            "profile, region, tags, tags_interval, timeout, type, usage_by_service)"
        ),
    ]


def test_an_address_with_a_password_is_refused_without_repeating_it(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("collectors: [{type: aws_cost_explorer, endpoint_url: !env EP}]")
    loaded = load(path, {"EP": "http://user:s3cretpw@127.0.0.1:1"})
    with pytest.raises(ConfigError, match="hold no @: no password") as caught:
        app.sources(loaded)
    assert "s3cretpw" not in str(caught.value)


def test_a_source_without_its_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if "aws" in name or name.startswith("boto")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigError, match=r"needs boto3; install it with: pip install 'finops-ex"):
        app.sources(config(tmp_path, "collectors: [{type: aws_cost_explorer}]"))


def test_every_mistake_in_sources_is_named_at_once(tmp_path: Path) -> None:
    text = """
collectors:
  - {type: focis, name: a}
  - {type: focus, name: b, pathes: [x]}
  - {type: focus, name: c, paths: [x], memory_limit: lots}
"""
    with pytest.raises(ConfigError) as caught:
        app.sources(config(tmp_path, text))
    message = str(caught.value)
    for words in (
        f"{tmp_path}/config.yaml:3: collectors[0].type: must be one of ",
        f'{tmp_path}/config.yaml:4: collectors[1].pathes: unknown key; did you mean "paths"?',
        f"{tmp_path}/config.yaml:5: collectors[2].memory_limit: ",
    ):
        assert words in message


def test_sources_are_chosen_by_name_in_the_order_asked_for(tmp_path: Path) -> None:
    both = config(tmp_path, TWO_SOURCES)
    assert [source.name for source in app.chosen(both, [])] == ["one", "two"]
    assert [source.name for source in app.chosen(both, ["two", "one"])] == ["two", "one"]
    with pytest.raises(UsageError, match=r"no source 'on' \(configured: one, two\)"):
        app.chosen(both, ["on"])
    with pytest.raises(UsageError, match="none is configured"):
        app.chosen(config(tmp_path, ""), ["one"])


def test_the_snapshots_settings(tmp_path: Path) -> None:
    both = config(tmp_path, TWO_SOURCES)
    settings = app.settings(both, app.sources(both))
    assert (settings.basis, settings.hold, settings.tags) == (
        "effective",
        timedelta(days=3),
        ("team", "stage"),
    )
    assert settings.intervals["one"] == timedelta(hours=1)
    assert settings.lags == {"one": FocusCollector.default_lag, "two": timedelta(days=1)}
    assert settings.names == {("aws", "111"): "production"}
    assert settings.owners == {("aws", "111"): "platform", ("aws", "222"): "data"}
    assert str(settings.rate("EUR", datetime(2026, 11, 1, tzinfo=UTC).date())) == "1.1"


def test_the_clock_is_utc() -> None:
    assert app.utc_now().utcoffset() == timedelta(0)
