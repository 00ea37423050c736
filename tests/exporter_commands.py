"""All commands, those of modules of their own as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from finops_exporter.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping


def commands() -> Mapping[str, click.Command]:
    """The commands by their names."""
    context = click.Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def below_of(command: click.Command) -> list[str]:
    """The names of the commands below a group; none of any other command."""
    if not isinstance(command, click.Group):
        return []
    return command.list_commands(click.Context(command))
