-- What row-level security lacks in this database, in the order in which it is to be added: one row each, with the
-- statement that adds it. No rows: nothing is missing, and nothing is open that should be closed.
--
-- A transaction takes one of two roles, which log in nowhere and own nothing: the tenant's role sees and writes the rows
-- of the buyer that the transaction has set, and the operator's role the list of buyers and the queue of jobs. Both are
-- named after the database, so that two databases of one server never share them. Tables are found in the catalogue: a
-- new one with a column tenant_id cannot be forgotten.
WITH
wanted_roles (part, name) AS (
    VALUES ('tenant', current_database() || '_tenant'), ('operator', current_database() || '_operator')
),
roles AS (
    SELECT part, name, pg_roles.oid,
        coalesce(rolsuper, false) AS is_superuser,
        coalesce(rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication, false) AS is_strong,
        -- Since version 16 a member may be one that cannot take the role.
        coalesce(pg_has_role(current_user, pg_roles.oid, CASE
            WHEN current_setting('server_version_num')::INTEGER < 160000 THEN 'MEMBER'
            ELSE 'SET'
        END), (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)) AS can_be_taken
    FROM wanted_roles LEFT JOIN pg_roles ON rolname = name
),
tables AS (
    SELECT oid, oid::REGCLASS::TEXT AS name, relowner, relacl, relrowsecurity AND relforcerowsecurity AS is_enabled,
        CASE
            WHEN relname IN ('tenants', 'job_queue', 'services', 'models', 'installation_writes') THEN relname
            WHEN relname IN ('__diesel_schema_migrations', 'compatible_migrations') THEN 'migrations'
            ELSE 'rows'
        END AS kind
    FROM pg_class
    WHERE relnamespace = current_schema()::REGNAMESPACE AND relkind IN ('r', 'p') AND (
        relname IN ('tenants', 'services', 'models', 'installation_writes', '__diesel_schema_migrations', 'compatible_migrations')
        OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'tenant_id' AND NOT attisdropped)
    )
),

-- Policies. Outside of a transaction that has set it, the setting reads as an empty text or not at all. Operators and types
-- are named in full: a search path must not decide what they mean.
wanted_policies (kind, policy, command, part, condition) AS (
    VALUES
        ('rows', 'own_rows', '*', NULL, 'tenant_id OPERATOR(pg_catalog.=) NULLIF(current_setting(''sonae.tenant_id'', true), '''')::pg_catalog.uuid'),
        ('tenants', 'own_rows', 'r', 'tenant', 'id OPERATOR(pg_catalog.=) NULLIF(current_setting(''sonae.tenant_id'', true), '''')::pg_catalog.uuid'),
        ('tenants', 'installation', '*', 'operator', 'true'),
        ('job_queue', 'own_rows', '*', 'tenant', 'tenant_id OPERATOR(pg_catalog.=) NULLIF(current_setting(''sonae.tenant_id'', true), '''')::pg_catalog.uuid'),
        ('job_queue', 'installation', '*', 'operator', 'true')
),
policies AS (
    SELECT tables.oid, tables.name, policy, command, roles.name AS role, condition, EXISTS (
        SELECT FROM pg_policy
        WHERE polrelid = tables.oid AND polname = policy AND polpermissive AND polcmd::TEXT = command AND polwithcheck IS NULL
            AND polroles = CASE WHEN part IS NULL THEN ARRAY[0::OID] ELSE ARRAY[roles.oid] END
            -- The server writes the condition in its own way: with types, parentheses, and the operator as the search
            -- path asks for.
            AND translate(replace(replace(replace(pg_get_expr(polqual, polrelid), '::text', ''), 'OPERATOR(pg_catalog.=)', '='), 'pg_catalog.uuid', 'uuid'), ' ()', '')
                = translate(replace(replace(condition, 'OPERATOR(pg_catalog.=)', '='), 'pg_catalog.uuid', 'uuid'), ' ()', '')
            -- What it calls, and the type of the key, are the server's own.
            AND NOT EXISTS (
                SELECT FROM pg_depend
                WHERE classid = 'pg_policy'::REGCLASS AND objid = pg_policy.oid
                    AND refclassid IN ('pg_proc'::REGCLASS, 'pg_operator'::REGCLASS, 'pg_type'::REGCLASS)
            )
    ) AS is_there
    FROM tables JOIN wanted_policies USING (kind) LEFT JOIN roles USING (part)
),

-- Privileges.
wanted_privileges (kind, part, privileges) AS (
    VALUES
        ('rows', 'tenant', 'SELECT, INSERT, UPDATE, DELETE'),
        ('rows', 'operator', ''),
        ('tenants', 'tenant', 'SELECT'),
        ('tenants', 'operator', 'SELECT, INSERT, UPDATE, DELETE'),
        ('job_queue', 'tenant', 'SELECT, INSERT, UPDATE, DELETE'),
        ('job_queue', 'operator', 'SELECT, INSERT, UPDATE, DELETE'),
        ('services', 'tenant', 'SELECT'),
        ('services', 'operator', 'SELECT, INSERT, UPDATE, DELETE'),
        ('models', 'tenant', 'SELECT, INSERT'),
        ('models', 'operator', 'SELECT'),
        ('installation_writes', 'tenant', 'SELECT'),
        ('installation_writes', 'operator', 'SELECT, UPDATE'),
        ('migrations', 'tenant', 'SELECT'),
        ('migrations', 'operator', 'SELECT')
),
privileges AS (
    SELECT tables.name, roles.name AS role, privilege,
        privilege = ANY (string_to_array(privileges, ', ')) AS is_wanted,
        coalesce(has_table_privilege(roles.oid, tables.oid, privilege), false) AS is_there,
        EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee = roles.oid AND privilege_type = privilege) AS is_granted,
        EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee = 0 AND privilege_type = privilege) AS is_public
    FROM tables JOIN wanted_privileges USING (kind) JOIN roles USING (part)
    CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege
    WHERE NOT is_superuser
),

-- Roles of other databases: of the other name of one that was restored or renamed.
other_roles (oid, name) AS (
    SELECT oid, rolname FROM pg_roles
    WHERE rolname ~ '_(tenant|operator)$' AND NOT rolcanlogin AND rolname NOT IN (SELECT name FROM roles)
),

-- What reads on behalf of somebody whom row-level security does not bind. Extensions bring theirs with them.
unbound (oid) AS (
    SELECT oid FROM pg_roles WHERE rolsuper OR rolbypassrls
),
unbound_objects (class, oid, kind, name, owner, is_reachable) AS (
    SELECT 'pg_class'::REGCLASS, pg_class.oid, CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END,
        pg_class.oid::REGCLASS::TEXT, relowner, EXISTS (
            SELECT FROM roles
            WHERE NOT is_superuser AND has_schema_privilege(roles.oid, relnamespace, 'USAGE')
                AND has_any_column_privilege(roles.oid, pg_class.oid, 'SELECT')
        )
    FROM pg_class
    WHERE relkind IN ('v', 'm') AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)
        AND relnamespace NOT IN ('pg_catalog'::REGNAMESPACE, 'information_schema'::REGNAMESPACE)
        AND (relkind = 'm' OR relowner IN (SELECT oid FROM unbound))
    UNION ALL
    SELECT 'pg_proc'::REGCLASS, pg_proc.oid, 'FUNCTION', pg_proc.oid::REGPROCEDURE::TEXT, proowner, EXISTS (
            SELECT FROM roles
            WHERE NOT is_superuser AND has_schema_privilege(roles.oid, pronamespace, 'USAGE')
                AND has_function_privilege(roles.oid, pg_proc.oid, 'EXECUTE')
        )
    FROM pg_proc
    WHERE prosecdef AND prokind <> 'a' AND prorettype NOT IN ('trigger'::REGTYPE, 'event_trigger'::REGTYPE)
        AND pronamespace NOT IN ('pg_catalog'::REGNAMESPACE, 'information_schema'::REGNAMESPACE)
        AND proowner IN (SELECT oid FROM unbound)
),

-- is_ours: whether the owner of the tables adds it without asking. The rest somebody has made on purpose.
findings (place, kind, subject, is_ours, fix) AS (
    SELECT 1, 'no_role', name, true, format('CREATE ROLE %I NOLOGIN', name)
    FROM roles WHERE oid IS NULL
    UNION ALL
    SELECT 2, 'no_member', name, true, format('GRANT %I TO %I', name, current_user)
    FROM roles WHERE NOT can_be_taken
    UNION ALL
    SELECT 3, 'strong_role', name, false,
        format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOLOGIN NOCREATEROLE NOCREATEDB NOREPLICATION', name)
    FROM roles WHERE is_strong
    UNION ALL
    SELECT 4, 'role_in_role', name, false, format('REVOKE %s FROM %I', roleid::REGROLE, name)
    FROM roles JOIN pg_auth_members ON member = oid
    UNION ALL
    SELECT 5, 'owner', tables.name, false, format('ALTER TABLE %s OWNER TO %I', tables.name, current_user)
    FROM tables JOIN roles ON roles.oid = relowner
    UNION ALL
    SELECT 6, 'no_privilege', current_schema(), true, format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), name)
    FROM roles WHERE NOT coalesce(has_schema_privilege(oid, current_schema(), 'USAGE'), false)
    UNION ALL
    SELECT 7, 'no_policy', name, true, format(
        'DROP POLICY IF EXISTS %1$I ON %2$s; CREATE POLICY %1$I ON %2$s%3$s%4$s USING (%5$s)',
        policy, name, CASE command WHEN 'r' THEN ' FOR SELECT' ELSE '' END, ' TO ' || quote_ident(role), condition
    )
    FROM policies WHERE NOT is_there
    UNION ALL
    SELECT 7, 'no_policy', name, true,
        format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name)
    FROM tables WHERE NOT is_enabled AND kind IN (SELECT kind FROM wanted_policies)
    UNION ALL
    SELECT 7, 'no_privilege', name, true,
        format('GRANT %s ON %s TO %I', string_agg(privilege, ', ' ORDER BY privilege), name, role)
    FROM privileges WHERE is_wanted AND NOT is_there GROUP BY name, role
    UNION ALL
    SELECT 7, 'more_privileges', name, true,
        format('REVOKE %s ON %s FROM %I', string_agg(privilege, ', ' ORDER BY privilege), name, role)
    FROM privileges WHERE NOT is_wanted AND is_granted GROUP BY name, role
    UNION ALL
    SELECT DISTINCT 7, 'other_role', tables.name, true, format('REVOKE ALL ON %s FROM %I', tables.name, other_roles.name)
    FROM tables CROSS JOIN aclexplode(relacl) JOIN other_roles ON other_roles.oid = grantee AND grantee <> relowner
    UNION ALL
    -- Only in the way when the role is to be dropped, so of no matter to somebody who does not own the schema.
    SELECT DISTINCT 7, 'other_role', nspname, true, format('REVOKE ALL ON SCHEMA %I FROM %I', nspname, name)
    FROM pg_namespace CROSS JOIN aclexplode(nspacl) JOIN other_roles ON other_roles.oid = grantee
    WHERE nspname = current_schema() AND pg_has_role(current_user, nspowner, 'USAGE')
    UNION ALL
    -- What everybody may read is behind the policies; what everybody may write or empty is not, or not all of it.
    SELECT 8, 'public_privileges', name, false,
        format('REVOKE %s ON %s FROM PUBLIC', string_agg(DISTINCT privilege, ', '), name)
    FROM privileges WHERE NOT is_wanted AND is_public AND privilege <> 'SELECT' GROUP BY name
    UNION ALL
    SELECT 9, 'more_policies', tables.name, false, format('DROP POLICY %I ON %s', polname, tables.name)
    FROM tables JOIN pg_policy ON polrelid = tables.oid
    WHERE NOT EXISTS (SELECT FROM policies WHERE policies.oid = polrelid AND policy = polname)
    UNION ALL
    SELECT 10, 'unbound', name, false, format(
        'REVOKE ALL ON %s %s FROM PUBLIC, %s', CASE kind WHEN 'FUNCTION' THEN kind ELSE 'TABLE' END, name,
        (SELECT string_agg(quote_ident(roles.name), ', ') FROM roles WHERE roles.oid IS NOT NULL)
    )
    FROM unbound_objects
    WHERE is_reachable AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = class AND objid = unbound_objects.oid AND deptype = 'e'
    )
)
SELECT kind, subject::TEXT AS subject, is_ours, fix FROM findings ORDER BY place, subject, fix LIKE 'ALTER%' DESC, fix
