-- Sources that can give the same money only in several cuts, and what asking them costs.

-- Which cuts of the same money a source has given for a month: sums take exactly one of them.
CREATE TABLE cost_cuts (
    provider text NOT NULL,
    month    date NOT NULL,
    source   text NOT NULL,
    cut      text NOT NULL,
    facts    bigint NOT NULL,
    PRIMARY KEY (provider, month, source, cut)
);
INSERT INTO cost_cuts (provider, month, source, cut, facts)
SELECT g.provider, date_trunc('month', f.day)::date, p.source, g.cut, count(*)
FROM cost_facts f
JOIN cost_series s USING (series_id)
JOIN cost_groups g USING (group_id)
JOIN cost_parts p USING (part_id)
GROUP BY 1, 2, 3, 4;

-- The total of a part is the total of its cut.
ALTER TABLE cost_controls
    ADD COLUMN cut text NOT NULL DEFAULT 'account,charge_category,region,service,tags';

-- What each source has paid on a day (UTC): one row that every request must pass, so that the day's
-- cap holds whatever dies and however many processes ask.
CREATE TABLE api_spending (
    source   text NOT NULL,
    day      date NOT NULL,
    cost_usd numeric NOT NULL,
    cap_usd  numeric NOT NULL,
    PRIMARY KEY (source, day)
);

-- The same by API, for the counters of /metrics.
CREATE TABLE api_requests (
    source   text NOT NULL,
    provider text NOT NULL,
    api      text NOT NULL,
    requests bigint NOT NULL,
    retries  bigint NOT NULL,
    cost_usd numeric NOT NULL,
    PRIMARY KEY (source, provider, api)
);

-- What a source's newest run kept although it did not understand it, or did without.
CREATE TABLE cost_notices (
    source  text NOT NULL,
    reason  text NOT NULL,
    message text NOT NULL,
    rows    bigint NOT NULL,
    PRIMARY KEY (source, reason, message)
);

-- The wide shape for people who write SQL: of every source, the cut that knows services and regions.
-- What that cut does not know is NULL. A row is a fact, so several files may give rows with equal
-- dimensions; add them up.
CREATE OR REPLACE VIEW cloud_costs AS
SELECT f.day::timestamp AT TIME ZONE 'UTC' AS time,
       g.provider                          AS cloud_provider,
       g.account_id,
       g.service,
       s.region,
       f.billed                            AS cost,
       g.currency,
       NULL::text                          AS resource_id,
       NULL::text                          AS resource_name,
       CASE WHEN g.cut LIKE '%tags' THEN s.tags END AS tags,
       s.tags ->> 'project'                AS project,
       s.tags ->> 'team'                   AS team,
       s.tags ->> 'environment'            AS environment,
       CASE WHEN g.cut LIKE '%charge_category%' THEN g.charge_category END AS charge_category,
       f.effective                         AS effective_cost,
       f.estimated,
       p.source
FROM cost_facts f
JOIN cost_series s USING (series_id)
JOIN cost_groups g USING (group_id)
JOIN cost_parts p USING (part_id)
WHERE g.cut IN ('account,charge_category,region,service,tags', 'account,region,service');
