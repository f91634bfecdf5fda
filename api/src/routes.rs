//! The contents page: one line a resource.

use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::auth;
use crate::resources::{
    certifications, enrollments, exports, imports, incidents, jobs, own, portfolio, provider_assignments,
    relationships, score_runs, scores, services, settings, submissions, supplier_codes, suppliers,
};

/// Everything that needs a token, and the public keys.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(auth::get_public_keys).service(
        scope::scope("/v1")
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
            .configure(scores::routes)
            .configure(portfolio::routes)
            .configure(exports::routes)
            .configure(settings::routes)
            .configure(submissions::routes)
            .configure(own::routes),
    );
}
