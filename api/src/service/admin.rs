//! Health and metrics, on a listener that only this machine can reach.

use std::path::PathBuf;
use std::sync::OnceLock;

use actix_web::web::{self, Data};
use actix_web::{HttpResponse, get};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use schema::{ConnRole, Scope, tenants};

use crate::state::State;

/// The process's metrics: one recorder, however many services it runs.
pub(super) fn recorder() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
    HANDLE
        .get_or_init(|| {
            let buckets = Matcher::Suffix("_seconds".to_owned());
            let builder = PrometheusBuilder::new().set_buckets_for_metric(buckets, &seconds);
            let recorder = builder.unwrap_or_else(|_| PrometheusBuilder::new()).build_recorder();
            let handle = recorder.handle();
            // Another recorder was set by whoever embeds the service: then these metrics stay empty.
            let _ = metrics::set_global_recorder(recorder);
            handle
        })
        .clone()
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(live).service(ready).service(get_metrics);
}

/// The process answers.
#[get("/livez")]
async fn live() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

/// Requests can be served: the database answers and the data folder can be written.
#[get("/readyz")]
async fn ready(state: Data<State>, data: Data<PathBuf>) -> HttpResponse {
    let database = state.db.database().clone();
    let probed = web::block(move || {
        database
            .run(ConnRole::Reader, Scope::Installation, |conn| tenants::list(conn).map(|_| ()))
            .map_err(|error| error.to_string())?;
        // Not through the database: an import holds its writer for as long as it takes.
        tempfile::NamedTempFile::new_in(data.as_path()).map(|_| ()).map_err(|error| error.to_string())
    });
    match probed.await {
        Ok(Ok(())) => HttpResponse::Ok().body("ok\n"),
        Ok(Err(error)) => HttpResponse::ServiceUnavailable().body(format!("{error}\n")),
        Err(error) => HttpResponse::ServiceUnavailable().body(format!("{error}\n")),
    }
}

/// Counters and histograms in the text form of Prometheus.
#[get("/metrics")]
async fn get_metrics(handle: Data<PrometheusHandle>) -> HttpResponse {
    handle.run_upkeep();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(handle.render())
}
