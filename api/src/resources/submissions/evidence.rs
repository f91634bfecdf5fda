//! What providers send record by record, for every kind of evidence.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use schema::{ExternalId, Stored, Tx};

use super::Submitted;
use super::sender::Sender;
use super::view::{show, show_one};
use crate::base::fields::{CORPORATE_NUMBER, Fields};
use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::http::auth::Provider;
use crate::http::extract::{IdPath, JsonBody, Preconditions, Query, language};
use crate::http::state::State;
use crate::providers::assigned::Assigned;
use crate::providers::sources::own_versions;
use crate::records::{self, ShownRecord, StoredSuppliers, etag};

/// Reads a body. Its supplier must be assigned to the sender.
fn read<R: Submitted, T>(
    tx: &mut Tx,
    sender: &Sender,
    body: &JsonBody,
    other: Option<&'static str>,
    others: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) -> Result<(R, T), ApiError> {
    let mut known = records::body_fields::<R>(false);
    known.push(CORPORATE_NUMBER);
    known.extend(other);
    let suppliers = StoredSuppliers::assigned_to(tx, &sender.provider);
    let (mut read, others) =
        records::read_body::<R, T>(suppliers, body.members().cells(), (None, sender.today), &known, others)?;
    let mut faults = Vec::new();
    read.sent_by(&sender.provider, &mut faults);
    if faults.is_empty() { Ok((read, others)) } else { Err(Problem::body(faults).into()) }
}

/// Creates the record that is sent.
pub(super) async fn create<R: Submitted>(
    provider: Provider,
    state: Data<State>,
    request: HttpRequest,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let sender = Sender::new(&provider)?;
    let shown = state
        .db
        .write(&provider.0, move |tx| {
            let (attributes, external_id) = read::<R, _>(tx, &sender, &body, Some("external_id"), |fields| {
                fields.value::<Option<ExternalId>>("external_id", None)
            })?;
            let stored = records::first(tx, (sender.source, external_id), attributes)?;
            records::store_first(tx, &stored)?;
            show_one(tx, &stored)
        })
        .await?;
    Ok(records::answer_created(<R as Submitted>::PATH, &request, shown))
}

/// Creates or replaces the record whose key is in the address.
pub(super) async fn put<R: Submitted>(
    provider: Provider,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
    preconditions: Preconditions,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let sender = Sender::new(&provider)?;
    let external_id = query.read(&["external_id"], |fields| fields.value::<ExternalId>("external_id", None))?;
    let (shown, is_new) = state
        .db
        .write(&provider.0, move |tx| {
            let (attributes, ()) = read::<R, ()>(tx, &sender, &body, None, |_| Some(()))?;
            let origin = (sender.source.clone(), Some(external_id));
            let mut stored = records::first(tx, origin, attributes)?;
            let keys = [stored.meta.record_key.clone()];
            let Some(now) = R::with_keys(tx, &sender.source, &keys, None)?.pop() else {
                preconditions.allow_creation()?;
                records::store_first(tx, &stored)?;
                return Ok((show_one(tx, &stored)?, true));
            };
            let (now, own) = sender.current::<R>(tx, now.meta.id)?;
            preconditions.allow_replacement(&etag(own.meta.version))?;
            refuse_change(tx, &sender, [&now])?;
            stored.attributes.keep_unset(&now.attributes);
            let next = records::write_after(tx, (&now, &own), |next| {
                next.attributes = stored.attributes;
                next.meta.ended_on = None;
            })?;
            Ok((show_one(tx, &next)?, false))
        })
        .await?;
    if is_new {
        return Ok(records::answer_created(<R as Submitted>::PATH, &request, shown));
    }
    Ok(records::answer(HttpResponse::Ok(), shown, language(request.headers())))
}

/// Retracts a record that was sent.
pub(super) async fn retract<R: Submitted>(
    provider: Provider,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<R>,
    preconditions: Preconditions,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let (sender, reason) = (Sender::new(&provider)?, records::read_reason(&body)?);
    let shown = state
        .db
        .write(&provider.0, move |tx| {
            let (now, own) = sender.current(tx, id.0)?;
            preconditions.allow_change(&etag(own.meta.version))?;
            refuse_change(tx, &sender, [&now, &own])?;
            let next = records::write_next(tx, &now, |next| {
                // The retracted attributes are those that the provider has sent.
                next.attributes = own.attributes;
                next.meta.retraction_reason = Some(reason);
            })?;
            show_one(tx, &next)
        })
        .await?;
    Ok(records::answer(HttpResponse::Ok(), shown, language(request.headers())))
}

/// Refuses a change unless the suppliers of these versions, the current one first, are assigned to the sender and the
/// record was not retracted.
fn refuse_change<R: Submitted, const N: usize>(
    tx: &mut Tx,
    sender: &Sender,
    versions: [&Stored<R>; N],
) -> Result<(), ApiError> {
    let wrong_state = |ja: &str, en: &str| Err(Problem::from(ProblemKind::WrongState).detail(ja, en).into());
    for version in versions {
        if Assigned::among(tx, &sender.provider, version.attributes.suppliers())?.is_empty() {
            return wrong_state(
                "この記録の取引先は、今は担当として割り当てられていません。読めますが変更できません",
                "the supplier of this record is not assigned to you now; it can be read, not changed",
            );
        }
    }
    if versions.first().is_some_and(|now| now.meta.retraction_reason.is_some()) {
        return wrong_state(
            "取り消された記録です。別の external_id で送り直してください",
            "the record was retracted; send it again with another external_id",
        );
    }
    Ok(())
}

/// Returns one record as it was sent last.
pub(super) async fn find<R: Submitted>(
    provider: Provider,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<R>,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let sender = Sender::new(&provider)?;
    let shown = state
        .db
        .read(&provider.0, move |tx| {
            let (_, own) = sender.current(tx, id.0)?;
            show_one(tx, &own)
        })
        .await?;
    Ok(records::answer_read(&request, shown, None, &preconditions))
}

/// Lists the records that were sent.
pub(super) async fn list<R: Submitted>(
    provider: Provider,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let sender = Sender::new(&provider)?;
    let common = sender.sent();
    let show = move |tx: &mut Tx, rows: Vec<Stored<R>>| -> Result<Vec<ShownRecord>, ApiError> {
        let rows = own_versions(tx, &sender.provider, rows)?;
        show(tx, &rows)
    };
    records::list_some::<R>(provider.0, state, request, query, common, show).await
}
