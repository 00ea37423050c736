-- The AI ledger. What decides and counts is in the database (migration 0009), so that all who use it
-- do the same.


-- ---- Calls -------------------------------------------------------------------------------------

-- name: ledger_decide
SELECT n, outcome, usd, expires_at, share, warns, shadow, overrun, budget_model, limit_usd, used_usd,
       reserved_usd, retry_at - coalesce(%(now)s, clock_timestamp())
FROM ai_ledger(%(calls)s::text::jsonb, %(now)s, %(hold)s, %(deny_unknown)s, %(enforce)s, %(record)s)
ORDER BY n;

-- name: ledger_sweep
SELECT ended, usd FROM ai_sweep(%(now)s, %(charge)s, %(most)s);

-- name: ledger_unpriced
-- Rows of other applications that say no cost, oldest first; locked, so that one process prices them.
SELECT request_id, time, tenant_id, model, input_tokens, output_tokens, cache_read_tokens,
       cache_write_tokens, cache_write_1h_tokens, report_type
FROM ai_token_usage WHERE cost_usd IS NULL AND model <> ALL(%(unknown)s)
ORDER BY time LIMIT %(most)s FOR UPDATE SKIP LOCKED;

-- name: ledger_unpriced_models
SELECT DISTINCT model FROM ai_token_usage WHERE cost_usd IS NULL;

-- name: ledger_set_price
UPDATE ai_token_usage SET cost_usd = %(usd)s, price_source = %(source)s
WHERE request_id = %(request_id)s AND time = %(time)s;

-- name: ledger_forget_usage
-- The sums (budget_period) stay. A few at a time, so that nobody waits long.
DELETE FROM ai_token_usage WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM ai_token_usage WHERE time < %(before)s AND cost_usd IS NOT NULL LIMIT %(most)s));

-- name: ledger_forget_calls
DELETE FROM ai_reservations WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM ai_reservations WHERE ended_at < %(before)s AND state <> 'R' LIMIT %(most)s));

-- name: ledger_forget_buckets
DELETE FROM ai_usage_buckets WHERE bucket_start < %(before)s;


-- ---- Budgets -----------------------------------------------------------------------------------

-- name: ai_budget_states
-- In the order of store.ledger._state.
SELECT tenant_id, model, monthly_limit_usd, soft_limit_ratio, timezone, fail_mode, allowance_usd,
       enforce, tier, owner, critical, period_start, resets_at, used_usd, reserved_usd, requests,
       hard_limit_reached
FROM ai_budget_states(coalesce(%(now)s, now()))
WHERE %(tenant)s::text IS NULL OR tenant_id = %(tenant)s
ORDER BY tenant_id COLLATE "C", model COLLATE "C";

-- name: ai_fail_open_budgets
SELECT b.tenant_id, b.model, CASE WHEN b.fail_mode = 'fail_open' THEN b.allowance_usd ELSE 0 END,
       ai_period_end(ai_period(coalesce(%(now)s, now()), b.timezone), b.timezone)
FROM ai_token_budgets b
WHERE EXISTS (SELECT FROM ai_token_budgets o
              WHERE o.tenant_id = b.tenant_id AND o.fail_mode = 'fail_open' AND o.allowance_usd > 0)
ORDER BY b.tenant_id COLLATE "C", b.model COLLATE "C";

-- name: forget_allowances
DELETE FROM ai_allowances WHERE holder = %(holder)s RETURNING request_id, tenant_id, model;

-- name: remember_allowance
INSERT INTO ai_allowances (request_id, holder, tenant_id, model)
VALUES (%(request_id)s, %(holder)s, %(tenant_id)s, %(model)s);

-- name: ai_zone
SELECT name FROM pg_timezone_names WHERE name = %(zone)s;

-- name: put_ai_budget
-- What is null stays as it is, and of a new budget gets its default; a new one needs a limit.
INSERT INTO ai_token_budgets AS b (
    tenant_id, model, monthly_limit_usd, soft_limit_ratio, timezone, fail_mode, allowance_usd,
    enforce, tier, owner, critical)
VALUES (%(tenant_id)s, %(model)s, %(limit_usd)s, coalesce(%(soft_limit_ratio)s, 0.8),
        coalesce(%(timezone)s, 'UTC'), coalesce(%(fail_mode)s, 'fail_closed'),
        coalesce(%(allowance_usd)s, 1), coalesce(%(enforce)s, true), coalesce(%(tier)s, 'custom'),
        coalesce(%(owner)s, ''), coalesce(%(critical)s, false))
ON CONFLICT (tenant_id, model) DO UPDATE
SET monthly_limit_usd = EXCLUDED.monthly_limit_usd,
    soft_limit_ratio = coalesce(%(soft_limit_ratio)s, b.soft_limit_ratio),
    timezone = coalesce(%(timezone)s, b.timezone),
    fail_mode = coalesce(%(fail_mode)s, b.fail_mode),
    allowance_usd = coalesce(%(allowance_usd)s, b.allowance_usd),
    enforce = coalesce(%(enforce)s, b.enforce), tier = coalesce(%(tier)s, b.tier),
    owner = coalesce(%(owner)s, b.owner), critical = coalesce(%(critical)s, b.critical),
    changed_at = now();

-- name: remove_ai_budget
DELETE FROM ai_token_budgets WHERE tenant_id = %(tenant_id)s AND model = %(model)s;

-- name: ai_limit
SELECT monthly_limit_usd FROM ai_token_budgets
WHERE tenant_id = %(tenant_id)s AND model = %(model)s;

-- name: ai_known_tenants
SELECT tenant_id FROM ai_token_budgets
UNION
SELECT tenant_id FROM budget_period
ORDER BY 1
LIMIT %(most)s;

-- name: ai_consumers
-- Who has spent most this month, by the clock of the tenant's own budget (without one, UTC).
SELECT s.tenant_id, s.spent_usd, s.requests, s.input_tokens, s.output_tokens, s.cache_read_tokens,
       s.cache_write_tokens
FROM budget_period s
LEFT JOIN ai_token_budgets b ON b.tenant_id = s.tenant_id AND b.model = '*'
WHERE s.model = '*'
  AND s.period_start >= coalesce(%(now)s, now())::date - 32
  AND s.period_start = ai_period(coalesce(%(now)s, now()), coalesce(b.timezone, 'UTC'))
  AND s.spent_usd > 0
ORDER BY s.spent_usd DESC, s.tenant_id COLLATE "C" LIMIT %(most)s;
