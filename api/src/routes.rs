//! The table of contents: one line per resource, and the API document built from them.

use actix_web::App;
use utoipa::{Modify, OpenApi};
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_actix_web::{AppExt, scope};

use crate::http::openapi::InCommon;
use crate::resources::{
    certifications, enrollments, exports, imports, incidents, jobs, own, portfolio, provider_assignments, public_keys,
    relationships, score_runs, scores, services, settings, submissions, supplier_codes, suppliers,
};

/// Registers everything that needs a token, and the public keys.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(public_keys::get_public_keys).service(
        // Paths are tried in this order. What purchasing systems request all day comes first.
        scope::scope("/v1")
            .configure(scores::routes)
            .configure(suppliers::routes)
            .configure(supplier_codes::routes)
            .configure(relationships::routes)
            .configure(enrollments::routes)
            .configure(certifications::routes)
            .configure(incidents::routes)
            .configure(provider_assignments::routes)
            .configure(services::routes)
            .configure(imports::routes)
            .configure(jobs::routes)
            .configure(score_runs::routes)
            .configure(portfolio::routes)
            .configure(exports::routes)
            .configure(settings::routes)
            .configure(submissions::routes)
            .configure(own::routes),
    );
}

/// The API document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sonae",
        description = "Sonae（備え）: how likely each supplier is to be stopped by a cyber incident, what that would cost, why, and where help does most \
                       good. A score is decision support, not a ground by itself for ending trade; お助け隊, SECURITY ACTION and SCS are voluntary.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/", description = "This service.")),
    tags(
        (name = "suppliers", description = "Firms (取引先)."),
        (name = "supplier_codes", description = "Codes of purchasing systems, and the firm that each means."),
        (name = "relationships", description = "Who supplies whom, and the buyer (取引関係)."),
        (name = "enrollments", description = "Enrollments in お助け隊 services."),
        (name = "certifications", description = "SECURITY ACTION, SCS and ISMS."),
        (name = "incidents", description = "What happened (事案)."),
        (name = "provider_assignments", description = "Which provider may send evidence for which supplier."),
        (name = "services", description = "The registered お助け隊 services."),
        (name = "imports", description = "Files in, with a report of every row."),
        (name = "jobs", description = "Work that outlasts a request."),
        (name = "score_runs", description = "The whole portfolio scored as of a day (スコア計算)."),
        (name = "scores", description = "Scores (リスクスコア、連鎖スコア), opened into their sums."),
        (name = "portfolio", description = "Grades, losses and SC3's indicators, now and over time."),
        (name = "exports", description = "Scores as files."),
        (name = "settings", description = "What a buyer sets for itself."),
        (name = "submissions", description = "What お助け隊 operators send, and read back."),
        (name = "own", description = "What a supplier sees of itself."),
        (name = "tokens", description = "What tokens are verified with.")
    )
)]
struct Document;

/// Returns the API document, built from the registered routes.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, mut document) =
        App::new().into_utoipa_app().openapi(Document::openapi()).configure(routes).split_for_parts();
    InCommon.modify(&mut document);
    document
}
