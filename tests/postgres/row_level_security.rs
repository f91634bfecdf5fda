//! Row-level security between buyers, checked by the catalogue of the database, so that no table is forgotten.

use tests::sql::Sql;

use crate::buyers::{Buyers, NOTHING, changed, count, state, superuser, walled_tables};
use crate::support::{App, Data, command};

/// The tables that hold nothing of a single buyer.
const SHARED: [&str; 5] =
    ["__diesel_schema_migrations", "compatible_migrations", "installation_writes", "models", "services"];

/// Returns the roles that transactions take: the one for a buyer, and the one for the installation.
fn roles(sql: &mut Sql) -> [String; 2] {
    let database = sql.text("SELECT current_database()").unwrap();
    ["tenant", "operator"].map(|role| format!("{database}_{role}"))
}

/// Returns the statements that begin a transaction of a buyer.
fn begin(role: &str, buyer: &str) -> String {
    format!("BEGIN; SET LOCAL ROLE {role}; SET LOCAL sonae.tenant_id = '{buyer}'")
}

/// Asserts that the database refuses a statement with these words. The transaction goes on.
#[track_caller]
fn refuses(sql: &mut Sql, statement: &str, words: &str) {
    sql.run("SAVEPOINT before").unwrap();
    let refused = sql.run(statement).unwrap_err().to_string();
    assert!(refused.contains(words), "{statement}: {refused}");
    sql.run("ROLLBACK TO before").unwrap();
}

#[test]
fn every_table_has_row_level_security_or_holds_nothing_of_a_buyer() {
    let app = App::start();
    let mut sql = Sql::open(&app.data.url().unwrap()).unwrap();
    let relations = |condition: &str| {
        format!(
            "SELECT relname FROM pg_class c WHERE relnamespace = 'public'::regnamespace \
             AND relkind NOT IN ('i', 'I', 'S', 'c') AND {condition} ORDER BY relname COLLATE \"C\""
        )
    };
    let is_walled = "relrowsecurity AND relforcerowsecurity AND relkind IN ('r', 'p') \
                     AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid)";

    assert_eq!(sql.texts(&relations(&format!("NOT ({is_walled})"))).unwrap(), SHARED);
    let mut walled = walled_tables(&mut sql);
    walled.extend(["job_queue", "tenants"].map(str::to_owned));
    walled.sort();
    assert_eq!(sql.texts(&relations(is_walled)).unwrap(), walled);
    let columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'job_queue'::regclass AND attnum > 0 \
                   AND NOT attisdropped ORDER BY attname";
    assert_eq!(
        sql.texts(columns).unwrap(),
        ["id", "kind", "leased_until", "process", "queued_at", "state", "tenant_id"]
    );
}

#[test]
fn the_roles_of_transactions_can_do_nothing_else() {
    let app = App::start();
    let mut sql = Sql::open(&app.data.url().unwrap()).unwrap();
    for role in roles(&mut sql) {
        let may = format!(
            "SELECT rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication \
             FROM pg_roles WHERE rolname = '{role}'"
        );
        assert_eq!(sql.text(&may).unwrap(), "false", "{role}");
        let owned = format!("SELECT count(*) FROM pg_shdepend WHERE refobjid = '{role}'::regrole AND deptype = 'o'");
        assert_eq!(sql.text(&owned).unwrap(), "0", "{role}");
        let others = format!("SELECT count(*) FROM pg_auth_members WHERE member = '{role}'::regrole");
        assert_eq!(sql.text(&others).unwrap(), "0", "{role} is a member of another role");
        let may_make = format!("SELECT has_schema_privilege('{role}', 'public', 'CREATE')");
        assert_eq!(sql.text(&may_make).unwrap(), "false", "{role}");
    }
}

#[test]
fn without_any_filter_a_buyer_reaches_its_own_rows_alone() {
    let buyers = Buyers::new();
    let (ours, theirs) = (&buyers.ours.id, &buyers.theirs.id);
    let (mut sql, mut superuser) = (buyers.login(), buyers.superuser());
    let [tenant, _] = roles(&mut sql);
    let before = state(&mut superuser, theirs);
    for table in walled_tables(&mut superuser) {
        let row = format!("SELECT to_jsonb(t) FROM {table} t WHERE tenant_id = '{theirs}' LIMIT 1");
        let row = superuser.text(&row).unwrap().replace('\'', "''");
        let own_count = count(&mut superuser, &table, ours);

        sql.run(&begin(&tenant, ours)).unwrap();
        let seen = sql.texts(&format!("SELECT DISTINCT tenant_id FROM {table}")).unwrap();
        assert_eq!(seen, std::slice::from_ref(ours), "{table}");
        assert_eq!(sql.text(&format!("SELECT count(*) FROM {table}")).unwrap(), own_count, "{table}");
        let wall = "violates row-level security policy";
        refuses(&mut sql, &format!("UPDATE {table} SET tenant_id = '{theirs}'"), wall);
        let columns = format!(
            "SELECT string_agg(attname, ', ') FROM pg_attribute \
             WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
        );
        let columns = sql.text(&columns).unwrap();
        let insert = format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, '{row}')"
        );
        refuses(&mut sql, &insert, wall);
        sql.run(&format!("UPDATE {table} SET tenant_id = tenant_id; COMMIT")).unwrap();
    }
    delete_all(&mut sql, &begin(&tenant, ours));
    for table in walled_tables(&mut superuser) {
        assert_eq!(count(&mut superuser, &table, ours), "0", "{table}");
    }
    assert_eq!(changed(&before, &mut superuser, theirs), NOTHING);
}

/// Deletes all rows that a transaction can reach, referring rows before those that they refer to.
fn delete_all(sql: &mut Sql, begin: &str) {
    let mut left = walled_tables(sql);
    sql.run(begin).unwrap();
    sql.run("DELETE FROM job_queue").unwrap();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|table| {
            sql.run("SAVEPOINT before").unwrap();
            let refused = sql.run(&format!("DELETE FROM {table}")).is_err();
            if refused {
                sql.run("ROLLBACK TO before").unwrap();
            }
            refused
        });
        assert!(left.len() < before, "{left:?}");
    }
    sql.run("COMMIT").unwrap();
}

#[test]
fn without_a_buyer_there_are_no_rows() {
    let buyers = Buyers::new();
    let mut sql = buyers.login();
    let [tenant, _] = roles(&mut sql);
    let tables = walled_tables(&mut sql);
    let shows_nothing = |sql: &mut Sql, when: &str| {
        sql.run(&format!("BEGIN; SET LOCAL ROLE {tenant}")).unwrap();
        assert_eq!(sql.text("SELECT count(*) FROM tenants").unwrap(), "0", "tenants {when}");
        // The owner of the tables sees none either.
        for role in [&tenant, "NONE"] {
            sql.run(&format!("SET LOCAL ROLE {role}")).unwrap();
            for table in &tables {
                assert_eq!(sql.text(&format!("SELECT count(*) FROM {table}")).unwrap(), "0", "{table} {when}, {role}");
            }
        }
        sql.run("COMMIT").unwrap();
    };
    let setting = "SELECT coalesce(current_setting('sonae.tenant_id', true), 'none')";

    assert_eq!(sql.text(setting).unwrap(), "none");
    shows_nothing(&mut sql, "before any buyer was set");
    sql.run(&format!("{}; COMMIT", begin(&tenant, &buyers.ours.id))).unwrap();
    assert_eq!(sql.text(setting).unwrap(), "", "the setting stays behind as an empty text");
    shows_nothing(&mut sql, "after a transaction of a buyer");
}

#[test]
fn the_list_of_buyers_is_the_operators_and_rows_of_buyers_are_not() {
    let buyers = Buyers::new();
    let mut sql = buyers.login();
    let [tenant, operator] = roles(&mut sql);

    sql.run(&begin(&tenant, &buyers.ours.id)).unwrap();
    assert_eq!(sql.texts("SELECT id FROM tenants").unwrap(), std::slice::from_ref(&buyers.ours.id));
    for change in [
        "UPDATE tenants SET name = 'x'",
        "DELETE FROM tenants",
        "INSERT INTO tenants VALUES (gen_random_uuid(), 'x', 'x', now(), NULL)",
        "UPDATE services SET service_name = 'x'",
        "DELETE FROM models",
        "DELETE FROM __diesel_schema_migrations",
    ] {
        refuses(&mut sql, change, "permission denied");
    }
    sql.run("ROLLBACK").unwrap();

    // Whichever buyer is set, it may do nothing.
    sql.run(&begin(&operator, &buyers.ours.id)).unwrap();
    for table in walled_tables(&mut buyers.superuser()) {
        refuses(&mut sql, &format!("SELECT FROM {table}"), "permission denied");
        refuses(&mut sql, &format!("DELETE FROM {table}"), "permission denied");
        refuses(&mut sql, &format!("UPDATE {table} SET tenant_id = gen_random_uuid()"), "permission denied");
        refuses(&mut sql, &format!("INSERT INTO {table} DEFAULT VALUES"), "permission denied");
    }
    assert_eq!(sql.text("SELECT count(*) FROM tenants").unwrap(), "3", "the two, and the one of an empty database");
    sql.run("ROLLBACK").unwrap();
}

#[test]
fn a_buyer_reaches_its_own_jobs_in_the_queue_and_the_installation_all() {
    let buyers = Buyers::new();
    let (ours, theirs) = (&buyers.ours.id, &buyers.theirs.id);
    let (mut sql, mut superuser) = (buyers.login(), buyers.superuser());
    let [tenant, operator] = roles(&mut sql);
    let queued = "SELECT DISTINCT tenant_id FROM job_queue ORDER BY tenant_id";
    let before = count(&mut superuser, "job_queue", theirs);

    sql.run(&begin(&tenant, ours)).unwrap();
    assert_eq!(sql.texts(queued).unwrap(), std::slice::from_ref(ours));
    let other = format!("UPDATE job_queue SET tenant_id = '{theirs}'");
    refuses(&mut sql, &other, "violates row-level security policy");
    sql.run("DELETE FROM job_queue; COMMIT").unwrap();
    assert_eq!(count(&mut superuser, "job_queue", ours), "0");
    assert_eq!(count(&mut superuser, "job_queue", theirs), before);

    sql.run(&format!("BEGIN; SET LOCAL ROLE {tenant}")).unwrap();
    assert_eq!(sql.text("SELECT count(*) FROM job_queue").unwrap(), "0", "no buyer is set");
    sql.run(&format!("SET LOCAL ROLE {operator}")).unwrap();
    assert_eq!(sql.texts(queued).unwrap(), std::slice::from_ref(theirs));
    sql.run("ROLLBACK").unwrap();
}

/// A database with all tables, and connections as the role that owns them and as the superuser.
struct Tables {
    data: Data,
    sql: Sql,
    admin: Sql,
}

impl Tables {
    fn new() -> Self {
        let data = Data::new();
        let (sql, admin) = (Sql::open(&data.url().unwrap()).unwrap(), Sql::open(&data.url_by(&superuser())).unwrap());
        let tables = Self { data, sql, admin };
        assert_eq!(tables.migrate(&[]), (Some(0), String::new()));
        tables
    }

    /// Runs `sonae migrate`. Returns its exit code and its standard error.
    fn migrate(&self, arguments: &[&str]) -> (Option<i32>, String) {
        self.migrate_at(&self.data.url().unwrap(), arguments)
    }

    fn migrate_at(&self, url: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let done = command(&self.data, &[&["migrate"], arguments].concat()).env("DATABASE_URL", url).output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    }

    /// Replaces `{tenant}` and `{operator}` in a statement by the roles of the database.
    fn named(&mut self, statement: &str) -> String {
        let [tenant, operator] = roles(&mut self.sql);
        statement.replace("{tenant}", &tenant).replace("{operator}", &operator)
    }
}

/// Returns the statement that a message asks an administrator to run.
#[track_caller]
fn asked_for(said: &str) -> &str {
    let statements = said.split_once("has to run, in this database: ").unwrap_or_else(|| panic!("{said}")).1;
    statements.trim()
}

#[test]
fn whatever_is_missing_or_too_much_is_put_right_by_the_owner_of_the_tables() {
    let mut tables = Tables::new();
    for change in [
        "ALTER TABLE suppliers DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE job_queue NO FORCE ROW LEVEL SECURITY",
        "ALTER POLICY own_rows ON suppliers USING (true)",
        "ALTER POLICY own_rows ON suppliers USING (tenant_id = NULLIF(current_setting('sonae.tenant_id', true), '')::uuid OR true)",
        "ALTER POLICY own_rows ON suppliers USING (id = NULLIF(current_setting('sonae.tenant_id', true), '')::uuid)",
        "ALTER POLICY own_rows ON suppliers WITH CHECK (true)",
        "ALTER POLICY own_rows ON suppliers TO {tenant}",
        "ALTER POLICY own_rows ON tenants TO PUBLIC",
        "ALTER POLICY installation ON job_queue TO {tenant}",
        "DROP POLICY installation ON tenants",
        "DROP POLICY own_rows ON suppliers; \
         CREATE POLICY own_rows ON suppliers FOR SELECT USING (tenant_id = NULLIF(current_setting('sonae.tenant_id', true), '')::uuid)",
        // This looks the same, but is not the server's own function.
        "CREATE FUNCTION public.current_setting(TEXT, BOOLEAN) RETURNS TEXT LANGUAGE sql AS $$ SELECT ''::text $$; \
         SET search_path = public, pg_catalog; DROP POLICY own_rows ON suppliers; \
         CREATE POLICY own_rows ON suppliers USING (tenant_id = NULLIF(current_setting('sonae.tenant_id', true), '')::uuid); \
         RESET search_path",
        "REVOKE SELECT ON suppliers FROM {tenant}",
        "REVOKE UPDATE ON job_queue FROM {operator}",
        "REVOKE SELECT ON compatible_migrations FROM {tenant}",
        "GRANT TRUNCATE ON suppliers TO {tenant}",
        "GRANT SELECT ON suppliers TO {operator}",
        "GRANT UPDATE ON services TO {tenant}",
        "REVOKE {tenant} FROM sonae",
        "DROP OWNED BY {tenant}, {operator}",
        "DROP OWNED BY {tenant}, {operator}; DROP ROLE {tenant}, {operator}",
    ] {
        let change = tables.named(change);
        tables.admin.run(&change).unwrap();
        let (code, said) = tables.migrate(&["--check"]);
        assert!(code == Some(1) && said.starts_with("row-level security is incomplete ("), "{change}: {said}");
        let (code, said) = tables.migrate(&["--no-migrate"]);
        assert_eq!((code, said.as_str()), (Some(0), ""), "{change}");
        assert_eq!(tables.migrate(&["--check"]), (Some(0), String::new()), "{change}");
    }
}

#[test]
fn what_only_an_administrator_can_put_right_is_refused_with_the_statement_to_run() {
    let mut tables = Tables::new();
    for change in [
        "ALTER ROLE {tenant} BYPASSRLS",
        "ALTER ROLE {operator} SUPERUSER",
        "ALTER ROLE {tenant} LOGIN",
        "GRANT pg_read_all_data TO {tenant}",
        "GRANT {operator} TO {tenant}",
        "ALTER TABLE suppliers OWNER TO {tenant}",
        "CREATE POLICY more ON suppliers USING (true)",
        "CREATE POLICY report ON suppliers FOR SELECT TO pg_monitor USING (true)",
        "CREATE POLICY \"More still\" ON tenants AS RESTRICTIVE USING (true)",
        "GRANT TRUNCATE, SELECT ON suppliers TO PUBLIC",
        "CREATE VIEW all_suppliers AS SELECT * FROM suppliers; GRANT SELECT ON all_suppliers TO {tenant}",
        "CREATE MATERIALIZED VIEW kept AS SELECT * FROM suppliers; GRANT SELECT ON kept TO PUBLIC",
        "CREATE FUNCTION supplier_count() RETURNS BIGINT SECURITY DEFINER LANGUAGE sql AS 'SELECT count(*) FROM suppliers'",
    ] {
        let change = tables.named(change);
        tables.admin.run(&change).unwrap();
        let (code, said) = tables.migrate(&[]);
        assert!(code == Some(1) && said.contains("row-level security is incomplete ("), "{change}: {said}");
        let refused = command(&tables.data, &["tenant", "list"]).output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{change}");
        let asked = asked_for(&said);
        let (code, checked) = tables.migrate(&["--check"]);
        assert_eq!((code, asked_for(&checked)), (Some(1), asked), "{change}");
        assert!(!checked.contains("sonae migrate"), "{change}: {checked}");
        tables.admin.run(asked).unwrap_or_else(|error| panic!("{change}: {asked}: {error}"));
        let (code, said) = tables.migrate(&[]);
        assert_eq!((code, said.as_str()), (Some(0), ""), "{change}: {asked}");
        assert_eq!(tables.migrate(&["--check"]), (Some(0), String::new()), "{change}: {asked}");
    }
}

#[test]
fn what_the_owner_of_the_tables_can_put_right_is_left_to_sonae_migrate() {
    let mut tables = Tables::new();
    for change in [
        "ALTER TABLE suppliers DISABLE ROW LEVEL SECURITY",
        "REVOKE {tenant} FROM sonae",
        "DROP OWNED BY {tenant}, {operator}; DROP ROLE {tenant}, {operator}",
    ] {
        let change = tables.named(change);
        tables.admin.run(&change).unwrap();
        let (code, said) = tables.migrate(&["--check"]);
        let has_to_migrate = said.trim().ends_with("; run `sonae migrate`") && !said.contains("administrator");
        let (_, migrated) = tables.migrate(&[]);
        assert!(code == Some(1) && has_to_migrate && migrated.is_empty(), "{change}: {said} {migrated}");
    }
}

#[test]
fn a_database_whose_roles_would_have_cut_names_is_refused_by_a_check_too() {
    let tables = Tables::new();
    let own = tables.data.url().unwrap();
    let (server, name) = own.rsplit_once('/').unwrap();
    let long = format!("{name:_<55}");
    let mut admin = Sql::open(&superuser()).unwrap();
    admin.run(&format!("CREATE DATABASE {long} OWNER sonae")).unwrap();
    let checked = tables.migrate_at(&format!("{server}/{long}"), &["--check"]);
    admin.run(&format!("DROP DATABASE {long}")).unwrap();
    assert_eq!(checked, (Some(4), "the name of the database is too long: 54 bytes at most\n".to_owned()));
}

#[test]
fn objects_that_row_level_security_binds_are_nobodys_concern() {
    let mut tables = Tables::new();
    tables.sql.run("CREATE VIEW own_view AS SELECT * FROM suppliers; GRANT SELECT ON own_view TO PUBLIC").unwrap();
    let invoked = "CREATE VIEW invoked WITH (security_invoker = true) AS SELECT * FROM suppliers; \
                   GRANT SELECT ON invoked TO PUBLIC; GRANT SELECT ON suppliers TO PUBLIC; \
                   CREATE VIEW unreachable AS SELECT * FROM suppliers; CREATE EXTENSION IF NOT EXISTS plpgsql";
    tables.admin.run(invoked).unwrap();
    assert_eq!(tables.migrate(&["--check"]), (Some(0), String::new()));
}

#[test]
fn a_login_that_may_not_make_roles_is_told_the_statements_for_both() {
    let mut tables = Tables::new();
    let [tenant, operator] = roles(&mut tables.sql);
    let login = tenant.replace("_tenant", "_login");
    let url = tables.data.url().unwrap().replace("//sonae@", &format!("//{login}@"));
    tables.admin.run(&format!("DROP OWNED BY {tenant}, {operator}; DROP ROLE {tenant}, {operator}")).unwrap();
    tables.admin.run(&format!("CREATE ROLE {login} LOGIN")).unwrap();
    tables.admin.run(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {login}")).unwrap();

    // This role owns nothing either: the owner has to act.
    let (code, said) = tables.migrate_at(&url, &[]);
    assert!(code == Some(1) && said.contains("CREATE ROLE") && said.contains("OWNER TO"), "{said}");
    let (code, checked) = tables.migrate_at(&url, &["--check"]);
    assert_eq!((code, asked_for(&checked)), (Some(1), asked_for(&said)));
    let asked = asked_for(&said).split_once("; the tables belong").unwrap().0;
    tables.admin.run(asked).unwrap();
    let (_, said) = tables.migrate_at(&url, &[]);
    assert!(said.contains("run `sonae migrate` as that one") && !said.contains("CREATE ROLE"), "{said}");
    let (code, checked) = tables.migrate_at(&url, &["--check"]);
    assert_eq!((code, asked_for(&checked)), (Some(1), asked_for(&said)));
    tables.admin.run(asked_for(&said)).unwrap();
    assert_eq!(tables.migrate_at(&url, &[]), (Some(0), String::new()));
    let give_back = format!("REASSIGN OWNED BY {login} TO sonae; DROP OWNED BY {login}; DROP ROLE {login}");
    tables.admin.run(&give_back).unwrap();
}

#[test]
fn a_login_that_owns_no_table_works_while_row_level_security_is_complete() {
    let mut tables = Tables::new();
    let [tenant, operator] = roles(&mut tables.sql);
    let login = tenant.replace("_tenant", "_login");
    let url = tables.data.url().unwrap().replace("//sonae@", &format!("//{login}@"));
    tables.sql.run(&format!("CREATE ROLE {login} LOGIN IN ROLE {tenant}, {operator}")).unwrap();

    assert_eq!(tables.migrate_at(&url, &[]), (Some(0), String::new()));
    tables.sql.run("ALTER TABLE suppliers DISABLE ROW LEVEL SECURITY").unwrap();
    let (code, said) = tables.migrate_at(&url, &[]);
    assert!(code == Some(1) && said.contains("suppliers") && said.contains("belong to another role"), "{said}");
    assert_eq!(tables.migrate(&[]), (Some(0), String::new()), "as their owner");
    assert_eq!(tables.migrate_at(&url, &[]), (Some(0), String::new()));
    tables.sql.run(&format!("DROP ROLE {login}")).unwrap();
}

#[test]
fn a_service_that_starts_completes_row_level_security_and_says_so() {
    let mut app = App::start();
    let mut sql = Sql::open(&app.data.url().unwrap()).unwrap();
    app.stop();
    sql.run("ALTER TABLE suppliers DISABLE ROW LEVEL SECURITY").unwrap();
    let listed = command(&app.data, &["tenant", "list", "--no-migrate"]).output().unwrap();
    let said = String::from_utf8(listed.stderr).unwrap();
    assert!(listed.status.code() == Some(1) && said.contains("run `sonae migrate`"), "{said}");
    app.start_again();
    let enabled = "SELECT relrowsecurity FROM pg_class WHERE relname = 'suppliers'";
    assert_eq!(sql.text(enabled).unwrap(), "true");
}
