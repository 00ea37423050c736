"""`python -m finops_exporter` is the command."""

from finops_exporter.cli import main

main(prog_name="finops-exporter")
