-- Billed money, narrow: a fact is (day, series, part) with two amounts, everything else is looked up.
-- Amounts are unconstrained numeric: providers bill with up to 28 decimals and none may be lost.

-- One row for each generation of the stored values; a reader that sees the same number sees the
-- same data.
CREATE TABLE store_state (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    generation bigint NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO store_state DEFAULT VALUES;

-- The dimensions that analyses look at day by day. `cut` names the set of dimensions that its facts
-- know; each cut adds up to the provider's whole total, so sums never cross cuts.
CREATE TABLE cost_groups (
    group_id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cut             text NOT NULL,
    provider        text NOT NULL,
    account_id      text NOT NULL,
    service         text NOT NULL,
    charge_category text NOT NULL,
    currency        text NOT NULL,
    UNIQUE (provider, account_id, service, charge_category, currency, cut)
);

-- A series is a group with its region and its configured tags.
CREATE TABLE cost_series (
    series_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_id  integer NOT NULL REFERENCES cost_groups,
    region    text NOT NULL,
    tags      jsonb NOT NULL,
    UNIQUE (group_id, region, tags)
);

-- What a source declares complete and replaces as one: a file, or the whole source ("").
CREATE TABLE cost_parts (
    part_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      text NOT NULL,
    part        text NOT NULL,
    fingerprint text NOT NULL,
    loaded_at   timestamptz NOT NULL,
    UNIQUE (source, part)
);

-- Becomes a hypertable on `day` where TimescaleDB is installed (store/timescale.sql).
CREATE TABLE cost_facts (
    day       date NOT NULL,
    series_id integer NOT NULL REFERENCES cost_series,
    part_id   integer NOT NULL REFERENCES cost_parts,
    billed    numeric NOT NULL,
    effective numeric NOT NULL,
    estimated boolean NOT NULL,
    PRIMARY KEY (day, series_id, part_id)
);
CREATE INDEX cost_facts_part ON cost_facts (part_id, day);

-- Rollups, kept by the same transaction that changes the facts, by adding differences. `facts`
-- counts the facts below a row, so that a row disappears with its last fact.
CREATE TABLE cost_months (
    month     date NOT NULL,
    series_id integer NOT NULL REFERENCES cost_series,
    billed    numeric NOT NULL,
    effective numeric NOT NULL,
    facts     bigint NOT NULL,
    PRIMARY KEY (month, series_id)
);
CREATE TABLE cost_days (
    day       date NOT NULL,
    group_id  integer NOT NULL REFERENCES cost_groups,
    billed    numeric NOT NULL,
    effective numeric NOT NULL,
    facts     bigint NOT NULL,
    PRIMARY KEY (day, group_id)
);
-- Who said what about an account's day: two sources of the same money would count it twice.
CREATE TABLE cost_account_days (
    provider   text NOT NULL,
    account_id text NOT NULL,
    day        date NOT NULL,
    source     text NOT NULL,
    facts      bigint NOT NULL,
    PRIMARY KEY (provider, account_id, day, source)
);

-- How far a part's usage reaches, for telling complete days from the others.
CREATE TABLE cost_coverage (
    part_id       integer NOT NULL REFERENCES cost_parts ON DELETE CASCADE,
    provider      text NOT NULL,
    covered_until timestamptz NOT NULL,
    PRIMARY KEY (part_id, provider)
);

-- The source's own totals, to hold the sum of our facts against.
CREATE TABLE cost_controls (
    part_id   integer NOT NULL REFERENCES cost_parts ON DELETE CASCADE,
    provider  text NOT NULL,
    month     date NOT NULL,
    currency  text NOT NULL,
    billed    numeric NOT NULL,
    effective numeric NOT NULL,
    PRIMARY KEY (part_id, provider, month, currency)
);

CREATE TABLE cost_accounts (
    provider           text NOT NULL,
    account_id         text NOT NULL,
    account_name       text,
    billing_account_id text,
    named_on           date NOT NULL,
    PRIMARY KEY (provider, account_id)
);
