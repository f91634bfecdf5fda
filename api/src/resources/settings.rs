//! The settings of a buyer.

use std::borrow::Cow;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpResponse, get, patch};
use schema::settings::{self, Settings, StoredSettings};
use schema::{Timestamp, Whole, Yen};
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::base::fields::{Field, Fields};
use crate::base::problem::{ApiError, Problem};
use crate::http::auth::{Admin, Viewer};
use crate::http::extract::{JsonBody, Preconditions};
use crate::http::openapi::{self, Shape, object, text_schema, time_schema, whole_schema};
use crate::http::state::State;
use crate::records::{IfMatch, IfNoneMatch, etag};

const FIELDS: &[Field] = &[
    Field::of::<Settings, _>(
        |row| &row.scores_automatically,
        "scores_automatically",
        (
            "自動計算",
            "データの変更後や日付が変わった後に、スコアを自動で計算し直すか",
            "Whether scores are recomputed automatically after the data or the day has changed",
            "true",
        ),
    ),
    Field::of::<Settings, _>(
        |row| &row.buyer_breach_loss_jpy,
        "buyer_breach_loss_jpy",
        (
            "自社の侵害による損失",
            "発注者のネットワークが侵害されたときの損失（円）。null ならモデルの値",
            "The cost to the buyer of a breach of its own network, in yen; the model's value if null",
            "1000000000",
        ),
    ),
    Field::of::<Settings, _>(
        |row| &row.keep_daily_days,
        "keep_daily_days",
        (
            "日次の保存日数",
            "各日の最後の自動計算を保存する日数",
            "The number of days for which the last automatic run of each day is kept",
            "90",
        ),
    ),
    Field::of::<Settings, _>(
        |row| &row.keep_monthly_months,
        "keep_monthly_months",
        (
            "月次の保存月数",
            "各月の最後の自動計算を保存する月数",
            "The number of months for which the last automatic run of each month is kept",
            "120",
        ),
    ),
];

/// The settings as the API shows them. Its schema has the texts of the fields.
#[derive(Serialize)]
struct SettingsView {
    scores_automatically: bool,
    buyer_breach_loss_jpy: Option<Yen>,
    keep_daily_days: Whole<1, 3_650>,
    keep_monthly_months: Whole<1, 1_200>,
    version: i32,
    recorded_at: Option<Timestamp>,
    recorded_by: Option<String>,
}

impl PartialSchema for SettingsView {
    fn schema() -> RefOr<Schema> {
        let text = "The version of the settings, which the ETag has in quotes; 0 if they were never changed.\n\
                    ja: 設定の版。ETag はこれを引用符で囲んだもの。変更したことがなければ0";
        let at =
            "When the settings were last changed; null if never.\nja: 最後に変更した日時。変更したことがなければ null";
        let by = "The name of the token that changed them last; null if they were never changed.\n\
                  ja: 最後に変更したトークンの名前。変更したことがなければ null";
        fields(object("The settings of the buyer. Settings that were never changed have their default.\nja: 発注者の設定。変更していない項目は既定値"), true)
            .property("version", whole_schema(text, 1), true)
            .property("recorded_at", time_schema(at).or_null(), true)
            .property("recorded_by", text_schema(by, "purchasing").or_null(), true)
            .into()
    }
}

/// Adds the settings to a schema.
fn fields(shape: Shape, is_required: bool) -> Shape {
    FIELDS.iter().fold(shape, |shape, field| {
        let schema = openapi::field_schema(field);
        shape.property(field.name, if field.is_required { schema } else { schema.or_null() }, is_required)
    })
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
        let text = "A JSON Merge Patch (RFC 7396). Omitted settings stay as they are.\n\
                    ja: JSON Merge Patch（RFC 7396）。省略した項目は変わらない";
        fields(object(text), false).closed().into()
    }
}

impl ToSchema for ChangeSettings {
    fn name() -> Cow<'static, str> {
        "ChangeSettings".into()
    }
}

impl From<StoredSettings> for SettingsView {
    fn from(stored: StoredSettings) -> Self {
        let StoredSettings { settings, version, recorded_at, recorded_by } = stored;
        let Settings { scores_automatically, buyer_breach_loss_jpy, keep_daily_days, keep_monthly_months } = settings;
        Self {
            scores_automatically,
            buyer_breach_loss_jpy,
            keep_daily_days,
            keep_monthly_months,
            version,
            recorded_at,
            recorded_by,
        }
    }
}

fn answer(stored: StoredSettings) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::ETAG, etag(stored.version))).json(SettingsView::from(stored))
}

/// Get the settings
/// ja: 設定を取得する
///
/// Settings that were never changed have their default.
/// ja: 変更していない項目は既定値を返す。
#[utoipa::path(
    tag = "settings",
    security(("bearer" = ["viewer"])),
    params(IfNoneMatch),
    responses((status = 200, body = SettingsView))
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
    Ok(answer(stored))
}

/// Change the settings
/// ja: 設定を変更する
///
/// The body is a JSON Merge Patch. A changed `buyer_breach_loss_jpy` makes the scores stale.
/// ja: 本文は JSON Merge Patch。`buyer_breach_loss_jpy` を変えると、計算済みのスコアは古いものとして扱う。
#[utoipa::path(
    tag = "settings",
    security(("bearer" = ["admin"])),
    params(IfMatch),
    request_body(content = ChangeSettings, description = "The settings to change.\nja: 変更する項目", content_type = "application/merge-patch+json"),
    responses((status = 200, body = SettingsView))
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
    Ok(answer(stored))
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
