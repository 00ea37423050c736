"""All commands, those of modules of their own as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from finops_exporter.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def commands() -> Mapping[str, click.Command]:
    """The commands by their names."""
    return dict(_below(main))


def all_commands() -> Mapping[str, click.Command]:
    """Whatever can be called, by all the words that call it; no groups."""
    return dict(_leaves("", main))


def _leaves(words: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, below in _below(command):
            yield from _leaves(f"{words} {name}".strip(), below)
    else:
        yield words, command


def _below(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield name, command
