"""Deterministic, realistic billing for a first look: three clouds, 14 months, anchored at today.

`charges` computes it, `generate` writes it as FOCUS files, `config_text` configures their reading
and the budgets that `budgets` makes to fit. `ai_usage` invents what tenants use of AI, within the
limits of `ai_budgets`.
"""

from finops_exporter.demo.ai import ai_budgets, ai_usage, refused_call
from finops_exporter.demo.billing import Charge, charges
from finops_exporter.demo.configuration import config_text
from finops_exporter.demo.files import DemoFiles, Totals, generate
from finops_exporter.demo.limits import DemoBudget, budgets

__all__ = [
    "Charge",
    "DemoBudget",
    "DemoFiles",
    "Totals",
    "ai_budgets",
    "ai_usage",
    "budgets",
    "charges",
    "config_text",
    "generate",
    "refused_call",
]
