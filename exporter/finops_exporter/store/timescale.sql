-- Run after the migrations, every time: makes the facts a hypertable where TimescaleDB can be had,
-- now or later, and leaves a plain table otherwise. Same queries, same results.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
           OR position('timescaledb' IN current_setting('shared_preload_libraries')) = 0 THEN
            RETURN;
        END IF;
        BEGIN
            CREATE EXTENSION timescaledb;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE NOTICE 'timescaledb is available but may not be created by %; plain tables stay',
                current_user;
            RETURN;
        END;
    END IF;
    PERFORM create_hypertable('cost_facts', 'day', chunk_time_interval => INTERVAL '1 month',
                              if_not_exists => true, migrate_data => true);
END
$$;
