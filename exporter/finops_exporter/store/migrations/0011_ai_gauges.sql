-- The metrics of AI budgets read the current months of all tenants every few seconds: not by way of
-- all months that ever were. The month of a row never changes, so counting stays as cheap as it was.
CREATE INDEX budget_period_month ON budget_period (period_start, model);
