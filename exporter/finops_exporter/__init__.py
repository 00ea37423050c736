"""Cloud billing and AI-token budgets as Prometheus metrics."""

__version__ = "0.1.0"
