//! Asks for automatic runs: when what scores rest on has changed, and when a new day has begun.

use std::collections::HashMap;
use std::time::{self, Duration};

use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Tz;
use schema::data_states::{self, DataState};
use schema::{Access, Context, Database, JobKind, RepoError, TenantId, Timestamp, Tx, jobs, score_runs, tenants};
use tracing::info;

use super::{RunRequest, ScoreRunWork, is_stale};
use crate::base::actors::{AUTOMATIC, operator};
use crate::queue::work;

/// How much longer than it should rest changing data goes unscored.
const MAX_REST_FACTOR: u32 = 10;
/// After how long it is looked whether a run that was asked for has come to anything.
const RUN_CHECK_INTERVAL: Duration = Duration::from_secs(300);
/// How long asking waits for a writer of another process.
const WRITER_TIMEOUT: Duration = Duration::from_millis(100);
/// The operation of what the schedule does.
const SCHEDULE: &str = "schedule";

/// What is due, and since when.
pub(crate) struct Schedule {
    rest: Duration,
    /// The hash of the model that scores.
    model_hash: String,
    due_since: HashMap<TenantId, time::Instant>,
    looked_at: HashMap<TenantId, time::Instant>,
}

impl Schedule {
    /// Data is scored once it has rested for so long.
    pub(crate) fn new(rest: Duration, model_hash: &str) -> Self {
        Self { rest, model_hash: model_hash.to_owned(), due_since: HashMap::new(), looked_at: HashMap::new() }
    }

    /// Asks for a run of each buyer whose data has changed and rests, or whose day is a new one; says whether there was
    /// any. One run stands for all changes before it. A run that failed is asked for again after a while.
    pub(crate) fn ask(&mut self, database: &Database) -> Result<bool, RepoError> {
        let all = operator(database, SCHEDULE).read(tenants::list)?;
        let clock = database.clock();
        let (now, monotonic) = (clock.now(), clock.monotonic());
        let mut has_asked = false;
        for tenant in all.into_iter().filter(|tenant| tenant.suspended_at.is_none()) {
            let access = automatic(database, tenant.id);
            let Some(state) = access.read(data_states::scored_automatically)? else { continue };
            // A zone that was valid when the buyer was made is known to the same table of zones.
            let today = now.day_in(tenant.time_zone.parse::<Tz>().unwrap_or(Tz::UTC));
            let is_new = state.asked_version != Some(state.data_version) || state.asked_for_on != Some(today);
            let was_looked_at =
                self.looked_at.get(&state.tenant).is_some_and(|at| monotonic - *at < RUN_CHECK_INTERVAL);
            if !is_new && was_looked_at {
                self.due_since.remove(&state.tenant);
                continue;
            }
            // A run that is under way may be just this one: what it leaves is looked at once it has ended.
            let has_open = |tx: &mut Tx| jobs::has_open(tx, JobKind::ScoreRun);
            if self.is_resting(&state, now, monotonic) && !access.read(has_open)? {
                match self.ask_for(&access, &state, today) {
                    // Somebody is importing: the data does not rest yet.
                    Err(RepoError::Busy(_)) => continue,
                    asked => has_asked |= asked?,
                }
                self.due_since.remove(&state.tenant);
                self.looked_at.insert(state.tenant, monotonic);
            }
        }
        Ok(has_asked)
    }

    fn is_resting(&mut self, state: &DataState, now: Timestamp, monotonic: time::Instant) -> bool {
        let since = *self.due_since.entry(state.tenant).or_insert(monotonic);
        let rest = TimeDelta::from_std(self.rest).unwrap_or(TimeDelta::MAX);
        state.changed_at.after(rest) <= now || monotonic - since >= self.rest * MAX_REST_FACTOR
    }

    /// Adds the job of a run, unless just this was scored; says whether it did.
    fn ask_for(&self, access: &Access, state: &DataState, today: NaiveDate) -> Result<bool, RepoError> {
        let is_needed = |tx: &mut Tx| {
            let latest = score_runs::latest(tx)?;
            let is_scored = latest.is_some_and(|run| !is_stale(&run, state.data_version, &self.model_hash, today));
            Ok::<_, RepoError>(!is_scored)
        };
        let was_asked = state.asked_version == Some(state.data_version) && state.asked_for_on == Some(today);
        // The writer is only asked for where there is something to write.
        if was_asked && !access.read(is_needed)? {
            return Ok(false);
        }
        let request = RunRequest { as_of: today, known_at: None, is_automatic: true, is_trial: false };
        let job = work::queued::<ScoreRunWork>(access.clock(), &request, AUTOMATIC)
            .map_err(|error| RepoError::Failed(error.to_string().into()))?;
        // Another process may be asking as well: of a buyer's writers one follows the other.
        automatic(&access.database().with_patience(WRITER_TIMEOUT), state.tenant).write(|tx| {
            if jobs::has_open(tx, JobKind::ScoreRun)? {
                return Ok(false);
            }
            data_states::note_asked(tx, state.data_version, today)?;
            if !is_needed(tx)? {
                return Ok(false);
            }
            info!(job_id = %job.id, "the data has changed, or a day has begun: scores follow");
            jobs::insert(tx, &job)?;
            Ok(true)
        })
    }
}

/// The rows of a buyer, for the schedule.
fn automatic(database: &Database, tenant: TenantId) -> Access {
    database.access(tenant, &Context::new(AUTOMATIC, SCHEDULE))
}
