//! The settings of a buyer.

use std::borrow::Cow;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpResponse, get, patch};
use schema::settings::{self, Settings, StoredSettings};
use schema::{Whole, Yen};
use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::base::fields::{Field, Fields};
use crate::base::problem::{ApiError, Problem};
use crate::http::auth::{Admin, Viewer};
use crate::http::extract::{JsonBody, Preconditions};
use crate::http::openapi::{self, object, text_schema, time_schema, whole_schema};
use crate::http::state::State;
use crate::records::{IfMatch, IfNoneMatch, etag};

const FIELDS: &[Field] = &[
    Field::of::<Settings, _>(
        |row| &row.scores_automatically,
        "scores_automatically",
        (
            "自動計算",
            "true なら、データの変更後や日付が変わった後に自動で計算し直す",
            "Whether scores follow changes of the data, and the days, by themselves",
            "true",
        ),
    ),
    Field::of::<Settings, _>(
        |row| &row.buyer_breach_loss_jpy,
        "buyer_breach_loss_jpy",
        (
            "自社の侵害による損失",
            "発注者のネットワークが侵害されたときの損失（円）。空ならモデルの値",
            "The cost to the buyer of a breach of its own network, in yen; the model's value if omitted",
            "1000000000",
        ),
    ),
    Field::of::<Settings, _>(
        |row| &row.keep_daily_days,
        "keep_daily_days",
        (
            "日次の保存日数",
            "自動計算のうち、各日の最後のものを保存する日数",
            "For how many days the last automatic run of each day is kept",
            "90",
        ),
    ),
    Field::of::<Settings, _>(
        |row| &row.keep_monthly_months,
        "keep_monthly_months",
        (
            "月次の保存月数",
            "自動計算のうち、各月の最後のものを保存する月数",
            "For how many months the last automatic run of each month is kept",
            "120",
        ),
    ),
];

/// The schema of the settings.
struct SettingsView;

impl PartialSchema for SettingsView {
    fn schema() -> RefOr<Schema> {
        let shape =
            FIELDS.iter().fold(object("The settings of a buyer, with defaults for those not set."), |shape, field| {
                let schema = openapi::field_schema(field);
                shape.property(field.name, if field.is_required { schema } else { schema.or_null() }, true)
            });
        shape
            .property("version", whole_schema("0 before anything was set; the ETag in quotes.", 1), true)
            .property("recorded_at", time_schema("When it was set.").or_null(), true)
            .property("recorded_by", text_schema("The token that set it.", "purchasing").or_null(), true)
            .into()
    }
}

impl ToSchema for SettingsView {
    fn name() -> Cow<'static, str> {
        "Settings".into()
    }
}

/// The schema of a merge patch of the settings.
struct ChangeSettings;

impl PartialSchema for ChangeSettings {
    fn schema() -> RefOr<Schema> {
        let text = "A JSON Merge Patch (RFC 7396): omitted settings stay.";
        let shape = FIELDS.iter().fold(object(text), |shape, field| {
            let schema = openapi::field_schema(field);
            shape.property(field.name, if field.is_required { schema } else { schema.or_null() }, false)
        });
        shape.closed().into()
    }
}

impl ToSchema for ChangeSettings {
    fn name() -> Cow<'static, str> {
        "ChangeSettings".into()
    }
}

fn answer(stored: &StoredSettings) -> HttpResponse {
    let Settings { scores_automatically, buyer_breach_loss_jpy, keep_daily_days, keep_monthly_months } =
        &stored.settings;
    HttpResponse::Ok().insert_header((header::ETAG, etag(stored.version))).json(json!({
        "scores_automatically": scores_automatically, "buyer_breach_loss_jpy": buyer_breach_loss_jpy,
        "keep_daily_days": keep_daily_days, "keep_monthly_months": keep_monthly_months,
        "version": stored.version, "recorded_at": stored.recorded_at, "recorded_by": stored.recorded_by,
    }))
}

/// Get the settings
///
/// The settings of the buyer, with defaults for those not set.
#[utoipa::path(
    tag = "settings",
    security(("bearer" = ["viewer"])),
    params(IfNoneMatch),
    responses((status = 200, body = SettingsView, description = "The settings."))
)]
#[get("/settings")]
async fn get_settings(
    viewer: Viewer,
    state: Data<State>,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let stored = state.db.read(&viewer.0, |tx| Ok(settings::find(tx)?)).await?;
    let tag = etag(stored.version);
    if preconditions.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    Ok(answer(&stored))
}

/// Change the settings
///
/// By JSON Merge Patch. Another `buyer_breach_loss_jpy` makes the scores stale.
#[utoipa::path(
    tag = "settings",
    security(("bearer" = ["admin"])),
    params(IfMatch),
    request_body(content = ChangeSettings, description = "What changes.", content_type = "application/merge-patch+json"),
    responses((status = 200, body = SettingsView, description = "The changed settings."))
)]
#[patch("/settings")]
async fn change_settings(
    admin: Admin,
    state: Data<State>,
    preconditions: Preconditions,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let stored = state
        .db
        .write(&admin.0, move |tx| {
            let now = settings::find(tx)?;
            preconditions.allow_change(&etag(now.version))?;
            let change = read(&body, &now.settings)?;
            settings::put(tx, &now, &change)?;
            Ok(settings::find(tx)?)
        })
        .await?;
    state.runner.wake();
    Ok(answer(&stored))
}

fn read(body: &JsonBody, now: &Settings) -> Result<Settings, ApiError> {
    let mut none = ();
    let mut fields = Fields::new(body.members().cells(), &mut none);
    fields.expect_only(&FIELDS.iter().map(|field| field.name).collect::<Vec<_>>());
    let automatically = fields.value("scores_automatically", Some(now.scores_automatically));
    let breach = fields.value::<Option<Yen>>("buyer_breach_loss_jpy", Some(now.buyer_breach_loss_jpy));
    let daily = fields.value::<Whole<1, 3_650>>("keep_daily_days", Some(now.keep_daily_days));
    let monthly = fields.value::<Whole<1, 1_200>>("keep_monthly_months", Some(now.keep_monthly_months));
    match (automatically, breach, daily, monthly, fields.faults) {
        (
            Some(scores_automatically),
            Some(buyer_breach_loss_jpy),
            Some(keep_daily_days),
            Some(keep_monthly_months),
            faults,
        ) if faults.is_empty() => {
            Ok(Settings { scores_automatically, buyer_breach_loss_jpy, keep_daily_days, keep_monthly_months })
        }
        (.., faults) => Err(Problem::body(faults).into()),
    }
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get_settings).service(change_settings);
}
