"""Deterministic, realistic billing for a first look: three clouds, 14 months, anchored at today.

`charges` computes it, `generate` writes it as FOCUS files, `config_text` configures their reading
and the budgets that `budgets` makes to fit.
"""

from finops_exporter.demo.billing import Charge, charges
from finops_exporter.demo.configuration import config_text
from finops_exporter.demo.files import DemoFiles, Totals, generate
from finops_exporter.demo.limits import DemoBudget, budgets

__all__ = [
    "Charge",
    "DemoBudget",
    "DemoFiles",
    "Totals",
    "budgets",
    "charges",
    "config_text",
    "generate",
]
