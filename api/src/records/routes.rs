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
        type Many = $crate::http::page::List<One>;
        type CreateOne = $crate::records::CreateBody<$record>;

        #[utoipa::path(
            tag = $tag,
            security(("bearer" = ["viewer"])),
            summary = $crate::records::summary::<$record>(concat!("List ", $many), "{}を一覧する"),
            description = "The current versions, or those known at a moment, page by page.\nja: 現在の版、または指定した日時の版をページごとに返す。",
            params($crate::records::ListQuery<$record>),
            responses((status = 200, body = Many, description = "The page.\nja: 一覧の1ページ"))
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
            summary = $crate::records::summary::<$record>(concat!("Create ", $one), "{}を登録する"),
            description = "All faults are reported at once. If there is any, nothing is stored.\nja: 誤りはまとめて報告する。1つでもあれば何も登録しない。",
            request_body(content = CreateOne, description = "The record.\nja: 登録する内容"),
            responses((status = 201, body = One, description = "The created record. Location has its address, and ETag its version.\nja: 登録した記録。アドレスはLocation、版はETagにある"), $crate::http::openapi::KeyTaken)
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
            summary = $crate::records::summary::<$record>(concat!("Get ", $one), "{}を取得する"),
            description = "The current version, or the one known at a moment.\nja: 現在の版、または指定した日時の版を返す。",
            params($crate::http::extract::IdPath<$record>, $crate::records::ReadQuery),
            responses((status = 200, body = One, description = "The record. ETag has its version.\nja: 記録。版はETagにある"))
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
            summary = $crate::records::summary::<$record>(concat!("Put ", $one, " by its external id"), "外部IDを指定して{}を登録・置換する"),
            description = "Creates the record with this external id of its source, or replaces all its fields. Replacing needs If-Match; `*` \
                           matches any version.\nja: この出所と外部IDの記録を登録する。すでにあれば全項目を置き換える。\
                           置き換えにはIf-Matchが必要（版を問わないときは `*`）。",
            params($crate::records::KeyQuery, $crate::records::IfMatchToReplace),
            request_body(content = PutOne, description = "All fields. Omitted fields become unknown.\nja: すべての項目。省略した項目は不明になる"),
            responses(
                (status = 200, body = One, description = "The new version.\nja: 新しい版"),
                (status = 201, body = One, description = "The created record.\nja: 登録した記録"), $crate::http::openapi::KeyTakenOrWrongState
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
            summary = $crate::records::summary::<$record>(concat!("Change ", $one), "{}を変更する"),
            description = "Changes fields by JSON Merge Patch. The previous version stays in the history.\nja: JSON Merge Patchで項目を変更する。前の版は履歴に残る。",
            params($crate::http::extract::IdPath<$record>, $crate::records::IfMatch),
            request_body(content = ChangeOne, description = "The fields to change.\nja: 変更する項目", content_type = "application/merge-patch+json"),
            responses((status = 200, body = One, description = "The new version.\nja: 新しい版"), $crate::http::openapi::WrongState)
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
            summary = $crate::records::summary::<$record>(concat!("Retract ", $one), "{}を取り消す"),
            description = "Retracts a record that was wrong, with a reason. Its history stays, and imports do not bring it back.\nja: \
                           誤って登録した記録を、理由を付けて取り消す。履歴は残る。もう一度取り込んでも取り消したままになる。",
            params($crate::http::extract::IdPath<$record>, $crate::records::IfMatch),
            request_body(content = $crate::records::RetractBody, description = "The reason.\nja: 取り消す理由"),
            responses((status = 200, body = One, description = "The retracted version.\nja: 取り消した版"), $crate::http::openapi::WrongState)
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
            summary = $crate::records::summary::<$record>(concat!("Restore ", $one), "{}を元に戻す"),
            description = "Undoes a retraction, or the end of a record by a replacing import.\nja: \
                           取り消しを元に戻す。置き換えの取り込みによる終了も元に戻せる。",
            params($crate::http::extract::IdPath<$record>, $crate::records::IfMatch),
            responses((status = 200, body = One, description = "The restored version.\nja: 元に戻した版"), $crate::http::openapi::WrongState)
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
            summary = $crate::records::summary::<$record>(concat!("List the versions of ", $one), "{}の版を一覧する"),
            description = "All versions, latest first: when they were recorded, by whom, and by which import.\nja: \
                           すべての版を新しい順に返す。記録した日時、トークン、取り込みが分かる。",
            params($crate::http::extract::IdPath<$record>),
            responses((status = 200, body = Many, description = "All versions.\nja: すべての版"))
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
#[rustfmt::skip] // It indents the attribute by more each time.
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
            summary = $crate::records::summary::<$record>(concat!("Delete ", $one), "{}を削除する"),
            description = "Ends the record now. Reading with an earlier `known_at` still shows it.\nja: \
                           記録を終了する。以前の `known_at` を指定すれば、その後も読み取れる。",
            params($crate::http::extract::IdPath<$record>, $crate::records::IfMatch),
            responses((status = 204, description = "Deleted.\nja: 削除した"))
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
