"""What the commands have in common to ask for: a configuration, a day."""

from __future__ import annotations

import os
from datetime import MAXYEAR, MINYEAR, date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finops_exporter.config import Config, default, load

if TYPE_CHECKING:
    from collections.abc import Callable


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
