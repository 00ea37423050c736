"""The group `ai`; each command below it is a module of its own, imported when it is asked for."""

from __future__ import annotations

import click

from finops_exporter import logs
from finops_exporter.command_line import Commands

ELSEWHERE = {
    "import": "finops_exporter.ai_usage_command:import_",
    "price": "finops_exporter.ai_price_command",
    "remove": "finops_exporter.ai_tenant_command",
    "set": "finops_exporter.ai_tenant_command:set_",
    "status": "finops_exporter.ai_tenant_command",
    "tenants": "finops_exporter.ai_tenant_command",
    "tokens": "finops_exporter.ai_tokens_command",
    "usage": "finops_exporter.ai_usage_command",
}


@click.group(cls=Commands, elsewhere=ELSEWHERE, short_help="Prices and budgets of AI tokens.")
def ai() -> None:
    """What calls of AI models cost, and what may be spent on them."""
    logs.configure(quiet=True)
