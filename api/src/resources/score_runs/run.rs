//! Runs a score run: reads, scores, stores.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::{thread, time};

use chrono::{Days, NaiveDate, NaiveTime};
use chrono_tz::Tz;
use schema::jobs::{self, JobRow};
use schema::score_runs::{self, RunRow};
use schema::scores::{self, PackedScores, ScoreRow};
use schema::{Access, JobKind, JobState, RunId, SupplierId, Timestamp, Tx, commits, data_states, portfolio, settings};
use scoring::{Explainer, Lang, Model, Portfolio, ScoreError, Scores};
use serde::{Deserialize, Serialize};
use tracing::info;

use super::snapshot::{self, Snapshot};
use super::warm::WarmRows;
use crate::base::text::Text;
use crate::frames::{FrameError, Results};
use crate::queue::outcome::Interrupted;
use crate::queue::progress::Progress;
use crate::queue::work::{self, Attempt, Order, Work};
use crate::resources::score_runs::overview::{Overview, SupplementaryCounts};

/// The request of a run, as its job stores it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunRequest {
    /// The day to score for.
    pub(crate) as_of: NaiveDate,
    /// The moment whose knowledge is scored. If omitted, what is known when the run is made.
    pub(crate) known_at: Option<Timestamp>,
    /// Whether the run was started by the schedule, not by a person.
    pub(crate) is_automatic: bool,
    /// Whether the run only tries something, such as another model, and leaves the buyer's scores as they are.
    pub(crate) is_trial: bool,
}

/// The version of Sonae that scores.
const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");
/// The size of one stored part of an input, in bytes.
const CHUNK_BYTES: usize = 1 << 20;
/// The steps of a run: reading, scoring, storing.
const STEPS: u64 = 3;

impl From<FrameError> for Interrupted {
    fn from(error: FrameError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ScoreError> for Interrupted {
    fn from(error: ScoreError) -> Self {
        match error {
            ScoreError::Frame(cause) => Self::Failed(cause.into()),
            ScoreError::NotSettled { .. } | ScoreError::NotFinite { .. } => {
                Self::Refused("model-out-of-range", Text::new(error.text(Lang::Ja), error.text(Lang::En)))
            }
        }
    }
}

/// Scores a portfolio.
pub(crate) struct ScoreRunWork {
    /// The model that scores.
    pub(crate) model: Model,
    /// The rows that are kept between runs.
    pub(crate) warm_rows: WarmRows,
}

impl Work for ScoreRunWork {
    const KIND: JobKind = JobKind::ScoreRun;
    const UNIT: &'static str = "steps";
    const ORDER: Order = Order::SeesChanges;
    type Request = RunRequest;

    /// Stores the results and ends the job in one transaction.
    fn run(&self, attempt: &Attempt<'_>, request: RunRequest) -> Result<JobState, Interrupted> {
        let &Attempt { access, job, progress } = attempt;
        let model = &self.model;
        progress.set_total(STEPS);
        let scored = Scored::new(access, &request, RunId::of_job(job.id), (model, Some(&self.warm_rows)), progress)?;
        access.write(|tx| {
            scored.store(tx, progress)?;
            jobs::finish(tx, job, JobState::Succeeded, "{}")?;
            progress.step(1);
            Ok::<_, Interrupted>(())
        })?;
        scored.timing.log();
        let took = time::Duration::from_millis(u64::try_from(scored.run.duration_ms).unwrap_or_default());
        crate::base::telemetry::metrics::run_scored(took, scored.scores.supplier_ids().len());
        Ok(JobState::Succeeded)
    }

    fn result_url(job: &JobRow) -> Option<String> {
        (job.state == JobState::Succeeded).then(|| format!("/v1/score-runs/{}", job.id))
    }
}

/// Makes a score run at once, for a command, and returns it. Its job is recorded as one that has ended, so that a
/// running service never sees it at work.
pub(crate) fn run_now(access: &Access, model: &Model, request: &RunRequest) -> Result<RunRow, Interrupted> {
    let mut job = work::queued::<ScoreRunWork>(access.clock(), request, &access.context().actor.subject)?;
    let progress = Progress::default();
    let scored = Scored::new(access, request, RunId::of_job(job.id), (model, None), &progress)?;
    access.write(|tx| {
        scored.store(tx, &progress)?;
        (job.state, job.result, job.attempt_count) = (JobState::Succeeded, Some("{}".to_owned()), 1);
        (job.started_at, job.finished_at) = (Some(job.created_at), Some(tx.clock().now()));
        jobs::insert(tx, &job)?;
        Ok::<_, Interrupted>(())
    })?;
    scored.timing.log();
    Ok(scored.run)
}

/// A portfolio, read and scored, to be stored.
struct Scored {
    run: RunRow,
    /// The portfolio in numbers, as JSON.
    portfolio: String,
    scores: PackedScores,
    snapshot: Snapshot,
    /// What was scored, unless it is stored already.
    archive: Option<File>,
    timing: Timing,
}

/// The results of the model, ready to be stored.
struct PackedResults {
    portfolio: String,
    scores: PackedScores,
    /// How long the model took.
    took: time::Duration,
}

impl PackedResults {
    fn new(snapshot: &Snapshot, model: &Model, as_of: NaiveDate) -> Result<Self, Interrupted> {
        let start = time::Instant::now();
        let portfolio = &snapshot.portfolio;
        let scores = scoring::score(portfolio, model, as_of)?;
        let took = start.elapsed();
        let packed = PackedScores::new(&rows(portfolio, &scores, |code| snapshot.suppliers.get(code).copied())?)?;
        let beside = SupplementaryCounts {
            operators: snapshot.operators.clone(),
            verified_contact_count: snapshot.verified_contact_count,
        };
        let overview = Overview::new(portfolio, &scores, model, Some(beside))?;
        let portfolio = serde_json::to_string(&overview).map_err(|error| Interrupted::Failed(error.into()))?;
        Ok(Self { portfolio, scores: packed, took })
    }
}

/// What was scored, ready to be stored.
struct Input {
    hash: String,
    /// `None` if it is stored already.
    archive: Option<File>,
}

impl Input {
    fn new(access: &Access, snapshot: &Snapshot) -> Result<Self, Interrupted> {
        let hash = snapshot.hash()?;
        // If it has to be packed, that is done before the writer starts.
        let is_kept = access.read(|tx| score_runs::has_input(tx, &hash))?;
        let archive = if is_kept { None } else { Some(snapshot.archive()?) };
        Ok(Self { hash, archive })
    }
}

/// How long the steps of a run took.
struct Timing {
    start: time::Instant,
    read: time::Duration,
    score: time::Duration,
}

impl Timing {
    /// Logs the steps, once the run is stored.
    fn log(&self) {
        let ms = |took: time::Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let store = self.start.elapsed().saturating_sub(self.read + self.score);
        info!(read_ms = ms(self.read), score_ms = ms(self.score), store_ms = ms(store), "score run stored");
    }
}

impl Scored {
    fn new(
        access: &Access,
        request: &RunRequest,
        id: RunId,
        (model, warm_rows): (&Model, Option<&WarmRows>),
        progress: &Progress,
    ) -> Result<Self, Interrupted> {
        // The pause after the run follows from `began`: a test that moves the clock can make the run long.
        let (began, start) = (access.clock().monotonic(), time::Instant::now());
        // Rows as known at another moment, or read for a trial, are not kept for the next run.
        let warm_rows = warm_rows.filter(|_| request.known_at.is_none() && !request.is_trial);
        let (snapshot, rows, breach_loss, data_version, known_at) = access.read(|tx| {
            let breach_loss = settings::find(tx)?.settings.buyer_breach_loss_jpy.map(|yen| yen.get());
            let data_version = data_states::version(tx)?;
            let rows = warm_rows.map_or(Ok(None), |warm_rows| warm_rows.take(tx))?;
            let snapshot = Snapshot::take(tx, rows.as_ref(), request.known_at, request.as_of, breach_loss)?;
            // Not the moment of reading: a commit of exactly that moment may have become visible only after the read.
            let known_at = match request.known_at {
                None => commits::latest_moment(tx)?.unwrap_or(tx.moment()),
                Some(known_at) => known_at,
            };
            Ok::<_, Interrupted>((snapshot, rows, breach_loss, data_version, known_at))
        })?;
        if let Some((warm_rows, rows)) = warm_rows.zip(rows) {
            warm_rows.keep(access.tenant(), rows);
        }
        let read = time::Instant::now();
        step(progress)?;
        // Meanwhile the input is hashed and packed, which does not depend on the results of the model.
        let (input, results) = thread::scope(|scope| {
            let input = thread::Builder::new().name("input".to_owned());
            let input = input.spawn_scoped(scope, || Input::new(access, &snapshot))?;
            let results = PackedResults::new(&snapshot, model, request.as_of);
            let input = input.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok::<_, Interrupted>((input?, results?))
        })?;
        let timing = Timing { read: read - start, score: results.took, start };
        step(progress)?;
        let counts = snapshot.row_counts();
        let [
            supplier_count,
            relationship_count,
            enrollment_count,
            certification_count,
            assessment_count,
            incident_count,
        ] = counts;
        let run = RunRow {
            id,
            as_of: request.as_of,
            known_at,
            scored_at: access.clock().now(),
            created_by: access.context().actor.subject.to_string(),
            is_automatic: request.is_automatic,
            exported_at: None,
            model_version: model.version().to_owned(),
            model_hash: model.hash().to_owned(),
            engine_version: ENGINE_VERSION.to_owned(),
            input_hash: input.hash,
            buyer_breach_loss_jpy: breach_loss,
            data_version,
            is_trial: request.is_trial,
            supplier_count,
            relationship_count,
            enrollment_count,
            certification_count,
            assessment_count,
            incident_count,
            duration_ms: i64::try_from((access.clock().monotonic() - began).as_millis()).unwrap_or(i64::MAX),
        };
        if access.read(|tx| score_runs::find_model(tx, model.hash()))?.is_none() {
            // All buyers share the model. Stored in the transaction of a run, it would hold up the runs of the others.
            access.write_jobs(|tx| score_runs::keep_model(tx, model.hash(), model.version(), model.text()))?;
        }
        let PackedResults { portfolio, scores, .. } = results;
        Ok(Self { run, portfolio, scores, snapshot, archive: input.archive, timing })
    }

    /// Stores the run, in the caller's transaction.
    fn store(&self, tx: &mut Tx, progress: &Progress) -> Result<(), Interrupted> {
        let run = &self.run;
        // A supplier that was deleted in the meantime would leave an orphaned score.
        if data_states::version(tx)? != run.data_version {
            let there = portfolio::supplier_ids(tx)?;
            if !self.scores.supplier_ids().iter().all(|supplier| there.contains(supplier)) {
                return Err(Interrupted::Refused(
                    "data-changed",
                    Text::new(
                        "計算中に取引先が削除されました。もう一度始めてください",
                        "a supplier was deleted meanwhile; start again",
                    ),
                ));
            }
        }
        if !score_runs::has_input(tx, &run.input_hash)? {
            let packed = match &self.archive {
                Some(archive) => archive.try_clone()?,
                None => self.snapshot.archive()?,
            };
            keep_input(tx, &run.input_hash, packed)?;
        }
        score_runs::insert(tx, run, &self.portfolio)?;
        if run.is_automatic {
            let replaced = score_runs::automatic(tx)?.into_iter();
            let replaced = replaced.filter(|old| old.as_of == run.as_of && old.id != run.id);
            super::drop_runs(tx, &replaced.map(|old| old.id).collect::<Vec<_>>())?;
            super::prune(tx, run.as_of)?;
        }
        if progress.is_cancelled() {
            return Err(Interrupted::Cancelled);
        }
        Ok(scores::insert(tx, run.id, &self.scores)?)
    }
}

fn step(progress: &Progress) -> Result<(), Interrupted> {
    progress.step(1);
    if progress.is_cancelled() { Err(Interrupted::Cancelled) } else { Ok(()) }
}

/// Returns the results as they are stored, in order of code, with the facts that explain them.
fn rows(
    portfolio: &Portfolio,
    scores: &Scores,
    id_of: impl Fn(&str) -> Option<SupplierId>,
) -> Result<Vec<(ScoreRow, String)>, Interrupted> {
    let rows = score_rows(scores, &scores.tiers(portfolio)?, id_of)?;
    let explainer = Explainer::new(scores)?;
    rows.into_iter()
        .enumerate()
        .map(|(place, row)| Ok((row, serde_json::to_string(&explainer.facts(place))?)))
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|error| Interrupted::Failed(error.into()))
}

/// Returns the results as rows.
fn score_rows(
    scores: &Scores,
    tiers: &[Option<u32>],
    id_of: impl Fn(&str) -> Option<SupplierId>,
) -> Result<Vec<ScoreRow>, Interrupted> {
    let results = Results::new(scores)?;
    let unknown = |code: &str| Interrupted::Failed(format!("no supplier has the code {code:?}").into());
    (0..results.row_count())
        .map(|row| {
            let code = results.text(scoring::name::SUPPLIER_CODE, row);
            let id = id_of(code).ok_or_else(|| unknown(code))?;
            let name = Some(results.name(row)).filter(|name| !name.is_empty()).map(str::to_owned);
            let tier = tiers.get(row).copied().flatten().and_then(|tier| i32::try_from(tier).ok());
            let texts = [
                scoring::name::SIZE_CLASS,
                scoring::name::JSIC_SECTION,
                scoring::name::GRADE,
                scoring::name::CHAIN_GRADE,
            ];
            let texts = texts.map(|name| results.text(name, row).to_owned());
            Ok(ScoreRow::new((id, code.to_owned(), name, tier), texts, |name| results.number(name, row)))
        })
        .collect()
}

fn keep_input(tx: &mut Tx, hash: &str, mut archive: File) -> Result<(), Interrupted> {
    for seq in 0.. {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        (&mut archive).take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            break;
        }
        score_runs::insert_input_chunk(tx, hash, seq, &chunk)?;
    }
    Ok(())
}

/// Returns the last millisecond of a day in a time zone.
pub(crate) fn end_of_day(day: NaiveDate, zone: Tz) -> Option<Timestamp> {
    let midnight = day.checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN);
    // If clocks change at midnight, a day begins later, or twice.
    let begin = (0..=12).find_map(|quarter_hours| {
        let time = midnight + chrono::TimeDelta::minutes(15 * quarter_hours);
        time.and_local_timezone(zone).earliest()
    })?;
    Some(Timestamp::from(begin.to_utc()).after(chrono::TimeDelta::milliseconds(-1)))
}

/// A stored run, compared with the same input scored again.
pub(crate) struct Reproduced {
    pub(crate) run: RunRow,
    /// How many values were compared.
    pub(crate) compared: usize,
    /// The values that differ: supplier, column, as stored, as scored again.
    pub(crate) differing: Vec<(String, &'static str, String, String)>,
}

/// Scores the input of a run again, with the model that it used, and compares every bit. Returns `None` if there is no
/// such run.
pub(crate) fn reproduce(access: &Access, id: RunId) -> Result<Option<Reproduced>, Interrupted> {
    let kept = access.read(|tx| {
        let Some(run) = score_runs::find(tx, id)? else { return Ok(None) };
        let model = score_runs::find_model(tx, &run.model_hash)?;
        let mut archive = tempfile::tempfile()?;
        for seq in 0.. {
            let Some(chunk) = score_runs::find_input_chunk(tx, &run.input_hash, seq)? else { break };
            archive.write_all(&chunk)?;
        }
        archive.rewind()?;
        let mut rows = Vec::new();
        scores::each(tx, id, &scores::ScoreFilter::default(), |row, facts| {
            rows.push((row, facts));
            Ok::<_, Interrupted>(())
        })?;
        Ok::<_, Interrupted>(Some((run, model, archive, rows)))
    })?;
    let Some((run, model, archive, kept)) = kept else { return Ok(None) };
    let model = model.ok_or_else(|| Interrupted::Failed("the model of the run is not kept".into()))?;
    let model = Model::parse(&model).map_err(|error| Interrupted::Failed(error.into()))?;
    let portfolio = snapshot::unpack(archive, run.buyer_breach_loss_jpy, &run.input_hash)?;
    let scores = scoring::score(&portfolio, &model, run.as_of)?;
    let ids: HashMap<_, _> = kept.iter().map(|(row, _)| (row.supplier_code.as_str(), row.supplier_id)).collect();
    let again = rows(&portfolio, &scores, |code| ids.get(code).copied())?;
    Ok(Some(compare(run, &kept, &again)))
}

fn compare(run: RunRow, kept: &[(ScoreRow, String)], again: &[(ScoreRow, String)]) -> Reproduced {
    let mut reproduced = Reproduced { run, compared: 0, differing: Vec::new() };
    let mut check = |code: &str, column: &'static str, is_same: bool, texts: [String; 2]| {
        reproduced.compared += 1;
        if !is_same {
            let [kept, again] = texts;
            reproduced.differing.push((code.to_owned(), column, kept, again));
        }
    };
    check("", "supplier_count", kept.len() == again.len(), [kept.len().to_string(), again.len().to_string()]);
    for ((old, old_facts), (new, new_facts)) in kept.iter().zip(again) {
        let code = old.supplier_code.as_str();
        for name in ["supplier_code", "size_class", "jsic_section", "grade", "chain_grade"] {
            let texts = [old, new].map(|row| row.text(name).unwrap_or_default().to_owned());
            check(code, name, old.text(name) == new.text(name), texts);
        }
        for name in ScoreRow::NUMBERS {
            let [old, new] = [old, new].map(|row| row.number(name).unwrap_or(f64::NAN));
            check(code, name, old.to_bits() == new.to_bits(), [old.to_string(), new.to_string()]);
        }
        check(code, "name", old.name == new.name, [old, new].map(|row| row.name.clone().unwrap_or_default()));
        check(code, "tier", old.tier == new.tier, [old.tier, new.tier].map(|tier| format!("{tier:?}")));
        check(code, "facts", old_facts == new_facts, [old_facts.clone(), new_facts.clone()]);
    }
    reproduced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_where_the_buyers_next_one_begins() {
        let end = |day: &str, zone: &str| end_of_day(day.parse().unwrap(), zone.parse().unwrap()).unwrap().to_string();
        assert_eq!(end("2026-09-30", "Asia/Tokyo"), "2026-09-30T14:59:59.999Z");
        assert_eq!(end("2026-09-30", "America/New_York"), "2026-10-01T03:59:59.999Z");
        // In Egypt 2026-04-24 begins at one o'clock.
        assert_eq!(end("2026-04-23", "Africa/Cairo"), "2026-04-23T21:59:59.999Z");
    }
}
