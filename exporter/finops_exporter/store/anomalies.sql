-- Anomalies: what was found, what people said of it, and what was announced. Days are UTC dates.

-- name: lock_anomalies
SELECT pg_advisory_xact_lock(%(space)s, 4);

-- name: judged_until
SELECT provider, judged_until FROM anomaly_progress;

-- name: record_judged_until
INSERT INTO anomaly_progress AS p (provider, judged_until)
VALUES (%(provider)s, %(until)s)
ON CONFLICT (provider) DO UPDATE SET judged_until = greatest(p.judged_until, EXCLUDED.judged_until)
WHERE p.judged_until < EXCLUDED.judged_until;

-- name: record_anomalies
-- A decision of people holds for what is like it, unless the excess is half as large again: a pattern
-- that was dismissed does not come back, and what was acknowledged goes on acknowledged while it goes on
-- (with up to two days between).
INSERT INTO cost_anomalies AS a (provider, account_id, service, day, kind, method, score,
                                 expected_usd, actual_usd, excess_usd, status, note, decided_by,
                                 decided_at, decided_excess_usd, decided_like, found_at, judged_at)
SELECT %(provider)s, n.account_id, n.service, n.day, n.kind, %(method)s, n.score, n.expected_usd,
       n.actual_usd, n.excess_usd, coalesce(d.status, 'open'), 'like #' || d.anomaly_id,
       d.decided_by, d.decided_at, d.decided_excess_usd, d.anomaly_id, %(now)s, %(now)s
FROM unnest(%(accounts)s::text[], %(services)s::text[], %(days)s::date[], %(kinds)s::text[],
            %(scores)s::double precision[], %(expected)s::numeric[], %(actual)s::numeric[],
            %(excess)s::numeric[])
     AS n(account_id, service, day, kind, score, expected_usd, actual_usd, excess_usd)
LEFT JOIN LATERAL (
    SELECT * FROM cost_anomalies d
    WHERE d.provider = %(provider)s AND d.account_id = n.account_id AND d.service = n.service
      AND d.kind = n.kind AND d.day < n.day AND d.decided_like IS NULL
      AND n.excess_usd <= %(again)s * d.decided_excess_usd
      AND (d.status = 'false_positive' OR (d.status = 'acknowledged' AND EXISTS (
          SELECT FROM cost_anomalies p
          WHERE (p.provider, p.account_id, p.service) = (d.provider, d.account_id, d.service)
            AND p.day BETWEEN n.day - 3 AND n.day - 1 AND p.status = 'acknowledged'
            AND coalesce(p.decided_like, p.anomaly_id) = d.anomaly_id)))
    ORDER BY d.day DESC LIMIT 1
) d ON true
ORDER BY n.account_id, n.service, n.day
ON CONFLICT (provider, account_id, service, day) DO UPDATE
SET kind = EXCLUDED.kind, method = EXCLUDED.method, score = EXCLUDED.score,
    expected_usd = EXCLUDED.expected_usd, actual_usd = EXCLUDED.actual_usd,
    excess_usd = EXCLUDED.excess_usd, judged_at = EXCLUDED.judged_at, withdrawn_at = NULL,
    status = CASE WHEN EXCLUDED.excess_usd > %(again)s * a.decided_excess_usd
                  THEN 'open' ELSE a.status END
WHERE (a.kind, a.method, a.score, a.expected_usd, a.actual_usd, a.excess_usd, a.withdrawn_at)
      IS DISTINCT FROM (EXCLUDED.kind, EXCLUDED.method, EXCLUDED.score, EXCLUDED.expected_usd,
                        EXCLUDED.actual_usd, EXCLUDED.excess_usd, NULL);

-- name: withdraw_anomalies
UPDATE cost_anomalies SET withdrawn_at = %(now)s, judged_at = %(now)s
WHERE provider = %(provider)s AND day = ANY(%(judged)s::date[]) AND withdrawn_at IS NULL
  AND (account_id, service, day) NOT IN (
      SELECT * FROM unnest(%(accounts)s::text[], %(services)s::text[], %(days)s::date[]));

-- name: silenced_anomalies
-- Those that alert nobody any more: decided by people, or announced.
SELECT a.account_id, a.service, a.day FROM cost_anomalies a
WHERE a.provider = %(provider)s AND a.day = ANY(%(judged)s::date[])
  AND (a.status <> 'open'
       OR EXISTS (SELECT FROM announced_anomalies p WHERE p.anomaly_id = a.anomaly_id));

-- name: list_anomalies
SELECT a.anomaly_id, a.provider, a.account_id, a.service, a.day, a.kind, a.score, a.expected_usd,
       a.actual_usd, a.excess_usd, a.status, a.note, a.decided_by, a.decided_at,
       a.withdrawn_at IS NOT NULL, (
           SELECT p.note FROM announced_anomalies p
           WHERE p.anomaly_id = a.anomaly_id
           ORDER BY p.change_id DESC LIMIT 1)
FROM cost_anomalies a
WHERE (%(anomaly_id)s::bigint IS NULL OR a.anomaly_id = %(anomaly_id)s)
  AND (%(status)s::text IS NULL OR a.status = %(status)s)
  AND (%(withdrawn)s OR a.withdrawn_at IS NULL)
  AND a.day >= coalesce(%(since)s::date, '-infinity')
ORDER BY a.day DESC, a.excess_usd DESC, a.anomaly_id
LIMIT %(most)s;

-- name: decide_anomaly
-- A note that is not given anew stays.
UPDATE cost_anomalies
SET status = %(status)s, note = coalesce(%(note)s, note), decided_by = %(who)s,
    decided_at = %(now)s, decided_excess_usd = excess_usd, decided_like = NULL
WHERE anomaly_id = %(anomaly_id)s;

-- name: decide_followers
-- Those that followed an earlier decision about this one follow the new one.
UPDATE cost_anomalies
SET status = %(status)s, decided_by = %(who)s, decided_at = %(now)s
WHERE decided_like = %(anomaly_id)s;

-- name: add_planned_change
INSERT INTO planned_changes (provider, account_id, service, since, until, note, announced_by,
                             announced_at)
VALUES (%(provider)s, %(account_id)s, %(service)s, %(since)s, %(until)s, %(note)s, %(who)s, %(now)s)
RETURNING change_id;

-- name: planned_changes
SELECT change_id, provider, account_id, service, since, until, note, announced_by
FROM planned_changes WHERE until >= %(today)s ORDER BY since, change_id;

-- name: forget_planned_change
DELETE FROM planned_changes WHERE change_id = %(change_id)s;
