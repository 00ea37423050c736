"""What all commands share: errors as one sentence, exit codes, and an orderly end by a signal."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from finops_exporter.errors import ConfigError, FinopsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from finops_exporter.one_run import Report

PARTIAL = 3
"""Exit code: done, but something was left out."""

EXIT_CODES = """
Exit codes: 0 done (for what runs until a signal: ended by one) · 1 failed · 2 wrong usage or
configuration · 3 done, but something was left out (rejected files) · 130 or 143 cut short by a
signal.
"""


class Commands(click.Group):
    """Prints our own errors as one sentence and turns them into exit codes.

    `elsewhere` names commands by their modules, which are imported only when they are asked for:
    a process that runs for months shall not hold what it never uses. The module calls the command
    by the same name, or by the one that stands behind a colon.
    """

    def __init__(self, *args: Any, elsewhere: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._elsewhere = elsewhere

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, sorted."""
        return sorted([*super().list_commands(ctx), *self._elsewhere])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name in self._elsewhere:
            module, _, name = self._elsewhere[cmd_name].partition(":")
            found: click.Command = getattr(import_module(module), name or cmd_name)
            return found
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except FinopsError as error:
            # Lines of a configuration's mistakes begin with file:line, for the editor to jump to.
            name = "" if isinstance(error, ConfigError) else "finops-exporter: "
            click.echo(f"{name}{error}", err=True)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            # The reader of our output went away (`| head`): nothing to say, nobody to say it to.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(1)


def exit_for(reports: Sequence[Report]) -> None:
    """Leave with the exit code that the runs deserve; return when all went well."""
    outcomes = {report.outcome for report in reports}
    if "failed" in outcomes:
        sys.exit(1)
    if outcomes & {"partial", "skipped"}:
        sys.exit(PARTIAL)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Leave through the `finally` blocks, so that no server and no child process stays behind."""

    def leave(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
