//! Puts the service together: checks the settings, locks the data folder, opens the store, and starts jobs and two
//! listeners.
//!
//! Its end matters as much. A signal stops new requests and lets current ones be answered. A running job is undone, or
//! handed over to another process. Anything that still hangs after that ends with the process; nothing of it was
//! committed.

mod listeners;
mod notify;
mod running;

use std::fs::{self, File};
use std::future::{Future as _, poll_fn};
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use actix_web::web::Data;
use schema::{ConnectionNeeds, Database, DatabasePlace, Notice, TenantId};
use tracing::{error, info, warn};

use self::listeners::{Parts, affordable_connections, servers};
use self::notify::Pulses;
pub use self::running::Running;
use self::running::{end_on_signal, watch_connections};
use crate::base::config::{Config, Limits, PlaceError, other_server};
use crate::base::machine::{self, naming};
use crate::base::model_file::{ModelFileError, read_model};
use crate::base::problem::ApiError;
use crate::base::store::{Store, StoreError, described, make_data_folder};
use crate::base::telemetry;
use crate::base::text::with_causes;
use crate::http::admin::Probe;
use crate::http::auth::keep_keys_current;
use crate::http::docs::{self, Docs};
use crate::http::edge::Edge;
use crate::http::gauges::Gauges;
use crate::http::known_tokens::KnownTokens;
use crate::http::operations::Operations;
use crate::http::peers::Peers;
use crate::http::state::{Db, State};
use crate::http::tls::{self, TlsFault};
use crate::queue::runner::{IdleTask, Runner};
use crate::queue::work::Works;
use crate::resources::exports::ExportWork;
use crate::resources::imports::ImportWork;
use crate::resources::score_runs::{Changes, Schedule, ScoreRunWork, WarmRows};
use crate::routes::bilingual_document;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data of the installation cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process serves this data folder.
    #[error("another process serves this data folder")]
    InUse,
    /// The place of the database cannot be determined, or is not allowed.
    #[error(transparent)]
    DatabasePlace(#[from] PlaceError),
    /// The certificate or its key cannot be used.
    #[error("the certificate or its key cannot be used: {0}")]
    Tls(TlsFault),
    /// An address cannot be listened on.
    #[error("cannot listen on {0}")]
    Listen(String, #[source] io::Error),
    /// Too few files may be open.
    #[error(
        "{may_be_open} files may be open, and at least {needed} are needed; raise the limit (ulimit -n, LimitNOFILE=), or \
         lower --workers or --database-connections"
    )]
    OpenFiles {
        /// How many files may be open.
        may_be_open: u64,
        /// How many files are needed.
        needed: u64,
    },
    /// The API document cannot be written.
    #[error("the API document cannot be written")]
    Document(#[source] serde_json::Error),
    /// The model cannot be used.
    #[error("the model cannot be used: {0}")]
    Model(#[from] ModelFileError),
    /// The service has ended because the database no longer answers anything that is sent to it.
    #[error(
        "none of the existing connections to the database answers any more, although new ones can be opened; the process ends \
         so that it is started again"
    )]
    Hung,
    /// The jobs cannot run.
    #[error("jobs cannot run")]
    Jobs(#[source] io::Error),
    /// The threads that serve requests ended immediately.
    #[error("the service ended as soon as it started")]
    Ended(#[source] io::Error),
}

/// How long a request waits for a writer in another process, such as `sonae import`.
const REQUEST_WRITER_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts the service.
///
/// # Errors
/// Fails if the data folder, the certificate or an address cannot be used.
pub fn serve(config: &Config) -> Result<Running, ServeError> {
    let connection_count = affordable_connections(config)?;
    make_data_folder(&config.data)?;
    let place = config.database.place(&config.data)?;
    let lock = match place {
        DatabasePlace::Folder(_) => lock(&config.data)?,
        // Several processes may share a server and the folder with the keys.
        DatabasePlace::Server { .. } => None,
    };
    let tls = config
        .tls
        .as_ref()
        .map(|(certificate, key)| tls::server_config(certificate, key))
        .transpose()
        .map_err(ServeError::Tls)?;
    let model = read_model(config.model.as_deref())?;
    if config.handles_signals {
        notify::opening();
    }
    let mut log = |notice: &Notice| info!("{}", described(notice).en);
    let pending = config.database.pending(&mut log);
    // This must happen before the new server is noted in the folder.
    let moved = other_server(&config.data, &place);
    let (store, can_write) = match (
        Store::open(&config.data, &place, config.connections(), REQUEST_WRITER_TIMEOUT, pending, &config.clock),
        &place,
    ) {
        (Err(error), DatabasePlace::Folder(folder)) if error.is_of_disk() => {
            let error = with_causes(&error);
            error!(
                error,
                "the disk takes no writes: only reading is possible until it does and the service is started again"
            );
            (Store::open_read_only(folder, config.connections(), REQUEST_WRITER_TIMEOUT, &config.clock)?, false)
        }
        (store, _) => (store?, true),
    };
    if let Some(text) = moved {
        warn!("{}", text.en);
    }
    say_connections(&store.database);
    let first_buyer = store.first_buyer()?;
    let runner = Runner::new(store.database.is_shared(), job_slots(config.connections()), works(config.limits, &model));
    let changes = Changes::default();
    let database = store.database.with_warm_runs(config.limits.warm_frames_bytes());
    let store = Store { database: database.with_change_listener(waking(changes.clone(), runner.clone())), ..store };
    let mut threads = Vec::new();
    if can_write {
        runner.clean_up(&store.database, &config.data).map_err(StoreError::from)?;
        let mut schedule = Schedule::new(config.rescore_after, model.hash(), changes);
        let idle: Vec<IdleTask> = vec![Box::new(move |database| schedule.ask(database))];
        threads = runner.start(&store.database, &config.data, idle).map_err(ServeError::Jobs)?;
    }
    let probe =
        Probe::new(&config.data, &place, config.limits.min_free_disk_bytes, can_write).map_err(StoreError::Data)?;
    let gauges = Gauges::new(
        &store.database,
        &probe,
        (&config.data, &place),
        config.limits.min_free_disk_bytes,
        model.version(),
    );
    let most = config.connection_limits.max_connections_per_address;
    let watched = store.database.with_statement_limit(Duration::from_secs(config.database.statement_seconds));
    let state = Data::new(State {
        db: Db::new(watched.clone()),
        keys: store.keys,
        known_tokens: KnownTokens::default(),
        limits: config.limits,
        runner: runner.clone(),
        model,
        edge: Edge {
            is_https: config.tls.is_some(),
            forwarded: config.behind_proxy.then(|| Peers::new(most, "requests in hand")),
        },
        uploads: matches!(place, DatabasePlace::Folder(_)).then(|| config.data.clone()),
    });
    let metrics = telemetry::metrics::recorder();
    let document = bilingual_document();
    let docs = Docs::new(&document).map_err(ServeError::Document)?;
    let allowed = Operations::new(&document, docs::paths());
    let pulses = if config.handles_signals { Pulses::wanted() } else { None };
    let parts = Parts {
        state: state.clone(),
        docs,
        allowed,
        probe,
        gauges,
        tls,
        metrics,
        connection_count,
        pulses: pulses.clone(),
    };

    let (send, started) = mpsc::channel();
    let (serves, requests) = mpsc::channel();
    let is_hung = Arc::<AtomicBool>::default();
    if config.handles_signals && watched.is_shared() {
        let (runner, is_hung) = (runner.clone(), Arc::clone(&is_hung));
        // This thread is not joined: it ends with the process.
        let watch = move || watch_connections(&runner, &watched, &is_hung);
        thread::Builder::new().name("connections".to_owned()).spawn(watch).map_err(ServeError::Jobs)?;
    }
    let shared = config.clone();
    let jobs = runner.clone();
    let serving = thread::Builder::new()
        .name("serve".to_owned())
        .spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                match servers(&shared, parts) {
                    Ok((main, admin, addresses)) => {
                        let handles = [main.handle(), admin.handle()];
                        let other = admin.handle();
                        let admin = actix_web::rt::spawn(admin);
                        actix_web::rt::spawn(keep_keys_current(state));
                        if shared.handles_signals {
                            actix_web::rt::spawn(end_on_signal(jobs, main.handle()));
                        }
                        if let Some(pulses) = pulses {
                            actix_web::rt::spawn(pulses.watch());
                        }
                        let mut main = pin!(main);
                        // The first poll starts its threads, which accept connections from then on.
                        if let Poll::Ready(ended) = poll_fn(|cx| Poll::Ready(main.as_mut().poll(cx))).await {
                            other.stop(false).await;
                            return drop(send.send(Err(ended.err().map_or_else(ended_early, ServeError::Ended))));
                        }
                        // If the caller is gone, nobody waits for the addresses any more.
                        let _ = send.send(Ok((addresses, handles)));
                        let _ = main.await;
                        other.stop(false).await;
                        let _ = admin.await;
                    }
                    Err(error) => drop(send.send(Err(error))),
                }
                // Anything that this thread still waits for is not a request.
                drop(serves);
            });
        })
        .map_err(ServeError::Jobs)?;
    let started = started.recv().unwrap_or_else(|_| Err(ended_early()));
    match started {
        Ok(([address, admin_address], handles)) => {
            info!(%address, %admin_address, "serving");
            if config.handles_signals {
                notify::ready(address);
            }
            threads.insert(0, serving);
            Ok(Running {
                address,
                admin_address,
                handles,
                runner,
                threads,
                requests: Mutex::new(requests),
                is_hung,
                first_buyer,
                lock,
            })
        }
        Err(error) => {
            runner.stop();
            threads.into_iter().for_each(|thread| drop(thread.join()));
            Err(error)
        }
    }
}

/// Returns how many jobs run at once: as many as there are cores, but at least two, so that the work of one buyer does
/// not block that of another. If there are few database connections, one stays for renewing leases and one for
/// requests.
fn job_slots(connections: u32) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    cores.max(2).min(usize::try_from(connections.saturating_sub(2)).unwrap_or(usize::MAX)).max(1)
}

/// Makes the schedule look at a buyer whose data has changed, without waiting for the next poll.
fn waking(changes: Changes, runner: Runner) -> impl Fn(TenantId) + Send + Sync + 'static {
    move |tenant| {
        if changes.note(tenant) {
            runner.wake();
        }
    }
}

/// Returns the kinds of jobs.
fn works(limits: Limits, model: &scoring::Model) -> Works {
    Works::default()
        .with(ImportWork { limits })
        .with(ScoreRunWork { model: model.clone(), warm_rows: WarmRows::default() })
        .with(ExportWork)
}

fn ended_early() -> ServeError {
    ServeError::Ended(io::Error::other("no reason is known"))
}

/// Logs how many connections the processes that share a server may need, and warns if the server does not allow that
/// many.
fn say_connections(database: &Database) {
    let needs = match database.connection_needs() {
        Ok(Some(needs)) => needs,
        Ok(None) => return,
        Err(error) => {
            let error = with_causes(&error);
            return warn!(error, "the server did not say how many connections it allows");
        }
    };
    let ConnectionNeeds { own, all, limit, limited_by } = &needs;
    let process = database.process();
    info!(
        process,
        own, all, limit, limited_by, "connections to the server that this process and all of Sonae may open"
    );
    if !needs.fit() {
        warn!(
            "the processes of Sonae on the server may open {all} connections, and it allows {limit} ({limited_by}): lower \
             --database-connections, or allow more; until then requests may wait for connections"
        );
    }
}

/// Locks the data folder for this process. Two services would run each other's jobs in an embedded database.
fn lock(folder: &Path) -> Result<Option<File>, ServeError> {
    let path = folder.join("serve.lock");
    let opened = machine::private_file()
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(naming(&path))
        .map_err(StoreError::Data);
    let file = match opened {
        // If the disk takes no writes, an existing lock file is good enough.
        Err(error) if error.is_of_disk() => match File::open(&path) {
            Ok(file) => file,
            Err(_) => return Ok(None),
        },
        opened => opened?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Err(ServeError::InUse),
        Err(fs::TryLockError::Error(error)) => Err(StoreError::Data(naming(&path)(error)).into()),
    }
}

impl From<ServeError> for ApiError {
    fn from(error: ServeError) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_leave_connections_to_leases_and_requests() {
        assert_eq!([1, 2, 3, 4].map(job_slots), [1, 1, 1, 2]);
        assert!(job_slots(64) >= 2);
    }

    #[test]
    fn every_kind_of_job_is_in_the_table() {
        let works = works(Limits::default(), &scoring::Model::default());
        for (kind, key, _) in <schema::JobKind as schema::Choice>::ALL {
            assert!(works.has(*kind), "{key}");
        }
    }
}
