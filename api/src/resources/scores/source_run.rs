//! The run that an answer with scores is read from.

use chrono::NaiveDate;
use schema::score_runs::{self, RunRow};
use schema::{RunId, Timestamp, Tx, data_states};
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::problem::{ApiError, ProblemKind};
use crate::http::auth::Caller;
use crate::http::state::State;
use crate::resources::score_runs::is_stale;

/// Checks whether scores are stale, by the buyer's day and the model that scores now.
pub(crate) struct StalenessCheck {
    today: NaiveDate,
    model_hash: String,
}

impl StalenessCheck {
    pub(crate) fn new(state: &State, caller: &Caller) -> Self {
        Self { today: caller.today().day, model_hash: state.model.hash().to_owned() }
    }
}

/// The run that an answer is read from.
pub(crate) struct SourceRun {
    pub(crate) run: RunRow,
    pub(crate) stale: bool,
}

impl SourceRun {
    /// Finds the run that is asked for or, if omitted, the latest one.
    pub(crate) fn find(tx: &mut Tx, wanted: Option<RunId>, staleness: &StalenessCheck) -> Result<Self, ApiError> {
        let run = match wanted {
            Some(id) => score_runs::find(tx, id)?.ok_or(ProblemKind::NotFound)?,
            None => score_runs::latest(tx)?.ok_or(ProblemKind::NotScored)?,
        };
        let stale = is_stale(&run, data_states::version(tx)?, &staleness.model_hash, staleness.today);
        Ok(Self { run, stale })
    }
}

/// A score run, in an answer with its results.
/// ja: スコアの計算
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RunSummary {
    /// The score run.
    /// ja: 計算のID
    score_run_id: RunId,
    /// The day for which scores were computed.
    /// ja: スコアの基準日
    as_of: NaiveDate,
    /// When the scores were computed.
    /// ja: 計算した日時
    scored_at: Timestamp,
    /// The version of the scoring model.
    /// ja: スコアモデルの版
    #[schema(example = "2026.2")]
    model_version: String,
}

impl From<&RunRow> for RunSummary {
    fn from(run: &RunRow) -> Self {
        Self {
            score_run_id: run.id,
            as_of: run.as_of,
            scored_at: run.scored_at,
            model_version: run.model_version.clone(),
        }
    }
}

/// The run that an answer is read from, in every answer with scores.
/// ja: 結果の基になったスコアの計算
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SourceRunView {
    #[serde(flatten)]
    run: RunSummary,
    /// Whether the scores are stale: since the run, data or the model has changed, or the day has ended.
    /// ja: スコアが最新でないか（計算後にデータまたはモデルが変わったか、基準日が過ぎた）
    stale: bool,
}

impl From<&SourceRun> for SourceRunView {
    fn from(source: &SourceRun) -> Self {
        Self { run: RunSummary::from(&source.run), stale: source.stale }
    }
}
