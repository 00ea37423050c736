-- AI calls one by one (ai_token_usage): rows that come in many at once, and what people ask of them.


-- ---- Many at once ------------------------------------------------------------------------------

-- name: lock_usage_import
-- One at a time, so that each sees which calls another has brought.
SELECT pg_advisory_xact_lock(%(space)s, 6);

-- name: create_usage_stage
CREATE TEMPORARY TABLE usage_stage (
    request_id text, time timestamptz, tenant_id text, model text, input_tokens bigint,
    output_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint,
    cache_write_1h_tokens bigint, cost_usd numeric, price_source text, report_type text
);

-- name: drop_usage_stage
DROP TABLE IF EXISTS usage_stage;

-- name: copy_usage_stage
COPY usage_stage FROM STDIN;

-- name: analyze_usage_stage
ANALYZE usage_stage (request_id);

-- name: drop_known_usage
-- Its row may be gone (usage_retention); then the ledger still knows the call for a while.
DELETE FROM usage_stage s
WHERE EXISTS (SELECT FROM ai_token_usage u WHERE u.request_id = s.request_id)
   OR EXISTS (SELECT FROM ai_reservations r WHERE r.request_id = s.request_id);

-- name: staged_usage
SELECT count(*), coalesce(sum(input_tokens), 0)::bigint, coalesce(sum(output_tokens), 0)::bigint,
       coalesce(sum(cache_read_tokens), 0)::bigint, coalesce(sum(cache_write_tokens), 0)::bigint,
       coalesce(sum(cache_write_1h_tokens), 0)::bigint, coalesce(sum(cost_usd), 0),
       min(time), max(time)
FROM usage_stage;

-- name: add_staged_usage
-- The trigger on ai_token_usage (migration 0009) counts them in the ledger.
INSERT INTO ai_token_usage (
    request_id, time, tenant_id, model, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, cache_write_1h_tokens, cost_usd, price_source, report_type)
SELECT request_id, time, tenant_id, model, input_tokens, output_tokens, cache_read_tokens,
       cache_write_tokens, cache_write_1h_tokens, cost_usd, price_source, report_type
FROM usage_stage;


-- ---- For people --------------------------------------------------------------------------------

-- name: ai_tenants
-- Who has a budget, or has used anything.
SELECT tenant_id FROM ai_token_budgets
UNION SELECT tenant_id FROM budget_period
UNION SELECT tenant_id FROM ai_token_usage WHERE cost_usd IS NULL;

-- name: ai_month_by_model
-- The current month, by the clock of a model's budget (else of the tenant's own, else UTC).
SELECT s.model, s.period_start, s.spent_usd, s.reserved_usd, s.orphaned_usd, s.requests,
       s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens
FROM budget_period s
LEFT JOIN ai_token_budgets t ON t.tenant_id = s.tenant_id AND t.model = '*'
LEFT JOIN ai_token_budgets m ON m.tenant_id = s.tenant_id AND m.model = s.model
WHERE s.tenant_id = %(tenant)s AND s.model <> '*'
  AND s.period_start = ai_period(
      coalesce(%(now)s, now()), coalesce(m.timezone, t.timezone, 'UTC'))
ORDER BY s.spent_usd DESC, s.model COLLATE "C";

-- name: ai_last_calls
SELECT request_id, time, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
       cache_write_1h_tokens, cost_usd, price_source, report_type
FROM ai_token_usage WHERE tenant_id = %(tenant)s
ORDER BY time DESC, request_id LIMIT %(most)s;

-- name: ai_usage_by
-- Days are UTC. `by` holds the keys that are asked for; the others are null.
SELECT CASE WHEN 'tenant' = ANY(%(by)s) THEN tenant_id END,
       CASE WHEN 'model' = ANY(%(by)s) THEN model END,
       CASE WHEN 'day' = ANY(%(by)s) THEN (time AT TIME ZONE 'UTC')::date END,
       CASE WHEN 'report' = ANY(%(by)s) THEN report_type END,
       count(*), sum(input_tokens)::bigint, sum(output_tokens)::bigint, sum(cache_read_tokens)::bigint,
       sum(cache_write_tokens)::bigint, sum(cache_write_1h_tokens)::bigint,
       coalesce(sum(cost_usd), 0), count(*) FILTER (WHERE cost_usd IS NULL)
FROM ai_token_usage
WHERE (%(tenant)s::text IS NULL OR tenant_id = %(tenant)s)
  AND time >= coalesce(%(since)s::timestamptz, '-infinity')
  AND time < coalesce(%(until)s::timestamptz, 'infinity')
GROUP BY 1, 2, 3, 4;

-- name: ai_usage_kept
-- The first call that is kept, and how many were counted that are not kept any more.
SELECT (SELECT min(time) FROM ai_token_usage WHERE %(tenant)s::text IS NULL OR tenant_id = %(tenant)s),
       (SELECT coalesce(sum(requests), 0)::bigint FROM budget_period
        WHERE model = '*' AND (%(tenant)s::text IS NULL OR tenant_id = %(tenant)s))
     - (SELECT count(*) FROM ai_token_usage
        WHERE cost_usd IS NOT NULL AND (%(tenant)s::text IS NULL OR tenant_id = %(tenant)s));
