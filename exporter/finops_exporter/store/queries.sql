-- Every statement that the store runs, by name. Days are UTC dates; a window is [since, until).

-- name: server_version
SELECT current_setting('server_version_num')::integer;


-- ---- Migrations --------------------------------------------------------------------------------

-- name: create_migrations_table
CREATE TABLE schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied_migrations
SELECT version, name, checksum FROM schema_migrations ORDER BY version;

-- name: record_migration
INSERT INTO schema_migrations (version, name, checksum)
VALUES (%(version)s, %(name)s, %(checksum)s);

-- name: migrations_table_exists
SELECT to_regclass('schema_migrations') IS NOT NULL;


-- ---- Locks -------------------------------------------------------------------------------------

-- name: lock_migrations
SELECT pg_advisory_lock(%(space)s, 1);

-- name: unlock_migrations
SELECT pg_advisory_unlock(%(space)s, 1);

-- name: lock_facts
SELECT pg_advisory_xact_lock(%(space)s, 2);

-- name: lock_members
SELECT pg_advisory_xact_lock(%(space)s, 3);

-- name: try_lock_source
SELECT pg_try_advisory_lock(%(space)s + 1, hashtext(%(source)s));

-- name: unlock_source
SELECT pg_advisory_unlock(%(space)s + 1, hashtext(%(source)s));


-- ---- Runs --------------------------------------------------------------------------------------

-- name: mark_killed_runs
-- Called by the holder of the source's lock: whoever was running before is not any more.
UPDATE source_runs SET outcome = 'killed', finished_at = %(now)s,
       error = 'the process ended before the run did'
WHERE source = %(source)s AND outcome = 'running';

-- name: start_run
INSERT INTO source_runs (source, started_at, window_since, window_until)
VALUES (%(source)s, %(now)s, %(since)s, %(last)s)
RETURNING run_id;

-- name: finish_run
UPDATE source_runs
SET finished_at = %(now)s, parts = %(parts)s, rows = %(rows)s, rejected_rows = %(rejected_rows)s,
    requests = %(requests)s, estimated_cost_usd = %(estimated_cost_usd)s, outcome = %(outcome)s,
    error = %(error)s
WHERE run_id = %(run_id)s;

-- name: clear_rejections
DELETE FROM cost_rejections WHERE source = %(source)s;

-- name: add_rejection
INSERT INTO cost_rejections (source, part, reason, row_number, column_name, message, rows)
VALUES (%(source)s, %(part)s, %(reason)s, %(row)s, %(column)s, %(message)s, %(rows)s)
ON CONFLICT (source, part) DO UPDATE
SET reason = EXCLUDED.reason, row_number = EXCLUDED.row_number,
    column_name = EXCLUDED.column_name, message = EXCLUDED.message, rows = EXCLUDED.rows;

-- name: clear_notices
DELETE FROM cost_notices WHERE source = %(source)s;

-- name: add_notice
INSERT INTO cost_notices AS n (source, reason, message, rows)
VALUES (%(source)s, %(reason)s, %(message)s, %(rows)s)
ON CONFLICT (source, reason, message) DO UPDATE SET rows = n.rows + EXCLUDED.rows;

-- name: last_run
-- The newest run of what was due, and how many have not stored anything since the last one that did
-- (one under way among them: whoever began it may be dead). A run of given days changes no schedule.
SELECT r.started_at, r.finished_at, r.outcome,
       (SELECT count(*) FROM source_runs f
        WHERE f.source = r.source AND f.window_since IS NULL AND f.run_id > coalesce(
            (SELECT max(g.run_id) FROM source_runs g
             WHERE g.source = r.source AND g.window_since IS NULL
               AND g.outcome IN ('succeeded', 'partial')), 0))
FROM source_runs r
WHERE r.source = %(source)s AND r.window_since IS NULL
ORDER BY r.run_id DESC LIMIT 1;

-- name: fingerprints
SELECT part, fingerprint FROM cost_parts WHERE source = %(source)s;


-- ---- Asking remote APIs ------------------------------------------------------------------------

-- name: pay_request
-- What costs nothing passes also when the cap is reached.
WITH paid AS (
    INSERT INTO api_spending AS s (source, day, cost_usd, cap_usd)
    SELECT %(source)s, %(day)s, %(price)s, %(cap)s
    WHERE %(price)s <= %(cap)s OR %(price)s = 0
    ON CONFLICT (source, day) DO UPDATE
    SET cost_usd = s.cost_usd + EXCLUDED.cost_usd, cap_usd = EXCLUDED.cap_usd
    WHERE s.cost_usd + EXCLUDED.cost_usd <= EXCLUDED.cap_usd OR EXCLUDED.cost_usd = 0
    RETURNING 1
)
INSERT INTO api_requests AS r (source, provider, api, requests, retries, cost_usd)
SELECT %(source)s, %(provider)s, %(api)s, 1, %(retries)s, %(price)s FROM paid
ON CONFLICT (source, provider, api) DO UPDATE
SET requests = r.requests + 1, retries = r.retries + EXCLUDED.retries,
    cost_usd = r.cost_usd + EXCLUDED.cost_usd;

-- name: refund_request
UPDATE api_spending SET cost_usd = cost_usd - %(price)s
WHERE source = %(source)s AND day = %(day)s;

-- name: spent_on_day
SELECT cost_usd FROM api_spending WHERE source = %(source)s AND day = %(day)s;

-- name: paying_sources
-- A day on which nothing was asked yet has the cap of the last one on which something was.
SELECT DISTINCT ON (s.source) s.source, CASE WHEN s.day = %(day)s THEN s.cost_usd ELSE 0 END, s.cap_usd
FROM api_spending s
WHERE s.day <= %(day)s
  AND EXISTS (SELECT FROM api_requests r WHERE r.source = s.source AND r.cost_usd > 0)
ORDER BY s.source, s.day DESC;


-- ---- Replacing what a source declares complete -------------------------------------------------
-- Staged outside a transaction (fetch), applied inside one (swap).

-- A staged row is narrow: its dimensions are staged once, under a number of this session.

-- name: create_stage
CREATE TEMPORARY TABLE stage (
    part text, day date, number integer, billed numeric, effective numeric, estimated boolean
);

-- name: create_stage_series
CREATE TEMPORARY TABLE stage_series (
    number integer, cut text, provider text, account_id text, service text, region text,
    charge_category text, currency text, tags jsonb, series_id integer
);

-- name: copy_stage
COPY stage (part, day, number, billed, effective, estimated) FROM STDIN;

-- name: copy_stage_series
COPY stage_series (number, cut, provider, account_id, service, charge_category, currency, region,
                   tags) FROM STDIN;

-- name: drop_stage
DROP TABLE IF EXISTS stage, stage_series;

-- name: create_swap_tables
CREATE TEMPORARY TABLE swap_parts (
    part text PRIMARY KEY, part_id integer, fingerprint text, since date, until date,
    withdrawn boolean NOT NULL
) ON COMMIT DROP;

-- name: add_swap_part
INSERT INTO swap_parts (part, fingerprint, since, until, withdrawn)
VALUES (%(part)s, %(fingerprint)s, %(since)s, %(until)s, %(withdrawn)s);

-- name: forget_undeclared
-- Rows of a part that was never declared complete (its reader died half-way) do not count.
DELETE FROM stage WHERE part NOT IN (SELECT part FROM swap_parts WHERE NOT withdrawn);

-- name: forget_unused_series
DELETE FROM stage_series WHERE number NOT IN (SELECT number FROM stage);

-- name: rows_outside_window
SELECT s.part, CASE WHEN s.first < p.since THEN s.first ELSE s.last END
FROM (SELECT part, min(day) AS first, max(day) AS last FROM stage GROUP BY part) s
JOIN swap_parts p USING (part)
WHERE s.first < p.since OR s.last >= p.until
LIMIT 1;

-- name: foreign_account_days
-- Another source already gave money for the same account and day. What belongs to no account (a
-- tax) may come from several.
WITH rivals AS MATERIALIZED (
    SELECT source, provider, account_id, day FROM cost_account_days
    WHERE source <> %(source)s AND account_id <> %(no_account)s
      AND (provider, account_id) IN (SELECT provider, account_id FROM stage_series)
), incoming AS (
    SELECT DISTINCT provider, account_id, day
    FROM (SELECT DISTINCT number, day FROM stage) d JOIN stage_series USING (number)
)
SELECT source, provider, account_id, min(day), max(day), count(*)
FROM rivals JOIN incoming USING (provider, account_id, day)
WHERE EXISTS (SELECT FROM rivals) -- mostly there is none, and then no row is looked at
GROUP BY 1, 2, 3 ORDER BY 6 DESC, 1, 2, 3
LIMIT 1;

-- name: upsert_parts
INSERT INTO cost_parts (source, part, fingerprint, loaded_at)
SELECT %(source)s, part, fingerprint, %(now)s FROM swap_parts WHERE NOT withdrawn ORDER BY part
ON CONFLICT (source, part) DO UPDATE
SET fingerprint = EXCLUDED.fingerprint, loaded_at = EXCLUDED.loaded_at;

-- name: resolve_parts
UPDATE swap_parts s SET part_id = p.part_id
FROM cost_parts p WHERE p.source = %(source)s AND p.part = s.part;

-- name: add_groups
-- Only what is missing: a conflicting insert would draw (and waste) a number of the identity.
INSERT INTO cost_groups (cut, provider, account_id, service, charge_category, currency)
SELECT DISTINCT cut, provider, account_id, service, charge_category, currency
FROM stage_series s
WHERE NOT EXISTS (
    SELECT FROM cost_groups g
    WHERE (g.provider, g.account_id, g.service, g.charge_category, g.currency, g.cut)
        = (s.provider, s.account_id, s.service, s.charge_category, s.currency, s.cut)
);

-- name: add_series
INSERT INTO cost_series (group_id, region, tags)
SELECT DISTINCT g.group_id, s.region, s.tags
FROM stage_series s
JOIN cost_groups g USING (provider, account_id, service, charge_category, currency, cut)
WHERE NOT EXISTS (
    SELECT FROM cost_series c
    WHERE c.group_id = g.group_id AND c.region = s.region AND c.tags = s.tags
);

-- name: resolve_series
UPDATE stage_series s SET series_id = c.series_id
FROM cost_groups g JOIN cost_series c USING (group_id)
WHERE (g.provider, g.account_id, g.service, g.charge_category, g.currency, g.cut)
    = (s.provider, s.account_id, s.service, s.charge_category, s.currency, s.cut)
  AND c.region = s.region AND c.tags = s.tags;

-- name: create_changes
-- What differs between the facts that are stored and those that shall be (rows with equal keys are
-- added up): everything after this works on the differences only. The window stands on the stored
-- side of the join as well, where the planner can use it.
CREATE TEMPORARY TABLE changes ON COMMIT DROP AS
WITH next AS (
    SELECT s.day, c.series_id, p.part_id, sum(s.billed) AS billed, sum(s.effective) AS effective,
           bool_or(s.estimated) AS estimated
    FROM stage s JOIN stage_series c USING (number) JOIN swap_parts p USING (part)
    GROUP BY 1, 2, 3
), stored AS (
    SELECT f.*
    FROM cost_facts f JOIN swap_parts p USING (part_id)
    WHERE f.day >= coalesce(p.since, '-infinity') AND f.day < coalesce(p.until, 'infinity')
)
SELECT d.*, c.group_id, g.provider, g.account_id, g.currency, g.cut
FROM (
    SELECT coalesce(n.day, o.day) AS day, coalesce(n.series_id, o.series_id) AS series_id,
           coalesce(n.part_id, o.part_id) AS part_id, n.billed, n.effective, n.estimated,
           coalesce(n.billed, 0) - coalesce(o.billed, 0) AS billed_change,
           coalesce(n.effective, 0) - coalesce(o.effective, 0) AS effective_change,
           (n.day IS NOT NULL)::integer - (o.day IS NOT NULL)::integer AS facts_change
    FROM next n
    FULL JOIN stored o USING (day, series_id, part_id)
    WHERE (n.billed, n.effective, n.estimated) IS DISTINCT FROM
          (o.billed, o.effective, o.estimated)
) d
JOIN cost_series c USING (series_id)
JOIN cost_groups g USING (group_id);

-- name: record_restatements
-- Only days that were complete by then, of accounts that this source had stored up to that day, in
-- months that it had stored something of: the first sight of an account, of a month of history, or of
-- a day still running, restates nothing. Of several cuts of the same money only the one that knows
-- most counts.
INSERT INTO cost_restatements (run_id, provider, account_id, day, currency,
                               billed_change, billed_moved, effective_change, effective_moved)
WITH complete AS (
    SELECT c.provider, least(max(c.covered_until), %(over_until)s) AS until
    FROM cost_coverage c JOIN cost_parts p USING (part_id)
    WHERE p.source = %(source)s
    GROUP BY c.provider
), given AS (
    SELECT DISTINCT m.provider, m.month, m.cut
    FROM cost_part_months m JOIN cost_parts p USING (part_id)
    WHERE p.source = %(source)s
), main_cut AS (
    SELECT DISTINCT ON (provider) provider, cut
    FROM given
    ORDER BY provider, cardinality(string_to_array(cut, ',')) DESC, cut DESC
), moved AS (
    -- A series may leave one part and appear in another of the same run: that restates nothing.
    SELECT provider, account_id, day, currency, series_id,
           sum(billed_change) AS billed_change, sum(effective_change) AS effective_change
    FROM changes JOIN main_cut USING (provider, cut) GROUP BY 1, 2, 3, 4, 5
), days AS (
    SELECT provider, account_id, day, currency,
           sum(billed_change) AS billed_change, sum(abs(billed_change)) AS billed_moved,
           sum(effective_change) AS effective_change, sum(abs(effective_change)) AS effective_moved
    FROM moved
    WHERE billed_change <> 0 OR effective_change <> 0
    GROUP BY 1, 2, 3, 4
)
SELECT %(run_id)s, d.provider, d.account_id, d.day, d.currency,
       d.billed_change, d.billed_moved, d.effective_change, d.effective_moved
FROM days d
JOIN complete c USING (provider)
WHERE d.day < (c.until AT TIME ZONE 'UTC')::date
  AND EXISTS (SELECT FROM cost_account_days a
              WHERE a.provider = d.provider AND a.account_id = d.account_id AND a.day <= d.day
                AND a.source = %(source)s)
  AND EXISTS (SELECT FROM given g
              WHERE g.provider = d.provider AND g.month = date_trunc('month', d.day)::date);

-- name: apply_removed
DELETE FROM cost_facts f USING changes c
WHERE c.billed IS NULL
  AND f.day = c.day AND f.series_id = c.series_id AND f.part_id = c.part_id;

-- name: apply_changed
INSERT INTO cost_facts (day, series_id, part_id, billed, effective, estimated)
SELECT day, series_id, part_id, billed, effective, estimated FROM changes WHERE billed IS NOT NULL
ON CONFLICT (day, series_id, part_id) DO UPDATE
SET billed = EXCLUDED.billed, effective = EXCLUDED.effective, estimated = EXCLUDED.estimated;

-- name: roll_months
INSERT INTO cost_months AS m (month, series_id, billed, effective, facts)
SELECT date_trunc('month', day)::date, series_id, sum(billed_change), sum(effective_change),
       sum(facts_change)
FROM changes GROUP BY 1, 2
ON CONFLICT (month, series_id) DO UPDATE
SET billed = m.billed + EXCLUDED.billed, effective = m.effective + EXCLUDED.effective,
    facts = m.facts + EXCLUDED.facts;

-- name: sweep_months
DELETE FROM cost_months m
USING (SELECT DISTINCT date_trunc('month', day)::date AS month, series_id FROM changes
       WHERE facts_change < 0) c
WHERE m.month = c.month AND m.series_id = c.series_id AND m.facts = 0;

-- name: roll_days
INSERT INTO cost_days AS d (day, group_id, billed, effective, facts)
SELECT day, group_id, sum(billed_change), sum(effective_change), sum(facts_change)
FROM changes GROUP BY 1, 2
ON CONFLICT (day, group_id) DO UPDATE
SET billed = d.billed + EXCLUDED.billed, effective = d.effective + EXCLUDED.effective,
    facts = d.facts + EXCLUDED.facts;

-- name: sweep_days
DELETE FROM cost_days d
USING (SELECT DISTINCT day, group_id FROM changes WHERE facts_change < 0) c
WHERE d.day = c.day AND d.group_id = c.group_id AND d.facts = 0;

-- name: roll_account_days
INSERT INTO cost_account_days AS a (provider, account_id, day, source, facts)
SELECT provider, account_id, day, %(source)s, sum(facts_change) FROM changes GROUP BY 1, 2, 3
ON CONFLICT (provider, account_id, day, source) DO UPDATE SET facts = a.facts + EXCLUDED.facts;

-- name: sweep_account_days
DELETE FROM cost_account_days WHERE source = %(source)s AND facts = 0;

-- name: roll_part_months
INSERT INTO cost_part_months AS m (part_id, provider, month, currency, cut, billed, effective, facts)
SELECT part_id, provider, date_trunc('month', day)::date, currency, cut, sum(billed_change),
       sum(effective_change), sum(facts_change)
FROM changes GROUP BY 1, 2, 3, 4, 5
ON CONFLICT (part_id, provider, month, currency, cut) DO UPDATE
SET billed = m.billed + EXCLUDED.billed, effective = m.effective + EXCLUDED.effective,
    facts = m.facts + EXCLUDED.facts;

-- name: sweep_part_months
DELETE FROM cost_part_months
WHERE part_id IN (SELECT part_id FROM swap_parts) AND facts = 0;

-- name: analyze_store
-- Until autovacuum comes by, the planner knows a store that has just been filled as an empty one.
ANALYZE cost_facts, cost_series, cost_groups, cost_months, cost_days, cost_account_days;

-- name: clear_coverage
DELETE FROM cost_coverage WHERE part_id IN (SELECT part_id FROM swap_parts WHERE since IS NULL);

-- name: add_coverage
INSERT INTO cost_coverage AS c (part_id, provider, covered_until)
SELECT part_id, %(provider)s, %(covered_until)s FROM swap_parts WHERE part = %(part)s
ON CONFLICT (part_id, provider) DO UPDATE
SET covered_until = greatest(c.covered_until, EXCLUDED.covered_until);

-- name: clear_controls
-- Of a part that was read in part, too: what is stored now, its former total does not describe.
DELETE FROM cost_controls WHERE part_id IN (SELECT part_id FROM swap_parts);

-- name: add_control
INSERT INTO cost_controls (part_id, provider, month, currency, cut, billed, effective)
SELECT part_id, %(provider)s, %(month)s, %(currency)s, %(cut)s, %(billed)s, %(effective)s
FROM swap_parts WHERE part = %(part)s AND since IS NULL
ON CONFLICT (part_id, provider, month, currency) DO UPDATE
SET billed = EXCLUDED.billed, effective = EXCLUDED.effective;

-- name: drop_withdrawn_parts
DELETE FROM cost_parts WHERE part_id IN (SELECT part_id FROM swap_parts WHERE withdrawn);

-- name: upsert_account
-- An older file that is read again must not bring an old name back.
INSERT INTO cost_accounts AS a (provider, account_id, account_name, billing_account_id, named_on)
VALUES (%(provider)s, %(account_id)s, %(account_name)s, %(billing_account_id)s, %(named_on)s)
ON CONFLICT (provider, account_id) DO UPDATE
SET account_name = coalesce(EXCLUDED.account_name, a.account_name),
    billing_account_id = coalesce(EXCLUDED.billing_account_id, a.billing_account_id),
    named_on = EXCLUDED.named_on
WHERE EXCLUDED.named_on >= a.named_on;

-- name: bump_generation
UPDATE store_state SET generation = generation + 1, changed_at = %(now)s RETURNING generation;


-- ---- Reading for the snapshot ------------------------------------------------------------------
-- `periods` is the billing month of each provider; all amounts stay in the currency they were
-- billed in.

-- name: generation
SELECT generation FROM store_state;

-- name: coverage
SELECT p.source, c.provider, max(c.covered_until)
FROM cost_coverage c JOIN cost_parts p USING (part_id)
GROUP BY 1, 2 ORDER BY 1, 2;

-- name: stored_spans
SELECT provider, min(day), max(day) FILTER (WHERE day < (%(now)s AT TIME ZONE 'UTC')::date)
FROM cost_account_days GROUP BY 1 ORDER BY 1;

-- name: cuts
SELECT DISTINCT m.provider, m.month, p.source, m.cut
FROM cost_part_months m JOIN cost_parts p USING (part_id);

-- name: monthly_costs
SELECT g.provider, m.month, g.account_id, s.region, g.service, g.currency,
       sum(m.billed), sum(m.effective)
FROM unnest(%(providers)s::text[], %(months)s::date[], %(cuts)s::text[]) AS w(provider, month, cut)
JOIN cost_groups g ON g.provider = w.provider AND g.cut = w.cut
JOIN cost_series s USING (group_id)
JOIN cost_months m ON m.series_id = s.series_id AND m.month = w.month
GROUP BY 1, 2, 3, 4, 5, 6;

-- name: category_costs
SELECT g.provider, m.month, g.charge_category, g.currency, sum(m.billed), sum(m.effective)
FROM unnest(%(providers)s::text[], %(months)s::date[], %(cuts)s::text[]) AS w(provider, month, cut)
JOIN cost_groups g ON g.provider = w.provider AND g.cut = w.cut
JOIN cost_series s USING (group_id)
JOIN cost_months m ON m.series_id = s.series_id AND m.month = w.month
GROUP BY 1, 2, 3, 4;

-- name: allocated_costs
SELECT g.provider, m.month, w.tag, coalesce(s.tags ->> w.tag, %(untagged)s), g.currency,
       sum(m.billed), sum(m.effective)
FROM unnest(%(providers)s::text[], %(months)s::date[], %(cuts)s::text[], %(tags)s::text[])
     AS w(provider, month, cut, tag)
JOIN cost_groups g ON g.provider = w.provider AND g.cut = w.cut
JOIN cost_series s USING (group_id)
JOIN cost_months m ON m.series_id = s.series_id AND m.month = w.month
GROUP BY 1, 2, 3, 4, 5;

-- name: daily_costs
SELECT g.provider, w.day_offset, g.account_id, s.region, g.service, g.currency,
       sum(f.billed), sum(f.effective)
FROM unnest(%(providers)s::text[], %(days)s::date[], %(offsets)s::integer[], %(cuts)s::text[])
     AS w(provider, day, day_offset, cut)
JOIN cost_facts f ON f.day = w.day
JOIN cost_series s ON s.series_id = f.series_id
JOIN cost_groups g ON g.group_id = s.group_id AND g.provider = w.provider AND g.cut = w.cut
GROUP BY 1, 2, 3, 4, 5, 6;

-- name: usage_costs
SELECT g.provider, w.day_offset, g.account_id, g.service, g.currency,
       sum(d.billed), sum(d.effective)
FROM unnest(%(providers)s::text[], %(days)s::date[], %(offsets)s::integer[], %(cuts)s::text[])
     AS w(provider, day, day_offset, cut)
JOIN cost_groups g
  ON g.provider = w.provider AND g.cut = w.cut AND g.charge_category = 'Usage'
JOIN cost_days d ON d.day = w.day AND d.group_id = g.group_id
GROUP BY 1, 2, 3, 4, 5;

-- name: account_costs_between
-- Used for today's partial day and for the trailing windows.
SELECT g.provider, w.label, g.account_id, g.currency, sum(d.billed), sum(d.effective)
FROM unnest(%(providers)s::text[], %(labels)s::text[], %(since)s::date[], %(until)s::date[],
            %(cuts)s::text[]) AS w(provider, label, since, until, cut)
JOIN cost_groups g ON g.provider = w.provider AND g.cut = w.cut
JOIN cost_days d ON d.group_id = g.group_id AND d.day >= w.since AND d.day < w.until
GROUP BY 1, 2, 3, 4;

-- name: account_costs_of_months
-- Runs of months, not months: a line more would join all series once more. With the first month in
-- which there are any costs.
SELECT g.provider, min(m.month), g.account_id, g.currency, sum(m.billed), sum(m.effective)
FROM unnest(%(providers)s::text[], %(cuts)s::text[], %(first)s::date[], %(last)s::date[])
     AS w(provider, cut, first, last)
JOIN cost_groups g ON g.provider = w.provider AND g.cut = w.cut
JOIN cost_series s USING (group_id)
JOIN cost_months m ON m.series_id = s.series_id AND m.month BETWEEN w.first AND w.last
GROUP BY 1, 3, 4;

-- name: daily_totals
SELECT g.provider, d.day, g.currency, sum(d.billed), sum(d.effective)
FROM unnest(%(providers)s::text[], %(since)s::date[], %(until)s::date[], %(cuts)s::text[])
     AS w(provider, since, until, cut)
JOIN cost_groups g ON g.provider = w.provider AND g.cut = w.cut
JOIN cost_days d ON d.group_id = g.group_id AND d.day >= w.since AND d.day < w.until
GROUP BY 1, 2, 3;

-- name: usage_days
-- A row a series, its days packed: reading them one by one would take twenty times as long. A group
-- is one (account, service, currency) here, because the cut and the category are given.
SELECT g.provider, g.account_id, g.service, g.currency,
       string_agg(int4send(d.day - %(since)s::date) || float8send(
           CASE %(basis)s::text WHEN 'billed' THEN d.billed ELSE d.effective END::double precision),
           ''::bytea)
FROM unnest(%(providers)s::text[], %(cuts)s::text[]) AS w(provider, cut)
JOIN cost_groups g ON g.provider = w.provider AND g.cut = w.cut AND g.charge_category = 'Usage'
JOIN cost_days d USING (group_id)
WHERE d.day >= %(since)s AND d.day < %(until)s
GROUP BY 1, 2, 3, 4;

-- name: unreconciled
-- Of each source and each of its cuts: its own total minus the sum of our facts, over the parts that
-- gave totals of a provider (a part without must not count against it).
WITH control AS (
    SELECT p.source, c.provider, c.month, c.currency, c.cut,
           sum(c.billed) AS billed, sum(c.effective) AS effective
    FROM cost_controls c JOIN cost_parts p USING (part_id)
    GROUP BY 1, 2, 3, 4, 5
), ours AS (
    SELECT p.source, m.provider, m.month, m.currency, m.cut,
           sum(m.billed) AS billed, sum(m.effective) AS effective
    FROM cost_part_months m JOIN cost_parts p USING (part_id)
    WHERE (m.part_id, m.provider) IN (SELECT part_id, provider FROM cost_controls)
    GROUP BY 1, 2, 3, 4, 5
)
SELECT w.provider, w.month, source, cut, currency,
       coalesce(c.billed, 0) - coalesce(o.billed, 0),
       coalesce(c.effective, 0) - coalesce(o.effective, 0)
FROM unnest(%(providers)s::text[], %(months)s::date[]) AS w(provider, month)
JOIN (control c FULL JOIN ours o USING (source, provider, month, currency, cut))
  USING (provider, month);

-- name: restated_totals
-- By day, so that each amount is converted at the rate of its own day and the sum never falls.
SELECT provider, day, currency, sum(billed_moved), sum(effective_moved)
FROM cost_restatements GROUP BY 1, 2, 3;

-- name: source_states
SELECT n.source, n.started_at, n.outcome, n.error,
       (SELECT max(s.finished_at) FROM source_runs s
        WHERE s.source = n.source AND s.outcome IN ('succeeded', 'partial')),
       e.outcome, e.seconds, e.rows
FROM (SELECT DISTINCT ON (source) * FROM source_runs ORDER BY source, run_id DESC) n
LEFT JOIN LATERAL (
    SELECT r.outcome, r.rows,
           extract(epoch FROM r.finished_at - r.started_at)::double precision AS seconds
    FROM source_runs r
    WHERE r.source = n.source AND r.outcome <> 'running'
    ORDER BY r.run_id DESC LIMIT 1
) e ON true
ORDER BY 1;

-- name: api_totals
-- A cap is a source's, for all that it asks; an API that costs nothing has none, and so has one that
-- only sources ask that are configured no more.
SELECT r.provider, r.api, sum(r.requests)::bigint, sum(r.retries)::bigint, sum(r.cost_usd),
       sum(c.cap_usd) FILTER (WHERE r.cost_usd > 0)
FROM api_requests r
LEFT JOIN (SELECT DISTINCT ON (source) source, cap_usd FROM api_spending
           WHERE source = ANY(%(sources)s)
           ORDER BY source, day DESC) c USING (source)
GROUP BY 1, 2 ORDER BY 1, 2;

-- name: notices
SELECT source, reason, sum(greatest(rows, 1))::bigint FROM cost_notices GROUP BY 1, 2 ORDER BY 1, 2;

-- name: accounts
SELECT provider, account_id, account_name, billing_account_id, named_on
FROM cost_accounts c
WHERE EXISTS (SELECT FROM cost_account_days d
              WHERE d.provider = c.provider AND d.account_id = c.account_id)
ORDER BY 1, 2;

-- name: rejected_rows
SELECT source, reason, sum(rows)::bigint FROM cost_rejections GROUP BY 1, 2 ORDER BY 1, 2;

-- name: stored_currencies
SELECT DISTINCT provider, currency FROM cost_groups;

-- name: currency_rows
-- Of several cuts of the same money the rows of the one that knows most.
WITH given AS (
    SELECT p.source, m.* FROM cost_part_months m JOIN cost_parts p USING (part_id)
), main_cut AS (
    SELECT DISTINCT ON (source, provider) source, provider, cut
    FROM given
    ORDER BY source, provider, cardinality(string_to_array(cut, ',')) DESC, cut DESC
)
SELECT g.source, g.currency, sum(g.facts)::bigint
FROM unnest(%(providers)s::text[], %(currencies)s::text[]) AS w(provider, currency)
JOIN given g USING (provider, currency)
JOIN main_cut USING (source, provider, cut)
GROUP BY 1, 2;


-- ---- Which series are shown one by one ----------------------------------------------------------

-- name: series_members
SELECT member, shown FROM series_members
WHERE (provider, month, dimensions, max_series)
    = (%(provider)s, %(month)s, %(dimensions)s, %(max_series)s);

-- name: add_series_members
INSERT INTO series_members (provider, month, dimensions, max_series, member, shown)
SELECT %(provider)s, %(month)s, %(dimensions)s, %(max_series)s, member, shown
FROM unnest(%(members)s::text[], %(shown)s::boolean[]) AS n(member, shown);

-- name: forget_series_members
-- The month before stays: another replica may not have moved on yet.
DELETE FROM series_members
WHERE provider = %(provider)s AND month < %(month)s::date - interval '1 month';


-- ---- Reading for people ------------------------------------------------------------------------

-- name: stored_days
SELECT min(day), max(day) FROM cost_account_days;

-- name: costs_by
-- One array of dimension values a row, in the order of `keys`; `grain` adds the day or the month.
WITH keyed AS MATERIALIZED (
    SELECT s.series_id, g.currency, (
        SELECT array_agg(
            CASE k.key
                WHEN 'provider' THEN g.provider
                WHEN 'account' THEN g.account_id
                WHEN 'service' THEN g.service
                WHEN 'region' THEN s.region
                WHEN 'charge_category' THEN g.charge_category
                ELSE coalesce(s.tags ->> k.key, %(untagged)s)
            END ORDER BY k.place)
        FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS k(key, place)
    ) AS key
    FROM cost_series s JOIN cost_groups g USING (group_id)
    WHERE (g.provider, g.cut) IN
              (SELECT * FROM unnest(%(providers)s::text[], %(cuts)s::text[]))
      AND (%(currency)s::text IS NULL OR g.currency = %(currency)s)
), summed AS (
    SELECT series_id,
           CASE %(grain)s WHEN 'day' THEN day WHEN 'month' THEN date_trunc('month', day)::date END
               AS period,
           sum(billed) AS billed, sum(effective) AS effective
    FROM cost_facts
    WHERE day >= %(since)s AND day < %(until)s
    GROUP BY 1, 2
)
SELECT coalesce(k.key, '{}'), f.period, k.currency, sum(f.billed), sum(f.effective)
FROM summed f JOIN keyed k USING (series_id)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
