//! A PostgreSQL server: how its connections and transactions begin.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};

use crate::conn::{Role, Scope};
use crate::error::RepoError;
use crate::server_url::ServerUrl;

/// The first version that Sonae is tested with.
const OLDEST: i32 = 15;

/// The roles that transactions take, as identifiers. None of them owns a table or logs in: see `wall.sql`.
#[derive(Debug, Clone)]
pub(crate) struct Roles {
    /// Reaches the rows of the buyer that the transaction has set.
    tenant: Arc<str>,
    /// Reaches the list of buyers and the queue of jobs.
    operator: Arc<str>,
}

impl Roles {
    /// The statements that take the role of a scope, until the transaction ends.
    pub(crate) fn take(&self, scope: Scope) -> String {
        match scope {
            // An id is hexadecimal digits and hyphens.
            Scope::Tenant(tenant) => {
                format!("SET LOCAL ROLE {}; SET LOCAL sonae.tenant_id = '{tenant}'; ", self.tenant)
            }
            Scope::Installation => format!("SET LOCAL ROLE {}; SET LOCAL sonae.tenant_id = ''; ", self.operator),
        }
    }
}

/// What is known of a transaction.
#[derive(Debug)]
pub struct Session {
    roles: Roles,
    scope: Scope,
    /// How many rows it has added to tables.
    grown: HashMap<&'static str, usize>,
}

/// After so many rows the server looks at a table that it has never looked at: it would go on to think it empty, and read
/// all of it for each batch of a large import.
const LOOK_AT: usize = 1_000;

impl Session {
    pub(crate) fn new(roles: Roles) -> Self {
        Self { roles, scope: Scope::Installation, grown: HashMap::new() }
    }

    pub(crate) fn begin(&mut self, scope: Scope) {
        self.scope = scope;
        self.grown.clear();
    }

    /// The statements that take the role of another scope.
    pub(crate) fn turn_to(&mut self, scope: Scope) -> String {
        self.scope = scope;
        self.roles.take(scope)
    }

    /// Notes added rows; gives statements for when the server is to look at the table, as its owner.
    pub(crate) fn grow(&mut self, table: &'static str, rows: usize) -> Option<String> {
        let count = self.grown.entry(table).or_default();
        let before = *count;
        *count += rows;
        if before >= LOOK_AT || *count < LOOK_AT {
            return None;
        }
        // Another import may be looking, and has the table to itself for that until it ends: then this one goes without.
        Some(format!(
            "SET LOCAL ROLE NONE; \
             DO $$ DECLARE patience TEXT := current_setting('lock_timeout'); BEGIN \
             IF (SELECT reltuples < 0 FROM pg_class WHERE oid = '{table}'::regclass) THEN \
             SET LOCAL lock_timeout = 100; ANALYZE {table}; \
             PERFORM set_config('lock_timeout', patience, true); END IF; \
             EXCEPTION WHEN lock_not_available THEN NULL; END $$; {}",
            self.roles.take(self.scope)
        ))
    }
}

/// How long a transaction may wait for others, and its statements may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long a writer waits for another one of the same buyer.
    pub(crate) patience: Duration,
    /// How long one statement may take; as long as it needs where there is none.
    pub(crate) statement: Option<Duration>,
}

/// How long a writer waits for its turn at a time. Between two times others have its connection: those who wait for a long
/// import of one buyer would take all of them from the other buyers.
const TURN: Duration = Duration::from_millis(200);
/// After how long the server undoes a writing transaction that says nothing: its process sleeps, or its machine has lost
/// its power, and its buyer's next writer waits. Ours pause for much less.
const SILENCE: &str = "60s";

/// The statements that begin a transaction: one message to the server.
pub(crate) fn begin(role: Role, scope: Scope, roles: &Roles, limits: Limits) -> String {
    let mut sql = match role {
        Role::Reader => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; ".to_owned(),
        // Each statement sees what was committed before it: also what the writer before this one wrote.
        Role::Writer | Role::Queue => "BEGIN; ".to_owned(),
    };
    sql += &roles.take(scope);
    // Writing to a string does not fail.
    let _ = write!(sql, "SET LOCAL lock_timeout = {}; ", TURN.min(limits.patience).as_millis());
    if let Some(limit) = limits.statement {
        let _ = write!(sql, "SET LOCAL statement_timeout = {}; ", limit.as_millis());
    }
    if role != Role::Reader {
        let _ = write!(sql, "SET LOCAL idle_in_transaction_session_timeout = '{SILENCE}'; ");
    }
    if role == Role::Writer {
        // Planned by how many values a column has and not by which: the server does not know a buyer or source whose first
        // rows come with this transaction, and would read all of them for each batch.
        sql += "SET LOCAL plan_cache_mode = force_generic_plan; ";
    }
    match (role, scope) {
        (Role::Writer, Scope::Tenant(tenant)) => count_write(&mut sql, tenant.as_str(), "writer"),
        (Role::Queue, Scope::Tenant(tenant)) => count_write(&mut sql, tenant.as_str(), "queue"),
        // Nobody else may add or rename buyers meanwhile.
        (Role::Writer, Scope::Installation) => {
            sql += "UPDATE installation_writes SET count = count + 1;";
        }
        (Role::Reader, _) | (Role::Queue, Scope::Installation) => {}
    }
    let _ = write!(sql, " SET LOCAL lock_timeout = {}", limits.patience.as_millis());
    sql
}

/// Counts a writing transaction, which holds its buyer's row until it ends: so a buyer's writers follow each other, and
/// a replica shows how far it is.
fn count_write(sql: &mut String, tenant: &str, role: &str) {
    let _ = write!(
        sql,
        "INSERT INTO tenant_writes AS known (tenant_id, role, count) VALUES ('{tenant}', '{role}', 1) \
         ON CONFLICT (tenant_id, role) DO UPDATE SET count = known.count + 1;"
    );
}

pub(crate) fn connect(url: &ServerUrl) -> Result<PgConnection, RepoError> {
    let mut conn = PgConnection::establish(url.as_str()).map_err(|error| {
        // On one line.
        let cause = url.redact(&error.to_string()).split_whitespace().collect::<Vec<_>>().join(" ");
        RepoError::Unusable(format!("{url} cannot be reached: {cause}"))
    })?;
    // Only a superuser may; what errors mean is read in Japanese too.
    drop(conn.batch_execute("SET lc_messages = 'C'"));
    Ok(conn)
}

/// The roles of a database; refuses a server that is too old or does not keep text as UTF-8.
pub(crate) fn check(conn: &mut PgConnection) -> Result<Roles, RepoError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Integer)]
        version: i32,
        #[diesel(sql_type = Text)]
        encoding: String,
        #[diesel(sql_type = Text)]
        tenant: String,
        #[diesel(sql_type = Text)]
        operator: String,
    }
    let row: Row = diesel::sql_query(
        "SELECT current_setting('server_version_num')::integer / 10000 AS version, \
         current_setting('server_encoding') AS encoding, \
         quote_ident(current_database() || '_tenant') AS tenant, \
         quote_ident(current_database() || '_operator') AS operator",
    )
    .get_result(conn)?;
    if row.version < OLDEST {
        return Err(RepoError::Unusable(format!("PostgreSQL {} is too old; {OLDEST} or later is needed", row.version)));
    }
    if row.encoding != "UTF8" {
        let text = format!("the database keeps text as {}; make one with ENCODING 'UTF8'", row.encoding);
        return Err(RepoError::Unusable(text));
    }
    Ok(Roles { tenant: row.tenant.into(), operator: row.operator.into() })
}
