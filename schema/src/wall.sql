-- The second wall between buyers: a transaction sees and writes the rows of the buyer that it has set and of no other,
-- whatever its queries ask for. The owner of the tables runs this after migrations. It finds the tables by itself, so
-- that a new one cannot be forgotten. Transactions take one of two roles, which log in nowhere and own nothing.
DO $wall$
DECLARE
    tenant_role TEXT := current_database() || '_tenant';
    operator_role TEXT := current_database() || '_operator';
    is_taken BOOLEAN;
    name TEXT;
    walled REGCLASS;
    -- Outside of a transaction that has set it, the setting reads as an empty text or not at all. Operators are named in
    -- full: a search path must not decide what they mean.
    own TEXT := $own$NULLIF(current_setting('sonae.tenant_id', true), '')$own$;
BEGIN
    IF octet_length(operator_role) > 63 THEN
        RAISE EXCEPTION 'the name of the database is too long: 54 bytes at most';
    END IF;
    FOREACH name IN ARRAY ARRAY[tenant_role, operator_role] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            END IF;
            is_taken := pg_has_role(current_user, name, CASE
                WHEN current_setting('server_version_num')::INTEGER < 160000 THEN 'MEMBER'
                ELSE 'SET'
            END);
            IF NOT is_taken THEN
                EXECUTE format('GRANT %I TO %I', name, current_user);
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE EXCEPTION '%', format('an administrator has to say: CREATE ROLE %1$I NOLOGIN; GRANT %1$I TO %2$I;', name, current_user);
        END;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = name AND (rolsuper OR rolbypassrls)) THEN
            RAISE EXCEPTION 'the role % may look over the wall: take SUPERUSER and BYPASSRLS away from it', name;
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), name);
        EXECUTE format('GRANT SELECT ON tenants, services, models, installation_writes, __diesel_schema_migrations TO %I', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON job_queue TO %I', name);
    END LOOP;
    EXECUTE format('GRANT INSERT ON models TO %I', tenant_role);
    EXECUTE format('GRANT INSERT, UPDATE, DELETE ON tenants, services TO %I', operator_role);
    EXECUTE format('GRANT UPDATE ON installation_writes TO %I', operator_role);

    FOR walled IN
        SELECT oid
        FROM pg_class
        WHERE relnamespace = current_schema()::REGNAMESPACE AND relkind IN ('r', 'p') AND relname <> 'job_queue'
            AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'tenant_id')
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format('DROP POLICY IF EXISTS own_rows ON %s', walled);
        EXECUTE format('CREATE POLICY own_rows ON %s USING (tenant_id OPERATOR(pg_catalog.=) %s)', walled, own);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', walled, tenant_role);
    END LOOP;
    ALTER TABLE tenants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    DROP POLICY IF EXISTS own_rows ON tenants;
    EXECUTE format('CREATE POLICY own_rows ON tenants FOR SELECT TO %I USING (id OPERATOR(pg_catalog.=) %s)', tenant_role, own);
    DROP POLICY IF EXISTS installation ON tenants;
    EXECUTE format('CREATE POLICY installation ON tenants TO %I USING (true)', operator_role);
END
$wall$;
