"""The demo's configuration reads as YAML and fits the demo's files."""

from __future__ import annotations

from datetime import UTC, datetime
from glob import glob
from typing import TYPE_CHECKING

import pytest
import yaml

from finops_exporter.config import load
from finops_exporter.demo import charges, config_text, generate

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 2, 1, 20, tzinfo=UTC)


@pytest.mark.parametrize("name", ["demo", 'de\'mo "quoted" # [x] é: {y}'])
def test_its_paths_find_every_file_and_nothing_else(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    files = generate(NOW, folder, months=1)
    (collector,) = yaml.safe_load(config_text(folder, listen="[::1]:9836"))["collectors"]
    (pattern,) = collector.pop("paths")
    assert sorted(glob(pattern)) == sorted(map(str, files.written))  # noqa: PTH207 - absolute
    assert collector == {"type": "focus", "name": "demo", "interval": "5m", "timeout": "5m"}


def test_it_has_the_sections_of_any_configuration(tmp_path: Path) -> None:
    loaded = yaml.safe_load(config_text(tmp_path, listen="127.0.0.1:9836"))
    assert list(loaded) == ["server", "ai", "tags", "accounts", "collectors"]
    assert loaded["server"] == {"listen": "127.0.0.1:9836"}
    assert loaded["tags"] == {
        "team": ["team"],
        "project": ["project"],
        "environment": ["environment", "env"],
    }


def test_the_database_stays_where_it_is_told(tmp_path: Path) -> None:
    text = config_text(tmp_path, listen="127.0.0.1:9836", data_dir=tmp_path / "a: {b}")
    loaded = yaml.safe_load(text)
    assert list(loaded) == ["server", "ai", "database", "tags", "accounts", "collectors"]
    assert loaded["database"] == {"data_dir": str(tmp_path / "a: {b}")}


def test_the_database_of_a_server_goes_before_an_embedded_one(tmp_path: Path) -> None:
    file = tmp_path / "the: url"
    file.write_text("postgresql://demo:a%40b@db/demo\n")
    config = tmp_path / "config.yaml"
    text = config_text(tmp_path, listen="[::1]:0", data_dir=tmp_path / "data", url_file=file)
    config.write_text(text)
    database = load(config, {}).database
    assert database.data_dir is None
    assert database.url is not None
    assert database.url.get_secret_value() == "postgresql://demo:a%40b@db/demo"


def test_it_names_every_account_of_the_bills_and_its_owner(tmp_path: Path) -> None:
    accounts = yaml.safe_load(config_text(tmp_path, listen="127.0.0.1:9836"))["accounts"]
    billed = {
        (account.provider.key, account.id, account.name)
        for account in (row.item.account for row in charges(NOW, months=1))
    }
    assert {(each["provider"], each["id"], each["name"]) for each in accounts} == billed
    assert {each["owner"] for each in accounts} == {"platform", "data", "payments"}
    assert all(list(each) == ["provider", "id", "name", "owner"] for each in accounts)


def test_it_explains_each_section(tmp_path: Path) -> None:
    text = config_text(tmp_path, listen="127.0.0.1:9836")
    assert text.count("\n# ") >= 4
    assert text.endswith("\n")
