"""Deterministic, realistic billing for a first look: three clouds, 14 months, anchored at today.

`charges` computes it, `generate` writes it as FOCUS files, `config_text` configures their reading.
"""

from finops_exporter.demo.billing import Charge, charges
from finops_exporter.demo.configuration import config_text
from finops_exporter.demo.files import DemoFiles, Totals, generate

__all__ = ["Charge", "DemoFiles", "Totals", "charges", "config_text", "generate"]
