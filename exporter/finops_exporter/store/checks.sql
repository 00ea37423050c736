-- What `doctor` reads, and how it rebuilds the rollups. Days are UTC dates.


-- ---- The server --------------------------------------------------------------------------------

-- name: server_state
-- Sessions are counted by database, as those of other roles show nothing but that they are there. The
-- limit of time is the one that our sessions begin with: this transaction has lifted it for itself.
SELECT current_setting('server_version_num')::integer, current_setting('server_version'),
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
       pg_encoding_to_char(d.encoding), pg_size_pretty(pg_database_size(d.oid)),
       pg_is_in_recovery(), current_setting('default_transaction_read_only')::boolean,
       (SELECT reset_val::bigint FROM pg_settings WHERE name = 'statement_timeout'),
       least(current_setting('max_connections')::integer
                 - current_setting('superuser_reserved_connections')::integer,
             nullif(d.datconnlimit, -1), nullif(r.rolconnlimit, -1)),
       (SELECT sum(numbackends)::integer FROM pg_stat_database)
           - (SELECT count(*)::integer FROM pg_stat_activity
              WHERE application_name = 'finops-exporter'),
       quote_ident(current_user), quote_ident(current_database())
FROM pg_database d, pg_roles r
WHERE d.datname = current_database() AND r.rolname = current_user;

-- name: server_clock
SELECT clock_timestamp();

-- name: without_timeout
-- Comparing a large store takes long; the limit is told, but must not cut this transaction off.
SET LOCAL statement_timeout = 0;


-- ---- The schema --------------------------------------------------------------------------------

-- name: schema_privileges
-- A schema without USAGE is not in the search path any more, so that it must be looked for.
SELECT s.oid, quote_ident(n.nspname), quote_ident(current_user), quote_ident(current_database()),
       has_database_privilege(current_database(), 'TEMPORARY'),
       has_schema_privilege(s.oid, 'USAGE'), has_schema_privilege(s.oid, 'CREATE'),
       coalesce(has_table_privilege(to_regclass('schema_migrations'), 'SELECT'), true)
FROM (SELECT coalesce(
          (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('schema_migrations')),
          to_regnamespace(quote_ident(current_schema()))::oid, to_regnamespace('public')::oid
      ) AS oid) s
JOIN pg_namespace n USING (oid);

-- name: table_privileges
SELECT c.relname, ARRAY(
    SELECT p FROM unnest(%(privileges)s::text[]) WITH ORDINALITY AS w(p, place)
    WHERE NOT has_table_privilege(c.oid, p) ORDER BY place)
FROM pg_class c
WHERE c.relnamespace = %(schema)s::oid AND c.relname = ANY(%(tables)s::text[])
ORDER BY 1;


-- ---- Times -------------------------------------------------------------------------------------

-- name: written_ahead
-- Runs that began after `now`, and stored days after `last`.
SELECT (SELECT count(*) FROM source_runs WHERE started_at > %(now)s),
       (SELECT count(DISTINCT day) FROM cost_facts WHERE day > %(last)s),
       (SELECT max(day) FROM cost_facts WHERE day > %(last)s),
       s.generation, s.changed_at
FROM store_state s;


-- ---- Rollups -----------------------------------------------------------------------------------
-- Of each rollup what it should hold, from its first day or month `since` on (NULL: all of it), with
-- the columns of the table in their order: `drift` compares it, `rebuild` writes it.

-- name: newest_months
-- The first day of the month before the newest stored one.
SELECT (date_trunc('month', max(day)) - interval '1 month')::date FROM cost_facts;

-- name: expected_cost_months
SELECT date_trunc('month', day)::date AS month, series_id, sum(billed) AS billed,
       sum(effective) AS effective, count(*) AS facts
FROM cost_facts
WHERE day >= coalesce(%(since)s::date, '-infinity')
GROUP BY 1, 2

-- name: expected_cost_days
SELECT f.day, s.group_id, sum(f.billed) AS billed, sum(f.effective) AS effective,
       count(*) AS facts
FROM cost_facts f JOIN cost_series s USING (series_id)
WHERE f.day >= coalesce(%(since)s::date, '-infinity')
GROUP BY 1, 2

-- name: expected_cost_account_days
SELECT g.provider, g.account_id, f.day, p.source, count(*) AS facts
FROM cost_facts f
JOIN cost_series s USING (series_id)
JOIN cost_groups g USING (group_id)
JOIN cost_parts p USING (part_id)
WHERE f.day >= coalesce(%(since)s::date, '-infinity')
GROUP BY 1, 2, 3, 4

-- name: expected_cost_part_months
SELECT f.part_id, g.provider, date_trunc('month', f.day)::date AS month, g.currency, g.cut,
       sum(f.billed) AS billed, sum(f.effective) AS effective, count(*) AS facts
FROM cost_facts f
JOIN cost_series s USING (series_id)
JOIN cost_groups g USING (group_id)
WHERE f.day >= coalesce(%(since)s::date, '-infinity')
GROUP BY 1, 2, 3, 4, 5

-- name: drift
-- How many rows are right, missing, too many and different, and the newest keys of the wrong ones.
WITH compared AS MATERIALIZED (
    SELECT {keys}, r.facts IS NULL AS missing, e.facts IS NULL AS extra,
           e IS NOT DISTINCT FROM r AS same
    FROM ({expected}) e
    FULL JOIN (SELECT * FROM {rollup} WHERE {time} >= coalesce(%(since)s::date, '-infinity')) r
        USING ({keys})
)
SELECT count(*) FILTER (WHERE same), count(*) FILTER (WHERE missing),
       count(*) FILTER (WHERE extra), count(*) FILTER (WHERE NOT (same OR missing OR extra)),
       ARRAY(SELECT concat_ws(' ', {keys}) FROM compared WHERE NOT same
             ORDER BY {time} DESC, {keys} LIMIT 3)
FROM compared;

-- name: create_expected
CREATE TEMPORARY TABLE expected ON COMMIT DROP AS {expected};

-- name: remove_drifted
DELETE FROM {rollup}
USING (SELECT * FROM {rollup} EXCEPT SELECT * FROM expected) AS wrong
WHERE ({rollup_keys}) = ({wrong_keys});

-- name: write_expected
INSERT INTO {rollup} SELECT * FROM expected EXCEPT SELECT * FROM {rollup};

-- name: drop_expected
DROP TABLE expected;


-- ---- What sources say --------------------------------------------------------------------------

-- name: cut_totals
-- Where a source gives the same money in several cuts: the total of each. (That the rollup equals
-- the facts is checked before.)
SELECT provider, month, source, currency, array_agg(cut ORDER BY cut),
       array_agg(billed ORDER BY cut), array_agg(effective ORDER BY cut)
FROM (
    SELECT m.provider, m.month, p.source, m.currency, m.cut,
           sum(m.billed) AS billed, sum(m.effective) AS effective
    FROM cost_part_months m JOIN cost_parts p USING (part_id)
    WHERE m.month >= coalesce(%(since)s::date, '-infinity')
    GROUP BY 1, 2, 3, 4, 5
) t
GROUP BY 1, 2, 3, 4 HAVING count(*) > 1
ORDER BY 2 DESC, 1, 3, 4;

-- name: controlled_months
SELECT DISTINCT provider, month FROM cost_controls
WHERE month >= coalesce(%(since)s::date, '-infinity')
ORDER BY 2 DESC, 1;

-- name: stored_sources
SELECT DISTINCT source FROM cost_parts ORDER BY 1;

-- name: spent_and_cap
SELECT source, cost_usd, cap_usd FROM api_spending WHERE day = %(day)s;

-- name: killed_runs
SELECT source, count(*) FROM source_runs
WHERE outcome = 'killed' AND started_at >= %(since)s
GROUP BY 1 ORDER BY 1;

-- name: running_runs
SELECT source, started_at FROM source_runs WHERE outcome = 'running' ORDER BY run_id;


-- ---- The AI ledger -----------------------------------------------------------------------------

-- name: ai_ledger_drift
-- How many sums of a month are those of their calls and how many are not, and some of the latter.
-- What began before %(since)s is left out: calls may be deleted by then.
WITH calls AS (
    SELECT tenant_id, model, period_start, sum(coalesce(charged_usd, 0)) AS spent,
           sum(CASE state WHEN 'R' THEN reserved_usd ELSE 0 END) AS held
    FROM (
        SELECT tenant_id, '*' AS model, tenant_period AS period_start, state, reserved_usd, charged_usd
        FROM ai_reservations
        UNION ALL
        SELECT tenant_id, model, model_period, state, reserved_usd, charged_usd
        FROM ai_reservations WHERE model <> '*'
    ) c
    WHERE period_start >= coalesce(%(since)s::date, '-infinity')
    GROUP BY 1, 2, 3
), compared AS MATERIALIZED (
    SELECT tenant_id, model, period_start,
           (coalesce(c.spent, 0), coalesce(c.held, 0))
           = (coalesce(p.spent_usd, 0), coalesce(p.reserved_usd, 0)) AS same
    FROM calls c
    FULL JOIN (
        SELECT * FROM budget_period WHERE period_start >= coalesce(%(since)s::date, '-infinity')
    ) p USING (tenant_id, model, period_start)
)
SELECT count(*) FILTER (WHERE same), count(*) FILTER (WHERE NOT same),
       ARRAY(SELECT concat_ws(' ', tenant_id, model, period_start) FROM compared WHERE NOT same
             ORDER BY period_start DESC, tenant_id, model LIMIT 3)
FROM compared;
