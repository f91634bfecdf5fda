//! The running service and how it ends: by its owner, by a signal, or because its database has stopped answering for
//! good.

use std::fs::File;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{self, Duration};

use actix_server::ServerHandle;
use schema::{Database, Name};
use tracing::{error, warn};

use super::{ServeError, notify};
use crate::queue::runner::Runner;

/// How long jobs may take to end after the last request, which has 30 seconds. A service manager kills the process
/// after 60.
const JOB_END_TIMEOUT: Duration = Duration::from_secs(10);
/// How often to check whether they have ended.
const JOB_END_POLLING_INTERVAL: Duration = Duration::from_millis(20);

/// How often to check whether the database has stopped answering for good, and in how many checks in a row that must be
/// so. After the process itself has been suspended, the answers that came meanwhile are read first.
const HUNG_CHECK_INTERVAL: Duration = Duration::from_secs(2);
const HUNG_CHECK_COUNT: u32 = 5;

/// A running service, on its own thread.
pub struct Running {
    pub(super) address: SocketAddr,
    pub(super) admin_address: SocketAddr,
    pub(super) handles: [ServerHandle; 2],
    pub(super) runner: Runner,
    /// The serving thread, then the others that end with it.
    pub(super) threads: Vec<JoinHandle<()>>,
    /// Closed when the last request has ended.
    pub(super) requests: Mutex<mpsc::Receiver<()>>,
    /// Whether the database has stopped answering for good.
    pub(super) is_hung: Arc<AtomicBool>,
    pub(super) first_buyer: Option<Name>,
    pub(super) lock: Option<File>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Running {
    /// Returns the address for requests.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address for health and metrics.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Returns the buyer that a token must name, or `None` if the default buyer of commands exists.
    pub(crate) fn first_buyer(&self) -> Option<&str> {
        self.first_buyer.as_ref().map(Name::as_str)
    }

    /// Ends the service. Current requests are answered. A running job is undone and begins again next time.
    pub fn stop(self) {
        for handle in &self.handles {
            // The future only reports the end, and joining the thread does so too.
            drop(handle.stop(true));
        }
        // A panic in the thread has been logged. All that is left is to end.
        for thread in self.threads {
            let _ = thread.join();
            self.runner.stop();
        }
    }

    /// Waits until a signal has ended the service, so that the process can end. A thread that then waits for a server
    /// which does not answer cannot be interrupted. It is abandoned after a while, with everything that it has not
    /// committed. Fails if the database has stopped answering for good.
    pub(crate) fn wait(self) -> Result<(), ServeError> {
        let requests = self.requests.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Nothing is ever sent: the channel only closes.
        while requests.recv_timeout(HUNG_CHECK_INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
            if self.is_hung.load(Ordering::Relaxed) {
                return Err(ServeError::Hung);
            }
        }
        self.runner.stop();
        let since = time::Instant::now();
        let mut left: Vec<_> = self.threads.iter().filter(|thread| !thread.is_finished()).collect();
        while !left.is_empty() && since.elapsed() < JOB_END_TIMEOUT {
            thread::sleep(JOB_END_POLLING_INTERVAL);
            left.retain(|thread| !thread.is_finished());
        }
        if left.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = left.iter().filter_map(|thread| thread.thread().name()).collect();
        warn!(
            threads = names.join(", "),
            "the process ends without waiting any longer for what it has begun: that is undone, and its job begins again"
        );
        // Nobody else may use the folder while a thread still works in it, so the lock is held until the process ends.
        std::mem::forget(self.lock);
        Ok(())
    }
}

/// Watches whether all connections to a server hang although it accepts new ones, for example because something in
/// between has dropped them. A thread that waits on one cannot be interrupted, so only a new process helps.
pub(super) fn watch_connections(runner: &Runner, database: &Database, is_hung: &AtomicBool) {
    let (mut looks, of_jobs) = (0, runner.connection_count());
    while !runner.is_stopping() {
        runner.rest(HUNG_CHECK_INTERVAL);
        looks = if database.is_hung(of_jobs) { looks + 1 } else { 0 };
        if looks >= HUNG_CHECK_COUNT && database.takes_connections() {
            // A server that has just come back answers the other connections now.
            runner.rest(HUNG_CHECK_INTERVAL);
            if database.is_hung(of_jobs) {
                return is_hung.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Waits for a signal and ends the service: jobs at once, requests after they are answered.
pub(super) fn end_on_signal(runner: Runner, server: ServerHandle) -> impl Future<Output = ()> {
    use actix_web::rt::signal;
    // The handlers are set before the future is polled. Until then a signal would kill the process in the middle of its
    // work.
    #[cfg(unix)]
    let signals = {
        use signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)))
    };
    async move {
        #[cfg(unix)]
        match signals {
            Ok((mut terminate, mut interrupt)) => {
                futures_util::future::select(pin!(terminate.recv()), pin!(interrupt.recv())).await;
            }
            Err(error) => return error!(%error, "signals cannot be listened to"),
        }
        #[cfg(not(unix))]
        if let Err(error) = signal::ctrl_c().await {
            return error!(%error, "Ctrl+C cannot be listened to");
        }
        notify::stopping();
        runner.stop();
        server.stop(true).await;
    }
}
