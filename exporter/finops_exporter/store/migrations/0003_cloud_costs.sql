-- The wide shape for people who write SQL. Only the cut that knows every dimension: see cost_groups.
-- A row is a fact, so several files may give rows with equal dimensions; add them up.
CREATE VIEW cloud_costs AS
SELECT f.day::timestamp AT TIME ZONE 'UTC' AS time,
       g.provider                          AS cloud_provider,
       g.account_id,
       g.service,
       s.region,
       f.billed                            AS cost,
       g.currency,
       NULL::text                          AS resource_id,
       NULL::text                          AS resource_name,
       s.tags,
       s.tags ->> 'project'                AS project,
       s.tags ->> 'team'                   AS team,
       s.tags ->> 'environment'            AS environment,
       g.charge_category,
       f.effective                         AS effective_cost,
       f.estimated,
       p.source
FROM cost_facts f
JOIN cost_series s USING (series_id)
JOIN cost_groups g USING (group_id)
JOIN cost_parts p USING (part_id)
WHERE g.cut = 'account,charge_category,region,service,tags';
