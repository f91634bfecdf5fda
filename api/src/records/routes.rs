//! The operations that relationships and every kind of evidence share, written once.

/// Writes the operations that all kinds have: list, create, get.
macro_rules! common_routes {
    (
        $record:ty, $tag:literal, one $one:literal, many $many:literal, $writer:ident = $role:literal;
        $path:literal: $list:ident, $create:ident;
        $with_id:literal: $get:ident;
    ) => {
        use actix_web::{get, post};

        type One = $crate::records::View<$record>;
        type Many = $crate::records::ListView<$record>;
        type CreateOne = $crate::records::CreateBody<$record>;

        #[utoipa::path(
            tag = $tag,
            security(("bearer" = ["viewer"])),
            summary = concat!("List ", $many),
            description = "The current version of each, page by page, or as known at a moment.",
            params($crate::records::ListQuery<$record>),
            responses((status = 200, body = Many, description = "The page."))
        )]
        #[get($path)]
        pub(crate) async fn $list(
            viewer: $crate::http::auth::Viewer,
            state: actix_web::web::Data<$crate::http::state::State>,
            request: actix_web::HttpRequest,
            query: $crate::http::extract::Query,
        ) -> Result<actix_web::HttpResponse, $crate::base::problem::ApiError> {
            $crate::records::list::<$record>(viewer.0, state, request, query).await
        }

        #[utoipa::path(
            tag = $tag,
            security(("bearer" = [$role])),
            summary = concat!("Create ", $one),
            description = "All faults are reported at once. If there is any, nothing is stored.",
            request_body(content = CreateOne, description = "What is to be recorded."),
            responses((status = 201, body = One, description = "Created. Location has its address, and ETag its version."), $crate::http::openapi::KeyTaken)
        )]
        #[post($path)]
        pub(crate) async fn $create(
            writer: $crate::http::auth::$writer,
            state: actix_web::web::Data<$crate::http::state::State>,
            request: actix_web::HttpRequest,
            body: $crate::http::extract::JsonBody,
        ) -> Result<actix_web::HttpResponse, $crate::base::problem::ApiError> {
            $crate::records::create::<$record>(writer.0, state, request, body).await
        }

        #[utoipa::path(
            tag = $tag,
            security(("bearer" = ["viewer"])),
            summary = concat!("Get ", $one),
            description = "The current version, or the one known at a moment. Answers If-None-Match with 304.",
            params($crate::http::extract::IdPath<$record>, $crate::records::ReadQuery),
            responses((status = 200, body = One, description = "The record. ETag has its version."))
        )]
        #[get($with_id)]
        pub(crate) async fn $get(
            viewer: $crate::http::auth::Viewer,
            state: actix_web::web::Data<$crate::http::state::State>,
            request: actix_web::HttpRequest,
            id: $crate::http::extract::IdPath<$record>,
            query: $crate::http::extract::Query,
            preconditions: $crate::http::extract::Preconditions,
        ) -> Result<actix_web::HttpResponse, $crate::base::problem::ApiError> {
            $crate::records::find::<$record>(viewer.0, state, request, id, query, preconditions).await
        }
    };
}
pub(crate) use common_routes;

/// Writes the operations of one kind: list, create, get, put by key, change, retract, restore, versions.
macro_rules! evidence_routes {
    (
        $record:ty, $tag:literal, one $one:literal, many $many:literal;
        $path:literal: $list:ident, $create:ident;
        $by_key:literal: $put:ident;
        $with_id:literal: $get:ident, $change:ident;
        $retracted:literal: $retract:ident;
        $restored:literal: $restore:ident;
        $all_versions:literal: $versions:ident;
    ) => {
        $crate::records::common_routes! {
            $record, $tag, one $one, many $many, Analyst = "analyst";
            $path: $list, $create;
            $with_id: $get;
        }

        use actix_web::{patch, put};

        type ChangeOne = $crate::records::ChangeBody<$record>;
        type PutOne = $crate::records::ReplaceBody<$record>;

        #[utoipa::path(
            tag = $tag,
            security(("bearer" = ["analyst"])),
            summary = concat!("Put ", $one, " by its external id"),
            description = "Creates the record with this external id of its source, or replaces all its fields. Replacing needs If-Match; `*` \
                           matches any version.",
            params($crate::records::KeyQuery, $crate::records::IfMatchToReplace),
            request_body(content = PutOne, description = "All fields. Omitted fields become unknown."),
            responses(
                (status = 200, body = One, description = "Replaced."),
                (status = 201, body = One, description = "Created."), $crate::http::openapi::KeyTakenOrWrongState
            )
        )]
        #[put($by_key)]
        pub(crate) async fn $put(
            analyst: $crate::http::auth::Analyst,
            state: actix_web::web::Data<$crate::http::state::State>,
            request: actix_web::HttpRequest,
            query: $crate::http::extract::Query,
            preconditions: $crate::http::extract::Preconditions,
            body: $crate::http::extract::JsonBody,
        ) -> Result<actix_web::HttpResponse, $crate::base::problem::ApiError> {
            $crate::records::put::<$record>(analyst.0, state, request, query, preconditions, body).await
        }

        #[utoipa::path(
            tag = $tag,
            security(("bearer" = ["analyst"])),
            summary = concat!("Change ", $one),
            description = "Changes fields by JSON Merge Patch. The previous version stays in the history.",
            params($crate::http::extract::IdPath<$record>, $crate::records::IfMatch),
            request_body(content = ChangeOne, description = "What changes.", content_type = "application/merge-patch+json"),
            responses((status = 200, body = One, description = "The new version."), $crate::http::openapi::WrongState)
        )]
        #[patch($with_id)]
        pub(crate) async fn $change(
            analyst: $crate::http::auth::Analyst,
            state: actix_web::web::Data<$crate::http::state::State>,
            request: actix_web::HttpRequest,
            id: $crate::http::extract::IdPath<$record>,
            preconditions: $crate::http::extract::Preconditions,
            body: $crate::http::extract::JsonBody,
        ) -> Result<actix_web::HttpResponse, $crate::base::problem::ApiError> {
            $crate::records::change::<$record>(analyst.0, state, request, id, preconditions, body).await
        }

        #[utoipa::path(
            tag = $tag,
            security(("bearer" = ["analyst"])),
            summary = concat!("Retract ", $one),
            description = "Retracts a record that was wrong, with a reason. Its history stays, and imports do not bring it back.",
            params($crate::http::extract::IdPath<$record>, $crate::records::IfMatch),
            request_body(content = $crate::records::RetractBody, description = "The reason."),
            responses((status = 200, body = One, description = "The retracted version."), $crate::http::openapi::WrongState)
        )]
        #[post($retracted)]
        pub(crate) async fn $retract(
            analyst: $crate::http::auth::Analyst,
            state: actix_web::web::Data<$crate::http::state::State>,
            request: actix_web::HttpRequest,
            id: $crate::http::extract::IdPath<$record>,
            preconditions: $crate::http::extract::Preconditions,
            body: $crate::http::extract::JsonBody,
        ) -> Result<actix_web::HttpResponse, $crate::base::problem::ApiError> {
            $crate::records::retract::<$record>(analyst.0, state, request, id, preconditions, body).await
        }

        #[utoipa::path(
            tag = $tag,
            security(("bearer" = ["analyst"])),
            summary = concat!("Restore ", $one),
            description = "Undoes a retraction, or the end of a record by a replacing import.",
            params($crate::http::extract::IdPath<$record>, $crate::records::IfMatch),
            responses((status = 200, body = One, description = "The restored version."), $crate::http::openapi::WrongState)
        )]
        #[post($restored)]
        pub(crate) async fn $restore(
            analyst: $crate::http::auth::Analyst,
            state: actix_web::web::Data<$crate::http::state::State>,
            request: actix_web::HttpRequest,
            id: $crate::http::extract::IdPath<$record>,
            preconditions: $crate::http::extract::Preconditions,
        ) -> Result<actix_web::HttpResponse, $crate::base::problem::ApiError> {
            $crate::records::restore::<$record>(analyst.0, state, request, id, preconditions).await
        }

        #[utoipa::path(
            tag = $tag,
            security(("bearer" = ["viewer"])),
            summary = concat!("List the versions of ", $one),
            description = "All versions, latest first: when they were recorded, by whom, and by which import.",
            params($crate::http::extract::IdPath<$record>),
            responses((status = 200, body = Many, description = "All versions."))
        )]
        #[get($all_versions)]
        pub(crate) async fn $versions(
            viewer: $crate::http::auth::Viewer,
            state: actix_web::web::Data<$crate::http::state::State>,
            request: actix_web::HttpRequest,
            id: $crate::http::extract::IdPath<$record>,
        ) -> Result<actix_web::HttpResponse, $crate::base::problem::ApiError> {
            $crate::records::versions::<$record>(viewer.0, state, request, id).await
        }

        pub(crate) fn routes(config: &mut utoipa_actix_web::service_config::ServiceConfig<'_>) {
            config
                .service($list)
                .service($create)
                .service($put)
                .service($get)
                .service($change)
                .service($retract)
                .service($restore)
                .service($versions);
        }
    };
}
pub(crate) use evidence_routes;

/// Writes the operations of a kind that is not evidence: list, create, get, delete.
macro_rules! link_routes {
    (
        $record:ty, $tag:literal, one $one:literal, many $many:literal, $writer:ident = $role:literal;
        $path:literal: $list:ident, $create:ident;
        $with_id:literal: $get:ident, $delete:ident;
    ) => {
        $crate::records::common_routes! {
            $record, $tag, one $one, many $many, $writer = $role;
            $path: $list, $create;
            $with_id: $get;
        }

        use actix_web::delete;

        #[utoipa::path(
                                    tag = $tag,
                                    security(("bearer" = [$role])),
                                    summary = concat!("Delete ", $one),
                                    description = "Ends it now. Reading with an earlier `known_at` still shows it.",
                                    params($crate::http::extract::IdPath<$record>, $crate::records::IfMatch),
                                    responses((status = 204, description = "Deleted."))
                                )]
        #[delete($with_id)]
        pub(crate) async fn $delete(
            writer: $crate::http::auth::$writer,
            state: actix_web::web::Data<$crate::http::state::State>,
            id: $crate::http::extract::IdPath<$record>,
            preconditions: $crate::http::extract::Preconditions,
        ) -> Result<actix_web::HttpResponse, $crate::base::problem::ApiError> {
            $crate::records::remove::<$record>(writer.0, state, id, preconditions).await
        }

        pub(crate) fn routes(config: &mut utoipa_actix_web::service_config::ServiceConfig<'_>) {
            config.service($list).service($create).service($get).service($delete);
        }
    };
}
pub(crate) use link_routes;
