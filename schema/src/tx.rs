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
//!   the answer to a request that may be repeated, who is told of a change) belongs there. What has recorded versions becomes a
//!   [`Commit`] there, whose moment is taken as late as can be.

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
        let begun = self.database.begin(role, self.tenant.into(), watch)?;
        self.begun(begun, role).finish(work)
    }

    /// Runs `work` in a transaction that reads, for a thread that must not wait: of an embedded database with a connection to
    /// spare, and for as long as the scores that it looks up are in memory. None where it would take longer: then another
    /// thread has to do it from the start.
    ///
    /// # Errors
    /// Those of `work`.
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
        // Now the turn of a writer has come, and the state that a reader sees is fixed.
        let (clock, context) = (self.database.clock().clone(), self.context.clone());
        let moment = clock.now();
        // What a writer reads may be undone.
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
    // Dropped in this order: whoever has the next turn finds the transaction ended.
    pub(crate) conn: Held,
    _turn: Option<turns::Held>,
    pub(crate) tenant: T,
    context: Context,
    moment: Timestamp,
    clock: Clock,
    import_id: Option<JobId>,
    /// The commit that it becomes once something is recorded in it, and whose.
    own: Option<(TenantId, Arc<Commit>)>,
    has_recorded: bool,
    /// The buyer whose data, as far as scores rest on it, was changed.
    changed: Option<TenantId>,
    listener: ChangeListener,
    /// Commits that were read; they never change.
    known: HashMap<i64, Arc<Commit>>,
    pub(crate) warm_runs: WarmRuns,
    /// Whether much is kept in memory otherwise, where that was changed for this transaction.
    usual_cache: Option<bool>,
    haste: Haste,
}

/// A transaction of the operator, which reaches nothing that a buyer has registered.
pub type OperatorTx = Tx<Installation>;

impl Tx {
    /// The buyer whose rows it reaches.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Notes that an import records from here on.
    pub fn set_import(&mut self, id: JobId) {
        self.import_id = Some(id);
    }

    /// The commit that the transaction becomes if versions are recorded in it: who records, and with which import.
    ///
    /// # Errors
    /// Those of the database.
    pub fn own_commit(&mut self) -> Result<Arc<Commit>, RepoError> {
        if let Some((_, commit)) = &self.own {
            return Ok(Arc::clone(commit));
        }
        // Each stands for what was known at its moment. A clock that was set back changes nothing.
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

    /// Notes that what scores rest on was changed, so that who waits for that is told once it is committed. To be told of a
    /// change that was undone again does no harm.
    pub(crate) fn note_changed(&mut self) {
        self.changed = Some(self.tenant);
    }

    /// Commits by their numbers.
    pub(crate) fn find_commits(
        &mut self,
        numbers: impl Iterator<Item = i64>,
    ) -> Result<HashMap<i64, Arc<Commit>>, RepoError> {
        /// What is kept in memory of those that were read.
        const KEPT: usize = 10_000;
        let mut wanted: Vec<i64> = numbers.collect();
        wanted.sort_unstable();
        wanted.dedup();
        if self.known.len() + wanted.len() > KEPT {
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

    /// Prepares for work that looks into most of a table, here and there: it keeps more in memory until the transaction ends.
    ///
    /// # Errors
    /// Those of the database.
    pub fn expect_many_rows(&mut self) -> Result<(), RepoError> {
        self.usual_cache = Some(false);
        Ok(self.conn.resize_cache(true)?)
    }

    /// Prepares for writing much that is not read again, such as a file: it keeps less in memory until the transaction ends.
    ///
    /// # Errors
    /// Those of the database.
    pub fn expect_large_values(&mut self) -> Result<(), RepoError> {
        self.usual_cache = Some(true);
        Ok(self.conn.resize_cache(false)?)
    }

    /// Ends work that holds up a thread, before something that takes long.
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
            // Where that fails the connection keeps its memory, and nothing else.
            drop(self.conn.resize_cache(is_large));
        }
        ended?;
        let (changed, listener) = (self.changed, self.listener.clone());
        // Whoever is told finds the turn of writers free.
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
