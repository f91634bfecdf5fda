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

/// The members of a record that concern only the buyer.
const HIDDEN: [&str; 3] = ["supplier_id", "superseded_at", "recorded_by"];

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
    let mut shown = ShownRecord::new(stored, references, warnings).without(&HIDDEN);
    shown.json.set(CORPORATE_NUMBER, &known.and_then(|known| known.corporate_number.as_ref()));
    shown
}

/// The schema of a record as a provider sees it.
pub(super) struct SubmittedView<R>(Documented<R>);

impl<R: Submitted> PartialSchema for SubmittedView<R> {
    fn schema() -> RefOr<Schema> {
        View::<R>::shape()
            .without(&HIDDEN)
            .described("A record as the provider sent it last.")
            .property(CORPORATE_NUMBER, field_schema(&CORPORATE_NUMBER_FIELD).or_null(), true)
            .into()
    }
}

impl<R: Submitted> ToSchema for SubmittedView<R> {
    fn name() -> Cow<'static, str> {
        format!("Submitted{}", R::NAME).into()
    }
}

/// The schema of a page of such records.
pub(super) struct SubmittedList<R>(Documented<R>);

impl<R: Submitted> PartialSchema for SubmittedList<R> {
    fn schema() -> RefOr<Schema> {
        openapi::list_schema(&SubmittedView::<R>::name()).into()
    }
}

impl<R: Submitted> ToSchema for SubmittedList<R> {
    fn name() -> Cow<'static, str> {
        format!("Submitted{}List", R::NAME).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((SubmittedView::<R>::name().into_owned(), SubmittedView::<R>::schema()));
    }
}

/// Returns the shape of a submission, without the sender, which follows from the token.
fn body<R: Submitted>() -> Shape {
    let code = R::FIELDS.iter().find(|field| field.name == "supplier_code").unwrap_or(&CORPORATE_NUMBER_FIELD);
    let text = "What is sent of a supplier: `supplier_code` or `corporate_number` names it. Fields left out are unknown; \
                `provider_name` is always that of the token.";
    CreateBody::<R>::shape()
        .without(&["source", "supplier_code"])
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
        let text = "The provider's own key of the record.";
        vec![openapi::parameter("external_id", text, text_schema(text, "E0").max_length(200), true)]
    }
}
