//! Notifies a service manager such as systemd that the service is ready, that it is stopping, and that its threads run.
//!
//! Nothing is sent unless the manager asks for it with `NOTIFY_SOCKET`. Nothing is sent about threads without
//! `WATCHDOG_USEC`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use actix_web::rt;

pub(super) fn opening() {
    tell("STATUS=opening the database, and bringing its tables up to date if need be");
}

pub(super) fn ready(address: SocketAddr) {
    tell(&format!("READY=1\nSTATUS=serving on {address}"));
}

pub(super) fn stopping() {
    tell_aside("STOPPING=1\nSTATUS=stopping: requests in hand are answered");
}

/// Notifies from a thread that may block: a manager that does not listen must not hold up the caller.
fn tell_aside(text: &'static str) {
    drop(rt::task::spawn_blocking(move || tell(text)));
}

#[cfg(unix)]
fn tell(text: &str) {
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Custom(text)]) {
        tracing::warn!(%error, "the service manager cannot be told anything");
    }
}

#[cfg(not(unix))]
fn tell(_: &str) {}

#[cfg(unix)]
fn watchdog_limit() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

#[cfg(not(unix))]
fn watchdog_limit() -> Option<Duration> {
    None
}

/// The threads that serve requests, each with a flag that it has run lately.
///
/// A blocked thread does not run; then the service manager receives nothing and restarts the service. A busy thread
/// runs between any two requests, and waits for the database or the disk happen on other threads. The exception is a
/// look-up of a score that a stalled disk holds up; after that, the next look-ups move to other threads.
#[derive(Debug, Clone)]
pub(super) struct Pulses {
    period: Duration,
    threads: Arc<Mutex<Vec<Weak<AtomicBool>>>>,
}

impl Pulses {
    /// Returns `None` unless the service manager expects signs of life.
    pub(super) fn wanted() -> Option<Self> {
        // Several periods fit into its limit, so that a single late one does not count as a blocked thread.
        watchdog_limit().map(|limit| Self::every(limit / 4))
    }

    fn every(period: Duration) -> Self {
        Self { period, threads: Arc::default() }
    }

    /// Adds the calling thread to those that must run, until it ends.
    pub(super) fn beat(&self) {
        let pulse = Arc::new(AtomicBool::new(true));
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&pulse));
        let between = self.period / 3;
        rt::spawn(async move {
            loop {
                pulse.store(true, Ordering::Relaxed);
                rt::time::sleep(between).await;
            }
        });
    }

    /// Tells the service manager in each period that all threads run, if they do.
    pub(super) async fn watch(self) {
        loop {
            if self.all_ran() {
                tell_aside("WATCHDOG=1");
            } else {
                tracing::warn!("a thread that serves requests is blocked");
            }
            rt::time::sleep(self.period).await;
        }
    }

    /// Whether all threads have run since the last call. A thread that has ended is replaced by another one.
    fn all_ran(&self) -> bool {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all_ran = true;
        threads.retain(|thread| {
            let thread = thread.upgrade();
            all_ran &= thread.as_ref().is_none_or(|pulse| pulse.swap(false, Ordering::Relaxed));
            thread.is_some()
        });
        all_ran
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_thread_is_noticed_and_one_that_has_ended_is_not_missed() {
        let pulses = Pulses::every(Duration::from_millis(30));
        let thread = rt::System::new();
        thread.block_on(async { pulses.beat() });
        assert!(pulses.all_ran());

        // Nothing runs on a thread that does not execute its tasks. It counts as blocked.
        assert!(!pulses.all_ran());
        thread.block_on(async { rt::time::sleep(Duration::from_millis(20)).await });
        assert!(pulses.all_ran());

        drop(thread);
        assert!(pulses.all_ran() && pulses.all_ran());
    }
}
