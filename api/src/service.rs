//! The service: two listeners over one data folder.

mod admin;
mod allowed;

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use schema::tenants::{self, TenantRow};
use schema::{ConnRole, Database, Instant, Name, Place, RepoError, Scope, TenantId, UrlError};
use tracing::{error, info};
use utoipa::{Modify, OpenApi};
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::SwaggerUi;

use crate::auth::{Keys, private_folder};
use crate::compress::compress;
use crate::config::Config;
use crate::edge::edge;
use crate::jobs::{Runner, Tools};
use crate::openapi::InCommon;
use crate::problem::ApiError;
use crate::routes::routes;
use crate::state::{Db, State};

pub(crate) use allowed::Allowed;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder cannot be used.
    #[error("the data folder cannot be used")]
    Data(#[source] io::Error),
    /// Another process serves this data folder.
    #[error("another process serves this data folder")]
    InUse,
    /// The database cannot be used.
    #[error("the database cannot be used")]
    Database(#[from] RepoError),
    /// The database's URL cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The certificate or its key cannot be used.
    #[error("the certificate or its key cannot be used: {0}")]
    Tls(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {0}")]
    Listen(String, #[source] io::Error),
    /// The model cannot be used.
    #[error("the model cannot be used: {0}")]
    Model(String),
    /// The jobs cannot run.
    #[error("jobs cannot run")]
    Jobs(#[source] io::Error),
}

/// A database with a first buyer, opened, and the keys of the data folder.
pub(crate) struct Store {
    pub(crate) database: Database,
    pub(crate) keys: Keys,
}

/// How long a request waits for a writer in another process, such as `sonae import`.
const PATIENCE: Duration = Duration::from_secs(10);

/// The buyer of an empty database.
const FIRST_TENANT: &str = "default";
/// In which a buyer's days begin, unless set otherwise.
pub(crate) const USUAL_ZONE: &str = "Asia/Tokyo";

impl Store {
    pub(crate) fn open(
        folder: &Path,
        place: &Place,
        connection_count: u32,
        patience: Duration,
    ) -> Result<Self, ServeError> {
        private_folder(folder).map_err(ServeError::Data)?;
        let keys = Keys::open(folder).map_err(ServeError::Data)?;
        let database = Database::open(place, connection_count, patience)?;
        let is_empty = database
            .run(ConnRole::Reader, Scope::Installation, |conn| tenants::list(conn).map(|all| all.is_empty()))?;
        if is_empty {
            database.run(ConnRole::Writer, Scope::Installation, |conn| {
                // Asked again: another process may have been quicker.
                if tenants::list(conn)?.is_empty() { tenants::insert(conn, &first_tenant()?) } else { Ok(()) }
            })?;
        }
        Ok(Self { database, keys })
    }
}

#[cfg(test)]
impl Store {
    /// An embedded database, for tests of what a clock decides.
    pub(crate) fn embedded(folder: &Path) -> Self {
        Self::open(folder, &Place::Folder(folder.to_owned()), 1, Duration::from_secs(5)).unwrap()
    }

    pub(crate) fn first_tenant(&self) -> TenantId {
        self.database.run(ConnRole::Reader, Scope::Installation, tenants::list).unwrap()[0].id
    }
}

fn first_tenant() -> Result<TenantRow, RepoError> {
    Ok(TenantRow {
        id: TenantId::new(),
        name: Name::parse(FIRST_TENANT).map_err(|error| RepoError::Failed(error.into()))?,
        time_zone: USUAL_ZONE.to_owned(),
        created_at: Instant::now(),
        suspended_at: None,
    })
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

/// The API document, made of the routes as they are registered.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, mut document) =
        App::new().into_utoipa_app().openapi(Document::openapi()).configure(routes).split_for_parts();
    InCommon.modify(&mut document);
    document
}

/// A service that runs, on a thread of its own.
pub struct Running {
    address: SocketAddr,
    admin_address: SocketAddr,
    handles: [ServerHandle; 2],
    runner: Runner,
    /// Serving, then all that ends with it.
    threads: Vec<JoinHandle<()>>,
    _lock: Option<File>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Running {
    /// Where requests come in.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics are asked for.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Ends the service: requests in hand are answered, a job in hand is undone and begins again next time.
    pub fn stop(self) {
        for handle in &self.handles {
            // The future only says when it is over; joining the thread says so too.
            drop(handle.stop(true));
        }
        self.wait();
    }

    /// Waits until a signal has ended the service.
    pub fn wait(self) {
        // A panic there has been logged; what is left is to end.
        for thread in self.threads {
            let _ = thread.join();
            self.runner.stop();
        }
    }
}

/// Starts the service.
///
/// # Errors
/// When the data folder, the certificate or an address cannot be used.
pub fn serve(config: &Config) -> Result<Running, ServeError> {
    private_folder(&config.data).map_err(ServeError::Data)?;
    let place = config.database.place(&config.data)?;
    let lock = match place {
        Place::Folder(_) => Some(lock(&config.data)?),
        // Several processes may share a server, and the folder with the keys.
        Place::Server { .. } => None,
    };
    let model = config.model.as_deref().map_or_else(|| Ok(scoring::Model::default()), crate::cli::model_of)?;
    let store = Store::open(&config.data, &place, config.connections(), PATIENCE)?;
    let runner = Runner::new(store.database.is_shared());
    let tools = Tools {
        limits: config.limits,
        model: model.clone(),
        rescore_after: config.rescore_after,
        folder: config.data.clone(),
    };
    let mut threads = runner.start(&store.database, tools)?;
    let state = Data::new(State {
        db: Db::new(store.database.with_statement_limit(Duration::from_secs(config.database.statement_seconds))),
        keys: store.keys,
        limits: config.limits,
        runner: runner.clone(),
        model,
    });
    let tls = config.tls.as_ref().map(|(certificate, key)| tls(certificate, key)).transpose()?;
    let metrics = admin::recorder();

    let (send, started) = mpsc::channel();
    let shared = config.clone();
    let jobs = runner.clone();
    let serving = thread::Builder::new()
        .name("serve".to_owned())
        .spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                match servers(&shared, state, tls, metrics) {
                    Ok((main, admin, addresses)) => {
                        let handles = [main.handle(), admin.handle()];
                        let other = admin.handle();
                        let admin = actix_web::rt::spawn(admin);
                        if shared.handles_signals {
                            actix_web::rt::spawn(end_on_signal(jobs, main.handle()));
                        }
                        // Nobody waits for the addresses any more when the caller is gone.
                        let _ = send.send(Ok((addresses, handles)));
                        let _ = main.await;
                        other.stop(false).await;
                        let _ = admin.await;
                    }
                    Err(error) => drop(send.send(Err(error))),
                }
            });
        })
        .map_err(ServeError::Jobs)?;
    let started = started.recv().unwrap_or_else(|_| Err(io::Error::other("the service ended as it began")));
    match started {
        Ok(([address, admin_address], handles)) => {
            info!(%address, %admin_address, "serving");
            threads.insert(0, serving);
            Ok(Running { address, admin_address, handles, runner, threads, _lock: lock })
        }
        Err(error) => {
            runner.stop();
            threads.into_iter().for_each(|thread| drop(thread.join()));
            Err(ServeError::Listen(format!("{} and {}", config.listen, config.admin_listen), error))
        }
    }
}

/// Waits for a signal, and ends the service: jobs at once, requests once they are answered.
async fn end_on_signal(runner: Runner, server: ServerHandle) {
    use actix_web::rt::signal;
    #[cfg(unix)]
    {
        use signal::unix::{SignalKind, signal};
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return error!("signals cannot be listened to");
        };
        futures_util::future::select(pin!(terminate.recv()), pin!(interrupt.recv())).await;
    }
    #[cfg(not(unix))]
    if let Err(error) = signal::ctrl_c().await {
        return error!(%error, "Ctrl+C cannot be listened to");
    }
    runner.stop();
    server.stop(true).await;
}

/// Holds the data folder for this process: two services would run each other's jobs in an embedded database.
fn lock(folder: &Path) -> Result<File, ServeError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("serve.lock"))
        .map_err(ServeError::Data)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(ServeError::InUse),
        Err(fs::TryLockError::Error(error)) => Err(ServeError::Data(error)),
    }
}

type Servers = (actix_web::dev::Server, actix_web::dev::Server, [SocketAddr; 2]);

fn servers(
    config: &Config,
    state: Data<State>,
    tls: Option<ServerConfig>,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
) -> io::Result<Servers> {
    let document = document();
    let allowed = Data::new(Allowed::of(&document));
    let (shared, data) = (state.clone(), config.data.clone());
    let main = HttpServer::new(move || {
        let document = document.clone();
        let text = Data::new(document.to_pretty_json().unwrap_or_default());
        App::new()
            .into_utoipa_app()
            .app_data(state.clone())
            .app_data(allowed.clone())
            .configure(routes)
            .into_app()
            .app_data(text)
            .service(get_document)
            .route("/docs", web::get().to(|| async { moved("/docs/") }))
            .route("/", web::get().to(|| async { moved("/docs/") }))
            .service(SwaggerUi::new("/docs/{_:.*}").url("/docs/openapi.json", document))
            .wrap(
                DefaultHeaders::new()
                    .add(("cache-control", "private, no-cache"))
                    .add(("x-content-type-options", "nosniff"))
                    .add(("x-frame-options", "DENY"))
                    .add(("referrer-policy", "no-referrer")),
            )
            .wrap(from_fn(edge))
            .wrap(from_fn(compress))
    })
    .workers(config.workers)
    .shutdown_timeout(30)
    .disable_signals();
    let main = match tls {
        Some(tls) => main.bind_rustls_0_23(config.listen, tls)?,
        None => main.bind(config.listen)?,
    };
    let admin = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .app_data(Data::new(metrics.clone()))
            .app_data(Data::new(data.clone()))
            .configure(admin::routes)
    })
    .workers(1)
    .disable_signals()
    .bind(config.admin_listen)?;
    let bound = |addresses: Vec<SocketAddr>| addresses.first().copied().ok_or_else(|| io::Error::other("not bound"));
    let addresses = [bound(main.addrs())?, bound(admin.addrs())?];
    Ok((main.run(), admin.run(), addresses))
}

fn moved(to: &'static str) -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header(("location", to)).finish()
}

/// The API document, for clients to be generated from.
#[actix_web::get("/openapi.json")]
async fn get_document(text: Data<String>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(text.as_ref().clone())
}

fn tls(certificate: &Path, key: &Path) -> Result<ServerConfig, ServeError> {
    let failed = |path: &Path, error: String| ServeError::Tls(format!("{}: {error}", path.display()));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| failed(certificate, error.to_string()))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, error.to_string()))?;
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| failed(certificate, error.to_string()))
}

impl From<ServeError> for ApiError {
    fn from(error: ServeError) -> Self {
        Self::internal(error)
    }
}
