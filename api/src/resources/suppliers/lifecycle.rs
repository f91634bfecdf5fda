//! The end of a supplier: archived, restored, deleted.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, delete, post};
use schema::suppliers::{self, Supplier};
use schema::{RepoError, incident_contacts, scores};

use super::SupplierView;
use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::http::auth::Analyst;
use crate::http::extract::{IdPath, Preconditions};
use crate::http::openapi;
use crate::http::state::State;
use crate::records::{self, IfMatch, Resource};

/// Archive a supplier
/// ja: 取引先を取引終了にする
///
/// Removes a supplier that no longer delivers from lists and from the portfolio, from the buyer's today on. Nothing is
/// deleted, and restoring brings the supplier back.
/// ja: 取引がなくなった取引先を、発注者の今日から一覧と全体の状況に含めないようにする。何も削除しない。いつでも元に戻せる。
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    params(IdPath<Supplier>, IfMatch),
    responses((status = 200, body = SupplierView, description = "The archived version.\nja: 取引終了にした版"), openapi::WrongState)
)]
#[post("/suppliers/{id}/archive")]
pub(super) async fn archive_supplier(
    analyst: Analyst,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Supplier>,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let today = analyst.0.today().day;
    records::edit::<Supplier>(analyst.0, state, request, id, preconditions, move |supplier| {
        supplier.meta.ended_on = supplier.meta.ended_on.or(Some(today));
    })
    .await
}

/// Restore a supplier
/// ja: 取引先を元に戻す
///
/// Undoes archiving: the supplier counts again in lists and in the portfolio.
/// ja: 取引終了を元に戻す。一覧と全体の状況に再び含まれる。
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    params(IdPath<Supplier>, IfMatch),
    responses((status = 200, body = SupplierView, description = "The restored version.\nja: 元に戻した版"), openapi::WrongState)
)]
#[post("/suppliers/{id}/restore")]
pub(super) async fn restore_supplier(
    analyst: Analyst,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Supplier>,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    records::restore::<Supplier>(analyst.0, state, request, id, preconditions).await
}

/// Delete a supplier
/// ja: 取引先を削除する
///
/// Deletes a supplier that was registered by mistake. Refused if anything refers to it, now or in the past, or if it was
/// ever scored. Archive such a supplier instead.
/// ja: 誤って登録した取引先を削除する。過去のものを含めて参照する記録があるとき、一度でもスコアを計算したときは削除できない。
/// その場合は取引終了にする。
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    params(IdPath<Supplier>, IfMatch),
    responses((status = 204, description = "Deleted.\nja: 削除した"), openapi::StillReferred)
)]
#[delete("/suppliers/{id}")]
pub(super) async fn delete_supplier(
    analyst: Analyst,
    state: Data<State>,
    id: IdPath<Supplier>,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    state
        .db
        .write(&analyst.0, move |tx| {
            let now = records::current::<Supplier>(tx, id.0)?;
            preconditions.allow_change(&records::etag(now.meta.version))?;
            Supplier::refuse_change(&now)?;
            let referred = || {
                Problem::from(ProblemKind::StillReferred).detail(
                    "取引関係、記録、スコアがこの取引先を参照しています（過去のものも含む）。代わりに archive を使ってください",
                    "relationships, evidence or scores refer to it, now or in the past; archive it instead",
                )
            };
            if scores::is_scored(tx, id.0)? {
                return Err(referred().into());
            }
            incident_contacts::erase(tx, id.0)?;
            suppliers::delete(tx, id.0).map_err(|error| match error {
                RepoError::Reference(_) => referred().into(),
                other => ApiError::from(other),
            })
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
