//! Listens for connections and serves them within limits.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_server::ServerBuilder;
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::Error;
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;
use socket2::{Domain, Protocol as Transport, SockRef, Socket, Type};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::connection::{Carrier, Connection, PacedSocket, Paces};
use super::peers::Peers;

/// The number of connections that wait to be accepted.
const ACCEPT_BACKLOG: i32 = 1024;
/// How long a TLS handshake may take.
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may take to close after its last answer.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);
/// How many unsent bytes of an answer the kernel holds. By default it holds megabytes for each connection.
const MAX_UNSENT_BYTES: u32 = 128 << 10;

/// The limits of connections.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// The connections of each address. Not counted if all of them come from a proxy.
    pub(crate) peers: Option<Peers>,
    /// How long a connection may be idle between requests.
    pub(crate) keep_alive: Duration,
    pub(crate) paces: Paces,
}

/// Binds an address.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Transport::TCP))?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_BACKLOG)?;
    Ok(socket.into())
}

/// Serves an application on a listener, over TLS if there is a certificate.
pub(crate) fn listen<F, I, S, B>(
    server: ServerBuilder,
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    rules: Rules,
    application: F,
) -> io::Result<ServerBuilder>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let stopping = server.graceful_shutdown_signal();
    let address = listener.local_addr()?;
    server.listen(format!("sonae {address}"), listener, move || {
        let stopping = stopping.clone();
        let service = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KeepAlive::Timeout(rules.keep_alive))
            // The connection itself limits the time for heads.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(CLOSING_TIMEOUT)
            .local_addr(address)
            .finish(map_config(application().into_factory().map_err(|error| error.into().error_response()), |()| {
                AppConfig::default()
            }));
        let (tls, rules) = (tls.clone().map(TlsAcceptor::from), rules.clone());
        fn_service(move |socket: TcpStream| {
            let (tls, rules) = (tls.clone(), rules.clone());
            async move {
                let opened = open(socket, tls, rules).await;
                opened.map_err(|error| {
                    debug!(%error, "a connection was not opened");
                    DispatchError::Io(error)
                })
            }
        })
        .and_then(service)
    })
}

async fn open(
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    rules: Rules,
) -> io::Result<(Connection, Protocol, Option<SocketAddr>)> {
    let peer = socket.peer_addr()?;
    let visit = match &rules.peers {
        None => None,
        Some(peers) => Some(peers.enter(peer.ip()).ok_or(io::ErrorKind::QuotaExceeded)?),
    };
    socket.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    SockRef::from(&socket).set_tcp_notsent_lowat(MAX_UNSENT_BYTES)?;
    let socket = PacedSocket::new(socket, rules.paces, visit);
    let carrier: Box<dyn Carrier> = match tls {
        None => Box::new(socket),
        Some(tls) => {
            let shaken = timeout(TLS_HANDSHAKE_TIMEOUT, tls.accept(socket)).await;
            Box::new(shaken.map_err(|_| io::ErrorKind::TimedOut)??)
        }
    };
    Ok((Connection::new(carrier, rules.paces), Protocol::Http1, Some(peer)))
}
