-- What each source did, what it left out, and what it changed afterwards.

CREATE TABLE source_runs (
    run_id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source             text NOT NULL,
    started_at         timestamptz NOT NULL,
    finished_at        timestamptz,
    window_since       date,
    window_until       date,
    parts              integer NOT NULL DEFAULT 0,
    rows               bigint NOT NULL DEFAULT 0,
    rejected_rows      bigint NOT NULL DEFAULT 0,
    requests           integer NOT NULL DEFAULT 0,
    estimated_cost_usd numeric NOT NULL DEFAULT 0,
    outcome            text NOT NULL DEFAULT 'running'
        CHECK (outcome IN ('running', 'succeeded', 'partial', 'failed', 'killed')),
    error              text
);
CREATE INDEX source_runs_source ON source_runs (source, run_id DESC);
COMMENT ON COLUMN source_runs.window_until IS 'the last day of the window (inclusive)';

-- What a source's newest run left out; the next run replaces it.
CREATE TABLE cost_rejections (
    source      text NOT NULL,
    part        text NOT NULL,
    reason      text NOT NULL,
    row_number  bigint,
    column_name text,
    message     text NOT NULL,
    rows        bigint NOT NULL,
    PRIMARY KEY (source, part)
);

-- A day that was complete and stored, and then changed. `moved` adds up the absolute changes of the
-- series (money that went from one service to another counts twice), `change` is the net.
CREATE TABLE cost_restatements (
    run_id           bigint NOT NULL REFERENCES source_runs,
    provider         text NOT NULL,
    account_id       text NOT NULL,
    day              date NOT NULL,
    currency         text NOT NULL,
    billed_change    numeric NOT NULL,
    billed_moved     numeric NOT NULL,
    effective_change numeric NOT NULL,
    effective_moved  numeric NOT NULL,
    PRIMARY KEY (run_id, provider, account_id, day, currency)
);
