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
use schema::enrollments::Enrollment;
use schema::incidents::Incident;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::base::problem::ApiError;
use crate::http::auth::Provider;
use crate::http::extract::{IdPath, JsonBody, Preconditions, Query};
use crate::http::openapi;
use crate::http::state::State;
use crate::records::{IfMatch, IfMatchToReplace, IfNoneMatch, PageQuery, Resource, RetractBody};
use view::{ExternalIdQuery, PutBody, SubmitBody, SubmittedList, SubmittedView};

/// A kind of record that providers send.
pub(crate) trait Submitted: Resource {
    /// The path of these records for providers.
    const PATH: &'static str;
}

impl Submitted for Enrollment {
    const PATH: &'static str = "/v1/submissions/enrollments";
}

impl Submitted for Incident {
    const PATH: &'static str = "/v1/submissions/incidents";
}

/// Writes the operations of one kind of record that providers send.
macro_rules! submitted_routes {
    (
        $module:ident: $record:ty, one $one:literal, many $many:literal;
        $path:literal: $list:ident, $create:ident;
        $by_key:literal: $put:ident;
        $with_id:literal: $get:ident;
        $retracted:literal: $retract:ident;
    ) => {
        mod $module {
            use super::*;

            type One = SubmittedView<$record>;
            type Many = SubmittedList<$record>;
            type SubmitOne = SubmitBody<$record>;
            type PutOne = PutBody<$record>;

            #[utoipa::path(
                tag = "submissions",
                security(("bearer" = ["provider"])),
                summary = concat!("List submitted ", $many),
                description = "What the provider itself has sent, each as it sent it last, those that were retracted and those of suppliers that are \
                               no longer assigned included.",
                params(PageQuery),
                responses((status = 200, body = Many, description = "The page, in the order in which they came."))
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
                summary = concat!("Submit ", $one),
                description = "Of a supplier that is assigned to the provider, named by its code or by its 法人番号: one of the two. The code is the \
                               buyer's own, or the one that the buyer gave the provider. Who sends follows from the token.",
                request_body(content = SubmitOne, description = "What is to be recorded."),
                responses((status = 201, body = One, description = "Created. Location has its address, and ETag its version."), openapi::KeyTaken)
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
                summary = concat!("Put submitted ", $many, " by external id"),
                description = "Creates the record with this external id of the provider, or replaces all its fields. Replacing needs If-Match; `*` \
                               matches any version.",
                params(ExternalIdQuery, IfMatchToReplace),
                request_body(content = PutOne, description = "All fields. Omitted fields become unknown."),
                responses(
                    (status = 200, body = One, description = "Replaced."),
                    (status = 201, body = One, description = "Created."), openapi::KeyTakenOrWrongState
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
                summary = concat!("Get submitted ", $many),
                description = "One record, as the provider sent it last. Answers If-None-Match with 304.",
                params(IdPath<$record>, IfNoneMatch),
                responses((status = 200, body = One, description = "The record. ETag has its version."))
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
                summary = concat!("Retract submitted ", $many),
                description = "Retracts a record that was wrong, with a reason. Its external id stays in use.",
                params(IdPath<$record>, IfMatch),
                request_body(content = RetractBody, description = "The reason."),
                responses((status = 200, body = One, description = "The retracted version."), openapi::WrongState)
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
    enrollments: Enrollment, one "an enrollment", many "enrollments";
    "/submissions/enrollments": list_submitted_enrollments, create_submitted_enrollment;
    "/submissions/enrollments/by-key": put_submitted_enrollment_by_key;
    "/submissions/enrollments/{id}": get_submitted_enrollment;
    "/submissions/enrollments/{id}/retract": retract_submitted_enrollment;
}

submitted_routes! {
    incidents: Incident, one "an incident", many "incidents";
    "/submissions/incidents": list_submitted_incidents, create_submitted_incident;
    "/submissions/incidents/by-key": put_submitted_incident_by_key;
    "/submissions/incidents/{id}": get_submitted_incident;
    "/submissions/incidents/{id}/retract": retract_submitted_incident;
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.configure(enrollments::routes).configure(incidents::routes).configure(import::routes);
}
