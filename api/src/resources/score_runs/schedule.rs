//! Asks for automatic runs: when the data that scores depend on has changed, and when a new day has begun.
//!
//! In each polling interval all buyers are looked at once, because another process may have changed data or a day may
//! have begun. In between, only two groups are looked at: buyers whose data this process has changed, of which it
//! learns at once, and buyers whose time has come.
//!
//! How long data rests before it is scored is either set or follows what the last run cost. If it is set, there is no
//! pause after a run. Otherwise, data is scored at once if the last run was cheap, and there is a pause after each run:
//! scores of data that changes all the time then take only a part of the processor.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{self, Duration};

use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Tz;
use schema::data_states::{self, DataState};
use schema::tenants::{self, TenantRow};
use schema::{Access, Context, Database, JobKind, RepoError, RunId, TenantId, Timestamp, Tx, jobs, score_runs};
use tracing::info;

use super::{RunRequest, ScoreRunWork, is_stale};
use crate::base::actors::{AUTOMATIC, operator};
use crate::queue::runner::{Idled, POLLING_INTERVAL};
use crate::queue::work;

/// How many times its rest data that keeps changing can stay unscored.
const MAX_REST_FACTOR: u32 = 10;
/// After how long a requested run is checked: whether it has produced scores.
const RUN_CHECK_INTERVAL: Duration = Duration::from_secs(300);
/// How long a request for a run waits for a writer of another process.
const WRITER_TIMEOUT: Duration = Duration::from_millis(100);
/// The name of the operation under which the schedule acts.
const SCHEDULE: &str = "schedule";

/// A run that took less is cheap: data need not rest.
const CHEAP_RUN: Duration = Duration::from_secs(1);
/// How long data rests if runs are not cheap or nothing is known about them: several imports often follow each other.
const DEFAULT_REST: Duration = Duration::from_secs(2);
/// The pause after a run, as a multiple of the time that it took: runs take about a fifth of the time at most, unless
/// [`MAX_PAUSE`] limits the pause.
const PAUSE_FACTOR: u32 = 4;
/// The shortest pause after a run. Each run replaces the one before, and a client that pages through scores or exports
/// them must be able to finish while data changes all the time.
const MIN_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause after a run.
const MAX_PAUSE: Duration = RUN_CHECK_INTERVAL;

/// The buyers whose data this process has changed. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Changes(Arc<Mutex<NotedChanges>>);

#[derive(Default)]
struct NotedChanges {
    changed: HashSet<TenantId>,
    /// Buyers that the schedule will look at again anyway: a burst of changes does not wake it each time.
    awaited: HashSet<TenantId>,
}

impl Changes {
    /// Notes that the data of a buyer has changed. Returns whether the schedule has to be woken.
    pub(crate) fn note(&self, tenant: TenantId) -> bool {
        let mut noted = self.noted();
        !noted.awaited.contains(&tenant) && noted.changed.insert(tenant)
    }

    fn take(&self) -> HashSet<TenantId> {
        std::mem::take(&mut self.noted().changed)
    }

    fn set_awaited(&self, tenant: TenantId, is_awaited: bool) {
        let awaited = &mut self.noted().awaited;
        if is_awaited {
            awaited.insert(tenant)
        } else {
            awaited.remove(&tenant)
        };
    }

    fn retain_awaited(&self, there: &HashSet<TenantId>) {
        self.noted().awaited.retain(|tenant| there.contains(tenant));
    }

    fn noted(&self) -> MutexGuard<'_, NotedChanges> {
        // The guarded data is consistent after each statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The runs that are due, and since when.
pub(crate) struct Schedule {
    /// How long data rests. If omitted, this follows the cost of runs.
    rest: Option<Duration>,
    /// The hash of the model that scores.
    model_hash: String,
    changes: Changes,
    due: HashMap<TenantId, Due>,
    looked_at: HashMap<TenantId, time::Instant>,
    all_looked_at: Option<time::Instant>,
}

/// A buyer for whom a run is due that has not been requested yet.
struct Due {
    since: time::Instant,
    /// When the buyer is looked at again. If omitted, at each call of [`Schedule::ask`].
    again_at: Option<time::Instant>,
}

/// Whether a run that is due can be requested.
enum Wait {
    Over,
    For(Duration),
    /// Another run is under way and may be the one that is due. What it leaves is looked at once it has ended.
    UnderWay,
}

impl Schedule {
    /// Creates a schedule that scores data once it has rested for `rest`; if omitted, for as long as the cost of the
    /// last run suggests.
    pub(crate) fn new(rest: Option<Duration>, model_hash: &str, changes: Changes) -> Self {
        Self {
            rest,
            model_hash: model_hash.to_owned(),
            changes,
            due: HashMap::new(),
            looked_at: HashMap::new(),
            all_looked_at: None,
        }
    }

    /// Asks for a run of each buyer whose data has changed and has rested, or for whom a new day has begun. One run
    /// covers all changes before it. A run that failed is requested again after a while.
    pub(crate) fn ask(&mut self, database: &Database) -> Result<Idled, RepoError> {
        let monotonic = database.clock().monotonic();
        let is_for_all = self.all_looked_at.is_none_or(|at| monotonic - at >= POLLING_INTERVAL);
        let mut wanted = self.changes.take();
        let is_now = |due: &Due| due.again_at.is_none_or(|at| at <= monotonic);
        wanted.extend(self.due.iter().filter(|(_, due)| is_now(due)).map(|(tenant, _)| *tenant));
        let mut has_added = false;
        if is_for_all || !wanted.is_empty() {
            let mut all = operator(database, SCHEDULE).read(tenants::list)?;
            all.retain(|tenant| tenant.suspended_at.is_none());
            let there: HashSet<_> = all.iter().map(|tenant| tenant.id).collect();
            self.due.retain(|tenant, _| there.contains(tenant));
            self.looked_at.retain(|tenant, _| there.contains(tenant));
            self.changes.retain_awaited(&there);
            for tenant in all.iter().filter(|tenant| is_for_all || wanted.contains(&tenant.id)) {
                has_added |= self.look_at(database, tenant, monotonic)?;
            }
        }
        if is_for_all {
            self.all_looked_at = Some(monotonic);
        }
        let next = self.due.values().filter_map(|due| due.again_at);
        let next = next.chain(self.all_looked_at.map(|at| at + POLLING_INTERVAL)).min();
        Ok(Idled { has_added, again_in: next.map(|at| at.saturating_duration_since(monotonic)) })
    }

    /// Asks for a run of a buyer if one is due and nothing prevents it. Returns whether it did.
    fn look_at(
        &mut self,
        database: &Database,
        tenant: &TenantRow,
        monotonic: time::Instant,
    ) -> Result<bool, RepoError> {
        // Changes from here on wake the schedule again, because the reads below may not see them.
        self.changes.set_awaited(tenant.id, false);
        let access = automatic(database, tenant.id);
        let since = self.due.remove(&tenant.id).map_or(monotonic, |due| due.since);
        let Some(state) = access.read(data_states::scored_automatically)? else {
            // This buyer is not scored automatically. The next look at all buyers checks whether that is still so.
            self.changes.set_awaited(tenant.id, true);
            return Ok(false);
        };
        // The zone was valid when the buyer was created, and it is looked up in the same table of zones.
        let today = database.clock().now().day_in(tenant.time_zone.parse::<Tz>().unwrap_or(Tz::UTC));
        let is_new = state.asked_version != Some(state.data_version) || state.asked_for_on != Some(today);
        let was_looked_at = self.looked_at.get(&tenant.id).is_some_and(|at| monotonic - *at < RUN_CHECK_INTERVAL);
        if !is_new && was_looked_at {
            return Ok(false);
        }
        let again_at = match access.read(|tx| self.wait(tx, &state, monotonic - since))? {
            Wait::UnderWay => None,
            Wait::For(time) => Some(monotonic + time),
            Wait::Over => match self.ask_for(&access, &state, today) {
                // Another writer, such as an import, is at work: the data does not rest yet.
                Err(RepoError::Busy(_)) => None,
                asked => {
                    self.looked_at.insert(tenant.id, monotonic);
                    return asked;
                }
            },
        };
        self.due.insert(tenant.id, Due { since, again_at });
        self.changes.set_awaited(tenant.id, true);
        Ok(false)
    }

    /// Returns how long to wait for data for which a run has been due for `due`.
    fn wait(&self, tx: &mut Tx, state: &DataState, due: Duration) -> Result<Wait, RepoError> {
        if jobs::has_open(tx, JobKind::ScoreRun)? {
            return Ok(Wait::UnderWay);
        }
        let now = tx.clock().now();
        let (rest, pause) = match self.rest {
            Some(rest) => (rest, Duration::ZERO),
            None => rest_and_pause(tx, now)?,
        };
        let left = until(state.changed_at, rest, now).min(rest.saturating_mul(MAX_REST_FACTOR).saturating_sub(due));
        let left = left.max(pause);
        Ok(if left.is_zero() { Wait::Over } else { Wait::For(left) })
    }

    /// Adds the job of a run, unless exactly this was scored already. Returns whether it did.
    fn ask_for(&self, access: &Access, state: &DataState, today: NaiveDate) -> Result<bool, RepoError> {
        let is_needed = |tx: &mut Tx, data_version: i64| {
            let latest = score_runs::latest(tx)?;
            let is_scored = latest.is_some_and(|run| !is_stale(&run, data_version, &self.model_hash, today));
            Ok::<_, RepoError>(!is_scored)
        };
        let was_asked = state.asked_version == Some(state.data_version) && state.asked_for_on == Some(today);
        // A writer is only requested if there is something to write.
        if was_asked && !access.read(|tx| is_needed(tx, state.data_version))? {
            return Ok(false);
        }
        let request = RunRequest { as_of: today, known_at: None, is_automatic: true, is_trial: false };
        let job = work::queued::<ScoreRunWork>(access.clock(), &request, AUTOMATIC)
            .map_err(|error| RepoError::Failed(error.to_string().into()))?;
        // Another process may be asking too, but the writers of a buyer run one after the other.
        automatic(&access.database().with_patience(WRITER_TIMEOUT), state.tenant).write(|tx| {
            if jobs::has_open(tx, JobKind::ScoreRun)? {
                return Ok(false);
            }
            // The run also sees what has changed in the meantime.
            let data_version = data_states::version(tx)?;
            data_states::note_asked(tx, data_version, today)?;
            if !is_needed(tx, data_version)? {
                return Ok(false);
            }
            info!(job_id = %job.id, "the data has changed, or a day has begun: scores follow");
            jobs::insert(tx, &job)?;
            Ok(true)
        })
    }
}

/// Returns how long data rests before the next run, and how long the pause still lasts, by the cost of the last run.
fn rest_and_pause(tx: &mut Tx, now: Timestamp) -> Result<(Duration, Duration), RepoError> {
    let Some(job) = jobs::latest_ended(tx, JobKind::ScoreRun)? else { return Ok((DEFAULT_REST, Duration::ZERO)) };
    let finished_at = job.finished_at.unwrap_or(job.created_at);
    let cost = match score_runs::find(tx, RunId::of_job(job.id))? {
        // This excludes the time in which the run waited for another writer.
        Some(run) => Duration::from_millis(run.duration_ms.unsigned_abs()),
        None => finished_at.since(job.started_at.unwrap_or(finished_at)),
    };
    let rest = if cost < CHEAP_RUN { Duration::ZERO } else { DEFAULT_REST };
    let pause = cost.saturating_mul(PAUSE_FACTOR).clamp(MIN_PAUSE, MAX_PAUSE);
    // Clocks of processes differ a little. If the last run ended more than `MAX_PAUSE` in the future, a clock was set
    // back: it is unknown how long ago the run ended, and there is no pause.
    let is_set_back =
        !until(finished_at, Duration::ZERO, now.after(TimeDelta::from_std(MAX_PAUSE).unwrap_or_default())).is_zero();
    let left = if is_set_back { Duration::ZERO } else { until(finished_at, pause, now).min(pause) };
    Ok((rest, left))
}

/// Returns how long it is from `now` until `time` after `moment`.
fn until(moment: Timestamp, time: Duration, now: Timestamp) -> Duration {
    moment.after(TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX)).since(now)
}

/// Returns the access of the schedule to the rows of a buyer.
fn automatic(database: &Database, tenant: TenantId) -> Access {
    database.access(tenant, &Context::new(AUTOMATIC, SCHEDULE))
}
