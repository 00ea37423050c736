"""The group `ai`; each command below it is a module of its own, imported when it is asked for."""

from __future__ import annotations

import click

from finops_exporter import logs
from finops_exporter.command_line import Commands

ELSEWHERE = {
    "price": "finops_exporter.ai_price_command",
    "tokens": "finops_exporter.ai_tokens_command",
}


@click.group(cls=Commands, elsewhere=ELSEWHERE, short_help="Prices and budgets of AI tokens.")
def ai() -> None:
    """What calls of AI models cost, and what may be spent on them."""
    logs.configure(quiet=True)
