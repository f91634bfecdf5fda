//! A supplier's own score: its contributions, evidence and changes, without anything about others.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};

use super::SupplierSelf;
use super::view::{OwnPastScore, OwnScore, OwnScoreHistory};
use crate::base::problem::ApiError;
use crate::http::extract::{Preconditions, Query, answer_unless_known, language};
use crate::http::openapi;
use crate::http::page::Paging;
use crate::http::state::State;
use crate::records::IfNoneMatch;
use crate::resources::score_runs::{HISTORY, HistoryQuery, read_runs};
use crate::resources::scores::{OpenedScore, SourceRun, SourceRunView, StalenessCheck, read_history};

/// Get one's own score
/// ja: 自社のスコアを取得する
///
/// The score with its 90% interval, the contributions with their reasons, the evidence that it is based on, and what has
/// changed since the run before.
/// ja: スコアと90%区間、内訳とその理由、根拠、前回の計算からの変化。
#[utoipa::path(
    tag = "own",
    security(("bearer" = ["supplier"])),
    params(IfNoneMatch),
    responses((status = 200, body = OwnScore), openapi::NotScored)
)]
#[get("/own/score")]
pub(super) async fn get_own_score(
    supplier: SupplierSelf,
    state: Data<State>,
    request: HttpRequest,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let (lang, staleness, id) =
        (language(request.headers()), StalenessCheck::new(&state, &supplier.caller), supplier.id);
    let answer = state
        .db
        .read(&supplier.caller, move |tx| {
            let source = SourceRun::find(tx, None, &staleness)?;
            let score = OpenedScore::read_for_supplier(tx, &source, id)?;
            Ok(OwnScore::new(score, SourceRunView::from(&source), lang))
        })
        .await?;
    Ok(answer_unless_known(&answer, &preconditions))
}

/// Get one's own scores over time
/// ja: 自社のスコアの推移を取得する
///
/// One entry for each stored run, the latest day first.
/// ja: 保存されている計算ごとに1件（基準日の新しい順）。
#[utoipa::path(
    tag = "own",
    security(("bearer" = ["supplier"])),
    params(HistoryQuery),
    responses((status = 200, body = OwnScoreHistory), openapi::NotScored)
)]
#[get("/own/score/history")]
pub(super) async fn get_own_score_history(
    supplier: SupplierSelf,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let (staleness, id) = (StalenessCheck::new(&state, &supplier.caller), supplier.id);
    let paging = Paging::new(&state, &supplier.caller, &request, query);
    let runs = paging.query.read(&HISTORY, |fields| read_runs(fields, &paging))?;
    let (page, source) = state
        .db
        .read(&supplier.caller, move |tx| read_history(tx, id, &runs, &paging, &staleness, OwnPastScore::new))
        .await?;
    Ok(page.answer_as(|items, next_cursor| OwnScoreHistory { items, next_cursor, source }))
}
