//! Views of submissions: what a provider sends, and what it sees of that.

use std::borrow::Cow;

use schema::suppliers;
use schema::{Stored, Tx};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::Submitted;
use crate::base::fault::Fault;
use crate::base::fields::CORPORATE_NUMBER;
use crate::base::problem::ApiError;
use crate::http::extract::Documented;
use crate::http::openapi::{self, Shape, field_schema, text_schema};
use crate::providers::assigned::CORPORATE_NUMBER_FIELD;
use crate::records::{CreateBody, References, ShownRecord, View};

/// Returns records as a provider sees them, without warnings.
pub(super) fn show<R: Submitted>(tx: &mut Tx, rows: &[Stored<R>]) -> Result<Vec<ShownRecord>, ApiError> {
    let ids = rows.iter().flat_map(|row| row.attributes.suppliers());
    let references = References(suppliers::references(tx, ids, None)?);
    Ok(rows.iter().map(|row| shown(row, &references, None)).collect())
}

/// Returns a record as a provider sees it, with its warnings.
pub(super) fn show_one<R: Submitted>(tx: &mut Tx, stored: &Stored<R>) -> Result<ShownRecord, ApiError> {
    let warnings = R::warnings(tx, &[stored])?.into_iter().flatten().collect::<Vec<_>>();
    let references = References(suppliers::references(tx, stored.attributes.suppliers(), None)?);
    Ok(shown(stored, &references, Some(&warnings)))
}

fn shown<R: Submitted>(stored: &Stored<R>, references: &References, warnings: Option<&[Fault]>) -> ShownRecord {
    let known = stored.attributes.suppliers().find_map(|id| references.0.get(&id));
    let mut shown = ShownRecord::new(stored, references, warnings).only(R::SHOWN_TO_PROVIDER);
    shown.json.set(CORPORATE_NUMBER, &known.and_then(|known| known.corporate_number.as_ref()));
    shown
}

/// The schema of a record as a provider sees it.
pub(super) struct SubmittedView<R>(Documented<R>);

impl<R: Submitted> PartialSchema for SubmittedView<R> {
    fn schema() -> RefOr<Schema> {
        View::<R>::shape()
            .only(R::SHOWN_TO_PROVIDER)
            .described("A record as the provider sent it last. Unknown members are null.\nja: 最後に送った内容の記録。不明な項目はnull")
            .property(CORPORATE_NUMBER, field_schema(&CORPORATE_NUMBER_FIELD).or_null(), true)
            .into()
    }
}

impl<R: Submitted> ToSchema for SubmittedView<R> {
    fn name() -> Cow<'static, str> {
        format!("Submitted{}", R::NAME).into()
    }
}

/// Returns the shape of a submission, without the sender, which follows from the token.
fn body<R: Submitted>() -> Shape {
    let code = R::FIELDS.iter().find(|field| field.name == "supplier_code").unwrap_or(&CORPORATE_NUMBER_FIELD);
    let text = "The record to submit. `supplier_code` or `corporate_number` names the supplier. Omitted fields are unknown, and \
                `provider_name`, if the kind has it, is always that of the token. An assessment is `self_reported`, or \
                `verified_by_provider` with the provider of the token as `assessor_name`.\nja: \
                送信する記録。取引先は `supplier_code` か `corporate_number` で指定する。省略した項目は不明として扱う。`provider_name` \
                のある記録では、常にトークンの事業者になる。対策の確認は `self_reported` か `verified_by_provider` とし、後者の `assessor_name` \
                はトークンの事業者になる";
    CreateBody::<R>::shape()
        .without(&["source", "supplier_code"])
        .without_choices(R::REFUSED_CHOICES)
        .described(text)
        .property("supplier_code", field_schema(code).or_null(), false)
        .property(CORPORATE_NUMBER, field_schema(&CORPORATE_NUMBER_FIELD).or_null(), false)
}

/// The schema of the body that sends a record.
pub(super) struct SubmitBody<R>(Documented<R>);

impl<R: Submitted> PartialSchema for SubmitBody<R> {
    fn schema() -> RefOr<Schema> {
        body::<R>().into()
    }
}

impl<R: Submitted> ToSchema for SubmitBody<R> {
    fn name() -> Cow<'static, str> {
        format!("Submit{}", R::NAME).into()
    }
}

/// The schema of the body that replaces a record. Its key is in the address.
pub(super) struct PutBody<R>(Documented<R>);

impl<R: Submitted> PartialSchema for PutBody<R> {
    fn schema() -> RefOr<Schema> {
        body::<R>().without(&["external_id"]).into()
    }
}

impl<R: Submitted> ToSchema for PutBody<R> {
    fn name() -> Cow<'static, str> {
        format!("PutSubmitted{}", R::NAME).into()
    }
}

/// The key in an address.
pub(super) struct ExternalIdQuery;

impl IntoParams for ExternalIdQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = "The id that the provider gave the record.\nja: 事業者が記録に付けた外部ID";
        vec![openapi::parameter("external_id", text, text_schema(text, "E0").max_length(200), true)]
    }
}
