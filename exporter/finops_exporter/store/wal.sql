-- What a PostgreSQL server is asked whose write-ahead log is watched: any from version 14 on, ours or
-- a user's.

-- name: wal_position
-- Whose position it is, and how many bytes lie before it. A standby has what it received or, where it
-- does not stream, what it has replayed.
SELECT s.system_identifier, c.timeline_id,
       (CASE WHEN pg_is_in_recovery()
             THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
             ELSE pg_current_wal_lsn() END - '0/0')::bigint
FROM pg_control_system() s, pg_control_checkpoint() c;
