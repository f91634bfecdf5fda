//! One supplier's score: its contributions, what changed since the run before, and its history.

use std::borrow::Cow;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use schema::score_runs::{self, RunList, RunRow};
use schema::scores::{self, ScoreRow};
use schema::suppliers::{self, Supplier};
use schema::{RunId, SupplierId, Tx};
use scoring::{Contribution, Explanation, Facts, Lang};

use super::detail::ScoreDetailView;
use super::view::{PastScoreView, ScoreHistoryView, ScoreItem};
use super::{RunSummary, SourceRun, SourceRunView, StalenessCheck, not_in_run};
use crate::base::problem::{ApiError, ProblemKind};
use crate::http::auth::Viewer;
use crate::http::extract::{IdPath, Preconditions, Query, answer_unless_known, language};
use crate::http::openapi;
use crate::http::page::{Page, Paging};
use crate::http::state::State;
use crate::resources::score_runs::{HISTORY, HistoryQuery, RunQuery, page_of_runs, read_runs};

/// Returns the contributions and losses that explain a row.
pub(crate) fn explanation(row: &ScoreRow, facts: &Facts) -> Explanation {
    Explanation::new(facts, &row.size_class, &row.jsic_section, |name| match row.number(name) {
        Some(number) => number,
        None => unreachable!("{name} is a number of the results"),
    })
}

/// Reads the stored facts that explain a row.
pub(crate) fn read_facts(text: &str) -> Result<Facts, ApiError> {
    serde_json::from_str(text).map_err(ApiError::internal)
}

/// A score with what explains it.
pub(crate) struct ExplainedScore {
    pub(crate) row: ScoreRow,
    pub(crate) facts: Facts,
    pub(crate) explanation: Explanation,
}

impl ExplainedScore {
    /// Finds the score of a supplier in a run. `seen` takes facts away from readers who may not see all of them.
    fn find(tx: &mut Tx, run: RunId, supplier: SupplierId, seen: fn(Facts) -> Facts) -> Result<Option<Self>, ApiError> {
        let Some((row, facts)) = scores::explained(tx, run, &[supplier])?.pop() else { return Ok(None) };
        let facts = seen(read_facts(&facts)?);
        let explanation = explanation(&row, &facts);
        Ok(Some(Self { row, facts, explanation }))
    }

    /// Returns the contributions that differ from those before, the largest change first.
    pub(crate) fn changes_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = ContributionChange<'a>> {
        let earlier = &before.explanation.contributions;
        let pairs = self
            .explanation
            .contributions
            .iter()
            .map(|now| ContributionChange { now, before: earlier.iter().find(|before| before.key == now.key) });
        let mut changes: Vec<_> = pairs.filter(|change| change.difference() != 0.0).collect();
        changes.sort_by(|a, b| b.difference().abs().total_cmp(&a.difference().abs()));
        changes.into_iter()
    }
}

/// A contribution, and the same one in the run before.
pub(crate) struct ContributionChange<'a> {
    pub(crate) now: &'a Contribution,
    /// None if the model of that run did not have it.
    before: Option<&'a Contribution>,
}

impl ContributionChange<'_> {
    pub(crate) fn points_before(&self) -> f64 {
        self.before.map_or(0.0, |before| before.points)
    }

    pub(crate) fn difference(&self) -> f64 {
        self.now.points - self.points_before()
    }

    pub(crate) fn reason_before(&self, lang: Lang) -> String {
        let missing = || lang.pick("前回のモデルにない項目", "not part of the model of the run before").to_owned();
        self.before.map_or_else(missing, |before| before.reason(lang))
    }
}

/// A supplier's score in a run, and the one in the run before, if that run scored it.
pub(crate) struct OpenedScore {
    pub(crate) now: ExplainedScore,
    pub(crate) before: Option<(RunRow, ExplainedScore)>,
}

impl OpenedScore {
    /// Reads the score of a supplier as the buyer sees it.
    pub(super) fn read(tx: &mut Tx, source: &SourceRun, ids: [SupplierId; 2]) -> Result<Self, ApiError> {
        Self::read_seen(tx, source, ids, std::convert::identity)
    }

    /// Reads the score of a supplier without facts about others.
    pub(crate) fn read_for_supplier(tx: &mut Tx, source: &SourceRun, id: SupplierId) -> Result<Self, ApiError> {
        Self::read_seen(tx, source, [id, id], Facts::for_supplier)
    }

    /// A supplier that was merged after the run has a score of its own in it. Otherwise the score of its canonical
    /// record is read.
    fn read_seen(
        tx: &mut Tx,
        source: &SourceRun,
        [supplier, canonical]: [SupplierId; 2],
        seen: fn(Facts) -> Facts,
    ) -> Result<Self, ApiError> {
        let now = match ExplainedScore::find(tx, source.run.id, supplier, seen)? {
            None if canonical != supplier => ExplainedScore::find(tx, source.run.id, canonical, seen)?,
            found => found,
        };
        let now = now.ok_or_else(|| not_in_run(source))?;
        let before = match score_runs::before(tx, &source.run)? {
            Some(run) => ExplainedScore::find(tx, run.id, now.row.supplier_id, seen)?.map(|before| (run, before)),
            None => None,
        };
        Ok(Self { now, before })
    }
}

/// Get a supplier's score
/// ja: 取引先のスコアを取得する
///
/// The score with its 90% interval, the contributions and losses with their reasons, the evidence that it is based on, and
/// what has changed since the run before.
/// ja: スコアと90%区間、内訳と損失およびその理由、根拠、前回の計算からの変化。
#[utoipa::path(
    tag = "scores",
    security(("bearer" = ["viewer"])),
    params(IdPath<Supplier>, RunQuery),
    responses((status = 200, body = ScoreDetailView), openapi::NotScored)
)]
#[get("/scores/{id}")]
pub(super) async fn get_score(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Supplier>,
    query: Query,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let (lang, staleness) = (language(request.headers()), StalenessCheck::new(&state, &viewer.0));
    let run = query.read(&["score_run_id"], |fields| fields.value::<Option<RunId>>("score_run_id", None))?;
    let answer = state
        .db
        .look_up(&viewer.0, move |tx| {
            let canonical = canonical_supplier(tx, id.0)?;
            let source = SourceRun::find(tx, run, &staleness)?;
            let score = OpenedScore::read(tx, &source, [id.0, canonical])?;
            Ok(ScoreDetailView::new(score, SourceRunView::from(&source), lang))
        })
        .await?;
    Ok(answer_unless_known(&answer, &preconditions))
}

/// Returns the canonical record of a supplier, or fails with "not found".
fn canonical_supplier(tx: &mut Tx, id: SupplierId) -> Result<SupplierId, ApiError> {
    let found = suppliers::references(tx, [id], None)?;
    found.get(&id).map(|found| found.id).ok_or_else(|| ProblemKind::NotFound.into())
}

/// Get a supplier's scores over time
/// ja: 取引先のスコアの推移を取得する
///
/// One entry for each stored run, the latest day first, with the points of each contribution.
/// ja: 保存されている計算ごとに1件（基準日の新しい順）。内訳の点数を含む。
#[utoipa::path(
    tag = "scores",
    security(("bearer" = ["viewer"])),
    params(IdPath<Supplier>, HistoryQuery),
    responses((status = 200, body = ScoreHistoryView), openapi::NotScored)
)]
#[get("/scores/{id}/history")]
pub(super) async fn get_score_history(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Supplier>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let staleness = StalenessCheck::new(&state, &viewer.0);
    let paging = Paging::new(&state, &viewer.0, &request, query);
    let runs = paging.query.read(&HISTORY, |fields| read_runs(fields, &paging))?;
    let (page, source) = state
        .db
        .read(&viewer.0, move |tx| {
            let supplier = canonical_supplier(tx, id.0)?;
            let show = |row, run| PastScoreView { score: ScoreItem(Cow::Owned(row)), run };
            read_history(tx, supplier, &runs, &paging, &staleness, show)
        })
        .await?;
    Ok(page.answer_as(|items, next_cursor| ScoreHistoryView { items, next_cursor, source }))
}

/// Reads a page of a supplier's score history, and which run is the latest.
pub(crate) fn read_history<T>(
    tx: &mut Tx,
    supplier: SupplierId,
    runs: &RunList,
    paging: &Paging,
    staleness: &StalenessCheck,
    show: impl Fn(ScoreRow, RunSummary) -> T,
) -> Result<(Page<T>, SourceRunView), ApiError> {
    let source = SourceRun::find(tx, None, staleness)?;
    let page = page_of_runs(tx, runs, paging)?;
    let ids: Vec<_> = page.items.iter().map(|run| run.id).collect();
    let items = scores::in_runs(tx, &ids, supplier)?.into_iter().filter_map(|(id, row)| {
        let run = page.items.iter().find(|run| run.id == id)?;
        Some(show(row, RunSummary::from(run)))
    });
    let items = items.collect();
    Ok((page.with_items(items), SourceRunView::from(&source)))
}
