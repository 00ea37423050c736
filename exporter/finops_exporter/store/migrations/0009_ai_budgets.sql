-- AI budgets: what a tenant may spend on tokens in a month, what is spent and held of it, and each call.
--
-- Locks are taken in one order, so that nobody waits in a circle: rows of budget_period by their key,
-- then rows of ai_reservations by theirs. Whoever changes a reservation holds its periods first.

-- Plain SQL may insert, change and delete here: every admission reads it anew.
CREATE TABLE ai_token_budgets (
    tenant_id         text NOT NULL CHECK (length(tenant_id) BETWEEN 1 AND 200),
    model             text NOT NULL DEFAULT '*' CHECK (length(model) BETWEEN 1 AND 200),
    -- NaN is above every number, so these refuse it too.
    monthly_limit_usd numeric NOT NULL CHECK (monthly_limit_usd BETWEEN 0 AND 1000000000),
    soft_limit_ratio  numeric NOT NULL DEFAULT 0.8 CHECK (soft_limit_ratio > 0 AND soft_limit_ratio <= 1),
    timezone          text NOT NULL DEFAULT 'UTC'
        CHECK (timestamptz '2000-01-01 00:00Z' AT TIME ZONE timezone IS NOT NULL),
    fail_mode         text NOT NULL DEFAULT 'fail_closed' CHECK (fail_mode IN ('fail_closed', 'fail_open')),
    allowance_usd     numeric NOT NULL DEFAULT 1 CHECK (allowance_usd BETWEEN 0 AND 1000000000),
    enforce           boolean NOT NULL DEFAULT true,
    tier              text NOT NULL DEFAULT 'custom'
        CHECK (tier IN ('starter', 'professional', 'enterprise', 'custom')),
    owner             text NOT NULL DEFAULT '',
    critical          boolean NOT NULL DEFAULT false,
    reset_date        timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    changed_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, model)
);
COMMENT ON COLUMN ai_token_budgets.model IS '* is the budget over all models; a call has to fit both';
COMMENT ON COLUMN ai_token_budgets.timezone IS 'by whose clock a month begins';
COMMENT ON COLUMN ai_token_budgets.allowance_usd IS
    'with fail_open: what each process sets aside to spend while the database is away';
COMMENT ON COLUMN ai_token_budgets.enforce IS 'off: calls beyond the limit are counted, not refused';
COMMENT ON COLUMN ai_token_budgets.reset_date IS
    'not used: each month has sums of its own (budget_period), so nothing is ever reset';

-- A limit that is raised takes back that somebody was refused because of it.
CREATE FUNCTION ai_limit_raised() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE budget_period b SET refused_at = NULL, refused_limit_usd = NULL
    WHERE (b.tenant_id, b.model) = (NEW.tenant_id, NEW.model)
      AND b.refused_limit_usd < NEW.monthly_limit_usd;
    RETURN NULL;
END $$;

CREATE TRIGGER ai_limit_raised AFTER UPDATE ON ai_token_budgets
FOR EACH ROW WHEN (NEW.monthly_limit_usd > OLD.monthly_limit_usd)
EXECUTE FUNCTION ai_limit_raised();

-- What was spent in a month, of a model and (as model *) of all models. Rows come about by the first
-- call of the month, with or without a budget.
CREATE TABLE budget_period (
    tenant_id          text NOT NULL,
    model              text NOT NULL,
    period_start       date NOT NULL,
    spent_usd          numeric NOT NULL DEFAULT 0,
    reserved_usd       numeric NOT NULL DEFAULT 0 CHECK (reserved_usd >= 0),
    orphaned_usd       numeric NOT NULL DEFAULT 0,
    overrun_usd        numeric NOT NULL DEFAULT 0,
    requests           bigint NOT NULL DEFAULT 0,
    input_tokens       bigint NOT NULL DEFAULT 0,
    output_tokens      bigint NOT NULL DEFAULT 0,
    cache_read_tokens  bigint NOT NULL DEFAULT 0,
    cache_write_tokens bigint NOT NULL DEFAULT 0,
    refused_at         timestamptz,
    refused_limit_usd  numeric,
    PRIMARY KEY (tenant_id, model, period_start)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
COMMENT ON COLUMN budget_period.period_start IS 'the first day of the month in the time zone of the budget';
COMMENT ON COLUMN budget_period.reserved_usd IS 'held for calls that are under way';
COMMENT ON COLUMN budget_period.orphaned_usd IS
    'of spent_usd: for calls that were never reported, charged with what was held for them';
COMMENT ON COLUMN budget_period.overrun_usd IS 'what calls have cost above what was held for them';
COMMENT ON COLUMN budget_period.refused_at IS
    'the first call that did not fit refused_limit_usd; it counts while the limit is not above that';

-- Every call by its id: held (R), settled (S), or charged because nobody reported it in time (X).
CREATE TABLE ai_reservations (
    request_id    text PRIMARY KEY,
    tenant_id     text NOT NULL,
    model         text NOT NULL,
    tenant_period date NOT NULL,
    model_period  date NOT NULL,
    state         text NOT NULL CHECK (state IN ('R', 'S', 'X')),
    reserved_usd  numeric,
    charged_usd   numeric,
    admitted_at   timestamptz NOT NULL,
    expires_at    timestamptz,
    ended_at      timestamptz,
    check_print   text,
    check_share   numeric,
    check_warns   boolean,
    check_shadow  text,
    track_print   text,
    track_share   numeric,
    track_warns   boolean
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX ai_reservations_open ON ai_reservations (expires_at) WHERE state = 'R';
CREATE INDEX ai_reservations_ended ON ai_reservations USING brin (ended_at);
COMMENT ON COLUMN ai_reservations.reserved_usd IS 'what was held; null for a call that was reported without asking';
COMMENT ON COLUMN ai_reservations.charged_usd IS 'what it counts in spent_usd; null while it is held';
COMMENT ON COLUMN ai_reservations.check_print IS
    'the content of the question (and check_share, check_warns, check_shadow its answer), to tell a '
    'repetition from another question; track_print that of the report';

-- What processes have set aside (as reservations) to spend while the database is away. `holder` is the
-- journal in which they write down what they spend of it.
CREATE TABLE ai_allowances (
    request_id text PRIMARY KEY,
    holder     text NOT NULL,
    tenant_id  text NOT NULL,
    model      text NOT NULL
);
CREATE INDEX ai_allowances_holder ON ai_allowances (holder);

-- The audit log: a row a call. Other applications may insert rows: those are counted once, by request_id.
CREATE TABLE ai_token_usage (
    request_id            text NOT NULL DEFAULT gen_random_uuid()::text CHECK (length(request_id) BETWEEN 1 AND 200),
    time                  timestamptz NOT NULL DEFAULT now()
        CHECK (time >= timestamptz '2000-01-01 00:00Z' AND time < timestamptz '2100-01-01 00:00Z'),
    tenant_id             text NOT NULL CHECK (length(tenant_id) BETWEEN 1 AND 200),
    model                 text NOT NULL CHECK (length(model) BETWEEN 1 AND 200 AND model <> '*'),
    input_tokens          bigint NOT NULL DEFAULT 0 CHECK (input_tokens BETWEEN 0 AND 1000000000),
    output_tokens         bigint NOT NULL DEFAULT 0 CHECK (output_tokens BETWEEN 0 AND 1000000000),
    cache_read_tokens     bigint NOT NULL DEFAULT 0 CHECK (cache_read_tokens BETWEEN 0 AND 1000000000),
    cache_write_tokens    bigint NOT NULL DEFAULT 0 CHECK (cache_write_tokens BETWEEN 0 AND 1000000000),
    cache_write_1h_tokens bigint NOT NULL DEFAULT 0 CHECK (cache_write_1h_tokens BETWEEN 0 AND 1000000000),
    cost_usd              numeric CHECK (cost_usd BETWEEN 0 AND 1000000000),
    price_source          text NOT NULL DEFAULT 'given with the row',
    report_type           text NOT NULL DEFAULT '' CHECK (length(report_type) <= 200),
    PRIMARY KEY (request_id, time)
);
CREATE INDEX ai_token_usage_tenant ON ai_token_usage (tenant_id, time);
CREATE INDEX ai_token_usage_time ON ai_token_usage USING brin (time);
CREATE INDEX ai_token_usage_unpriced ON ai_token_usage (time) WHERE cost_usd IS NULL;
COMMENT ON COLUMN ai_token_usage.input_tokens IS 'neither read from a cache nor written to one';
COMMENT ON COLUMN ai_token_usage.cache_write_tokens IS 'written for five minutes';
COMMENT ON COLUMN ai_token_usage.cost_usd IS
    'null: not known yet; the exporter fills it in by its prices, and only then is the row counted';

-- Usage by five minutes, for what happened in the last hour, day and week.
CREATE TABLE ai_usage_buckets (
    tenant_id    text NOT NULL,
    report_type  text NOT NULL,
    bucket_start timestamptz NOT NULL,
    requests     bigint NOT NULL,
    tokens       bigint NOT NULL,
    cost_usd     numeric NOT NULL,
    PRIMARY KEY (tenant_id, report_type, bucket_start)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX ai_usage_buckets_time ON ai_usage_buckets (bucket_start);


-- The month of a moment in a time zone, named by its first day.
CREATE FUNCTION ai_period(p_at timestamptz, p_zone text) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
RETURN date_trunc('month', p_at AT TIME ZONE p_zone)::date;

-- When a month ends in a time zone.
CREATE FUNCTION ai_period_end(p_start date, p_zone text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (p_start + interval '1 month') AT TIME ZONE p_zone;

-- How much of a limit is used: 0 to 1 and beyond; all of a limit of nothing; null without a limit.
CREATE FUNCTION ai_share(p_usd numeric, p_limit numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_limit = 0 THEN 1 ELSE round(p_usd / p_limit, 6) END;

-- Make the periods that are missing and lock all, in one order. The keys come in three arrays, distinct
-- and sorted.
CREATE FUNCTION ai_lock_periods(p_tenants text[], p_models text[], p_starts date[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO budget_period (tenant_id, model, period_start)
    SELECT k.* FROM unnest(p_tenants, p_models, p_starts) AS k (tenant_id, model, period_start)
    WHERE NOT EXISTS (
        SELECT FROM budget_period b
        WHERE (b.tenant_id, b.model, b.period_start) = (k.tenant_id, k.model, k.period_start))
    ON CONFLICT DO NOTHING;
    PERFORM FROM budget_period b
    JOIN unnest(p_tenants, p_models, p_starts) WITH ORDINALITY
        AS k (tenant_id, model, period_start, place) USING (tenant_id, model, period_start)
    ORDER BY k.place FOR UPDATE OF b;
END $$;

-- What the ledger is asked: n is the order, from 1; what follows `print` belongs to reports only.
CREATE TYPE ai_call AS (
    n integer, kind text, id text, tenant text, model text, usd numeric, print text,
    at timestamptz, input bigint, output bigint, read bigint, write bigint, write_1h bigint,
    source text, report text);

-- Decide and count many calls in one transaction.
--
-- p_calls is an array of objects with the keys of ai_call. Ids must be distinct. Kinds:
--   check    hold `usd`, if it fits the limits
--   force    hold `usd` whether it fits or not (what was admitted while the database was away)
--   track    the call has cost `usd`; settles what is held for it
--   allow    hold as much of `usd` as fits, to spend while the database is away; model may be *
--   release  give back what is held, and what was charged for it
-- p_now is the time (null: that of this server); p_deny_unknown refuses tenants without any budget;
-- p_enforce off refuses nobody; p_record writes reports down in ai_token_usage.
--
-- An outcome `again` did nothing, because what the decision needs has changed meanwhile.
CREATE FUNCTION ai_ledger(
    p_calls jsonb, p_now timestamptz, p_hold interval, p_deny_unknown boolean, p_enforce boolean,
    p_record boolean)
RETURNS TABLE (
    n integer, outcome text, usd numeric, expires_at timestamptz, share numeric, warns boolean,
    shadow text, overrun numeric, budget_model text, limit_usd numeric, used_usd numeric,
    reserved_usd numeric, retry_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    at_now      timestamptz := coalesce(p_now, clock_timestamp());
    is_new      boolean;
    calls       ai_call[];
    denied      integer[];
    -- What has to be locked.
    k_tenant    text[];
    k_model     text[];
    k_start     date[];
    t_periods   date[];
    m_periods   date[];
    -- The sums of the locked periods, by their place among the keys; kept up to date call by call.
    spent       numeric[];
    held        numeric[];
    orphaned    numeric[];
    overran     numeric[];
    refused     numeric[];
    -- The answers, by the number of the call.
    o_outcome   text[];
    o_usd       numeric[];
    o_expires   timestamptz[];
    o_share     numeric[];
    o_warns     boolean[];
    o_shadow    text[];
    o_overrun   numeric[];
    o_model     text[];
    o_limit     numeric[];
    o_used      numeric[];
    o_reserved  numeric[];
    o_retry     timestamptz[];
    o_place_t   integer[];
    o_place_m   integer[];
    c           record;
    x           numeric;
    over        numeric;
    place       integer;
    -- Whether it goes beyond the limit (t: of the tenant, m: of the model) by what is spent alone,
    -- and with what is held.
    over_t      boolean;
    over_m      boolean;
    hits_t      boolean;
    hits_m      boolean;
BEGIN
    SELECT array_agg(j ORDER BY j.n) INTO calls FROM jsonb_populate_recordset(NULL::ai_call, p_calls) AS j;

    -- Whoever is refused for want of any budget leaves nothing behind, not even a month.
    IF p_deny_unknown THEN
        SELECT array_agg(j.n) INTO denied FROM unnest(calls) AS j
        WHERE j.kind IN ('check', 'track')
          AND NOT EXISTS (SELECT FROM ai_token_budgets b WHERE b.tenant_id = j.tenant)
          AND NOT EXISTS (SELECT FROM ai_reservations r WHERE r.request_id = j.id);
        FOREACH place IN ARRAY coalesce(denied, '{}') LOOP
            o_outcome[place] := 'unknown_tenant';
        END LOOP;
    END IF;

    -- Whose period a call belongs to: that of its reservation, else that of its time.
    SELECT array_agg(coalesce(r.tenant_period, ai_period(coalesce(j.at, at_now), coalesce(t.timezone, 'UTC'))) ORDER BY j.n),
           array_agg(coalesce(r.model_period, ai_period(coalesce(j.at, at_now), coalesce(m.timezone, t.timezone, 'UTC'))) ORDER BY j.n)
    INTO t_periods, m_periods
    FROM unnest(calls) AS j
    LEFT JOIN ai_reservations r ON r.request_id = j.id
    LEFT JOIN ai_token_budgets t ON t.tenant_id = j.tenant AND t.model = '*'
    LEFT JOIN ai_token_budgets m ON m.tenant_id = j.tenant AND m.model = j.model;

    SELECT array_agg(k.tenant ORDER BY k.place), array_agg(k.model ORDER BY k.place),
           array_agg(k.start ORDER BY k.place)
    INTO k_tenant, k_model, k_start
    FROM (
        SELECT u.*, row_number() OVER (
                   ORDER BY u.tenant COLLATE "C", u.model COLLATE "C", u.start) AS place
        FROM (
            SELECT j.tenant, '*' AS model, t_periods[j.n] AS start
            FROM unnest(calls) AS j WHERE o_outcome[j.n] IS NULL
            UNION
            SELECT j.tenant, j.model, m_periods[j.n]
            FROM unnest(calls) AS j WHERE o_outcome[j.n] IS NULL
        ) u
    ) k;

    PERFORM ai_lock_periods(coalesce(k_tenant, '{}'), coalesce(k_model, '{}'), coalesce(k_start, '{}'));
    PERFORM FROM ai_reservations r
    WHERE r.request_id IN (SELECT j.id FROM unnest(calls) AS j)
    ORDER BY r.request_id COLLATE "C" FOR UPDATE;

    -- Only now, when nobody else changes them: the sums, and then the limits.
    SELECT array_agg(b.spent_usd ORDER BY k.place), array_agg(b.reserved_usd ORDER BY k.place),
           array_agg(b.orphaned_usd ORDER BY k.place), array_agg(b.overrun_usd ORDER BY k.place),
           array_agg(NULL::numeric)
    INTO spent, held, orphaned, overran, refused
    FROM unnest(k_tenant, k_model, k_start) WITH ORDINALITY AS k (tenant_id, model, period_start, place)
    JOIN budget_period b USING (tenant_id, model, period_start);

    FOR c IN
        SELECT j.*, r.request_id AS known, r.tenant_id AS r_tenant, r.model AS r_model, r.state,
               r.reserved_usd, r.charged_usd, r.expires_at, r.check_print, r.check_share, r.check_warns,
               r.check_shadow, r.track_print, r.track_share, r.track_warns,
               kt.place::integer AS ti, km.place::integer AS mi,
               coalesce(r.tenant_period, t_periods[j.n]) IS DISTINCT FROM t_periods[j.n]
               OR coalesce(r.model_period, m_periods[j.n]) IS DISTINCT FROM m_periods[j.n] AS has_moved,
               t.monthly_limit_usd AS t_limit, t.soft_limit_ratio AS t_soft,
               coalesce(t.enforce, true) AND p_enforce AS t_enforce,
               coalesce(t.timezone, 'UTC') AS t_zone,
               m.monthly_limit_usd AS m_limit, m.soft_limit_ratio AS m_soft,
               coalesce(m.enforce, true) AND p_enforce AS m_enforce,
               coalesce(m.timezone, t.timezone, 'UTC') AS m_zone
        FROM unnest(calls) AS j
        JOIN unnest(k_tenant, k_model, k_start) WITH ORDINALITY AS kt (tenant, model, start, place)
            ON kt.tenant = j.tenant AND kt.model = '*' AND kt.start = t_periods[j.n]
        JOIN unnest(k_tenant, k_model, k_start) WITH ORDINALITY AS km (tenant, model, start, place)
            ON km.tenant = j.tenant AND km.model = j.model AND km.start = m_periods[j.n]
        LEFT JOIN ai_reservations r ON r.request_id = j.id
        LEFT JOIN ai_token_budgets t ON t.tenant_id = j.tenant AND t.model = '*'
        -- Where the call is about all models, there is the tenant's own budget only.
        LEFT JOIN ai_token_budgets m ON m.tenant_id = j.tenant AND m.model = j.model AND j.model <> '*'
        WHERE o_outcome[j.n] IS NULL
        ORDER BY j.n
    LOOP
        is_new := c.known IS NULL;
        IF c.has_moved THEN
            o_outcome[c.n] := 'again';
            CONTINUE;
        END IF;
        IF NOT is_new AND (c.r_tenant, c.r_model) <> (c.tenant, c.model) THEN
            o_outcome[c.n] := 'conflict';
            CONTINUE;
        END IF;

        IF c.kind IN ('check', 'force', 'allow') AND NOT is_new THEN
            IF c.check_print IS DISTINCT FROM c.print THEN
                o_outcome[c.n] := 'conflict';
            ELSIF c.kind = 'check' AND (c.state = 'S' OR c.state = 'X' AND c.charged_usd < c.reserved_usd) THEN
                -- Nothing is held or charged for it any more that a call could use.
                o_outcome[c.n] := 'ended';
            ELSE
                o_outcome[c.n] := 'held';
                o_usd[c.n] := c.reserved_usd;
                o_expires[c.n] := c.expires_at;
                o_share[c.n] := c.check_share;
                o_warns[c.n] := c.check_warns;
                o_shadow[c.n] := c.check_shadow;
            END IF;
            CONTINUE;
        END IF;

        IF c.kind IN ('check', 'force', 'allow') THEN
            x := c.usd;
            IF c.kind = 'allow' THEN
                x := least(x, c.t_limit - spent[c.ti] - held[c.ti], c.m_limit - spent[c.mi] - held[c.mi]);
                IF x <= 0 THEN
                    o_outcome[c.n] := 'nothing';
                    CONTINUE;
                END IF;
            ELSIF c.kind = 'check' THEN
                over_t := coalesce(spent[c.ti] + x > c.t_limit, false);
                over_m := coalesce(spent[c.mi] + x > c.m_limit, false);
                hits_t := coalesce(spent[c.ti] + held[c.ti] + x > c.t_limit, false);
                hits_m := coalesce(spent[c.mi] + held[c.mi] + x > c.m_limit, false);
                IF hits_t AND c.t_enforce OR hits_m AND c.m_enforce THEN
                    -- The budget to name is one that is really used up, rather than one in which
                    -- only holds are in the way: those may become less.
                    place := CASE WHEN over_t AND c.t_enforce THEN c.ti
                                  WHEN over_m AND c.m_enforce THEN c.mi
                                  WHEN hits_t AND c.t_enforce THEN c.ti ELSE c.mi END;
                    IF over_t AND c.t_enforce THEN
                        refused[c.ti] := c.t_limit;
                    END IF;
                    IF over_m AND c.m_enforce THEN
                        refused[c.mi] := c.m_limit;
                    END IF;
                    o_model[c.n] := k_model[place];
                    o_limit[c.n] := CASE WHEN place = c.ti THEN c.t_limit ELSE c.m_limit END;
                    o_used[c.n] := spent[place];
                    o_reserved[c.n] := held[place];
                    IF spent[place] + x > o_limit[c.n] THEN
                        o_outcome[c.n] := 'exceeded';
                        o_retry[c.n] := ai_period_end(
                            k_start[place], CASE WHEN place = c.ti THEN c.t_zone ELSE c.m_zone END);
                    ELSE
                        o_outcome[c.n] := 'busy';
                    END IF;
                    CONTINUE;
                END IF;
                o_shadow[c.n] := CASE WHEN over_t OR over_m THEN 'exceeded'
                                      WHEN hits_t OR hits_m THEN 'busy' END;
            END IF;
            held[c.ti] := held[c.ti] + x;
            IF c.mi <> c.ti THEN
                held[c.mi] := held[c.mi] + x;
            END IF;
            o_outcome[c.n] := 'held new';
            o_usd[c.n] := x;
            o_expires[c.n] := at_now + p_hold;

        ELSIF c.kind = 'track' AND NOT is_new AND c.state = 'S' THEN
            -- What another application wrote down itself has no print: it is counted, as told here.
            IF c.track_print IS NOT NULL AND c.print IS NOT NULL AND c.track_print <> c.print THEN
                o_outcome[c.n] := 'conflict';
            ELSE
                o_outcome[c.n] := 'settled';
                o_usd[c.n] := c.charged_usd;
                o_overrun[c.n] := greatest(c.charged_usd - c.reserved_usd, 0);
                o_share[c.n] := c.track_share;
                o_warns[c.n] := c.track_warns;
            END IF;
            CONTINUE;

        ELSIF c.kind = 'release' AND (is_new OR c.state = 'S') THEN
            o_outcome[c.n] := 'nothing';
            CONTINUE;

        ELSE
            x := CASE WHEN c.kind = 'track' THEN c.usd ELSE 0 END;
            over := coalesce(greatest(x - c.reserved_usd, 0), 0);
            FOREACH place IN ARRAY CASE WHEN c.mi = c.ti THEN ARRAY[c.ti] ELSE ARRAY[c.ti, c.mi] END LOOP
                spent[place] := spent[place] + x;
                overran[place] := overran[place] + over;
                IF c.state = 'R' THEN
                    held[place] := held[place] - c.reserved_usd;
                ELSIF c.state = 'X' THEN
                    spent[place] := spent[place] - c.charged_usd;
                    orphaned[place] := orphaned[place] - c.charged_usd;
                END IF;
            END LOOP;
            o_outcome[c.n] := CASE WHEN c.kind = 'release' THEN 'released'
                                   WHEN is_new THEN 'settled new' ELSE 'settled now' END;
            o_usd[c.n] := x;
            o_overrun[c.n] := over;
        END IF;

        o_place_t[c.n] := c.ti;
        o_place_m[c.n] := c.mi;
        o_share[c.n] := greatest(ai_share(spent[c.ti] + held[c.ti], c.t_limit),
                                 ai_share(spent[c.mi] + held[c.mi], c.m_limit));
        o_warns[c.n] := coalesce(spent[c.ti] + held[c.ti] >= c.t_limit * c.t_soft, false)
                        OR coalesce(spent[c.mi] + held[c.mi] >= c.m_limit * c.m_soft, false);
    END LOOP;

    INSERT INTO ai_reservations (
        request_id, tenant_id, model, tenant_period, model_period, state, reserved_usd, charged_usd,
        admitted_at, expires_at, ended_at, check_print, check_share, check_warns, check_shadow,
        track_print, track_share, track_warns)
    SELECT j.id, j.tenant, j.model, t_periods[j.n], m_periods[j.n], CASE WHEN h THEN 'R' ELSE 'S' END,
           CASE WHEN h THEN o_usd[j.n] END, CASE WHEN NOT h THEN o_usd[j.n] END,
           at_now, o_expires[j.n], CASE WHEN NOT h THEN at_now END,
           CASE WHEN h THEN j.print END, CASE WHEN h THEN o_share[j.n] END,
           CASE WHEN h THEN o_warns[j.n] END, o_shadow[j.n],
           CASE WHEN NOT h THEN j.print END, CASE WHEN NOT h THEN o_share[j.n] END,
           CASE WHEN NOT h THEN o_warns[j.n] END
    FROM unnest(calls) AS j,
         LATERAL (SELECT o_outcome[j.n] = 'held new') AS held_new (h)
    WHERE o_outcome[j.n] IN ('held new', 'settled new')
    ORDER BY j.id COLLATE "C";

    IF o_outcome && ARRAY['settled now', 'released'] THEN
        UPDATE ai_reservations r
        SET state = 'S', charged_usd = o_usd[j.n], ended_at = at_now, track_print = j.print,
            track_share = o_share[j.n], track_warns = o_warns[j.n]
        FROM unnest(calls) AS j
        WHERE r.request_id = j.id AND o_outcome[j.n] IN ('settled now', 'released');
    END IF;

    IF o_outcome && ARRAY['settled now', 'settled new'] THEN
        IF p_record THEN
            -- The trigger below counts what others insert; this is counted here.
            PERFORM set_config('finops_exporter.usage_is_counted', 'yes', true);
            INSERT INTO ai_token_usage (
                request_id, time, tenant_id, model, input_tokens, output_tokens, cache_read_tokens,
                cache_write_tokens, cache_write_1h_tokens, cost_usd, price_source, report_type)
            SELECT j.id, coalesce(j.at, at_now), j.tenant, j.model, j.input, j.output, j.read, j.write,
                   j.write_1h, j.usd, j.source, j.report
            FROM unnest(calls) AS j
            WHERE o_outcome[j.n] IN ('settled now', 'settled new')
            -- Somebody wrote it down already, and did not know what it cost.
            ON CONFLICT (request_id, time) DO UPDATE
            SET cost_usd = EXCLUDED.cost_usd, price_source = EXCLUDED.price_source
            WHERE ai_token_usage.cost_usd IS NULL;
            PERFORM set_config('finops_exporter.usage_is_counted', '', true);
        END IF;

        INSERT INTO ai_usage_buckets AS b (tenant_id, report_type, bucket_start, requests, tokens, cost_usd)
        SELECT j.tenant, coalesce(j.report, ''),
               date_bin('5 min', coalesce(j.at, at_now), timestamptz '2000-01-01 00:00Z') AS bucket,
               count(*), sum(j.input + j.output + j.read + j.write + j.write_1h), sum(j.usd)
        FROM unnest(calls) AS j
        WHERE o_outcome[j.n] IN ('settled now', 'settled new')
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (tenant_id, report_type, bucket_start) DO UPDATE
        SET requests = b.requests + EXCLUDED.requests, tokens = b.tokens + EXCLUDED.tokens,
            cost_usd = b.cost_usd + EXCLUDED.cost_usd;
    END IF;

    UPDATE budget_period b
    SET spent_usd = spent[k.place], reserved_usd = held[k.place], orphaned_usd = orphaned[k.place],
        overrun_usd = overran[k.place],
        requests = b.requests + coalesce(u.requests, 0),
        input_tokens = b.input_tokens + coalesce(u.input, 0),
        output_tokens = b.output_tokens + coalesce(u.output, 0),
        cache_read_tokens = b.cache_read_tokens + coalesce(u.read, 0),
        cache_write_tokens = b.cache_write_tokens + coalesce(u.write, 0),
        refused_at = CASE WHEN refused[k.place] > coalesce(b.refused_limit_usd, -1) THEN at_now
                          ELSE b.refused_at END,
        refused_limit_usd = greatest(refused[k.place], b.refused_limit_usd)
    FROM unnest(k_tenant, k_model, k_start) WITH ORDINALITY AS k (tenant_id, model, period_start, place)
    LEFT JOIN (
        SELECT p.place, count(*) AS requests, sum(j.input) AS input, sum(j.output) AS output,
               sum(j.read) AS read, sum(j.write + j.write_1h) AS write
        FROM unnest(calls) AS j,
            LATERAL (SELECT o_place_t[j.n] UNION SELECT o_place_m[j.n]) AS p (place)
        WHERE o_outcome[j.n] IN ('settled now', 'settled new')
        GROUP BY p.place
    ) u USING (place)
    WHERE (b.tenant_id, b.model, b.period_start) = (k.tenant_id, k.model, k.period_start)
      AND (u.requests > 0 OR refused[k.place] > coalesce(b.refused_limit_usd, -1)
           OR (b.spent_usd, b.reserved_usd) <> (spent[k.place], held[k.place]));

    RETURN QUERY
    SELECT j.n, o_outcome[j.n], o_usd[j.n], o_expires[j.n], o_share[j.n], o_warns[j.n], o_shadow[j.n],
           o_overrun[j.n], o_model[j.n], o_limit[j.n], o_used[j.n], o_reserved[j.n], o_retry[j.n]
    FROM unnest(calls) AS j;
END $$;

-- End holds that nobody settled in time, at most p_most of them: charged with what was held (else given
-- back). Safe from several processes. Returns how many, and how much was charged.
CREATE FUNCTION ai_sweep(p_now timestamptz, p_charge boolean, p_most integer)
RETURNS TABLE (ended bigint, usd numeric)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    at_now   timestamptz := coalesce(p_now, clock_timestamp());
    ids      text[];
    k_tenant text[];
    k_model  text[];
    k_start  date[];
    locked   tid[];
BEGIN
    SELECT array_agg(r.request_id) INTO ids
    FROM (SELECT request_id FROM ai_reservations
          WHERE state = 'R' AND expires_at <= at_now ORDER BY expires_at LIMIT p_most) r;
    IF ids IS NULL THEN
        RETURN QUERY SELECT 0::bigint, 0::numeric;
        RETURN;
    END IF;
    SELECT array_agg(k.tenant_id ORDER BY k.place), array_agg(k.model ORDER BY k.place),
           array_agg(k.start ORDER BY k.place)
    INTO k_tenant, k_model, k_start
    FROM (
        SELECT u.*, row_number() OVER (
                   ORDER BY u.tenant_id COLLATE "C", u.model COLLATE "C", u.start) AS place
        FROM (SELECT tenant_id, '*' AS model, tenant_period AS start
              FROM ai_reservations WHERE request_id = ANY(ids)
              UNION
              SELECT tenant_id, model, model_period FROM ai_reservations WHERE request_id = ANY(ids)) u
    ) k;
    -- Periods that somebody else holds wait for another time: one tenant must not keep the others.
    SELECT array_agg(b.ctid) INTO locked FROM (
        SELECT b.ctid FROM budget_period b
        JOIN unnest(k_tenant, k_model, k_start) WITH ORDINALITY
            AS k (tenant_id, model, period_start, place) USING (tenant_id, model, period_start)
        ORDER BY k.place FOR UPDATE OF b SKIP LOCKED
    ) b;
    RETURN QUERY
    WITH held AS MATERIALIZED (
        SELECT tenant_id, model, period_start FROM budget_period WHERE ctid = ANY(locked)
    ), open AS (
        SELECT r.request_id FROM ai_reservations r
        JOIN held t ON (t.tenant_id, t.model, t.period_start) = (r.tenant_id, '*', r.tenant_period)
        JOIN held m ON (m.tenant_id, m.model, m.period_start) = (r.tenant_id, r.model, r.model_period)
        WHERE r.request_id = ANY(ids) AND r.state = 'R'
        ORDER BY r.request_id COLLATE "C" FOR UPDATE OF r
    ), closed AS (
        UPDATE ai_reservations r
        SET state = 'X', charged_usd = CASE WHEN p_charge THEN r.reserved_usd ELSE 0 END, ended_at = at_now
        FROM open WHERE r.request_id = open.request_id
        RETURNING r.*
    ), sums AS (
        SELECT u.tenant_id, u.model, u.start, sum(u.reserved_usd) AS held, sum(u.charged_usd) AS charged
        FROM (SELECT tenant_id, '*' AS model, tenant_period AS start, reserved_usd, charged_usd FROM closed
              UNION ALL
              SELECT tenant_id, model, model_period, reserved_usd, charged_usd FROM closed
              WHERE model <> '*') u
        GROUP BY 1, 2, 3
    ), counted AS (
        UPDATE budget_period b
        SET reserved_usd = b.reserved_usd - s.held, spent_usd = b.spent_usd + s.charged,
            orphaned_usd = b.orphaned_usd + s.charged
        FROM sums s WHERE (b.tenant_id, b.model, b.period_start) = (s.tenant_id, s.model, s.start)
    )
    SELECT count(*), coalesce(sum(charged_usd), 0) FROM closed;
END $$;


-- What other applications insert is counted like a report, by the same function; rows without a cost
-- wait for the exporter, which knows prices.
-- With the rights of the owner: whoever may insert need not be allowed to change sums.
CREATE FUNCTION ai_count_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    calls jsonb;
    clash text;
BEGIN
    SELECT min(c.request_id) INTO clash FROM (
        SELECT request_id FROM inserted GROUP BY request_id
        HAVING min(tenant_id) <> max(tenant_id) OR min(model) <> max(model)
    ) c;
    FOR calls IN
        SELECT jsonb_agg(jsonb_build_object(
                   'n', u.n % 1000 + 1, 'kind', 'track', 'id', u.request_id, 'at', u.time,
                   'tenant', u.tenant_id, 'model', u.model, 'usd', u.cost_usd,
                   'input', u.input_tokens, 'output', u.output_tokens, 'read', u.cache_read_tokens,
                   'write', u.cache_write_tokens, 'write_1h', u.cache_write_1h_tokens,
                   'report', u.report_type))
        FROM (
            SELECT i.*, row_number() OVER (ORDER BY i.tenant_id COLLATE "C", i.request_id) - 1 AS n
            FROM (SELECT DISTINCT ON (request_id) * FROM inserted
                  WHERE cost_usd IS NOT NULL ORDER BY request_id, time) i
        ) u
        GROUP BY u.n / 1000 ORDER BY u.n / 1000
    LOOP
        EXIT WHEN clash IS NOT NULL;
        SELECT call->>'id' INTO clash
        FROM ai_ledger(calls, NULL, interval '0', false, false, false) l
        JOIN jsonb_array_elements(calls) call ON (call->>'n')::integer = l.n
        WHERE l.outcome IN ('conflict', 'again') LIMIT 1;
    END LOOP;
    IF clash IS NOT NULL THEN
        RAISE EXCEPTION 'request_id % belongs to another call', quote_literal(clash)
        USING ERRCODE = 'unique_violation',
              HINT = 'Ids of requests must be unique over all tenants; use UUIDs.';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER ai_count_inserted AFTER INSERT ON ai_token_usage
REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT
WHEN (coalesce(current_setting('finops_exporter.usage_is_counted', true), '') <> 'yes')
EXECUTE FUNCTION ai_count_inserted();


-- How every budget stands at a moment, in its current month.
CREATE FUNCTION ai_budget_states(p_now timestamptz)
RETURNS TABLE (
    tenant_id text, model text, monthly_limit_usd numeric, soft_limit_ratio numeric, timezone text,
    fail_mode text, allowance_usd numeric, enforce boolean, tier text, owner text, critical boolean,
    period_start date, resets_at timestamptz, used_usd numeric, reserved_usd numeric, requests bigint,
    hard_limit_reached boolean)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT b.tenant_id, b.model, b.monthly_limit_usd, b.soft_limit_ratio, b.timezone, b.fail_mode,
           b.allowance_usd, b.enforce, b.tier, b.owner, b.critical, p.start,
           ai_period_end(p.start, b.timezone), coalesce(s.spent_usd, 0), coalesce(s.reserved_usd, 0),
           coalesce(s.requests, 0), coalesce(b.monthly_limit_usd <= s.refused_limit_usd, false)
    FROM ai_token_budgets b
    CROSS JOIN LATERAL (SELECT ai_period(p_now, b.timezone) AS start) p
    LEFT JOIN budget_period s
        ON (s.tenant_id, s.model, s.period_start) = (b.tenant_id, b.model, p.start);
END;

CREATE FUNCTION get_budget_status(p_tenant_id text)
RETURNS TABLE (
    tenant_id text, model text, monthly_limit_usd numeric, used_usd numeric, reserved_usd numeric,
    remaining_usd numeric, usage_percent numeric, soft_limit_reached boolean,
    hard_limit_reached boolean, reset_date timestamptz)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT s.tenant_id, s.model, s.monthly_limit_usd, s.used_usd, s.reserved_usd,
           greatest(s.monthly_limit_usd - s.used_usd - s.reserved_usd, 0),
           round(100 * ai_share(s.used_usd, s.monthly_limit_usd), 4),
           ai_share(s.used_usd, s.monthly_limit_usd) >= s.soft_limit_ratio,
           s.hard_limit_reached, s.resets_at
    FROM ai_budget_states(now()) s WHERE s.tenant_id = p_tenant_id ORDER BY s.model COLLATE "C";
END;

-- Always as of now: there is nothing to refresh.
CREATE VIEW ai_budget_summary AS
SELECT s.tenant_id, s.model, s.tier, s.owner, s.monthly_limit_usd, s.used_usd, s.reserved_usd,
       greatest(s.monthly_limit_usd - s.used_usd - s.reserved_usd, 0) AS remaining_usd,
       round(100 * ai_share(s.used_usd, s.monthly_limit_usd), 4) AS usage_percent, s.requests,
       ai_share(s.used_usd, s.monthly_limit_usd) >= s.soft_limit_ratio AS soft_limit_reached,
       s.hard_limit_reached, s.period_start, s.resets_at AS reset_date
FROM ai_budget_states(now()) s;

CREATE FUNCTION reset_monthly_budgets() RETURNS text
LANGUAGE sql IMMUTABLE
RETURN 'Nothing to reset: every month has sums of its own, which begin at 0 by the clock of each '
       'budget (its timezone). Whatever calls this on a schedule may be removed.';
