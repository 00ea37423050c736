-- Days on which a service cost more than it had reason to, and what people said of them. A day that is
-- judged again (it was restated) is updated; one that is no anomaly any more is withdrawn, not deleted.
CREATE TABLE cost_anomalies (
    anomaly_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider           text NOT NULL,
    account_id         text NOT NULL,
    service            text NOT NULL,
    day                date NOT NULL,
    kind               text NOT NULL,
    method             text NOT NULL,
    score              double precision,
    expected_usd       numeric NOT NULL,
    actual_usd         numeric NOT NULL,
    excess_usd         numeric NOT NULL,
    status             text NOT NULL DEFAULT 'open'
        CHECK (status IN ('open', 'acknowledged', 'false_positive')),
    note               text,
    decided_by         text,
    decided_at         timestamptz,
    decided_excess_usd numeric,
    decided_like       bigint REFERENCES cost_anomalies,
    found_at           timestamptz NOT NULL,
    judged_at          timestamptz NOT NULL,
    withdrawn_at       timestamptz,
    UNIQUE (provider, account_id, service, day)
);
CREATE INDEX cost_anomalies_day ON cost_anomalies (day);
CREATE INDEX cost_anomalies_like ON cost_anomalies (decided_like);
COMMENT ON COLUMN cost_anomalies.score IS 'log-ratio in units of the usual scatter; NULL for a new service';
COMMENT ON COLUMN cost_anomalies.decided_excess_usd IS 'the excess that the decision was about';
COMMENT ON COLUMN cost_anomalies.decided_like IS 'the one whose decision this one follows; NULL: none';

-- How far the days of a provider were judged, so that a catch-up of several days judges each of them.
CREATE TABLE anomaly_progress (
    provider     text PRIMARY KEY,
    judged_until date NOT NULL
);
COMMENT ON COLUMN anomaly_progress.judged_until IS 'the newest judged day (UTC, inclusive)';

-- What was announced: anomalies of these days (inclusive) are found, but alert nobody. NULL: any.
CREATE TABLE planned_changes (
    change_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider     text,
    account_id   text,
    service      text,
    since        date NOT NULL,
    until        date NOT NULL,
    note         text NOT NULL,
    announced_by text NOT NULL,
    announced_at timestamptz NOT NULL,
    CHECK (since <= until),
    CHECK (coalesce(provider, account_id, service) IS NOT NULL)
);

-- Which announcements an anomaly falls under.
CREATE VIEW announced_anomalies AS
SELECT a.anomaly_id, p.change_id, p.note
FROM cost_anomalies a
JOIN planned_changes p
  ON a.day BETWEEN p.since AND p.until
 AND coalesce(p.provider, a.provider) = a.provider
 AND coalesce(p.account_id, a.account_id) = a.account_id
 AND coalesce(p.service, a.service) = a.service;
