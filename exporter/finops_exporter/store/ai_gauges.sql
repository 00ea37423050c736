-- What the metrics of AI budgets show, as of a moment that is passed in.


-- ---- Every refresh -----------------------------------------------------------------------------

-- name: ai_oldest_month
-- The oldest month that is the current one by the clock of any budget; before it nothing needs reading.
SELECT least(min(ai_period(%(now)s, timezone)), ai_period(%(now)s, 'UTC'))
FROM (SELECT DISTINCT timezone FROM ai_token_budgets) zones;

-- name: ai_everybody
-- All tenants together, and which of them are listed: at most %(most)s, first those who have used half
-- of a budget or more, the most used first, then those who have spent most. Tenants are those with a
-- budget and those who have used anything in this month or the one before.
--
-- How budgets stand is said as in the function ai_budget_states, but of all tenants at once: OFFSET 0
-- has their months read in one go, where the planner would look 10,000 budgets up one by one.
WITH budgets AS (
    SELECT b.tenant_id, max(ai_share(coalesce(s.spent_usd, 0), b.monthly_limit_usd)) AS share,
           bool_or(coalesce(s.spent_usd, 0) >= b.monthly_limit_usd
                   OR coalesce(b.monthly_limit_usd <= s.refused_limit_usd, false)) AS exceeded,
           bool_or(coalesce(s.spent_usd, 0) >= b.monthly_limit_usd * b.soft_limit_ratio) AS warns
    FROM ai_token_budgets b
    LEFT JOIN (
        SELECT tenant_id, model, period_start, spent_usd, refused_limit_usd FROM budget_period
        WHERE period_start >= %(since)s OFFSET 0
    ) s ON (s.tenant_id, s.model, s.period_start) = (
            b.tenant_id, b.model, ai_period(%(now)s, b.timezone))
    GROUP BY b.tenant_id
), spending AS (
    SELECT s.tenant_id,
           sum(s.spent_usd) FILTER (
               WHERE s.period_start = ai_period(%(now)s, coalesce(b.timezone, 'UTC'))) AS spent_usd
    FROM budget_period s
    LEFT JOIN ai_token_budgets b ON b.tenant_id = s.tenant_id AND b.model = '*'
    WHERE s.model = '*'
      AND s.period_start >= (date_trunc('month', %(now)s::timestamptz) - interval '1 month')::date
      AND (s.requests > 0 OR s.spent_usd <> 0 OR s.reserved_usd > 0)
    GROUP BY s.tenant_id
), tenants AS MATERIALIZED (
    SELECT tenant_id, coalesce(spent_usd, 0) AS spent_usd, coalesce(exceeded, false) AS exceeded,
           coalesce(warns, false) AS warns, CASE WHEN share >= 0.5 THEN share ELSE 0 END AS share
    FROM budgets FULL JOIN spending USING (tenant_id)
)
SELECT count(*), count(*) FILTER (WHERE warns AND NOT exceeded), count(*) FILTER (WHERE exceeded),
       coalesce(sum(spent_usd), 0),
       (SELECT count(*) FROM ai_reservations WHERE state = 'R'),
       ARRAY(SELECT tenant_id FROM tenants
             ORDER BY share DESC, spent_usd DESC, tenant_id COLLATE "C" LIMIT %(most)s)
FROM tenants
-- Nothing at all is known before the first budget and the first call: no row.
HAVING count(*) > 0 OR EXISTS (SELECT FROM budget_period);

-- name: ai_listed_budgets
-- A tenant's own budget comes first. Said as in the function ai_budget_states, which would always read
-- the tables of now: store/as_of.sql puts others before them.
SELECT b.tenant_id, b.model, b.monthly_limit_usd, coalesce(s.spent_usd, 0),
       coalesce(s.reserved_usd, 0), coalesce(b.monthly_limit_usd <= s.refused_limit_usd, false),
       b.tier, b.owner, b.critical
FROM ai_token_budgets b
LEFT JOIN budget_period s
    ON (s.tenant_id, s.model, s.period_start)
     = (b.tenant_id, b.model, ai_period(%(now)s, b.timezone))
WHERE b.tenant_id = ANY(%(tenants)s)
ORDER BY b.tenant_id COLLATE "C", b.model <> '*', b.model COLLATE "C";

-- name: ai_listed_models
-- What models have cost in their current months; the cheapest beyond %(most)s are summed up for each
-- tenant. `folded` says how many models a row stands for beside the one it names.
SELECT tenant_id, CASE WHEN place <= %(most)s THEN model ELSE %(other)s END AS shown, sum(spent_usd),
       sum(requests)::bigint, sum(input_tokens)::bigint, sum(output_tokens)::bigint,
       sum(cache_read_tokens)::bigint, sum(cache_write_tokens)::bigint,
       count(*) FILTER (WHERE place > %(most)s) AS folded
FROM (
    SELECT s.*, row_number() OVER (
               ORDER BY s.spent_usd DESC, s.tenant_id COLLATE "C", s.model COLLATE "C") AS place
    FROM budget_period s
    LEFT JOIN (
        SELECT * FROM ai_token_budgets WHERE tenant_id = ANY(%(tenants)s) AND model = '*'
    ) t ON t.tenant_id = s.tenant_id
    LEFT JOIN (
        SELECT * FROM ai_token_budgets WHERE tenant_id = ANY(%(tenants)s)
    ) m ON (m.tenant_id, m.model) = (s.tenant_id, s.model)
    WHERE s.tenant_id = ANY(%(tenants)s) AND s.model <> '*'
      AND s.period_start >= %(since)s
      AND s.period_start = ai_period(%(now)s, coalesce(m.timezone, t.timezone, 'UTC'))
      AND (s.requests > 0 OR s.spent_usd <> 0)
) models
GROUP BY tenant_id, shown;

-- name: ai_listed_overruns
SELECT tenant_id, sum(overrun_usd) FROM budget_period
WHERE tenant_id = ANY(%(tenants)s) AND model = '*'
GROUP BY tenant_id;

-- name: ai_listed_usage
SELECT tenant_id, report_type, sum(requests)::bigint, sum(tokens)::bigint, sum(cost_usd)
FROM ai_usage_buckets
WHERE tenant_id = ANY(%(tenants)s) AND bucket_start > %(since)s AND bucket_start <= %(until)s
GROUP BY tenant_id, report_type;


-- ---- Now and then ------------------------------------------------------------------------------

-- name: ai_reports
SELECT tenant_id, report_type, sum(requests)::bigint, sum(tokens)::bigint, sum(cost_usd)
FROM ai_usage_buckets
WHERE report_type <> '' AND bucket_start > %(since)s AND bucket_start <= %(until)s
GROUP BY tenant_id, report_type;

-- name: ai_active_hours
-- Of each tenant: its tokens, in how many hours it was active, and how many rows say so.
SELECT tenant_id, sum(tokens), count(*), sum(seen)::bigint
FROM (
    SELECT tenant_id, sum(tokens) AS tokens, count(*) AS seen
    FROM ai_usage_buckets
    WHERE bucket_start >= %(since)s AND bucket_start < %(until)s
    GROUP BY tenant_id, date_trunc('hour', bucket_start)
) hours
GROUP BY tenant_id;
