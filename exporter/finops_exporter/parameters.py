"""What the commands have in common to ask for: a configuration, a day, flags that override."""

from __future__ import annotations

import getpass
import os
from datetime import MAXYEAR, MINYEAR, date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from finops_exporter.config import Config, default, load
from finops_exporter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Day(click.ParamType[date]):
    """A day such as 2026-01-31, of a year that calculations can still go beyond."""

    name = "day"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        """Read the day; fails with what would be right."""
        try:
            found = date.fromisoformat(str(value))
        except ValueError:
            found = None
        if found is None or found.year in {MINYEAR, MAXYEAR}:
            self.fail(f"must be a day such as 2026-01-31, not {value!r}", param, ctx)
        return found


DAY = Day()


def config_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Every command's --config; the command gets the loaded configuration as `config`."""

    def read(_ctx: click.Context, _option: click.Parameter, path: Path | None) -> Config:
        return load(path, os.environ) if path else default(os.environ)

    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="FINOPS_CONFIG",
        callback=read,
        help="The configuration file (or $FINOPS_CONFIG); without one, the defaults hold.",
    )(function)


def system_user() -> str:
    """Whoever runs the command, as the system calls them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in many containers
        return f"uid {os.getuid()}"


_FLAGS: dict[str, tuple[str, Mapping[str, Any]]] = {
    # The name says which key of the configuration it overrides.
    "server__listen": ("--web.listen-address", {"metavar": "HOST:PORT"}),
    "server__telemetry_path": ("--web.telemetry-path", {"metavar": "PATH"}),
    "server__web_config_file": (
        "--web.config.file",
        {"type": click.Path(path_type=Path, dir_okay=False)},
    ),
    "ai__listen": ("--ai.listen-address", {"metavar": "HOST:PORT"}),
    "log__level": (
        "--log.level",
        {"type": click.Choice(["debug", "info", "warn", "warning", "error"])},
    ),
    "log__format": ("--log.format", {"type": click.Choice(["console", "json", "logfmt"])}),
}


def flags_of_exporters(function: Callable[..., Any]) -> Callable[..., Any]:
    """The flags by the names that other exporters give them; see `overridden`."""
    for name, (flag, details) in reversed(_FLAGS.items()):
        text = f"Overrides {name.replace('__', '.')}."
        function = click.option(flag, name, help=text, **details)(function)
    return function


def overridden(config: Config, flags: Mapping[str, object]) -> Config:
    """The configuration with the flags that are given; raises UsageError for a wrong one."""
    for name, value in flags.items():
        if value is None:
            continue
        section, _, key = name.partition("__")
        before = getattr(config, section)
        try:
            after = type(before)(**{**dict(before), key: value})
        except ValidationError as error:
            cause = error.errors()[0]["ctx"]["error"]
            raise UsageError(f"{_FLAGS[name][0]}: {cause}, not {value!r}") from error
        config = config.model_copy(update={section: after})
    return config
