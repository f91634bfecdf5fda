//! A PostgreSQL server: how its connections and transactions begin.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Integer, Text};

use crate::error::{ConnectionFault, RepoError};
use crate::id::Key;
use crate::scope::{Scope, TxRole};
use crate::server_url::ServerUrl;
use crate::tables::tenant_writes;
use crate::{Clock, TenantId, Timestamp};

/// The first version that Sonae is tested with.
const MIN_SERVER_VERSION: i32 = 15;

/// The roles that transactions take, as SQL identifiers. None of them owns a table or logs in: see
/// `row_level_security.sql`.
#[derive(Debug, Clone)]
pub(crate) struct Roles {
    /// Reaches the rows of the buyer that the transaction has set.
    tenant: Arc<str>,
    /// Reaches the list of buyers and the queue of jobs.
    operator: Arc<str>,
}

impl Roles {
    /// Returns the statements that take the role of a scope until the transaction ends.
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

/// A process that has a database open, as the server's other clients see it.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    id: Arc<str>,
    most_connections: u32,
}

impl Process {
    /// Creates a process that opens at most this many connections.
    pub(crate) fn new(most_connections: u32) -> Self {
        let id = Clock::system().uuid().simple().to_string();
        // Only the end of the id, which is random: application names are short.
        Self { id: id.chars().skip(22).collect::<String>().into(), most_connections }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn most_connections(&self) -> u32 {
        self.most_connections
    }

    /// Returns the `application_name` of its sessions. Other processes add up the numbers in it, and find the sessions
    /// of a process that hangs.
    fn name(&self) -> String {
        format!("sonae {} {}", self.id, self.most_connections)
    }
}

/// The state of a session and its transaction.
#[derive(Debug)]
pub(crate) struct Session {
    /// The value of `sonae.session` in this session, and in no other.
    mark: String,
    /// Whether the connection led to another client's session.
    is_handed_over: bool,
    roles: Roles,
    scope: Scope,
    /// The number of rows that the transaction has added, by table.
    grown: HashMap<&'static str, usize>,
}

/// The number of a transaction's added rows after which the server first analyzes their table, and the number after
/// which it is checked again whether it must.
///
/// Otherwise the server would think that the table is empty, and read all of it for each batch of a large import:
/// because it was never analyzed, or because an earlier import was undone, which counts as no rows too.
const ANALYZED_ROW_COUNTS: [usize; 2] = [1_000, 5_000];

impl Session {
    pub(crate) fn new(mark: String, roles: Roles) -> Self {
        Self { mark, is_handed_over: false, roles, scope: Scope::Installation, grown: HashMap::new() }
    }

    /// Returns the statements that begin a transaction, for one message to the server.
    pub(crate) fn begin(&mut self, scope: Scope, beginning: &Beginning) -> String {
        self.scope = scope;
        self.grown.clear();
        format!("{}; {}; {}", beginning.begin, self.guard(), beginning.settings)
    }

    /// Returns a statement that fails if the connection leads to another session than the one that was prepared. It
    /// needs no message of its own. It comes before any statement that another connection could have prepared by the
    /// same name.
    pub(crate) fn guard(&self) -> String {
        guard(&self.mark)
    }

    pub(crate) fn is_handed_over(&self) -> bool {
        self.is_handed_over
    }

    /// Notes an error, as far as it says something about the session.
    pub(crate) fn fails(&mut self, error: &RepoError) {
        self.is_handed_over |= error.is_of_pool();
    }

    /// Returns the statements that take the role of another scope.
    pub(crate) fn turn_to(&mut self, scope: Scope) -> String {
        self.scope = scope;
        self.roles.take(scope)
    }

    /// Notes added rows. Returns statements that analyze the table as its owner, if that is due.
    pub(crate) fn note_growth(&mut self, table: &'static str, rows: usize) -> Option<String> {
        let count = self.grown.entry(table).or_default();
        let before = *count;
        *count += rows;
        let [first, each] = ANALYZED_ROW_COUNTS;
        if !(before < first && *count >= first) && before / each == *count / each {
            return None;
        }
        let count = *count;
        // Another import may be analyzing the table, which locks it until that import ends. Then this one goes without.
        Some(format!(
            "SET LOCAL ROLE NONE; \
             DO $$ DECLARE patience TEXT := current_setting('lock_timeout'); BEGIN \
             IF (SELECT reltuples < {count} / 4 FROM pg_class WHERE oid = '{table}'::regclass) THEN \
             SET LOCAL lock_timeout = 100; ANALYZE {table}; \
             PERFORM set_config('lock_timeout', patience, true); END IF; \
             EXCEPTION WHEN lock_not_available THEN NULL; END $$; {}",
            self.roles.take(self.scope)
        ))
    }
}

/// The time-outs of a transaction: for waiting and for its statements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long a writer waits for another one of the same buyer.
    pub(crate) patience: Duration,
    /// The time-out of a statement; unlimited if omitted.
    pub(crate) statement: Option<Duration>,
}

/// How long one statement of a job or a command may take: far longer than any does. It ends the statements of a process
/// that hangs while the server waits for the rest of its message. It counts as busy.
pub(crate) const MAX_STATEMENT_DURATION: Duration = Duration::from_secs(600);
/// After how long the server undoes a writing transaction that sends nothing: its process sleeps or its machine has
/// lost power, and the buyer's next writer waits. Pauses in our transactions are much shorter.
const IDLE_TRANSACTION_TIMEOUT: &str = "60s";

/// How a transaction begins.
#[derive(Debug, Clone)]
pub(crate) struct Beginning {
    pub(crate) begin: &'static str,
    /// Statements that belong to it.
    pub(crate) settings: String,
}

/// Returns how a transaction begins.
pub(crate) fn begin(role: TxRole, scope: Scope, roles: &Roles, limits: Limits) -> Beginning {
    let begin = match role {
        TxRole::Reader => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        // Each statement sees what was committed before it, including the changes of the previous writer.
        TxRole::Writer | TxRole::Queue => "BEGIN",
    };
    let mut settings = roles.take(scope);
    // Writing to a string does not fail.
    let _ = write!(settings, "SET LOCAL lock_timeout = {}", limits.patience.as_millis());
    if let Some(limit) = limits.statement {
        let _ = write!(settings, "; SET LOCAL statement_timeout = {}", limit.as_millis());
    }
    if role != TxRole::Reader {
        let _ = write!(settings, "; SET LOCAL idle_in_transaction_session_timeout = '{IDLE_TRANSACTION_TIMEOUT}'");
    }
    if role == TxRole::Writer {
        // Plans depend on how many values a column has, not on which ones. The server does not know a buyer or source
        // whose first rows come with this transaction, and would read all of them for each batch.
        settings += "; SET LOCAL plan_cache_mode = force_generic_plan";
    }
    Beginning { begin, settings }
}

/// The row that writers hold one after another, each until its transaction ends. It also counts them, which shows how
/// far a replica is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TurnRow {
    /// The row of a buyer's writers of one role.
    Tenant(TenantId, &'static str),
    /// The row of those who write what all buyers share.
    Installation,
}

impl TurnRow {
    /// Returns the row that a transaction needs, if any.
    pub(crate) fn of(role: TxRole, scope: Scope) -> Option<Self> {
        match (role, scope) {
            (TxRole::Writer, Scope::Tenant(tenant)) => Some(Self::Tenant(tenant, "writer")),
            (TxRole::Queue, Scope::Tenant(tenant)) => Some(Self::Tenant(tenant, "queue")),
            // Nobody else may add or rename buyers meanwhile.
            (TxRole::Writer, Scope::Installation) => Some(Self::Installation),
            (TxRole::Reader, _) | (TxRole::Queue, Scope::Installation) => None,
        }
    }

    /// Takes the row, unless another transaction holds it. Neither waits nor causes an error in the server's log.
    pub(crate) fn take(self, conn: &mut PgConnection) -> Result<Turn, RepoError> {
        if TakeTurn(self).execute(conn)? > 0 {
            return Ok(Turn::Taken);
        }
        let Self::Tenant(tenant, role) = self else { return Ok(Turn::Held) };
        let is_there = diesel::select(diesel::dsl::exists(tenant_writes::table.find((tenant, role))));
        Ok(if is_there.get_result(conn)? { Turn::Held } else { Turn::Missing })
    }

    /// Creates the row of a buyer that has written nothing yet. This needs a transaction of its own, since others wait
    /// for its end.
    pub(crate) fn make(self, conn: &mut PgConnection) -> Result<(), RepoError> {
        let Self::Tenant(tenant, role) = self else { return Ok(()) };
        let row = (tenant_writes::tenant_id.eq(tenant), tenant_writes::role.eq(role), tenant_writes::count.eq(0));
        diesel::insert_into(tenant_writes::table).values(row).on_conflict_do_nothing().execute(conn)?;
        Ok(())
    }
}

/// The result of trying to take a [`TurnRow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Taken,
    /// It is held by another transaction.
    Held,
    /// The row does not exist yet.
    Missing,
}

/// The statement that takes a turn, prepared once per connection.
#[derive(Debug)]
struct TakeTurn(TurnRow);

impl QueryFragment<Pg> for TakeTurn {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match &self.0 {
            TurnRow::Tenant(tenant, role) => {
                out.push_sql(
                    "UPDATE tenant_writes SET count = count + 1 WHERE (tenant_id, role) IN \
                     (SELECT tenant_id, role FROM tenant_writes WHERE tenant_id = ",
                );
                out.push_bind_param::<Key, _>(tenant)?;
                out.push_sql(" AND role = ");
                out.push_bind_param::<Text, _>(*role)?;
                out.push_sql(" FOR UPDATE SKIP LOCKED)");
            }
            TurnRow::Installation => out.push_sql(
                "UPDATE installation_writes SET count = count + 1 \
                 WHERE id IN (SELECT id FROM installation_writes FOR UPDATE SKIP LOCKED)",
            ),
        }
        Ok(())
    }
}

impl QueryId for TakeTurn {
    type QueryId = ();
    // The cache of prepared statements uses the text as its key: there are two.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<PgConnection> for TakeTurn {}

/// A connection, with the mark of its session.
pub(crate) type Marked = (PgConnection, String);

/// Connects, and marks the session.
pub(crate) fn connect(url: &ServerUrl, process: &Process) -> Result<Marked, RepoError> {
    let mut conn = PgConnection::establish(url.as_str()).map_err(|error| {
        // Joined into one line.
        let cause = url.redact(&error.to_string()).split_whitespace().collect::<Vec<_>>().join(" ");
        match ConnectionFault::of_connect(&url.to_string(), &cause) {
            Some(fault) => fault.into(),
            None => RepoError::Unusable(format!("{url} cannot be reached: {cause}")),
        }
    })?;
    let mark = Clock::system().uuid().simple().to_string();
    let name = process.name();
    conn.batch_execute(&format!("SET application_name = '{name}'; SET sonae.session = '{mark}'"))?;
    // Errors are also recognized in Japanese, in case this may not be set. Servers that are too old lack this function.
    drop(conn.batch_execute(
        "SELECT CASE WHEN has_parameter_privilege('lc_messages', 'SET') THEN set_config('lc_messages', 'C', false) END",
    ));
    Ok((conn, mark))
}

/// The order in which two connections are asked whose sessions they lead to. There are two known kinds of poolers: one
/// hands out the session that came back last, the other the one that came back first. Either shows itself within this
/// sequence, even while others use it.
const POOLER_PROBES: [usize; 8] = [0, 1, 0, 0, 1, 1, 0, 1];

/// Connects twice, and tries the connections against each other. Behind a pooler that gives transactions to any
/// session, one of them gets the other's session. Nothing else is sent to the server before.
pub(crate) fn connect_tried(url: &ServerUrl, process: &Process) -> Result<[Marked; 2], RepoError> {
    let mut pair = [connect(url, process)?, connect(url, process)?];
    for place in POOLER_PROBES {
        if let Some((conn, mark)) = pair.get_mut(place) {
            conn.batch_execute(&guard(mark))?;
        }
    }
    Ok(pair)
}

fn guard(mark: &str) -> String {
    // A cast that fails is the cheapest way to an error that contains the text, whatever the language of the server.
    format!(
        "SELECT CASE WHEN current_setting('sonae.session', true) = '{mark}' THEN 0 \
         ELSE ('{}' || coalesce(current_setting('sonae.session', true), ''))::pg_catalog.int4 END",
        ConnectionFault::OTHER_SESSION_MARK,
    )
}

/// What the processes that share a server may need of its connections, and the tightest limit on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionNeeds {
    /// The maximum number of connections that this process opens.
    pub own: u32,
    /// The number of connections that all connected processes of Sonae may open, as far as the limit counts them.
    pub all: i64,
    /// The limit.
    pub limit: i64,
    /// What sets the limit.
    pub limited_by: String,
}

impl ConnectionNeeds {
    /// Returns whether all processes can get the connections that they may need.
    pub fn fit(&self) -> bool {
        self.all <= self.limit
    }
}

/// Adds up what processes may need. Those of other databases and roles count as far as they share the limit.
pub(crate) fn connection_needs(conn: &mut PgConnection, process: &Process) -> Result<ConnectionNeeds, RepoError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        needed: i64,
        #[diesel(sql_type = BigInt)]
        most: i64,
        #[diesel(sql_type = Text)]
        limited_by: String,
    }
    // The parameter for the reserved connections was added in PostgreSQL 16, and may be missing.
    let row: Row = diesel::sql_query(
        "WITH processes AS (SELECT DISTINCT application_name, datname, usename, \
         substring(application_name FROM '^sonae [0-9a-z]+ ([0-9]{1,5})$')::bigint AS needed FROM pg_stat_activity), \
         limits AS (SELECT current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint \
         - coalesce(current_setting('reserved_connections', true), '0')::bigint AS most, \
         'max_connections less those that are reserved'::text AS limited_by, \
         (SELECT coalesce(sum(needed), 0)::bigint FROM processes) AS needed \
         UNION ALL SELECT rolconnlimit, 'CONNECTION LIMIT of the role ' || quote_ident(rolname), \
         (SELECT coalesce(sum(needed), 0)::bigint FROM processes WHERE usename = rolname) \
         FROM pg_roles WHERE rolname = session_user AND rolconnlimit >= 0 \
         UNION ALL SELECT datconnlimit, 'CONNECTION LIMIT of the database ' || quote_ident(database.datname), \
         (SELECT coalesce(sum(needed), 0)::bigint FROM processes WHERE datname = database.datname) \
         FROM pg_database AS database WHERE database.datname = current_database() AND datconnlimit >= 0) \
         SELECT needed, most, limited_by FROM limits ORDER BY most - needed LIMIT 1",
    )
    .get_result(conn)?;
    Ok(ConnectionNeeds { own: process.most_connections, all: row.needed, limit: row.most, limited_by: row.limited_by })
}

/// Ends the sessions of a process that has not renewed the lease of a job in time, as far as their transactions began
/// before then: it hangs, and holds what others wait for. Runs as the login role, to which the sessions belong.
pub(crate) fn end_sessions(conn: &mut PgConnection, process: &str, before: Timestamp) -> Result<i64, RepoError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let row: Row = diesel::sql_query(
        "SELECT count(*) FILTER (WHERE is_ended) AS count FROM (SELECT pg_terminate_backend(pid) AS is_ended FROM pg_stat_activity \
         WHERE datname = current_database() AND starts_with(application_name, 'sonae ' || $1 || ' ') \
         AND xact_start < $2 AND pid <> pg_backend_pid() AND pg_has_role(usesysid, 'USAGE')) AS ended",
    )
    .bind::<Text, _>(process)
    .bind::<diesel::sql_types::Timestamp, _>(before)
    .get_result(conn)?;
    Ok(row.count)
}

/// Returns the roles of a database. Refuses a server that is too old, or does not store text as UTF-8.
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
    if row.version < MIN_SERVER_VERSION {
        return Err(RepoError::Unusable(format!(
            "PostgreSQL {} is too old; {MIN_SERVER_VERSION} or later is needed",
            row.version
        )));
    }
    if row.encoding != "UTF8" {
        let text = format!("the database keeps text as {}; make one with ENCODING 'UTF8'", row.encoding);
        return Err(RepoError::Unusable(text));
    }
    Ok(Roles { tenant: row.tenant.into(), operator: row.operator.into() })
}
