-- A role for Grafana that reads three tables of AI budgets, and nothing else. Run it as a superuser in
-- the exporter's database, before or after the exporter made its tables, and as often as you like:
--
--   psql --dbname=finops --file=grafana-role.sql
--   psql --dbname=finops --command='\password grafana'

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana') THEN
        CREATE ROLE grafana LOGIN CONNECTION LIMIT 20;
    END IF;
END $$;
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '30s';
ALTER ROLE grafana SET idle_in_transaction_session_timeout = '60s';
GRANT USAGE ON SCHEMA public TO grafana;

-- Default privileges would open each new table, that of the API's tokens too.
CREATE OR REPLACE FUNCTION grafana_may_read() RETURNS text[]
LANGUAGE sql IMMUTABLE
RETURN ARRAY['ai_token_usage', 'ai_token_budgets', 'budget_period'];

-- For tables that are made later: whoever makes one owns it, and may grant it.
CREATE OR REPLACE FUNCTION grafana_grant() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    made oid;
BEGIN
    IF to_regrole('grafana') IS NULL THEN
        RETURN; -- it was dropped, or this database was restored where it never was
    END IF;
    FOR made IN
        SELECT t.oid FROM pg_event_trigger_ddl_commands() c JOIN pg_class t ON t.oid = c.objid
        WHERE c.classid = 'pg_class'::regclass AND t.relnamespace = 'public'::regnamespace
          AND t.relname = ANY (public.grafana_may_read())
    LOOP
        EXECUTE format('GRANT SELECT ON TABLE %s TO grafana', made::regclass);
    END LOOP;
END $$;
DROP EVENT TRIGGER IF EXISTS grafana_grant;
CREATE EVENT TRIGGER grafana_grant ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
    EXECUTE FUNCTION grafana_grant();

-- For those that are there.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY grafana_may_read() LOOP
        IF to_regclass('public.' || name) IS NOT NULL THEN
            EXECUTE format('GRANT SELECT ON TABLE public.%I TO grafana', name);
        END IF;
    END LOOP;
END $$;
