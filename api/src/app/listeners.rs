//! The two listeners, one for requests and one for health and metrics on this machine, and how many connections they
//! accept.

use std::net::SocketAddr;
use std::time::Duration;

use actix_server::Server;
use actix_web::App;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use rustls::ServerConfig;
use tracing::warn;
use utoipa_actix_web::AppExt;

use super::notify::Pulses;
use super::{ServeError, job_slots};
use crate::base::config::Config;
use crate::base::machine;
use crate::http::admin::{self, Probe};
use crate::http::compress::compress;
use crate::http::connection::Paces;
use crate::http::docs::{self, Docs};
use crate::http::edge::edge;
use crate::http::gauges::Gauges;
use crate::http::listen::{Rules, bind, listen};
use crate::http::operations::Operations;
use crate::http::peers::Peers;
use crate::http::state::State;
use crate::routes::routes;

/// The number of open files in addition to client connections: of the process, of each serving thread, of each database
/// connection, and of each job.
const FURTHER_OPEN_FILES: [u64; 4] = [24, 6, 3, 8];
/// The maximum number of connections to the admin listener. Files for them are kept free, too.
const ADMIN_CONNECTIONS: u32 = 16;
/// With fewer connections than this, the service does not start.
const MIN_CONNECTIONS: u64 = 16;

/// Returns the maximum number of connections: as many as configured, or as the limit of open files allows.
pub(super) fn affordable_connections(config: &Config) -> Result<usize, ServeError> {
    let may_be_open = machine::raise_open_files();
    let [own, of_thread, of_database, of_job] = FURTHER_OPEN_FILES;
    let kept = own
        + u64::from(ADMIN_CONNECTIONS)
        + of_thread * (config.workers as u64 + 1)
        + of_database * (u64::from(config.connections()) + 1)
        + of_job * job_slots(config.connections()) as u64;
    let affordable = may_be_open.saturating_sub(kept);
    if affordable < MIN_CONNECTIONS {
        return Err(ServeError::OpenFiles { may_be_open, needed: kept + MIN_CONNECTIONS });
    }
    let wanted = u64::from(config.connection_limits.max_connections);
    if affordable < wanted {
        warn!(may_be_open, wanted, affordable, "few files may be open, so fewer connections than wanted are taken");
    }
    Ok(usize::try_from(wanted.min(affordable)).unwrap_or(usize::MAX))
}

/// The main server, the admin server, and their addresses.
type Servers = (Server, Server, [SocketAddr; 2]);

/// What the two listeners need.
pub(super) struct Parts {
    pub(super) state: Data<State>,
    pub(super) docs: Docs,
    pub(super) allowed: Operations,
    pub(super) probe: Probe,
    pub(super) gauges: Gauges,
    pub(super) tls: Option<ServerConfig>,
    pub(super) metrics: metrics_exporter_prometheus::PrometheusHandle,
    pub(super) connection_count: usize,
    pub(super) pulses: Option<Pulses>,
}

/// Sets up both listeners. Nothing is served before they are polled.
pub(super) fn servers(config: &Config, parts: Parts) -> Result<Servers, ServeError> {
    let Parts { state, docs, allowed, probe, gauges, tls, metrics, connection_count, pulses } = parts;
    let failed = |address: SocketAddr| move |error| ServeError::Listen(address.to_string(), error);
    let listening = |address: SocketAddr| {
        let bound = bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        bound.map_err(failed(address))
    };
    let ((address, listener), (admin_address, admin_listener)) =
        (listening(config.listen)?, listening(config.admin_listen)?);
    let addresses = [address, admin_address];
    let per_address = config.connection_limits.max_connections_per_address;
    // One address can never use up all connections.
    let per_address = per_address.min(u32::try_from(connection_count / 2).unwrap_or(u32::MAX)).max(1);
    let rules = Rules {
        peers: (!config.behind_proxy).then(|| Peers::new(per_address, "connections")),
        keep_alive: config.keep_alive(),
        paces: Paces {
            head: Duration::from_secs(config.connection_limits.head_seconds),
            answer: Duration::from_secs(config.connection_limits.answer_seconds),
            min_bytes_per_second: config.limits.min_bytes_per_second,
        },
    };

    let main = Server::build()
        .workers(config.workers)
        .max_concurrent_connections(connection_count.div_ceil(config.workers))
        .shutdown_timeout(30)
        .disable_signals();
    let (shared, docs, allowed) = (state.clone(), Data::new(docs), Data::new(allowed));
    let main = listen(main, listener, tls.map(Into::into), rules.clone(), move || {
        if let Some(pulses) = &pulses {
            pulses.beat();
        }
        App::new()
            .into_utoipa_app()
            .app_data(state.clone())
            .app_data(allowed.clone())
            .configure(routes)
            .into_app()
            .app_data(docs.clone())
            .configure(docs::routes)
            .wrap(from_fn(compress))
            .wrap(from_fn(edge))
    })
    .map_err(failed(config.listen))?;
    let (probe, metrics, gauges) = (Data::new(probe), Data::new(metrics), Data::new(gauges));
    let admin = Server::build().workers(1).disable_signals();
    let rules = Rules { peers: Some(Peers::new(ADMIN_CONNECTIONS, "connections to the admin listener")), ..rules };
    let admin = listen(admin, admin_listener, None, rules, move || {
        App::new()
            .app_data(shared.clone())
            .app_data(metrics.clone())
            .app_data(gauges.clone())
            .app_data(probe.clone())
            .configure(admin::routes)
            .wrap(admin::headers())
    })
    .map_err(failed(config.admin_listen))?;
    Ok((main.run(), admin.run(), addresses))
}
