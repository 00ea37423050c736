-- Which series of a family are shown one by one in a month, once there are more than may be shown:
-- chosen once, so that sums over days, restarts and replicas meet the same members.
CREATE TABLE series_members (
    provider   text NOT NULL,
    month      date NOT NULL,
    dimensions text NOT NULL,
    max_series integer NOT NULL,
    member     text NOT NULL,
    shown      boolean NOT NULL,
    PRIMARY KEY (provider, month, dimensions, max_series, member)
);
COMMENT ON COLUMN series_members.member IS 'the values of the dimensions, as a JSON array';
