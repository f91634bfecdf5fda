//! The portfolio at a glance: grades, losses and the indicators of SC3, now and over time.

mod controls;
mod named;
mod numbers;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use schema::{RunId, Tx, score_runs};
use scoring::Lang;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::base::problem::ApiError;
use crate::http::auth::Viewer;
use crate::http::extract::{Preconditions, Query, answer_unless_known, language};
use crate::http::openapi;
use crate::http::page::Paging;
use crate::http::state::State;
use crate::resources::score_runs::overview::Overview;
use crate::resources::score_runs::{HISTORY, HistoryQuery, RunQuery, page_of_runs, read_runs};
use crate::resources::scores::{RunSummary, SourceRun, SourceRunView, StalenessCheck};
use named::{MostLossSupplier, Named, StopsTier1Supplier};
use numbers::PortfolioNumbers;

/// The portfolio of a score run, in numbers.
/// ja: スコア計算1回分の全体の状況
#[derive(Serialize, ToSchema)]
#[schema(as = Portfolio)]
struct PortfolioView {
    #[serde(flatten)]
    numbers: PortfolioNumbers,
    /// The suppliers whose own incidents cause the largest losses, ten at most, the largest loss first: whom to help
    /// first.
    /// ja: 自社の事案に起因する損失が大きい取引先（最大10社、大きい順）。支援の優先順
    most_loss: Vec<MostLossSupplier>,
    /// The suppliers whose stop can reach the most tier-1 suppliers, ten at most, the most first.
    /// ja: 停止の影響を受ける1次取引先が多い取引先（最大10社、多い順）
    stops_tier_1: Vec<StopsTier1Supplier>,
    #[serde(flatten)]
    source: SourceRunView,
}

/// A page of the portfolio over time, the latest day first.
/// ja: 全体の状況の推移（1ページ分、新しい日付から順）
#[derive(Serialize, ToSchema)]
struct PortfolioHistory {
    /// The portfolio of each stored score run.
    /// ja: 保存されているスコア計算ごとの全体の状況
    items: Vec<PortfolioHistoryItem>,
    /// The `cursor` of the next page; null on the last page.
    /// ja: 次のページの `cursor`。最後のページでは null
    #[schema(example = "cG9z")]
    next_cursor: Option<String>,
    /// The latest score run.
    #[serde(flatten)]
    source: SourceRunView,
}

/// The portfolio of a stored score run.
/// ja: 保存されているスコア計算1回分の全体の状況
#[derive(Serialize, ToSchema)]
struct PortfolioHistoryItem {
    #[serde(flatten)]
    numbers: PortfolioNumbers,
    #[serde(flatten)]
    run: RunSummary,
}

/// Reads the portfolio in numbers, as a run stores it.
pub(crate) fn read_overview(tx: &mut Tx, run: RunId) -> Result<Overview, ApiError> {
    let kept = score_runs::portfolios(tx, &[run])?.remove(&run);
    parse_overview(kept.ok_or_else(|| ApiError::internal("the run has gone"))?)
}

fn parse_overview(kept: impl AsRef<str>) -> Result<Overview, ApiError> {
    serde_json::from_str(kept.as_ref()).map_err(ApiError::internal)
}

/// Get the portfolio
/// ja: 全体の状況を取得する
///
/// Grades, the expected annual loss and the suppliers that cause most of it, and the indicators of SC3: monitoring,
/// controls, agreements to report, contacts, the age of the evidence, sole sources and concentration.
/// ja: 等級の分布、年間期待損失とその要因となる取引先、SC3の指標（監視、対策の確認、報告の合意、連絡先、根拠データの経過日数、
/// 代替困難な取引先、集中）。
#[utoipa::path(
    tag = "portfolio",
    security(("bearer" = ["viewer"])),
    params(RunQuery),
    responses((status = 200, body = PortfolioView), openapi::NotScored)
)]
#[get("/portfolio")]
async fn get_portfolio(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let (lang, staleness) = (language(request.headers()), StalenessCheck::new(&state, &viewer.0));
    let run = query.read(&["score_run_id"], |fields| fields.value::<Option<RunId>>("score_run_id", None))?;
    let answer = state.db.read(&viewer.0, move |tx| portfolio(tx, run, &staleness, lang)).await?;
    Ok(answer_unless_known(&answer, &preconditions))
}

fn portfolio(
    tx: &mut Tx,
    run: Option<RunId>,
    staleness: &StalenessCheck,
    lang: Lang,
) -> Result<PortfolioView, ApiError> {
    let source = SourceRun::find(tx, run, staleness)?;
    let overview = read_overview(tx, source.run.id)?;
    let named = Named::find(tx, source.run.id, &overview)?;
    Ok(PortfolioView {
        most_loss: named.most_loss(&overview, lang)?,
        stops_tier_1: named.stops_tier_1(&overview),
        numbers: overview.into(),
        source: (&source).into(),
    })
}

/// Get the portfolio over time
/// ja: 全体の状況の推移を取得する
///
/// The numbers of the portfolio for each stored score run, the latest day first. Trials are left out.
/// ja: 保存されているスコア計算ごとの数値。新しい日付から順に返す。試算は含まない。
#[utoipa::path(
    tag = "portfolio",
    security(("bearer" = ["viewer"])),
    params(HistoryQuery),
    responses((status = 200, body = PortfolioHistory), openapi::NotScored)
)]
#[get("/portfolio/history")]
async fn get_portfolio_history(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let staleness = StalenessCheck::new(&state, &viewer.0);
    let paging = Paging::new(&state, &viewer.0, &request, query);
    let asked = paging.query.read(&HISTORY, |fields| read_runs(fields, &paging))?;
    let (page, source) = state
        .db
        .read(&viewer.0, move |tx| {
            let source = SourceRun::find(tx, None, &staleness)?;
            let page = page_of_runs(tx, &asked, &paging)?;
            let ids: Vec<RunId> = page.items.iter().map(|run| run.id).collect();
            let kept = score_runs::portfolios(tx, &ids)?;
            let items =
                page.items.iter().filter_map(|run| Some((run, kept.get(&run.id)?))).map(|(run, kept)| {
                    Ok(PortfolioHistoryItem { numbers: parse_overview(kept)?.into(), run: run.into() })
                });
            let items = items.collect::<Result<_, ApiError>>()?;
            Ok((page.with_items(items), SourceRunView::from(&source)))
        })
        .await?;
    Ok(page.answer_as(|items, next_cursor| PortfolioHistory { items, next_cursor, source }))
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get_portfolio).service(get_portfolio_history);
}
