//! The service while it runs, and how it ends: told to by its owner or by a signal, or because its database has stopped
//! answering for good.

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

/// How long jobs have to end after the last request, which has 30 seconds: whoever has asked the process to end kills it
/// after 60.
const LAST_WORK: Duration = Duration::from_secs(10);
/// How often it is looked whether they have.
const JOBS_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How often it is looked whether the database has stopped answering for good, and how often that has to be so in a row:
/// after the process itself has slept, what was answered meanwhile is read first.
const LOOK_FOR_HUNG: Duration = Duration::from_secs(2);
const HUNG_LOOKS: u32 = 5;

/// A service that runs, on a thread of its own.
pub struct Running {
    pub(super) address: SocketAddr,
    pub(super) admin_address: SocketAddr,
    pub(super) handles: [ServerHandle; 2],
    pub(super) runner: Runner,
    /// Serving, then all that ends with it.
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
    /// Where requests come in.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics are asked for.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// The buyer that a token has to name: none where the one that commands take if none is named is there.
    pub(crate) fn first_buyer(&self) -> Option<&str> {
        self.first_buyer.as_ref().map(Name::as_str)
    }

    /// Ends the service: requests in hand are answered, a job in hand is undone and begins again next time.
    pub fn stop(self) {
        for handle in &self.handles {
            // The future only says when it is over; joining the thread says so too.
            drop(handle.stop(true));
        }
        // A panic there has been logged; what is left is to end.
        for thread in self.threads {
            let _ = thread.join();
            self.runner.stop();
        }
    }

    /// Waits until a signal has ended the service, for the process to end. A thread that then waits for a server that does
    /// not answer cannot be interrupted: it is left after a while, and with it what it has not committed.
    pub(crate) fn wait(self) -> Result<(), ServeError> {
        let requests = self.requests.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Nothing is ever sent.
        while requests.recv_timeout(LOOK_FOR_HUNG) == Err(mpsc::RecvTimeoutError::Timeout) {
            if self.is_hung.load(Ordering::Relaxed) {
                return Err(ServeError::Hung);
            }
        }
        self.runner.stop();
        let since = time::Instant::now();
        let mut left: Vec<_> = self.threads.iter().filter(|thread| !thread.is_finished()).collect();
        while !left.is_empty() && since.elapsed() < LAST_WORK {
            thread::sleep(JOBS_POLL_INTERVAL);
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
        // Nobody else may have the folder while a thread is still at work in it: the lock goes with the process.
        std::mem::forget(self.lock);
        Ok(())
    }
}

/// Watches whether all connections to a server hang while it takes new ones, as after something between has lost them.
/// Whoever waits on one cannot be interrupted, so that only a new process helps.
pub(super) fn watch_connections(runner: &Runner, database: &Database, is_hung: &AtomicBool) {
    let (mut looks, of_jobs) = (0, runner.connection_count());
    while !runner.is_stopping() {
        runner.rest(LOOK_FOR_HUNG);
        looks = if database.is_hung(of_jobs) { looks + 1 } else { 0 };
        if looks >= HUNG_LOOKS && database.takes_connections() {
            // A server that has just come back answers the others now.
            runner.rest(LOOK_FOR_HUNG);
            if database.is_hung(of_jobs) {
                return is_hung.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Waits for a signal, and ends the service: jobs at once, requests once they are answered.
pub(super) fn end_on_signal(runner: Runner, server: ServerHandle) -> impl Future<Output = ()> {
    use actix_web::rt::signal;
    // Before the future is polled: until then a signal would end the process in the midst of its work.
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
