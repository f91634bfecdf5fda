//! Whom to call in an incident: personal data, which can be erased.

use std::borrow::Cow;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get, put};
use chrono::NaiveDate;
use schema::incident_contacts::{self, IncidentContact};
use schema::suppliers::Supplier;
use schema::{MailAddress, Name, PhoneNumber, Timestamp};
use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Field, Fields};
use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::base::today::Today;
use crate::http::auth::{Analyst, Viewer};
use crate::http::extract::{IdPath, JsonBody, Preconditions};
use crate::http::openapi::{self, Shape};
use crate::http::state::State;
use crate::records::{self, IfMatch, IfMatchToReplace};

const FIELDS: &[Field] = &[
    Field::of::<IncidentContact, _>(|row| &row.name, "name", ("氏名", "担当者の氏名", "The person", "備 花子")),
    Field::of::<IncidentContact, _>(
        |row| &row.department,
        "department",
        ("部署", "担当部署", "The department", "情報システム課"),
    ),
    Field::of::<IncidentContact, _>(
        |row| &row.mail_address,
        "mail_address",
        ("メールアドレス", "連絡先のメールアドレス", "The mail address", "soc@example.jp"),
    ),
    Field::of::<IncidentContact, _>(
        |row| &row.phone_number,
        "phone_number",
        ("電話番号", "連絡先の電話番号", "The telephone number", "03-1234-5678"),
    ),
    Field::of::<IncidentContact, _>(
        |row| &row.verified_on,
        "verified_on",
        ("確認日", "連絡がつくことを確かめた日", "When it was checked that it answers", "\"2026-09-30\""),
    ),
];

fn properties(mut shape: Shape, is_required: bool) -> Shape {
    for field in FIELDS {
        shape = shape.property(field.name, openapi::field_schema(field).or_null(), is_required);
    }
    shape
}

/// The schema of a contact as it is shown.
pub(super) struct ContactView;

impl PartialSchema for ContactView {
    fn schema() -> RefOr<Schema> {
        properties(openapi::object("The incident contact of a supplier."), true)
            .property("supplier_id", openapi::id_schema("The supplier."), true)
            .property("recorded_at", openapi::time_schema("When it was recorded."), true)
            .property("recorded_by", openapi::text_schema("The token that recorded it.", "purchasing"), true)
            .into()
    }
}

impl ToSchema for ContactView {
    fn name() -> Cow<'static, str> {
        "IncidentContact".into()
    }
}

/// The schema of a contact to be set.
pub(super) struct PutContact;

impl PartialSchema for PutContact {
    fn schema() -> RefOr<Schema> {
        properties(
            openapi::object("The incident contact of a supplier. A mail address or telephone number is needed."),
            false,
        )
        .closed()
        .into()
    }
}

impl ToSchema for PutContact {
    fn name() -> Cow<'static, str> {
        "PutIncidentContact".into()
    }
}

fn etag(contact: &IncidentContact) -> String {
    format!("\"{}\"", contact.recorded_at)
}

fn answer(id: &IdPath<Supplier>, contact: &IncidentContact) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::ETAG, etag(contact))).json(json!({
        "supplier_id": id.0, "name": contact.name, "department": contact.department,
        "mail_address": contact.mail_address, "phone_number": contact.phone_number,
        "verified_on": contact.verified_on, "recorded_at": contact.recorded_at, "recorded_by": contact.recorded_by,
    }))
}

/// Get the incident contact of a supplier
///
/// Personal data, kept apart from the supplier and without history.
#[utoipa::path(tag = "suppliers", security(("bearer" = ["viewer"])), params(IdPath<Supplier>), responses((status = 200, body = ContactView, description = "The contact.")))]
#[get("/suppliers/{id}/incident-contact")]
pub(super) async fn get_incident_contact(
    viewer: Viewer,
    state: Data<State>,
    id: IdPath<Supplier>,
) -> Result<HttpResponse, ApiError> {
    let supplier = id.0;
    let found = state.db.read(&viewer.0, move |tx| Ok(incident_contacts::find(tx, supplier)?)).await?;
    Ok(answer(&id, &found.ok_or(ProblemKind::NotFound)?))
}

/// Put the incident contact of a supplier
///
/// The previous contact is overwritten and not kept. Replacing needs If-Match.
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    params(IdPath<Supplier>, IfMatchToReplace),
    request_body(content = PutContact, description = "The contact."),
    responses((status = 200, body = ContactView, description = "The contact."))
)]
#[put("/suppliers/{id}/incident-contact")]
pub(super) async fn put_incident_contact(
    analyst: Analyst,
    state: Data<State>,
    id: IdPath<Supplier>,
    preconditions: Preconditions,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let supplier = id.0;
    let today = analyst.0.today();
    let contact = state
        .db
        .write(&analyst.0, move |tx| {
            let contact = read_contact(&body, today, (tx.moment(), tx.actor().subject.to_string()))?;
            records::current::<Supplier>(tx, supplier)?;
            match incident_contacts::find(tx, supplier)? {
                Some(now) => preconditions.allow_change(&etag(&now))?,
                None => preconditions.allow_creation()?,
            }
            incident_contacts::put(tx, supplier, &contact)?;
            Ok(contact)
        })
        .await?;
    Ok(answer(&id, &contact))
}

fn read_contact(
    body: &JsonBody,
    today: Today,
    (recorded_at, recorded_by): (Timestamp, String),
) -> Result<IncidentContact, ApiError> {
    let mut none = ();
    let mut fields = Fields::new(body.members().cells(), &mut none);
    fields.expect_only(&FIELDS.iter().map(|field| field.name).collect::<Vec<_>>());
    let name = fields.value::<Option<Name>>("name", None);
    let department = fields.value::<Option<Name>>("department", None);
    let mail_address = fields.value::<Option<MailAddress>>("mail_address", None);
    let phone_number = fields.value::<Option<PhoneNumber>>("phone_number", None);
    let verified_on = fields.value::<Option<NaiveDate>>("verified_on", None);
    if verified_on.flatten().is_some_and(|day| day > today.day) {
        fields.faults.push(Fault::new("verified_on", Reason::InTheFuture(today.day)));
    }
    if matches!((&mail_address, &phone_number), (Some(None), Some(None))) {
        fields.faults.push(Fault::new("mail_address", Reason::Model(scoring::Reason::MissingValue)));
    }
    if !fields.faults.is_empty() {
        return Err(Problem::body(fields.faults).into());
    }
    Ok(IncidentContact {
        name: name.flatten(),
        department: department.flatten(),
        mail_address: mail_address.flatten(),
        phone_number: phone_number.flatten(),
        verified_on: verified_on.flatten(),
        recorded_at,
        recorded_by,
    })
}

/// Erase the incident contact of a supplier
///
/// Permanently: nothing of it remains in the database.
#[utoipa::path(tag = "suppliers", security(("bearer" = ["analyst"])), params(IdPath<Supplier>, IfMatch), responses((status = 204, description = "Erased.")))]
#[delete("/suppliers/{id}/incident-contact")]
pub(super) async fn erase_incident_contact(
    analyst: Analyst,
    state: Data<State>,
    id: IdPath<Supplier>,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    state
        .db
        .write(&analyst.0, move |tx| {
            let now = incident_contacts::find(tx, id.0)?.ok_or(ProblemKind::NotFound)?;
            preconditions.allow_change(&etag(&now))?;
            incident_contacts::erase(tx, id.0)?;
            Ok(())
        })
        .await?;
    state.db.fold_log().await?;
    Ok(HttpResponse::NoContent().finish())
}
