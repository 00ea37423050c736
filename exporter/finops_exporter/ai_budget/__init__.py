"""AI budgets: what a call costs, whether it may be made, and what was spent."""
