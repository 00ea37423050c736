from __future__ import annotations

import sys
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from finops_exporter.command_line import Commands
from finops_exporter.errors import UsageError


@click.command()
def price() -> None:
    click.echo("a price")


@click.command("import")
def import_usage() -> None:
    raise UsageError("not like that")


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """A group below a group, whose commands stand in another module."""
    module = ModuleType("some_commands")
    vars(module).update(price=price, import_usage=import_usage)
    monkeypatch.setitem(sys.modules, "some_commands", module)
    below = {"price": "some_commands", "import": "some_commands:import_usage"}
    return Commands("main", elsewhere={}, commands={"ai": Commands("ai", elsewhere=below)})


def test_a_command_elsewhere_has_the_same_name_or_the_one_behind_a_colon(main: Commands) -> None:
    runner = CliRunner()
    assert runner.invoke(main, ["ai", "price"]).stdout == "a price\n"
    assert "  import" in runner.invoke(main, ["ai", "--help"]).stdout
    assert runner.invoke(main, ["ai", "nonsense"]).exit_code == 2


def test_an_error_below_a_group_is_told_once(main: Commands) -> None:
    result = CliRunner().invoke(main, ["ai", "import"])
    assert (result.exit_code, result.stderr) == (2, "finops-exporter: not like that\n")
