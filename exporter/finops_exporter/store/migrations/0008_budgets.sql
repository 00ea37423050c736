-- What may be spent, how far it was spent on each day, and which thresholds were reached.

-- A budget is ended, never deleted: its history stays, and one of the same name takes it up again.
CREATE TABLE budgets (
    budget_id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    budget_name      text NOT NULL UNIQUE,
    scope_type       text NOT NULL CHECK (scope_type IN (
        'organization', 'provider', 'account', 'project', 'team', 'service', 'environment')),
    scope_value      text NOT NULL,
    provider         text,
    amount           numeric NOT NULL CHECK (amount > 0),
    currency         text NOT NULL,
    period           text NOT NULL CHECK (period IN ('monthly', 'quarterly', 'yearly')),
    time_zone        text NOT NULL,
    basis            text NOT NULL CHECK (basis IN ('billed', 'effective')),
    include_credits  boolean NOT NULL,
    alert_thresholds numeric[] NOT NULL,
    alert_channels   text[] NOT NULL,
    owner            text NOT NULL,
    source           text NOT NULL CHECK (source IN ('config', 'cli')),
    created_by       text NOT NULL,
    created_at       timestamptz NOT NULL,
    changed_at       timestamptz NOT NULL,
    active           boolean NOT NULL DEFAULT true
);
COMMENT ON COLUMN budgets.scope_value IS 'empty for the organization';
COMMENT ON COLUMN budgets.provider IS 'the scope counts only the costs of this one';
COMMENT ON COLUMN budgets.alert_thresholds IS 'percents of the amount, ascending';

-- A threshold that was reached stays reached until the period ends, whoever looks and whatever is
-- credited; only what changes the meaning of the budget takes it back.
CREATE TABLE budget_thresholds (
    budget_id    integer NOT NULL REFERENCES budgets,
    period_start date NOT NULL,
    threshold    numeric NOT NULL,
    reached_at   timestamptz NOT NULL,
    PRIMARY KEY (budget_id, period_start, threshold)
);

-- How a budget stood at the end of each complete day, as restated so far; in its own currency.
CREATE TABLE budget_status_history (
    budget_id    integer NOT NULL REFERENCES budgets,
    day          date NOT NULL,
    period_start date NOT NULL,
    amount       numeric NOT NULL,
    spent        numeric NOT NULL,
    burn_rate    numeric,
    exhausted_at timestamptz,
    on_track     boolean,
    currency     text NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (budget_id, day)
);
COMMENT ON COLUMN budget_status_history.spent IS 'from the first day of the period through this day';
COMMENT ON COLUMN budget_status_history.burn_rate IS 'an amount a day, over the settled days';

-- How many customers there are, to divide costs by. A failed question keeps the last answer and says
-- what went wrong.
CREATE TABLE customer_counts (
    window_name text PRIMARY KEY CHECK (window_name IN ('current', 'previous')),
    customers   numeric,
    until       date,
    asked_at    timestamptz NOT NULL,
    error       text
);
COMMENT ON COLUMN customer_counts.until IS 'the first day after both windows';
