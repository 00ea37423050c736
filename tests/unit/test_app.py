from __future__ import annotations

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
    assert settings.lags == {"one": FocusCollector.default_lag, "two": timedelta(days=1)}
    assert settings.names == {("aws", "111"): "production"}
    assert settings.owners == {("aws", "111"): "platform", ("aws", "222"): "data"}
    assert str(settings.rate("EUR", datetime(2026, 11, 1, tzinfo=UTC).date())) == "1.1"


@pytest.mark.parametrize("listen", ["127.0.0.1:9000", "[::1]:0", "localhost:65535"])
def test_an_address_of_the_command_line_beats_the_files(tmp_path: Path, listen: str) -> None:
    before = config(tmp_path, "server: {listen: 0.0.0.0:1, refresh: 3s}")
    after = app.listening_on(before, listen)
    assert (after.server.listen, after.server.refresh) == (listen, timedelta(seconds=3))
    assert before.server.listen == "0.0.0.0:1"


@pytest.mark.parametrize("listen", ["", "nowhere", ":9836", "host:", "host:65536", "[::g]:1"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, listen: str) -> None:
    with pytest.raises(UsageError, match="must be HOST:PORT"):
        app.listening_on(config(tmp_path, ""), listen)


def test_the_clock_is_utc() -> None:
    assert app.utc_now().utcoffset() == timedelta(0)
