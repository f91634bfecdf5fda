//! A supplier's own score: its parts, evidence and changes, without anything about others.

use std::borrow::Cow;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::SupplierSelf;
use crate::base::problem::ApiError;
use crate::http::extract::{Preconditions, Query, answer_unless_known, language};
use crate::http::openapi;
use crate::http::page::Paging;
use crate::http::state::State;
use crate::records::IfNoneMatch;
use crate::resources::score_runs::{HISTORY, HistoryQuery, read_runs};
use crate::resources::scores::{
    HistoryView, Redaction, ScoreDetailView, SourceRun, StalenessCheck, detail, history_of, of_others,
};

/// The schema of a supplier's own score.
struct OwnScore;

impl PartialSchema for OwnScore {
    fn schema() -> RefOr<Schema> {
        let text = "The supplier's own score as a sum of contributions, rounded to one decimal. Everything about other firms, the chain and the buyer's losses is left out.";
        ScoreDetailView::shape_for_supplier().described(text).into()
    }
}

impl ToSchema for OwnScore {
    fn name() -> Cow<'static, str> {
        "OwnScore".into()
    }
}

/// The schema of a supplier's own scores over time.
struct OwnHistory;

impl PartialSchema for OwnHistory {
    fn schema() -> RefOr<Schema> {
        HistoryView::shape(&of_others()).into()
    }
}

impl ToSchema for OwnHistory {
    fn name() -> Cow<'static, str> {
        "OwnScoreHistory".into()
    }
}

/// Get one's own score
///
/// With its 90% interval, its contributions in words, the evidence it rests on, and what changed since the run before.
#[utoipa::path(
    tag = "own",
    security(("bearer" = ["supplier"])),
    params(IfNoneMatch),
    responses((status = 200, body = OwnScore, description = "The score."), openapi::NotScored)
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
            let basis = SourceRun::find(tx, None, &staleness)?;
            detail(tx, &basis, [id, id], Redaction::Others, lang)?.redacted(Redaction::Others)
        })
        .await?;
    Ok(answer_unless_known(&answer, &preconditions))
}

/// Get one's own scores over time
///
/// One for each run that is kept, those of the latest day first.
#[utoipa::path(
    tag = "own",
    security(("bearer" = ["supplier"])),
    params(HistoryQuery),
    responses((status = 200, body = OwnHistory, description = "The page."), openapi::NotScored)
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
    let (page, basis) = state
        .db
        .read(&supplier.caller, move |tx| history_of(tx, id, &runs, Redaction::Others, &paging, &staleness))
        .await?;
    Ok(page.answer_with(basis))
}
