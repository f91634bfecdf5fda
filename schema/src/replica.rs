//! A replica of a server: it is read if it has what the primary has, and passed over while it does not answer.
//!
//! A connection cannot be interrupted while it waits for its server. So a transaction on a replica begins on a thread
//! of its own, and the caller goes to the primary after a short time. A connection that does not come back is lost to
//! the replica until it does. The number of connections is limited, and with it the number of threads that wait for
//! them.

use std::collections::HashMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use crate::conn::Conn;
use crate::database::write_counts;
use crate::error::RepoError;
use crate::postgres::{self, Beginning, Process, Roles, Session};
use crate::server_url::ServerUrl;
use crate::{ReplicaFigures, TenantId};

/// How long a replica may take to begin a transaction: many times what it needs, but too short for a user to notice.
const BEGIN_TIMEOUT: Duration = Duration::from_millis(200);
/// How long it may take if the connection has to be made first.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a trial of a replica that was away may take.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a replica is passed over before it is tried: at first, and at most, if it fails again soon after.
const PAUSE_DURATIONS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// A replica that fails sooner than this after it came back is passed over for twice as long as before.
const RELAPSE_DURATION: Duration = Duration::from_secs(10);
/// After this time, a beginning transaction counts as hung, with all others on the replica at that time.
const HUNG_AFTER: Duration = Duration::from_secs(2);

/// A replica with its connections.
#[derive(Debug, Clone)]
pub(crate) struct Replica(Arc<Shared>);

struct Shared {
    url: ServerUrl,
    process: Process,
    roles: Roles,
    state: Mutex<State>,
    used: AtomicU64,
    behind: AtomicU64,
    passed_over: AtomicU64,
}

#[derive(Default)]
struct State {
    idle: Vec<Conn>,
    /// The number of connections, including those that do not come back.
    open: u32,
    /// The current generation of connections. Those of earlier ones are closed when they come back.
    generation: u64,
    is_away: bool,
    /// How long the replica is passed over, and when it last came back.
    pause: Duration,
    back_at: Option<Instant>,
    /// The transactions that are beginning: their generation, and since when.
    beginning: HashMap<u64, (u64, Instant)>,
    next: u64,
}

impl State {
    fn add(&mut self, conn: Conn) {
        self.idle.push(conn);
        self.open += 1;
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Replica").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Replica {
    pub(crate) fn new(url: ServerUrl, process: Process, roles: Roles) -> Self {
        Self(Arc::new(Shared {
            url,
            process,
            roles,
            state: Mutex::default(),
            used: AtomicU64::default(),
            behind: AtomicU64::default(),
            passed_over: AtomicU64::default(),
        }))
    }

    /// Refuses a replica behind a pooler that cannot be used. One that cannot be reached is passed over until it can
    /// be.
    pub(crate) fn expect_sessions(&self) -> Result<(), RepoError> {
        let (tell, told) = mpsc::sync_channel(1);
        let shared = Arc::clone(&self.0);
        // If no thread can be started, no answer arrives.
        drop(spawn(move || drop(tell.send(shared.connect_tried()))));
        match told.recv_timeout(TRIAL_TIMEOUT) {
            Ok(Ok([first, _])) => self.0.state().add(first),
            Ok(Err(error)) if error.is_of_pool() => return Err(error.at_start()),
            Ok(Err(error)) => self.pass_over(&error),
            Err(_) => self.pass_over(&no_answer_within(TRIAL_TIMEOUT)),
        }
        Ok(())
    }

    /// Begins a transaction, and returns with it how often rows of a buyer were written as the replica sees it. None if
    /// that takes too long.
    pub(crate) fn begin(&self, beginning: &Beginning, tenant: TenantId) -> Option<(Lent, [i64; 2])> {
        let begun = self.try_begin(beginning, tenant);
        if begun.is_none() {
            self.0.passed_over.fetch_add(1, Ordering::Relaxed);
        }
        begun
    }

    fn try_begin(&self, beginning: &Beginning, tenant: TenantId) -> Option<(Lent, [i64; 2])> {
        let (mut lent, place) = self.0.reserve()?;
        let deadline = if lent.conn.is_some() { BEGIN_TIMEOUT } else { CONNECT_TIMEOUT };
        let (tell, told) = mpsc::sync_channel(1);
        let beginning = beginning.clone();
        let started = spawn(move || {
            let begun = lent.begin(&beginning, tenant).map_err(|error| (error, lent.is_lost()));
            let shared = Arc::clone(&lent.shared);
            // Before the result is sent: from here on, it does not hang.
            shared.state().beginning.remove(&place);
            // The caller may have stopped waiting. Then the connection is closed, which undoes nothing.
            drop(tell.send(begun.map(|counts| (lent, counts))));
        });
        if started.is_err() {
            self.0.state().beginning.remove(&place);
        }
        match told.recv_timeout(deadline) {
            Ok(Ok(begun)) => return Some(begun),
            // The replica answers, so another transaction may begin at once.
            Ok(Err((error, is_lost))) if error.is_full_up() || !is_lost => {}
            Ok(Err((error, _))) => self.pass_over(&error),
            Err(RecvTimeoutError::Timeout) => self.pass_over(&no_answer_within(deadline)),
            // No thread could be started.
            Err(RecvTimeoutError::Disconnected) => {}
        }
        None
    }

    /// Counts a transaction that was begun here: whether it is used, or the replica lags behind.
    pub(crate) fn count(&self, is_current: bool) {
        let counter = if is_current { &self.0.used } else { &self.0.behind };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn figures(&self) -> ReplicaFigures {
        let state = self.0.state();
        let idle = u32::try_from(state.idle.len()).unwrap_or(u32::MAX);
        ReplicaFigures {
            in_use: state.open.saturating_sub(idle),
            idle,
            most: self.0.process.most_connections(),
            is_away: state.is_away,
            used_count: self.0.used.load(Ordering::Relaxed),
            behind_count: self.0.behind.load(Ordering::Relaxed),
            passed_over_count: self.0.passed_over.load(Ordering::Relaxed),
        }
    }

    /// Passes the replica over until a thread has found that it answers.
    fn pass_over(&self, error: &RepoError) {
        let idle = {
            let mut state = self.0.state();
            if state.is_away {
                return;
            }
            let is_soon = state.back_at.is_some_and(|back| back.elapsed() < RELAPSE_DURATION);
            let [first, longest] = PAUSE_DURATIONS;
            state.pause = if is_soon { (state.pause * 2).min(longest) } else { first };
            state.is_away = true;
            state.generation += 1;
            state.open = state.open.saturating_sub(u32::try_from(state.idle.len()).unwrap_or(u32::MAX));
            std::mem::take(&mut state.idle)
        };
        let (replica, why) = (&self.0.url, crate::error::with_causes(error));
        if error.is_of_pool() {
            error!(%replica, error = why, "the replica cannot be read; the primary is");
        } else {
            warn!(%replica, error = why, "the replica does not answer; the primary is read until it does");
        }
        let shared = Arc::downgrade(&self.0);
        let watching = spawn(move || {
            drop(idle);
            watch(&shared);
        });
        if watching.is_err() {
            // The next transaction tries it.
            self.0.state().is_away = false;
        }
    }
}

/// Tries a replica that is away again and again, until it answers or its database is closed.
fn watch(shared: &Weak<Shared>) {
    loop {
        let Some(pause) = shared.upgrade().map(|shared| shared.state().pause) else { return };
        thread::sleep(pause);
        let Some(shared) = shared.upgrade() else { return };
        // If none are left for a trial, connections that do not come back hold them. They show when the replica
        // answers.
        let Some(pair) = shared.reserve_trial() else { continue };
        let (tell, told) = mpsc::sync_channel(1);
        let trying = Arc::clone(&shared);
        let tried = spawn(move || {
            let tried = trying.connect_tried();
            drop(tell.send(tried));
            drop(pair);
        });
        if let (Ok(()), Ok(Ok([first, _]))) = (tried, told.recv_timeout(TRIAL_TIMEOUT)) {
            let mut state = shared.state();
            state.is_away = false;
            state.back_at = Some(Instant::now());
            state.add(first);
            drop(state);
            return info!(replica = %shared.url, "the replica answers again");
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent after each statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a connection that exists or may be made, and its place among those that begin. None if all are in use or
    /// the replica is away.
    fn reserve(self: &Arc<Self>) -> Option<(Lent, u64)> {
        let mut state = self.state();
        if state.is_away {
            return None;
        }
        let conn = state.idle.pop();
        if conn.is_none() {
            if state.open >= self.process.most_connections() {
                return None;
            }
            state.open += 1;
        }
        let (place, generation) = (state.next, state.generation);
        state.next += 1;
        state.beginning.insert(place, (generation, Instant::now()));
        drop(state);
        Some((Lent { shared: Arc::clone(self), generation, conn }, place))
    }

    /// Returns the two connections of a trial, which count like any others.
    fn reserve_trial(self: &Arc<Self>) -> Option<[Lent; 2]> {
        let mut state = self.state();
        if state.open.saturating_add(2) > self.process.most_connections() {
            return None;
        }
        state.open += 2;
        let generation = state.generation;
        drop(state);
        Some([(); 2].map(|()| Lent { shared: Arc::clone(self), generation, conn: None }))
    }

    fn connect(&self) -> Result<Conn, RepoError> {
        let (conn, mark) = postgres::connect(&self.url, &self.process)?;
        Ok(Conn::Postgres(conn, Session::new(mark, self.roles.clone())))
    }

    fn connect_tried(&self) -> Result<[Conn; 2], RepoError> {
        let pair = postgres::connect_tried(&self.url, &self.process)?;
        Ok(pair.map(|(conn, mark)| Conn::Postgres(conn, Session::new(mark, self.roles.clone()))))
    }
}

/// A connection to a replica, which returns to it.
pub(crate) struct Lent {
    shared: Arc<Shared>,
    generation: u64,
    conn: Option<Conn>,
}

impl Lent {
    /// Begins a transaction. A connection that was closed meanwhile is replaced by a new one.
    fn begin(&mut self, beginning: &Beginning, tenant: TenantId) -> Result<[i64; 2], RepoError> {
        if let Some(conn) = &mut self.conn {
            match conn.begin(tenant.into(), beginning) {
                Err(error) if conn.is_lost() && !error.is_of_pool() => self.conn = None,
                begun => return begun.and_then(|()| write_counts(conn, tenant)),
            }
        }
        let conn = self.conn.insert(self.shared.connect()?);
        conn.begin(tenant.into(), beginning)?;
        write_counts(conn, tenant)
    }

    /// Ends a transaction that is not needed. The server may have stopped answering meanwhile, so nobody waits for
    /// that.
    pub(crate) fn give_back(mut self) {
        // If no thread can be started, the connection is closed.
        drop(spawn(move || self.roll_back()));
    }

    fn is_lost(&mut self) -> bool {
        self.conn.as_mut().is_none_or(Conn::is_lost)
    }

    /// Returns the place of the transaction, by which others can ask whether it hangs.
    pub(crate) fn place(&self) -> PlaceOnReplica {
        PlaceOnReplica { shared: Arc::clone(&self.shared), generation: self.generation }
    }
}

impl Deref for Lent {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        match &self.conn {
            Some(conn) => conn,
            None => unreachable!("it is lent out with a connection alone"),
        }
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Conn {
        match &mut self.conn {
            Some(conn) => conn,
            None => unreachable!("it is lent out with a connection alone"),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let conn = self.conn.take().filter(|_| !thread::panicking());
        let usable = conn.and_then(|mut conn| (!conn.is_lost() && !conn.is_open()).then_some(conn));
        let mut state = self.shared.state();
        match usable {
            Some(conn) if state.generation == self.generation => state.idle.push(conn),
            other => {
                state.open = state.open.saturating_sub(1);
                drop(state);
                drop(other);
            }
        }
    }
}

/// Where a transaction on a replica is.
#[derive(Debug)]
pub(crate) struct PlaceOnReplica {
    shared: Arc<Shared>,
    generation: u64,
}

impl PlaceOnReplica {
    /// Returns whether the replica has stopped answering since then. The sign is a transaction that began no earlier
    /// and hangs.
    pub(crate) fn is_hung(&self) -> bool {
        let state = self.shared.state();
        state.generation != self.generation
            && state.beginning.values().any(|(of, since)| *of >= self.generation && since.elapsed() > HUNG_AFTER)
    }
}

fn no_answer_within(time: Duration) -> RepoError {
    RepoError::Busy(format!("no answer within {} ms", time.as_millis()).into())
}

fn spawn(work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name("replica".to_owned()).spawn(work).map(drop)
}
