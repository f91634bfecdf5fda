//! The wall between buyers in the database itself, by its catalogue: so that no table is forgotten.

use tests::sql::Sql;

use crate::buyers::{Buyers, NOTHING, changed, count, state, superuser, walled_tables};
use crate::support::{App, command};

/// The tables that hold nothing of one buyer's business.
const SHARED: [&str; 5] = ["__diesel_schema_migrations", "installation_writes", "job_queue", "models", "services"];

/// The roles that transactions take: the one for a buyer, and the one for the installation.
fn roles(sql: &mut Sql) -> [String; 2] {
    let database = sql.text("SELECT current_database()").unwrap();
    ["tenant", "operator"].map(|role| format!("{database}_{role}"))
}

/// What begins a transaction of a buyer.
fn begin(role: &str, buyer: &str) -> String {
    format!("BEGIN; SET LOCAL ROLE {role}; SET LOCAL sonae.tenant_id = '{buyer}'")
}

/// Asserts that the database refuses a statement, with these words; the transaction goes on.
#[track_caller]
fn refuses(sql: &mut Sql, statement: &str, words: &str) {
    sql.run("SAVEPOINT before").unwrap();
    let refused = sql.run(statement).expect_err(statement).to_string();
    assert!(refused.contains(words), "{statement}: {refused}");
    sql.run("ROLLBACK TO before").unwrap();
}

#[test]
fn every_table_is_walled_off_or_holds_nothing_of_a_buyer() {
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
    walled.push("tenants".to_owned());
    walled.sort();
    assert_eq!(sql.texts(&relations(is_walled)).unwrap(), walled);
    let columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'job_queue'::regclass AND attnum > 0 \
                   AND NOT attisdropped ORDER BY attname";
    assert_eq!(sql.texts(columns).unwrap(), ["id", "kind", "leased_until", "process", "state", "tenant_id"]);
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
        assert_eq!(seen, [ours.clone()], "{table}");
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

/// Deletes all rows that a transaction reaches, those that refer to others before those.
fn delete_all(sql: &mut Sql, begin: &str) {
    let mut left = walled_tables(sql);
    sql.run(begin).unwrap();
    sql.run("DELETE FROM job_queue WHERE tenant_id = current_setting('sonae.tenant_id')").unwrap();
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
        // The owner of the tables too.
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
    assert_eq!(sql.texts("SELECT id FROM tenants").unwrap(), [buyers.ours.id.clone()]);
    for change in [
        "UPDATE tenants SET name = 'x'",
        "DELETE FROM tenants",
        "INSERT INTO tenants VALUES ('x', 'x', 'x', now(), NULL)",
        "UPDATE services SET service_name = 'x'",
        "DELETE FROM models",
        "DELETE FROM __diesel_schema_migrations",
    ] {
        refuses(&mut sql, change, "permission denied");
    }
    sql.run("ROLLBACK").unwrap();

    // Whichever buyer is set.
    sql.run(&begin(&operator, &buyers.ours.id)).unwrap();
    for table in walled_tables(&mut buyers.superuser()) {
        refuses(&mut sql, &format!("SELECT FROM {table}"), "permission denied");
        refuses(&mut sql, &format!("DELETE FROM {table}"), "permission denied");
        refuses(&mut sql, &format!("UPDATE {table} SET tenant_id = ''"), "permission denied");
        refuses(&mut sql, &format!("INSERT INTO {table} DEFAULT VALUES"), "permission denied");
    }
    assert_eq!(sql.text("SELECT count(*) FROM tenants").unwrap(), "3", "the two, and the one of an empty database");
    sql.run("ROLLBACK").unwrap();
}

#[test]
fn a_service_that_owns_the_tables_mends_the_wall() {
    let mut app = App::start();
    let mut sql = Sql::open(&app.data.url().unwrap()).unwrap();
    let walled = "SELECT relrowsecurity AND relforcerowsecurity AND pg_get_expr(polqual, polrelid) <> 'true' \
                  FROM pg_class, pg_policy WHERE relname = 'suppliers' AND polrelid = pg_class.oid";
    for opening in [
        "ALTER TABLE suppliers DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE suppliers NO FORCE ROW LEVEL SECURITY",
        "ALTER POLICY own_rows ON suppliers USING (true)",
    ] {
        app.stop();
        sql.run(opening).unwrap();
        assert_eq!(sql.text(walled).unwrap(), "false");
        app.start_again();
        assert_eq!(sql.text(walled).unwrap(), "true", "{opening}");
    }
}

#[test]
fn a_role_that_may_look_over_the_wall_is_refused() {
    let mut app = App::start();
    let mut sql = Sql::open(&app.data.url().unwrap()).unwrap();
    let mut admin = Sql::open(&app.data.url_by(&superuser())).unwrap();
    let [tenant, _] = roles(&mut sql);
    app.stop();
    admin.run(&format!("ALTER ROLE {tenant} BYPASSRLS")).unwrap();
    let refused = command(&app.data, &["tenant", "list"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains(&tenant) && said.contains("BYPASSRLS"), "{said}");
    admin.run(&format!("ALTER ROLE {tenant} NOBYPASSRLS")).unwrap();
    app.start_again();
}

#[test]
fn a_service_that_does_not_own_the_tables_refuses_to_start_without_the_wall() {
    let app = App::start();
    let mut sql = Sql::open(&app.data.url().unwrap()).unwrap();
    let [tenant, operator] = roles(&mut sql);
    let role = tenant.replace("_tenant", "_login");
    sql.run(&format!("CREATE ROLE {role} LOGIN IN ROLE {tenant}, {operator}")).unwrap();
    let url = app.data.url().unwrap().replace("//sonae@", &format!("//{role}@"));
    let run = || {
        let mut command = command(&app.data, &["tenant", "list"]);
        let done = command.env("DATABASE_URL", &url).output().unwrap();
        (done.status.success(), String::from_utf8(done.stderr).unwrap())
    };

    assert_eq!(run(), (true, String::new()), "with the wall it works");
    sql.run("ALTER TABLE suppliers DISABLE ROW LEVEL SECURITY").unwrap();
    let (started, said) = run();
    assert!(!started && said.contains("wall between buyers") && said.contains("suppliers"), "{said}");
    sql.run("ALTER TABLE suppliers ENABLE ROW LEVEL SECURITY; CREATE POLICY more ON suppliers USING (true)").unwrap();
    let (started, said) = run();
    assert!(!started && said.contains("suppliers"), "{said}");
    sql.run("DROP POLICY more ON suppliers").unwrap();
    assert_eq!(run(), (true, String::new()));
    sql.run(&format!("DROP ROLE {role}")).unwrap();
}
