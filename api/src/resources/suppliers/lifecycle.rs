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
///
/// Removes it from lists and portfolios from the buyer's today on. Nothing is deleted, and restoring brings it back.
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    params(IdPath<Supplier>, IfMatch),
    responses((status = 200, body = SupplierView, description = "The archived version."), openapi::WrongState)
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
///
/// Undoes an archiving.
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    params(IdPath<Supplier>, IfMatch),
    responses((status = 200, body = SupplierView, description = "The restored version."), openapi::WrongState)
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
///
/// Deletes a supplier that was registered by mistake. Refused if anything refers to it, now or in the past, or if it was ever scored; archive it then.
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    params(IdPath<Supplier>, IfMatch),
    responses((status = 204, description = "Deleted."), openapi::StillReferred)
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
