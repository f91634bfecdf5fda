//! Health and metrics, on a listener that only this machine can reach.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse, get};
use metrics_exporter_prometheus::PrometheusHandle;
use schema::{Database, DatabasePlace, tenants};
use scoring::Lang;
use tokio::time::timeout;

use super::refused::problem_at;
use crate::base::actors::operator;
use crate::base::machine::{FileId, file_id, free_bytes, try_writing};
use crate::base::problem::{Problem, ProblemKind};
use crate::base::store::in_both;
use crate::base::text::Text;
use crate::http::edge::SECURITY_HEADERS;
use crate::http::extract::language;
use crate::http::gauges::Gauges;
use crate::http::state::State;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(live).service(ready).service(get_metrics).default_service(web::to(nothing));
}

/// Returns the headers that are on every answer of this listener too.
pub(crate) fn headers() -> DefaultHeaders {
    SECURITY_HEADERS.into_iter().fold(DefaultHeaders::new(), DefaultHeaders::add)
}

/// Answers unknown paths and refused heads.
async fn nothing(request: HttpRequest) -> HttpResponse {
    let problem = problem_at(request.path()).unwrap_or_else(|| Problem::from(ProblemKind::NoSuchPath));
    HttpResponse::new(problem.status())
}

/// Reports that the process answers.
#[get("/livez")]
async fn live() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

/// The time-out of the readiness check.
const READINESS_TIMEOUT: Duration = Duration::from_secs(5);

/// What the readiness check looks at.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    folder: PathBuf,
    /// The file of an embedded database, and its identity when the service started.
    database: Option<(PathBuf, FileId)>,
    min_free_bytes: u64,
    can_write: bool,
}

impl Probe {
    pub(crate) fn new(folder: &Path, place: &DatabasePlace, min_free_bytes: u64, can_write: bool) -> io::Result<Self> {
        let database = match place {
            DatabasePlace::Folder(folder) => {
                let path = folder.join("sonae.db");
                let id = file_id(&path)?;
                Some((path, id))
            }
            DatabasePlace::Server { .. } => None,
        };
        Ok(Self { folder: folder.to_owned(), database, min_free_bytes, can_write })
    }

    /// Checks that requests can be served and their changes stored. Returns what prevents that.
    pub(crate) fn look(&self, database: &Database) -> Result<(), Text> {
        // It does not use the writer, because an import may hold that for a long time.
        let read = operator(database, "readiness").read(|tx| {
            tenants::list(tx)?;
            schema::expect_schema(tx)
        });
        read.map_err(|error| in_both(&error))?;
        let Some((path, id)) = &self.database else { return Ok(()) };
        if !self.can_write {
            return Err(Text::new(
                "起動時にディスクへ書き込めませんでした。書き込めるようにしてからサービスを再起動してください",
                "the disk took no writes when the service began; start it again when it does",
            ));
        }
        if file_id(path).ok() != Some(*id) {
            let path = path.display();
            return Err(Text::new(
                format!(
                    "{path} は、サービスが開いているファイルではありません（起動後に移動または置き換えられました）"
                ),
                format!("{path} is not the file that the service has open"),
            ));
        }
        try_writing(&self.folder).map_err(|error| {
            let folder = self.folder.display();
            Text::new(format!("{folder} に書き込めません: {error}"), format!("{folder}: {error}"))
        })?;
        match free_bytes(&self.folder) {
            Some(free) if free < self.min_free_bytes => {
                let wanted = self.min_free_bytes;
                Err(Text::new(
                    format!("ディスクの空きが {free} バイトです（必要: {wanted} バイト）"),
                    format!("{free} bytes are free on the disk, and {wanted} are wanted"),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Reports whether requests can be served: the database answers and writes are kept. The reason is in English unless a
/// language is requested, because monitors request none.
#[get("/readyz")]
async fn ready(request: HttpRequest, state: Data<State>, probe: Data<Probe>) -> HttpResponse {
    let headers = request.headers();
    let lang = if headers.contains_key(header::ACCEPT_LANGUAGE) { language(headers) } else { Lang::En };
    let database = state.db.database().clone();
    let looked = timeout(READINESS_TIMEOUT, web::block(move || probe.look(&database))).await;
    let no = |text: &str| {
        let mut answer = HttpResponse::ServiceUnavailable();
        answer.content_type("text/plain; charset=utf-8").body(format!("{text}\n"))
    };
    match looked {
        Ok(Ok(Ok(()))) => HttpResponse::Ok().body("ok\n"),
        Ok(Ok(Err(text))) => no(text.pick(lang)),
        Ok(Err(error)) => no(&error.to_string()),
        Err(_) => {
            let seconds = READINESS_TIMEOUT.as_secs();
            no(&lang.pick(
                format!("データベースまたはディスクが{seconds}秒以内に応答しませんでした"),
                format!("the database or the disk did not answer within {seconds} seconds"),
            ))
        }
    }
}

/// Returns metrics in the text format of Prometheus: those that were counted and those that are queried now.
#[get("/metrics")]
async fn get_metrics(handle: Data<PrometheusHandle>, gauges: Data<Gauges>) -> HttpResponse {
    handle.run_upkeep();
    let text = handle.render() + &gauges.render().await;
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}
