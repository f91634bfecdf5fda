//! Submissions: what お助け隊 providers send about the suppliers that are assigned to them, and read back.
//!
//! A separate surface: no handler of the buyer's side accepts a provider, and no handler here shows more of a supplier
//! than its code and its 法人番号. A supplier that is not assigned cannot be distinguished from one that does not exist.

mod evidence;
mod import;
mod sender;
mod view;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post, put};
use schema::assessments::Assessment;
use schema::enrollments::Enrollment;
use schema::incidents::Incident;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::base::problem::ApiError;
use crate::http::auth::Provider;
use crate::http::extract::{IdPath, JsonBody, Preconditions, Query};
use crate::http::openapi;
use crate::http::page::List;
use crate::http::state::State;
use crate::records::{IfMatch, IfMatchToReplace, IfNoneMatch, PageQuery, Resource, RetractBody, summary};
use view::{ExternalIdQuery, PutBody, SubmitBody, SubmittedView};

/// A kind of record that providers send.
pub(crate) trait Submitted: Resource {
    /// The path of these records for providers.
    const PATH: &'static str;
    /// The members that a provider sees. A member that is added to the record stays hidden until it is listed here.
    const SHOWN_TO_PROVIDER: &'static [&'static str];
    /// Choices that `Resource::sent_by` refuses: the member and the value.
    const REFUSED_CHOICES: &'static [(&'static str, &'static str)] = &[];
}

impl Submitted for Enrollment {
    const PATH: &'static str = "/v1/submissions/enrollments";
    const SHOWN_TO_PROVIDER: &'static [&'static str] = &[
        "id",
        "supplier_code",
        "service_name",
        "provider_name",
        "service_class",
        "monitoring",
        "coverage_share",
        "covered_endpoints",
        "starts_on",
        "ends_on",
        "onsite_response",
        "insured_limit_jpy",
        "source",
        "external_id",
        "version",
        "recorded_at",
        "import_id",
        "ended_on",
        "retraction_reason",
        "warnings",
    ];
}

impl Submitted for Assessment {
    const PATH: &'static str = "/v1/submissions/assessments";
    const REFUSED_CHOICES: &'static [(&'static str, &'static str)] = &[("assurance", "verified_by_third_party")];
    const SHOWN_TO_PROVIDER: &'static [&'static str] = &[
        "id",
        "supplier_code",
        "control",
        "status",
        "total_score",
        "assessed_on",
        "expires_on",
        "assurance",
        "assessor_name",
        "evidence_url",
        "source",
        "external_id",
        "version",
        "recorded_at",
        "import_id",
        "ended_on",
        "retraction_reason",
        "warnings",
    ];
}

impl Submitted for Incident {
    const PATH: &'static str = "/v1/submissions/incidents";
    const SHOWN_TO_PROVIDER: &'static [&'static str] = &[
        "id",
        "supplier_code",
        "occurred_on",
        "category",
        "outcome",
        "count",
        "loss_jpy",
        "downtime_days",
        "detected_at",
        "reported_at",
        "partners_affected",
        "indicators",
        "source",
        "external_id",
        "version",
        "recorded_at",
        "import_id",
        "ended_on",
        "retraction_reason",
        "warnings",
    ];
}

/// Writes the operations of one kind of record that providers send.
macro_rules! submitted_routes {
    (
        $module:ident: $record:ty, one $one:literal, submitted $submitted:literal, many $many:literal;
        $path:literal: $list:ident, $create:ident;
        $by_key:literal: $put:ident;
        $with_id:literal: $get:ident;
        $retracted:literal: $retract:ident;
    ) => {
        mod $module {
            use super::*;

            type One = SubmittedView<$record>;
            type Many = List<One>;
            type SubmitOne = SubmitBody<$record>;
            type PutOne = PutBody<$record>;

            #[utoipa::path(
                tag = "submissions",
                security(("bearer" = ["provider"])),
                summary = summary::<$record>(concat!("List submitted ", $many), "送信した{}を一覧する"),
                description = "The records that the provider has sent, each as it was sent last. Retracted records, and records of \
                               suppliers that are no longer assigned, are included.\nja: \
                               事業者が送った記録を、最後に送った内容で返す。取り消した記録と、担当でなくなった取引先の記録も含む。",
                params(PageQuery),
                responses((status = 200, body = Many, description = "A page, in the order in which the records came.\nja: 一覧の1ページ（届いた順）"))
            )]
            #[get($path)]
            async fn $list(
                provider: Provider,
                state: Data<State>,
                request: HttpRequest,
                query: Query,
            ) -> Result<HttpResponse, ApiError> {
                evidence::list::<$record>(provider, state, request, query).await
            }

            #[utoipa::path(
                tag = "submissions",
                security(("bearer" = ["provider"])),
                summary = summary::<$record>(concat!("Submit ", $one), "{}を送信する"),
                description = "The supplier must be assigned to the provider. It is named by `supplier_code` or by `corporate_number`, not \
                               by both. The code is the buyer's own, or one that the buyer gave the provider. The sender follows from the \
                               token.\nja: 取引先は、事業者の担当として割り当てられたものに限る。`supplier_code` か `corporate_number` の\
                               どちらか一方で指定する。コードは、発注者の取引先コードか、発注者が事業者に渡したコード。送信者はトークンで決まる。",
                request_body(content = SubmitOne, description = "The record.\nja: 送信する内容"),
                responses((status = 201, body = One, description = "The created record. Location has its address, and ETag its version.\nja: 登録した記録。アドレスはLocation、版はETagにある"), openapi::KeyTaken)
            )]
            #[post($path)]
            async fn $create(
                provider: Provider,
                state: Data<State>,
                request: HttpRequest,
                body: JsonBody,
            ) -> Result<HttpResponse, ApiError> {
                evidence::create::<$record>(provider, state, request, body).await
            }

            #[utoipa::path(
                tag = "submissions",
                security(("bearer" = ["provider"])),
                summary = summary::<$record>(concat!("Put ", $submitted, " by its external id"), "外部IDを指定して{}を送信・置換する"),
                description = "Creates the record with this external id of the provider, or replaces all its fields. Replacing needs \
                               If-Match; `*` matches any version.\nja: この外部IDの記録を登録する。すでにあれば全項目を置き換える。\
                               置き換えにはIf-Matchが必要（版を問わないときは `*`）。",
                params(ExternalIdQuery, IfMatchToReplace),
                request_body(content = PutOne, description = "All fields. Omitted fields become unknown.\nja: すべての項目。省略した項目は不明になる"),
                responses(
                    (status = 200, body = One, description = "The new version.\nja: 新しい版"),
                    (status = 201, body = One, description = "The created record.\nja: 登録した記録"), openapi::KeyTakenOrWrongState
                )
            )]
            #[put($by_key)]
            async fn $put(
                provider: Provider,
                state: Data<State>,
                request: HttpRequest,
                query: Query,
                preconditions: Preconditions,
                body: JsonBody,
            ) -> Result<HttpResponse, ApiError> {
                evidence::put::<$record>(provider, state, request, query, preconditions, body).await
            }

            #[utoipa::path(
                tag = "submissions",
                security(("bearer" = ["provider"])),
                summary = summary::<$record>(concat!("Get ", $submitted), "送信した{}を取得する"),
                description = "The record as the provider sent it last.\nja: 記録を、最後に送った内容で返す。",
                params(IdPath<$record>, IfNoneMatch),
                responses((status = 200, body = One, description = "The record. ETag has its version.\nja: 記録。版はETagにある"))
            )]
            #[get($with_id)]
            async fn $get(
                provider: Provider,
                state: Data<State>,
                request: HttpRequest,
                id: IdPath<$record>,
                preconditions: Preconditions,
            ) -> Result<HttpResponse, ApiError> {
                evidence::find::<$record>(provider, state, request, id, preconditions).await
            }

            #[utoipa::path(
                tag = "submissions",
                security(("bearer" = ["provider"])),
                summary = summary::<$record>(concat!("Retract ", $submitted), "送信した{}を取り消す"),
                description = "Retracts a record that was wrong, with a reason. Its external id cannot be used again.\nja: \
                               誤って送った記録を、理由を付けて取り消す。その外部IDは、もう使えない。",
                params(IdPath<$record>, IfMatch),
                request_body(content = RetractBody, description = "The reason.\nja: 取り消す理由"),
                responses((status = 200, body = One, description = "The retracted version.\nja: 取り消した版"), openapi::WrongState)
            )]
            #[post($retracted)]
            async fn $retract(
                provider: Provider,
                state: Data<State>,
                request: HttpRequest,
                id: IdPath<$record>,
                preconditions: Preconditions,
                body: JsonBody,
            ) -> Result<HttpResponse, ApiError> {
                evidence::retract::<$record>(provider, state, request, id, preconditions, body).await
            }

            pub(super) fn routes(config: &mut ServiceConfig<'_>) {
                config.service($list).service($create).service($put).service($get).service($retract);
            }
        }
    };
}

submitted_routes! {
    enrollments: Enrollment, one "an enrollment", submitted "a submitted enrollment", many "enrollments";
    "/submissions/enrollments": list_submitted_enrollments, create_submitted_enrollment;
    "/submissions/enrollments/by-key": put_submitted_enrollment_by_key;
    "/submissions/enrollments/{id}": get_submitted_enrollment;
    "/submissions/enrollments/{id}/retract": retract_submitted_enrollment;
}

submitted_routes! {
    assessments: Assessment, one "an assessment", submitted "a submitted assessment", many "assessments";
    "/submissions/assessments": list_submitted_assessments, create_submitted_assessment;
    "/submissions/assessments/by-key": put_submitted_assessment_by_key;
    "/submissions/assessments/{id}": get_submitted_assessment;
    "/submissions/assessments/{id}/retract": retract_submitted_assessment;
}

submitted_routes! {
    incidents: Incident, one "an incident", submitted "a submitted incident", many "incidents";
    "/submissions/incidents": list_submitted_incidents, create_submitted_incident;
    "/submissions/incidents/by-key": put_submitted_incident_by_key;
    "/submissions/incidents/{id}": get_submitted_incident;
    "/submissions/incidents/{id}/retract": retract_submitted_incident;
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.configure(enrollments::routes).configure(assessments::routes).configure(incidents::routes);
    config.configure(import::routes);
}
