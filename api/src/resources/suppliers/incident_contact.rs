//! Whom to call in an incident: personal data, which can be erased.

use std::borrow::Cow;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get, put};
use chrono::NaiveDate;
use schema::incident_contacts::{self, IncidentContact};
use schema::suppliers::Supplier;
use schema::{MailAddress, Name, PhoneNumber, SupplierId, Timestamp};
use serde::Serialize;
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
    Field::of::<IncidentContact, _>(
        |row| &row.name,
        "name",
        ("氏名", "担当者の氏名", "The name of the person", "備 花子"),
    ),
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
        (
            "確認日",
            "連絡がつくことを確かめた日",
            "The day on which somebody verified that the contact answers",
            "\"2026-09-30\"",
        ),
    ),
];

fn properties(mut shape: Shape, is_required: bool) -> Shape {
    for field in FIELDS {
        shape = shape.property(field.name, openapi::field_schema(field).or_null(), is_required);
    }
    shape
}

/// A contact as the API shows it. Its schema has the texts of the fields.
#[derive(Serialize)]
pub(super) struct ContactView {
    supplier_id: SupplierId,
    name: Option<Name>,
    department: Option<Name>,
    mail_address: Option<MailAddress>,
    phone_number: Option<PhoneNumber>,
    verified_on: Option<NaiveDate>,
    recorded_at: Timestamp,
    recorded_by: String,
}

impl PartialSchema for ContactView {
    fn schema() -> RefOr<Schema> {
        let shape = openapi::object("The incident contact of a supplier.\nja: 取引先の事案連絡先").property(
            "supplier_id",
            openapi::id_schema("The id of the supplier.\nja: 取引先のID"),
            true,
        );
        let by = "The name of the token that recorded the contact.\nja: 登録したトークンの名前";
        properties(shape, true)
            .property("recorded_at", openapi::time_schema("When the contact was recorded.\nja: 登録日時"), true)
            .property("recorded_by", openapi::text_schema(by, "purchasing"), true)
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
        let text = "The incident contact of a supplier. It needs a mail address or a telephone number.\n\
                    ja: 取引先の事案連絡先。メールアドレスか電話番号のどちらかが必要";
        properties(openapi::object(text), false).closed().into()
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

fn answer(id: &IdPath<Supplier>, contact: IncidentContact) -> HttpResponse {
    let tag = etag(&contact);
    let IncidentContact { name, department, mail_address, phone_number, verified_on, recorded_at, recorded_by } =
        contact;
    HttpResponse::Ok().insert_header((header::ETAG, tag)).json(ContactView {
        supplier_id: id.0,
        name,
        department,
        mail_address,
        phone_number,
        verified_on,
        recorded_at,
        recorded_by,
    })
}

/// Get the incident contact of a supplier
/// ja: 取引先の事案連絡先を取得する
///
/// Contacts are personal data. They are kept apart from the supplier, and only the present contact is stored.
/// ja: 連絡先は個人情報のため、取引先とは別に、現在の内容だけを保存する。
#[utoipa::path(tag = "suppliers", security(("bearer" = ["viewer"])), params(IdPath<Supplier>), responses((status = 200, body = ContactView)))]
#[get("/suppliers/{id}/incident-contact")]
pub(super) async fn get_incident_contact(
    viewer: Viewer,
    state: Data<State>,
    id: IdPath<Supplier>,
) -> Result<HttpResponse, ApiError> {
    let supplier = id.0;
    let found = state.db.read(&viewer.0, move |tx| Ok(incident_contacts::find(tx, supplier)?)).await?;
    Ok(answer(&id, found.ok_or(ProblemKind::NotFound)?))
}

/// Put the incident contact of a supplier
/// ja: 取引先の事案連絡先を登録する
///
/// Replaces the previous contact, of which nothing is kept. Replacing requires If-Match.
/// ja: 前の連絡先は上書きされ、残らない。上書きには If-Match が必要。
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    params(IdPath<Supplier>, IfMatchToReplace),
    request_body(content = PutContact, description = "The contact.\nja: 連絡先"),
    responses((status = 200, body = ContactView))
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
    Ok(answer(&id, contact))
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
/// ja: 取引先の事案連絡先を消去する
///
/// The contact is removed from the database and cannot be restored.
/// ja: データベースから完全に消去し、元に戻せない。
#[utoipa::path(tag = "suppliers", security(("bearer" = ["analyst"])), params(IdPath<Supplier>, IfMatch), responses((status = 204, description = "Erased.\nja: 消去した")))]
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
