-- Budgets: what may be spent, what is spent of it, and what is remembered of that. Days are UTC dates.


-- ---- Budgets -----------------------------------------------------------------------------------

-- name: lock_budgets
SELECT pg_advisory_xact_lock(%(space)s, 5);

-- name: budgets
-- In the order of the fields of model.Budget.
SELECT budget_name, scope_type, scope_value, amount, period, provider, currency, time_zone,
       alert_thresholds, alert_channels, owner, basis, include_credits, source = 'config'
FROM budgets WHERE active ORDER BY budget_name;

-- name: forget_thresholds
-- What was reached holds for a budget that means the same, even if it was ended meanwhile; one that
-- means something else begins anew.
DELETE FROM budget_thresholds t USING budgets b
WHERE b.budget_id = t.budget_id AND b.budget_name = %(name)s
  AND (b.scope_type, b.scope_value, b.provider, b.amount, b.currency, b.period, b.time_zone,
       b.basis, b.include_credits)
      IS DISTINCT FROM
      (%(scope)s, %(scope_value)s, %(provider)s, %(amount)s, %(currency)s, %(period)s,
       %(time_zone)s, %(basis)s, %(include_credits)s);

-- name: put_budget
-- Touches a row only where something changes.
INSERT INTO budgets AS b (budget_name, scope_type, scope_value, provider, amount, currency, period,
                          time_zone, basis, include_credits, alert_thresholds, alert_channels, owner,
                          source, created_by, created_at, changed_at)
VALUES (%(name)s, %(scope)s, %(scope_value)s, %(provider)s, %(amount)s, %(currency)s, %(period)s,
        %(time_zone)s, %(basis)s, %(include_credits)s, %(thresholds)s, %(channels)s, %(owner)s,
        %(source)s, %(by)s, %(now)s, %(now)s)
ON CONFLICT (budget_name) DO UPDATE
SET scope_type = EXCLUDED.scope_type, scope_value = EXCLUDED.scope_value,
    provider = EXCLUDED.provider, amount = EXCLUDED.amount, currency = EXCLUDED.currency,
    period = EXCLUDED.period, time_zone = EXCLUDED.time_zone, basis = EXCLUDED.basis,
    include_credits = EXCLUDED.include_credits, alert_thresholds = EXCLUDED.alert_thresholds,
    alert_channels = EXCLUDED.alert_channels, owner = EXCLUDED.owner, source = EXCLUDED.source,
    changed_at = EXCLUDED.changed_at, active = true
WHERE (b.active, b.scope_type, b.scope_value, b.provider, b.amount, b.currency, b.period, b.time_zone,
       b.basis, b.include_credits, b.alert_thresholds, b.alert_channels, b.owner, b.source)
      IS DISTINCT FROM
      (true, EXCLUDED.scope_type, EXCLUDED.scope_value, EXCLUDED.provider, EXCLUDED.amount,
       EXCLUDED.currency, EXCLUDED.period, EXCLUDED.time_zone, EXCLUDED.basis,
       EXCLUDED.include_credits, EXCLUDED.alert_thresholds, EXCLUDED.alert_channels, EXCLUDED.owner,
       EXCLUDED.source);

-- name: end_budgets
UPDATE budgets SET active = false, changed_at = %(now)s
WHERE active AND budget_name = ANY(%(names)s);


-- ---- What is spent -----------------------------------------------------------------------------
-- A choice (at its `place` in the arrays) is costs of one provider and cut. `dimension` is NULL
-- (everything), account, service or the name of a tag, which has to have the value `value`. All days
-- lie in [first, last). Who is in the same choices (`places`) is added up together, so that the days
-- are read once, however many choices there are.

-- name: work_by_hash
-- The planner takes the choices for a handful of rows, would look up every series by itself, and sort
-- all days on disk to add them up: several times as long. Until the transaction ends, or `work_as_ever`.
SET LOCAL enable_nestloop = off;
SET LOCAL enable_sort = off;

-- name: work_as_ever
SET LOCAL enable_nestloop TO DEFAULT;
SET LOCAL enable_sort TO DEFAULT;

-- name: budget_group_days
WITH chosen AS (
    SELECT g.group_id, g.currency, array_agg(w.place ORDER BY w.place) AS places
    FROM unnest(%(places)s::integer[], %(providers)s::text[], %(cuts)s::text[],
                %(dimensions)s::text[], %(values)s::text[], %(credits)s::boolean[])
         AS w(place, provider, cut, dimension, value, credits)
    JOIN cost_groups g
      ON g.provider = w.provider AND g.cut = w.cut AND (w.credits OR g.charge_category <> 'Credit')
     AND (w.dimension IS NULL
          OR w.value = CASE w.dimension WHEN 'account' THEN g.account_id ELSE g.service END)
    GROUP BY 1, 2
), ranked AS MATERIALIZED (
    SELECT *, dense_rank() OVER (ORDER BY places, currency) AS rank FROM chosen
), sums AS (
    SELECT r.rank, d.day, sum(d.billed) AS billed, sum(d.effective) AS effective
    FROM ranked r JOIN cost_days d USING (group_id)
    WHERE d.day >= %(first)s AND d.day < %(last)s
    GROUP BY 1, 2
), totals AS (
    SELECT * FROM sums JOIN (SELECT DISTINCT rank, places, currency FROM ranked) r USING (rank)
)
SELECT place, t.day, t.currency, sum(t.billed), sum(t.effective)
FROM totals t, unnest(t.places) place
GROUP BY 1, 2, 3;

-- name: budget_series_days
-- Of tags, which only a series has.
WITH chosen AS (
    SELECT s.series_id, g.currency, array_agg(w.place ORDER BY w.place) AS places
    FROM unnest(%(places)s::integer[], %(providers)s::text[], %(cuts)s::text[],
                %(dimensions)s::text[], %(values)s::text[], %(credits)s::boolean[])
         AS w(place, provider, cut, dimension, value, credits)
    JOIN cost_groups g
      ON g.provider = w.provider AND g.cut = w.cut AND (w.credits OR g.charge_category <> 'Credit')
    JOIN cost_series s
      ON s.group_id = g.group_id AND w.value = coalesce(s.tags ->> w.dimension, %(untagged)s)
    GROUP BY 1, 2
), ranked AS MATERIALIZED (
    SELECT *, dense_rank() OVER (ORDER BY places, currency) AS rank FROM chosen
), sums AS (
    SELECT r.rank, f.day, sum(f.billed) AS billed, sum(f.effective) AS effective
    FROM ranked r JOIN cost_facts f USING (series_id)
    WHERE f.day >= %(first)s AND f.day < %(last)s
    GROUP BY 1, 2
), totals AS (
    SELECT * FROM sums JOIN (SELECT DISTINCT rank, places, currency FROM ranked) r USING (rank)
)
SELECT place, t.day, t.currency, sum(t.billed), sum(t.effective)
FROM totals t, unnest(t.places) place
GROUP BY 1, 2, 3;

-- name: budget_months
-- Whole months, each at its last day.
WITH chosen AS (
    SELECT s.series_id, g.currency, array_agg(w.place ORDER BY w.place) AS places
    FROM unnest(%(places)s::integer[], %(providers)s::text[], %(cuts)s::text[],
                %(dimensions)s::text[], %(values)s::text[], %(credits)s::boolean[])
         AS w(place, provider, cut, dimension, value, credits)
    JOIN cost_groups g
      ON g.provider = w.provider AND g.cut = w.cut AND (w.credits OR g.charge_category <> 'Credit')
    JOIN cost_series s
      ON s.group_id = g.group_id
     AND (w.dimension IS NULL
          OR w.value = CASE w.dimension
                           WHEN 'account' THEN g.account_id
                           WHEN 'service' THEN g.service
                           ELSE coalesce(s.tags ->> w.dimension, %(untagged)s)
                       END)
    GROUP BY 1, 2
), ranked AS MATERIALIZED (
    SELECT *, dense_rank() OVER (ORDER BY places, currency) AS rank FROM chosen
), sums AS (
    SELECT r.rank, m.month, sum(m.billed) AS billed, sum(m.effective) AS effective
    FROM ranked r JOIN cost_months m USING (series_id)
    WHERE m.month >= %(first)s AND m.month < %(last)s
    GROUP BY 1, 2
), totals AS (
    SELECT *, (month + interval '1 month' - interval '1 day')::date AS day
    FROM sums JOIN (SELECT DISTINCT rank, places, currency FROM ranked) r USING (rank)
)
SELECT place, t.day, t.currency, sum(t.billed), sum(t.effective)
FROM totals t, unnest(t.places) place
GROUP BY 1, 2, 3;


-- ---- What is remembered ------------------------------------------------------------------------

-- name: thresholds
SELECT b.budget_name, t.period_start, t.threshold
FROM budget_thresholds t JOIN budgets b USING (budget_id)
WHERE b.active;

-- name: add_thresholds
INSERT INTO budget_thresholds (budget_id, period_start, threshold, reached_at)
SELECT b.budget_id, n.period_start, n.threshold, %(now)s
FROM unnest(%(names)s::text[], %(starts)s::date[], %(thresholds)s::numeric[])
     AS n(name, period_start, threshold)
JOIN budgets b ON b.budget_name = n.name AND b.active
ON CONFLICT DO NOTHING;

-- name: add_history
INSERT INTO budget_status_history AS h (budget_id, day, period_start, amount, spent, burn_rate,
                                        exhausted_at, on_track, currency, recorded_at)
SELECT b.budget_id, n.day, n.period_start, b.amount, n.spent, n.burn_rate, n.exhausted_at,
       n.on_track, b.currency, %(now)s
FROM unnest(%(names)s::text[], %(days)s::date[], %(starts)s::date[], %(spent)s::numeric[],
            %(burn_rates)s::numeric[], %(exhausted)s::timestamptz[], %(on_track)s::boolean[])
     AS n(name, day, period_start, spent, burn_rate, exhausted_at, on_track)
JOIN budgets b ON b.budget_name = n.name AND b.active
ON CONFLICT (budget_id, day) DO UPDATE
SET period_start = EXCLUDED.period_start, amount = EXCLUDED.amount, spent = EXCLUDED.spent,
    burn_rate = EXCLUDED.burn_rate, exhausted_at = EXCLUDED.exhausted_at,
    on_track = EXCLUDED.on_track, currency = EXCLUDED.currency, recorded_at = EXCLUDED.recorded_at
WHERE (h.period_start, h.amount, h.spent, h.burn_rate, h.exhausted_at, h.on_track, h.currency)
      IS DISTINCT FROM
      (EXCLUDED.period_start, EXCLUDED.amount, EXCLUDED.spent, EXCLUDED.burn_rate,
       EXCLUDED.exhausted_at, EXCLUDED.on_track, EXCLUDED.currency);


-- ---- Customers ---------------------------------------------------------------------------------

-- name: limit_time
-- Of this transaction, in a database of the user's.
SELECT set_config('statement_timeout', %(milliseconds)s, true);

-- name: customer_counts
SELECT window_name, customers, until, asked_at, error FROM customer_counts ORDER BY 1;

-- name: forget_customers
DELETE FROM customer_counts WHERE window_name <> ALL(%(windows)s);

-- name: keep_customers
INSERT INTO customer_counts (window_name, customers, until, asked_at)
VALUES (%(window)s, %(customers)s, %(until)s, %(now)s)
ON CONFLICT (window_name) DO UPDATE
SET customers = EXCLUDED.customers, until = EXCLUDED.until, asked_at = EXCLUDED.asked_at, error = NULL;

-- name: fail_customers
INSERT INTO customer_counts (window_name, asked_at, error)
SELECT w, %(now)s, %(error)s FROM unnest(ARRAY['current', 'previous']) AS w
ON CONFLICT (window_name) DO UPDATE SET asked_at = EXCLUDED.asked_at, error = EXCLUDED.error;
