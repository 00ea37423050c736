-- The store as it was at a past moment: in a transaction that is rolled back, views that have the names
-- of its tables stand before them (PostgreSQL looks for temporary ones first). What a moment is compared
-- with are two settings, so that the views are made once:
--   finops_exporter.as_of  the moment
--   finops_exporter.cut    its UTC day: of days, only those before it are known for certain
-- Amounts are those that are stored now: as restated so far. Budgets, names and series are those of now.


-- ---- Costs -------------------------------------------------------------------------------------

-- name: set_as_of
SELECT set_config('finops_exporter.as_of', %(at)s::timestamptz::text, true),
       set_config('finops_exporter.cut', (%(at)s::timestamptz AT TIME ZONE 'UTC')::date::text, true);

-- name: create_past
-- A name inside a view means what it meant before the view was there: first the tables, and of what
-- has a view already, that. Hence the order.
CREATE TEMPORARY TABLE past_months (LIKE cost_months) ON COMMIT DROP;
CREATE TEMPORARY TABLE past_part_months (LIKE cost_part_months) ON COMMIT DROP;
CREATE TEMPORARY TABLE past_thresholds (
    budget_id integer, period_start date, threshold numeric, reached_at timestamptz
) ON COMMIT DROP;

CREATE TEMPORARY VIEW cost_facts AS
SELECT * FROM cost_facts WHERE day < current_setting('finops_exporter.cut')::date;

CREATE TEMPORARY VIEW cost_days AS
SELECT * FROM cost_days WHERE day < current_setting('finops_exporter.cut')::date;

CREATE TEMPORARY VIEW cost_account_days AS
SELECT * FROM cost_account_days WHERE day < current_setting('finops_exporter.cut')::date;

-- Months that were over, and the one that was not, of which the days are added up.
CREATE TEMPORARY VIEW cost_months AS
SELECT * FROM cost_months
WHERE month < date_trunc('month', current_setting('finops_exporter.cut')::date)::date
UNION ALL SELECT * FROM past_months;

CREATE TEMPORARY VIEW cost_part_months AS
SELECT * FROM cost_part_months
WHERE month < date_trunc('month', current_setting('finops_exporter.cut')::date)::date
UNION ALL SELECT * FROM past_part_months;

-- What a part covers by days that were still to come did not count. A part without any day before
-- the cut says nothing: it may be what came after a gap.
CREATE TEMPORARY VIEW cost_coverage AS
SELECT c.part_id, c.provider,
       least(c.covered_until,
             current_setting('finops_exporter.cut')::timestamp AT TIME ZONE 'UTC') AS covered_until
FROM cost_coverage c
WHERE EXISTS (SELECT FROM cost_part_months m
              WHERE m.part_id = c.part_id AND m.provider = c.provider);

-- What a source said of a month that was still running is not known any more.
CREATE TEMPORARY VIEW cost_controls AS
SELECT * FROM cost_controls c
WHERE c.month < date_trunc('month', current_setting('finops_exporter.cut')::date)::date
  AND NOT EXISTS (SELECT FROM past_part_months m WHERE m.part_id = c.part_id);

CREATE TEMPORARY VIEW cost_restatements AS
SELECT * FROM cost_restatements r
WHERE EXISTS (SELECT FROM source_runs s
              WHERE s.run_id = r.run_id
                AND s.finished_at <= current_setting('finops_exporter.as_of')::timestamptz);

-- What was reached is seen again day by day, and stays so until the period ends.
CREATE TEMPORARY VIEW budget_thresholds AS
SELECT * FROM budget_thresholds
WHERE reached_at <= current_setting('finops_exporter.as_of')::timestamptz
UNION ALL SELECT * FROM past_thresholds;

CREATE TEMPORARY VIEW planned_changes AS
SELECT * FROM planned_changes
WHERE announced_at <= current_setting('finops_exporter.as_of')::timestamptz;

CREATE TEMPORARY VIEW cost_anomalies AS
SELECT anomaly_id, provider, account_id, service, day,
       CASE WHEN decided_at <= current_setting('finops_exporter.as_of')::timestamptz
            THEN status ELSE 'open' END AS status
FROM cost_anomalies;

-- As migration 0007 has it: a view keeps the tables that it was made with, so it is made anew on these.
CREATE TEMPORARY VIEW announced_anomalies AS
SELECT a.anomaly_id, p.change_id, p.note
FROM cost_anomalies a
JOIN planned_changes p
  ON a.day BETWEEN p.since AND p.until
 AND coalesce(p.provider, a.provider) = a.provider
 AND coalesce(p.account_id, a.account_id) = a.account_id
 AND coalesce(p.service, a.service) = a.service;

-- Only the newest answer is kept.
CREATE TEMPORARY VIEW customer_counts AS
SELECT * FROM customer_counts
WHERE asked_at <= current_setting('finops_exporter.as_of')::timestamptz;

-- How sources were doing is no part of the history: it is known of the newest run alone, or would be
-- told too late.
CREATE TEMPORARY VIEW anomaly_progress AS SELECT * FROM anomaly_progress WHERE false;
CREATE TEMPORARY VIEW source_runs AS SELECT * FROM source_runs WHERE false;
CREATE TEMPORARY VIEW cost_rejections AS SELECT * FROM cost_rejections WHERE false;
CREATE TEMPORARY VIEW cost_notices AS SELECT * FROM cost_notices WHERE false;
CREATE TEMPORARY VIEW api_requests AS SELECT * FROM api_requests WHERE false;
CREATE TEMPORARY VIEW api_spending AS SELECT * FROM api_spending WHERE false;

-- name: empty_past_months
TRUNCATE past_months, past_part_months;

-- name: fill_past_months
-- The month of the cut, as far as it goes.
WITH sums AS MATERIALIZED (
    SELECT part_id, series_id, sum(billed) AS billed, sum(effective) AS effective, count(*) AS facts
    FROM cost_facts
    WHERE day >= date_trunc('month', current_setting('finops_exporter.cut')::date)::date
    GROUP BY 1, 2
), by_series AS (
    INSERT INTO past_months (month, series_id, billed, effective, facts)
    SELECT date_trunc('month', current_setting('finops_exporter.cut')::date)::date, series_id,
           sum(billed), sum(effective), sum(facts)
    FROM sums GROUP BY 2
)
INSERT INTO past_part_months (part_id, provider, month, currency, cut, billed, effective, facts)
SELECT s.part_id, g.provider,
       date_trunc('month', current_setting('finops_exporter.cut')::date)::date, g.currency, g.cut,
       sum(s.billed), sum(s.effective), sum(s.facts)
FROM sums s
JOIN cost_series c USING (series_id)
JOIN cost_groups g USING (group_id)
GROUP BY 1, 2, 4, 5;

-- name: latch_past_thresholds
INSERT INTO past_thresholds (budget_id, period_start, threshold)
SELECT b.budget_id, n.period_start, n.threshold
FROM unnest(%(names)s::text[], %(starts)s::date[], %(thresholds)s::numeric[])
     AS n(name, period_start, threshold)
JOIN budgets b ON b.budget_name = n.name AND b.active;


-- ---- AI budgets --------------------------------------------------------------------------------

-- name: oldest_call
SELECT min(time) FROM ai_token_usage;

-- name: create_past_ai
-- Calls by the time at which they were made; what nobody reported, when it was charged. A repetition of
-- an id counted nothing.
CREATE TEMPORARY VIEW past_calls AS
SELECT u.time AS at, u.tenant_id, u.model,
       coalesce(r.tenant_period, ai_period(u.time, coalesce(t.timezone, 'UTC'))) AS tenant_period,
       coalesce(r.model_period, ai_period(u.time, coalesce(m.timezone, t.timezone, 'UTC')))
           AS model_period,
       u.cost_usd, 1 AS requests, u.input_tokens, u.output_tokens, u.cache_read_tokens,
       u.cache_write_tokens + u.cache_write_1h_tokens AS cache_write_tokens, u.report_type
FROM ai_token_usage u
LEFT JOIN ai_reservations r USING (request_id)
LEFT JOIN ai_token_budgets t ON (t.tenant_id, t.model) = (u.tenant_id, '*')
LEFT JOIN ai_token_budgets m ON (m.tenant_id, m.model) = (u.tenant_id, u.model)
WHERE u.cost_usd IS NOT NULL
  AND NOT EXISTS (SELECT FROM ai_token_usage e
                  WHERE e.request_id = u.request_id AND e.time < u.time)
UNION ALL
SELECT ended_at, tenant_id, model, tenant_period, model_period, charged_usd, 0, 0, 0, 0, 0, NULL
FROM ai_reservations WHERE state = 'X';

CREATE TEMPORARY TABLE budget_period (
    LIKE budget_period INCLUDING DEFAULTS INCLUDING INDEXES
) ON COMMIT DROP;

CREATE TEMPORARY TABLE ai_usage_buckets (
    LIKE ai_usage_buckets INCLUDING INDEXES
) ON COMMIT DROP;

-- Which calls were under way is not known any more.
CREATE TEMPORARY VIEW ai_reservations AS SELECT * FROM ai_reservations WHERE false;

-- name: add_past_calls
-- Beginnings and ends are multiples of five minutes.
WITH calls AS MATERIALIZED (
    SELECT * FROM past_calls
    WHERE at >= coalesce(%(since)s::timestamptz, '-infinity') AND at < %(until)s
), periods AS (
    INSERT INTO budget_period AS b (tenant_id, model, period_start, spent_usd, requests, input_tokens,
                                    output_tokens, cache_read_tokens, cache_write_tokens)
    SELECT tenant_id, model, period_start, sum(cost_usd), sum(requests), sum(input_tokens),
           sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens)
    FROM (
        SELECT tenant_id, '*' AS model, tenant_period AS period_start, cost_usd, requests,
               input_tokens, output_tokens, cache_read_tokens, cache_write_tokens
        FROM calls
        UNION ALL
        SELECT tenant_id, model, model_period, cost_usd, requests, input_tokens, output_tokens,
               cache_read_tokens, cache_write_tokens
        FROM calls WHERE model <> '*'
    ) c
    GROUP BY 1, 2, 3
    ON CONFLICT (tenant_id, model, period_start) DO UPDATE
    SET spent_usd = b.spent_usd + EXCLUDED.spent_usd, requests = b.requests + EXCLUDED.requests,
        input_tokens = b.input_tokens + EXCLUDED.input_tokens,
        output_tokens = b.output_tokens + EXCLUDED.output_tokens,
        cache_read_tokens = b.cache_read_tokens + EXCLUDED.cache_read_tokens,
        cache_write_tokens = b.cache_write_tokens + EXCLUDED.cache_write_tokens
)
INSERT INTO ai_usage_buckets (tenant_id, report_type, bucket_start, requests, tokens, cost_usd)
SELECT tenant_id, report_type, date_bin('5 min', at, timestamptz '2000-01-01 00:00Z'), sum(requests),
       sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens), sum(cost_usd)
FROM calls WHERE report_type IS NOT NULL
GROUP BY 1, 2, 3;

-- name: forget_past_calls
-- Sums of months stay.
DELETE FROM ai_usage_buckets WHERE bucket_start < %(before)s;
