-- What each part gave of a month, by currency and cut: the smallest rollup. It tells which cuts of the
-- same money a source has given (sums take exactly one of them), holds our sums ready to be held
-- against the source's own totals, and counts the facts of a currency, all without reading a fact.
CREATE TABLE cost_part_months (
    part_id   integer NOT NULL REFERENCES cost_parts ON DELETE CASCADE,
    provider  text NOT NULL,
    month     date NOT NULL,
    currency  text NOT NULL,
    cut       text NOT NULL,
    billed    numeric NOT NULL,
    effective numeric NOT NULL,
    facts     bigint NOT NULL,
    PRIMARY KEY (part_id, provider, month, currency, cut)
);
INSERT INTO cost_part_months (part_id, provider, month, currency, cut, billed, effective, facts)
SELECT f.part_id, g.provider, date_trunc('month', f.day)::date, g.currency, g.cut,
       sum(f.billed), sum(f.effective), count(*)
FROM cost_facts f
JOIN cost_series s USING (series_id)
JOIN cost_groups g USING (group_id)
GROUP BY 1, 2, 3, 4, 5;
DROP TABLE cost_cuts;
