-- Run once, after dashboards/grafana-role.sql, when the database is made: who may do what in it. The
-- server reads the passwords from the files of compose.yaml's secrets.

DO $$
DECLARE
    one record;
BEGIN
    CREATE ROLE finops LOGIN;
    FOR one IN
        SELECT * FROM (VALUES ('finops', 'exporter_password'), ('grafana', 'grafana_role_password'))
            AS roles (role, file)
    LOOP
        EXECUTE format('ALTER ROLE %I PASSWORD %L', one.role,
                       btrim(pg_read_file('/run/secrets/' || one.file), E'\r\n'));
    END LOOP;
    -- Its owner makes the tables.
    EXECUTE format('ALTER DATABASE %I OWNER TO finops', current_database());
END $$;
