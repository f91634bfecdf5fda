//! Transactions: the only way to the rows.
//!
//! A [`Tx`] is a transaction that has begun, with everything that its statements need: the connection, the buyer whose
//! rows it reaches, the actor, the request and operation, and the moment at which it happens. Every function of this
//! crate that touches rows takes one. So no buyer is named a second time, and nothing is read or written outside of a
//! transaction. What belongs to no buyer (the list of buyers, the queue of jobs) takes an [`OperatorTx`].
//!
//! An [`Access`] is the database as one actor reaches the rows of one buyer. It begins transactions and ends them: it
//! commits if the work succeeds, and rolls back if it fails or panics. These invariants hold:
//!
//! - Row-level security limits a server's transaction to the rows of its buyer, even if its queries do not. The
//!   embedded database has no row-level security: only the queries' own filters, which take the buyer from the `Tx`,
//!   limit it.
//! - Writers of one buyer run one after another: a writer begins when the one before it has ended, so nothing that it
//!   has read changes before it ends. Readers wait for nobody, and see one state of the database.
//! - [`Tx::moment`] is the time of everything that the transaction does. It is taken once the transaction has begun
//!   (for a writer: once its turn has come), so the moments of a buyer's changes are in the order of the changes.
//! - `Tx::finish` is the only place where work is committed. What has to be kept together with each change belongs
//!   there: who did what, the answer to a request that may be repeated, who is notified of a change. A transaction that
//!   has recorded versions becomes a [`Commit`] there, whose moment is taken as late as possible.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::TimeDelta;
use diesel::prelude::*;

use crate::commits::{self, Commit};
use crate::conn::each_backend;
use crate::database::{Begun, ChangeListener, Database, Held, Watch};
use crate::error::RepoError;
use crate::scope::{Installation, Scope, TxRole};
use crate::scores::warm::WarmRuns;
use crate::{Choice, Clock, JobId, Role, TenantId, Timestamp, tables, turns};

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The name of the token, of the command line or of a part of the service, as records keep it.
    pub subject: Arc<str>,
    /// The role of the token. The command line, the service itself and jobs have none. A job acts for whoever requested
    /// it, after that token's role was checked.
    pub role: Option<Role>,
}

/// Who acts, in which request and operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Who acts.
    pub actor: Actor,
    /// The id of the request, as in its answer and the log, or the id of the job that acts.
    pub request_id: Option<Arc<str>>,
    /// The operation: its `operationId` in the API document, the kind of the job, or the command.
    pub operation: Arc<str>,
}

impl Context {
    /// Creates the context of an actor without a token, outside of a request.
    pub fn new(subject: &str, operation: &str) -> Self {
        Self { actor: Actor { subject: subject.into(), role: None }, request_id: None, operation: operation.into() }
    }

    /// Returns the same context, within a request or job.
    #[must_use]
    pub fn within(self, id: &str) -> Self {
        Self { request_id: Some(id.into()), ..self }
    }
}

/// The database as one actor reaches the rows of one buyer. With another `T`, the rows of the installation.
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

    /// Returns the database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Returns who acts, in which request and operation.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Returns the clock that gives the time of everything stored.
    pub fn clock(&self) -> &Clock {
        self.database.clock()
    }
}

impl<T: Copy + Into<Scope>> Access<T> {
    /// Returns the buyer whose rows it reaches, or the installation.
    pub fn tenant(&self) -> T {
        self.tenant
    }

    /// Runs `work` in a reading transaction, which sees one state of the database.
    ///
    /// # Errors
    /// Errors of `work`, and [`RepoError`] if no connection is available.
    pub fn read<V, E: From<RepoError>>(&self, work: impl FnOnce(&mut Tx<T>) -> Result<V, E>) -> Result<V, E> {
        self.run(TxRole::Reader, &Watch::default(), work)
    }

    /// Runs `work` in a writing transaction, after the buyer's earlier writers have ended.
    ///
    /// # Errors
    /// The same as [`Self::read`].
    pub fn write<V, E: From<RepoError>>(&self, work: impl FnOnce(&mut Tx<T>) -> Result<V, E>) -> Result<V, E> {
        self.run(TxRole::Writer, &Watch::default(), work)
    }

    /// Runs `work` in a transaction that writes jobs and what belongs to them.
    ///
    /// # Errors
    /// The same as [`Self::read`].
    pub fn write_jobs<V, E: From<RepoError>>(&self, work: impl FnOnce(&mut Tx<T>) -> Result<V, E>) -> Result<V, E> {
        self.run(TxRole::Queue, &Watch::default(), work)
    }

    /// Runs `work` in a transaction of any role. Another thread that waits for it can ask the watch meanwhile.
    ///
    /// # Errors
    /// The same as [`Self::read`].
    pub fn run<V, E: From<RepoError>>(
        &self,
        role: TxRole,
        watch: &Watch,
        work: impl FnOnce(&mut Tx<T>) -> Result<V, E>,
    ) -> Result<V, E> {
        let begun = self.database.begin(role, self.tenant.into(), watch)?;
        self.begun(begun, role).finish(work)
    }

    /// Runs `work` in a reading transaction, on a thread that must not wait.
    ///
    /// This is only possible on an embedded database with an idle connection, and only as long as the scores that
    /// `work` looks up are in memory. Returns none if it would take longer. Another thread then has to do the work from
    /// the start.
    ///
    /// # Errors
    /// Errors of `work`.
    pub fn read_at_once<V, E: From<RepoError>>(
        &self,
        work: impl FnOnce(&mut Tx<T>) -> Result<V, E>,
    ) -> Result<Option<V>, E> {
        let Some(begun) = self.database.begin_at_once(self.tenant.into())? else { return Ok(None) };
        let tx = Tx { haste: Haste::Hurried, ..self.begun(begun, TxRole::Reader) };
        tx.finish(|tx| {
            let done = work(tx);
            if tx.haste == Haste::GaveUp { Ok(None) } else { done.map(Some) }
        })
    }

    fn begun(&self, Begun { conn, turn }: Begun, role: TxRole) -> Tx<T> {
        // By now the turn of a writer has come, and the state that a reader sees is fixed.
        let (clock, context) = (self.database.clock().clone(), self.context.clone());
        let moment = clock.now();
        // Only a reader uses them: what a writer reads may be undone.
        let warm_runs = if role == TxRole::Reader { self.database.warm_runs() } else { WarmRuns::new(0) };
        Tx {
            conn,
            _turn: turn,
            tenant: self.tenant,
            context,
            moment,
            clock,
            import_id: None,
            own: None,
            has_recorded: false,
            changed: None,
            listener: self.database.listener(),
            known: HashMap::new(),
            warm_runs,
            usual_cache: None,
            haste: Haste::None,
        }
    }
}

/// Whether a transaction may take its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Haste {
    /// It may.
    None,
    /// It holds up a thread that others wait for.
    Hurried,
    /// It was hurried, and gave up because it would have taken too long.
    GaveUp,
}

/// A transaction that has begun, of one buyer unless `T` says otherwise.
#[expect(missing_debug_implementations, reason = "diesel's connections have none")]
pub struct Tx<T = TenantId> {
    // Dropped in this order: whoever gets the next turn finds the transaction ended.
    pub(crate) conn: Held,
    _turn: Option<turns::Held>,
    pub(crate) tenant: T,
    context: Context,
    moment: Timestamp,
    clock: Clock,
    import_id: Option<JobId>,
    /// The commit that the transaction becomes once something is recorded in it, and its buyer.
    own: Option<(TenantId, Arc<Commit>)>,
    has_recorded: bool,
    /// The buyer whose data was changed, as far as scores depend on it.
    changed: Option<TenantId>,
    listener: ChangeListener,
    /// Commits that were read; they never change.
    known: HashMap<i64, Arc<Commit>>,
    pub(crate) warm_runs: WarmRuns,
    /// Whether the connection's cache is normally large, if this transaction has resized it.
    usual_cache: Option<bool>,
    haste: Haste,
}

/// A transaction of the operator, which reaches nothing that a buyer has registered.
pub type OperatorTx = Tx<Installation>;

impl Tx {
    /// Returns the buyer whose rows it reaches.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Notes the import that records from here on.
    pub fn set_import(&mut self, id: JobId) {
        self.import_id = Some(id);
    }

    /// Returns the commit that the transaction becomes if versions are recorded in it: who records, and with which
    /// import.
    ///
    /// # Errors
    /// Database errors.
    pub fn own_commit(&mut self) -> Result<Arc<Commit>, RepoError> {
        if let Some((_, commit)) = &self.own {
            return Ok(Arc::clone(commit));
        }
        // Each denotes what was known at its moment, so moments increase even if the clock was set back.
        let (number, earliest) = match commits::latest(self)? {
            Some((number, at)) => (number + 1, at.after(TimeDelta::milliseconds(1))),
            None => (1, self.moment),
        };
        let actor = self.context.actor.subject.to_string();
        let commit = Arc::new(Commit::to_be(number, (self.clock.clone(), earliest), actor, self.import_id));
        self.own = Some((self.tenant, Arc::clone(&commit)));
        Ok(commit)
    }

    /// Notes that versions were added or superseded, so that the commit is kept.
    pub(crate) fn note_recorded(&mut self) {
        self.has_recorded = true;
    }

    /// Notes that data which scores depend on was changed, so that the listener is notified after the commit. A
    /// notification of a change that was undone again does no harm.
    pub(crate) fn note_changed(&mut self) {
        self.changed = Some(self.tenant);
    }

    /// Finds commits by their numbers.
    pub(crate) fn find_commits(
        &mut self,
        numbers: impl Iterator<Item = i64>,
    ) -> Result<HashMap<i64, Arc<Commit>>, RepoError> {
        /// Above this number of commits, those in memory are dropped.
        const MAX_KEPT_COMMITS: usize = 10_000;
        let mut wanted: Vec<i64> = numbers.collect();
        wanted.sort_unstable();
        wanted.dedup();
        if self.known.len() + wanted.len() > MAX_KEPT_COMMITS {
            self.known.clear();
        }
        let own = self.own.as_ref().map(|(_, own)| own.number);
        let is_unknown = |number: &i64| !self.known.contains_key(number) && own != Some(*number);
        let unknown: Vec<i64> = wanted.iter().copied().filter(is_unknown).collect();
        let found = commits::find(self, &unknown)?;
        self.known.extend(found);
        let own = self.own.as_ref().map(|(_, own)| own);
        let commit = |number: i64| {
            let known = own.filter(|own| own.number == number).or_else(|| self.known.get(&number));
            Some((number, Arc::clone(known?)))
        };
        Ok(wanted.into_iter().filter_map(commit).collect())
    }
}

impl<T> Tx<T> {
    /// Returns who acts, in which request and operation.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Returns who acts.
    pub fn actor(&self) -> &Actor {
        &self.context.actor
    }

    /// Returns the moment of everything that the transaction does, taken once it had begun.
    pub fn moment(&self) -> Timestamp {
        self.moment
    }

    /// Returns the clock, for new ids. For the time, use [`Tx::moment`].
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Prepares for work that reads most of a table in scattered places: more is kept in memory until the transaction
    /// ends.
    ///
    /// # Errors
    /// Database errors.
    pub fn expect_many_rows(&mut self) -> Result<(), RepoError> {
        self.usual_cache = Some(false);
        Ok(self.conn.resize_cache(true)?)
    }

    /// Prepares for writing large values that are not read again, such as a file: less is kept in memory until the
    /// transaction ends.
    ///
    /// # Errors
    /// Database errors.
    pub fn expect_large_values(&mut self) -> Result<(), RepoError> {
        self.usual_cache = Some(true);
        Ok(self.conn.resize_cache(false)?)
    }

    /// Makes a hurried transaction give up, before something that takes long.
    pub(crate) fn expect_time(&mut self) -> Result<(), RepoError> {
        if self.haste == Haste::None {
            return Ok(());
        }
        self.haste = Haste::GaveUp;
        Err(RepoError::Failed("this takes too long to be done at once".into()))
    }

    /// Runs `work` and ends the transaction: commits it if `work` succeeds, rolls it back if it does not.
    fn finish<V, E: From<RepoError>>(mut self, work: impl FnOnce(&mut Self) -> Result<V, E>) -> Result<V, E> {
        let done = work(&mut self).and_then(|value| {
            self.record()?;
            Ok(value)
        });
        let ended = match &done {
            Ok(_) => self.conn.commit(),
            Err(_) => {
                self.conn.roll_back();
                Ok(())
            }
        };
        if let Some(is_large) = self.usual_cache {
            // If this fails, the connection keeps its cache size, and nothing else is affected.
            drop(self.conn.resize_cache(is_large));
        }
        ended?;
        let (changed, listener) = (self.changed, self.listener.clone());
        // Whoever is notified finds the turn of writers free.
        drop(self);
        if let Some(tenant) = changed.filter(|_| done.is_ok()) {
            listener.tell(tenant);
        }
        done
    }

    /// Adds the commit that the transaction becomes, if anything was recorded in it.
    fn record(&mut self) -> Result<(), RepoError> {
        use tables::commits;
        let Some((tenant, own)) = self.own.as_ref().filter(|_| self.has_recorded) else { return Ok(()) };
        let Context { actor, request_id, operation } = &self.context;
        let values = (
            commits::tenant_id.eq(*tenant),
            commits::number.eq(own.number),
            commits::committed_at.eq(own.at()),
            commits::actor.eq(&own.actor),
            commits::role.eq(actor.role.map(Choice::key)),
            commits::request_id.eq(request_id.as_deref()),
            commits::operation.eq(&**operation),
            commits::import_id.eq(own.import_id),
        );
        each_backend!(self.conn, c => diesel::insert_into(commits::table).values(values).execute(c))?;
        Ok(())
    }

    /// Runs `work` in a savepoint. What it has written is kept if it returns `true` with its value, and undone if it
    /// returns `false` or fails. The transaction goes on in each case.
    ///
    /// # Errors
    /// Errors of `work` and of the database.
    pub fn savepoint<V, E: From<RepoError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(V, bool), E>,
    ) -> Result<V, E> {
        self.conn.set_savepoint()?;
        let had_recorded = self.has_recorded;
        let outcome = work(self);
        let is_kept = matches!(outcome, Ok((_, true)));
        if !is_kept {
            self.has_recorded = had_recorded;
        }
        let ended = self.conn.end_savepoint(is_kept);
        let (value, _) = outcome?;
        ended?;
        Ok(value)
    }
}
