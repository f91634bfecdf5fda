//! Transactions: the one way to the rows.
//!
//! A [`Tx`] is a transaction that has begun, with all that its statements need: the connection, the buyer whose rows it
//! reaches, who acts, in which request and operation, and the moment at which it happens. Every function of this crate
//! that touches rows takes one, so no buyer is named a second time and nothing is read or written outside of a transaction.
//! What belongs to no buyer (the list of buyers, the queue of jobs) takes an [`OperatorTx`].
//!
//! An [`Access`] is the database as one actor reaches the rows of one buyer. It begins transactions and ends them:
//! committed if the work succeeds, rolled back if it fails or panics. What must hold:
//!
//! - Row-level security limits a server's transaction to the rows of its buyer, whatever its queries say. The embedded
//!   database has no such thing: there the queries' own filters, which take the buyer from the `Tx`, are all there is.
//! - Writers of one buyer follow each other: a writer begins when the one before it has ended, so nothing that it has read
//!   changes before it ends. Readers wait for nobody, and see one state of the database.
//! - [`Tx::moment`] is the time of all that the transaction does. It is taken once the transaction has begun (of a writer:
//!   once its turn has come), so that the moments of a buyer's changes are in the order of the changes.
//! - `Tx::finish` is the only place where work is committed: what has to be kept together with each change (who did what,
//!   the answer to a request that may be repeated, an event for others) belongs there.

use std::sync::Arc;

use crate::database::{Begun, Database, Held, Watch};
use crate::error::RepoError;
use crate::scope::{Installation, Scope, TxRole};
use crate::scores::warm::WarmRuns;
use crate::{Clock, JobId, Role, TenantId, Timestamp, Version, turns};

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The name of the token, of the command line or of a part of the service, as records keep it.
    pub subject: Arc<str>,
    /// The role of the token. None without one: the command line, the service itself, and jobs, which act for whoever asked
    /// for them after that token's role was checked.
    pub role: Option<Role>,
}

/// Who acts, and in the course of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Who acts.
    pub actor: Actor,
    /// The id of the request, as its answer and the log have it; of the job, where a job acts.
    pub request_id: Option<Arc<str>>,
    /// The operation: its `operationId` in the API document, the kind of the job, or the command.
    pub operation: Arc<str>,
}

impl Context {
    /// The context of whoever acts without a token and not in a request.
    pub fn new(subject: &str, operation: &str) -> Self {
        Self { actor: Actor { subject: subject.into(), role: None }, request_id: None, operation: operation.into() }
    }

    /// The same, in a request or job.
    #[must_use]
    pub fn within(self, id: &str) -> Self {
        Self { request_id: Some(id.into()), ..self }
    }
}

/// The database as one actor reaches the rows of one buyer, or with `T` those of the installation.
#[derive(Debug, Clone)]
pub struct Access<T = TenantId> {
    database: Database,
    tenant: T,
    context: Context,
}

impl<T> Access<T> {
    pub(crate) fn new(database: Database, tenant: T, context: Context) -> Self {
        Self { database, tenant, context }
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Who acts, and in the course of what.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The clock that tells the time of all that is stored.
    pub fn clock(&self) -> &Clock {
        self.database.clock()
    }
}

impl<T: Copy + Into<Scope>> Access<T> {
    /// Whose rows they are.
    pub fn tenant(&self) -> T {
        self.tenant
    }

    /// Runs `work` in a transaction that reads, all from one state of the database.
    ///
    /// # Errors
    /// Those of `work`, and [`RepoError`] where there is no connection.
    pub fn read<V, E: From<RepoError>>(&self, work: impl FnOnce(&mut Tx<T>) -> Result<V, E>) -> Result<V, E> {
        self.run(TxRole::Reader, &Watch::default(), work)
    }

    /// Runs `work` in a transaction that writes, after those that the buyer's other writers have begun before.
    ///
    /// # Errors
    /// The same.
    pub fn write<V, E: From<RepoError>>(&self, work: impl FnOnce(&mut Tx<T>) -> Result<V, E>) -> Result<V, E> {
        self.run(TxRole::Writer, &Watch::default(), work)
    }

    /// Runs `work` in a transaction that writes jobs and what belongs to them.
    ///
    /// # Errors
    /// The same.
    pub fn write_jobs<V, E: From<RepoError>>(&self, work: impl FnOnce(&mut Tx<T>) -> Result<V, E>) -> Result<V, E> {
        self.run(TxRole::Queue, &Watch::default(), work)
    }

    /// Runs `work` in a transaction of any role, for whoever waits on another thread and asks the watch meanwhile.
    ///
    /// # Errors
    /// The same.
    pub fn run<V, E: From<RepoError>>(
        &self,
        role: TxRole,
        watch: &Watch,
        work: impl FnOnce(&mut Tx<T>) -> Result<V, E>,
    ) -> Result<V, E> {
        let Begun { conn, turn } = self.database.begin(role, self.tenant.into(), watch)?;
        // Now the turn of a writer has come, and the state that a reader sees is fixed.
        let (clock, context) = (self.database.clock().clone(), self.context.clone());
        let moment = clock.now();
        // What a writer reads may be undone.
        let warm_runs = if role == TxRole::Reader { self.database.warm_runs() } else { WarmRuns::new(0) };
        Tx { conn, _turn: turn, tenant: self.tenant, context, moment, clock, warm_runs }.finish(work)
    }
}

/// A transaction that has begun, of one buyer unless `T` says otherwise.
#[expect(missing_debug_implementations, reason = "diesel's connections have none")]
pub struct Tx<T = TenantId> {
    // Dropped in this order: whoever has the next turn finds the transaction ended.
    pub(crate) conn: Held,
    _turn: Option<turns::Held>,
    pub(crate) tenant: T,
    context: Context,
    moment: Timestamp,
    clock: Clock,
    pub(crate) warm_runs: WarmRuns,
}

/// A transaction of the operator, which reaches nothing that a buyer has registered.
pub type OperatorTx = Tx<Installation>;

impl Tx {
    /// The buyer whose rows it reaches.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// A version that is recorded now, by whoever acts, perhaps with an import.
    pub fn version(&self, import_id: Option<JobId>) -> Version {
        Version { recorded_at: self.moment, recorded_by: self.context.actor.subject.to_string(), import_id }
    }
}

impl<T> Tx<T> {
    /// Who acts, and in the course of what.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.context.actor
    }

    /// When all that the transaction does happens: once it had begun.
    pub fn moment(&self) -> Timestamp {
        self.moment
    }

    /// The clock, for new ids; the time is that of [`Tx::moment`].
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Runs `work` and ends the transaction: commits it if `work` succeeds, rolls it back if it does not.
    fn finish<V, E: From<RepoError>>(mut self, work: impl FnOnce(&mut Self) -> Result<V, E>) -> Result<V, E> {
        match work(&mut self) {
            Ok(value) => {
                self.conn.commit()?;
                Ok(value)
            }
            Err(error) => {
                self.conn.roll_back();
                Err(error)
            }
        }
    }

    /// Runs `work` in a savepoint. What it has written is kept if it gives `true` beside its value, and undone if it gives
    /// `false` or fails; the transaction goes on in each case.
    ///
    /// # Errors
    /// Those of `work` and of the database.
    pub fn savepoint<V, E: From<RepoError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(V, bool), E>,
    ) -> Result<V, E> {
        self.conn.set_savepoint()?;
        let outcome = work(self);
        let is_kept = matches!(outcome, Ok((_, true)));
        let ended = self.conn.end_savepoint(is_kept);
        let (value, _) = outcome?;
        ended?;
        Ok(value)
    }
}
