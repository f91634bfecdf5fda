//! How long transactions have waited for connections, and for writers in other processes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::r2d2::HandleEvent;
use diesel::r2d2::event::{CheckoutEvent, TimeoutEvent};

static CHECKOUTS: AtomicU64 = AtomicU64::new(0);
static MICROSECONDS: AtomicU64 = AtomicU64::new(0);
static TIMEOUTS: AtomicU64 = AtomicU64::new(0);
static BUSY: AtomicU64 = AtomicU64::new(0);

/// What the transactions of this process have waited for so far, whichever database they are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// How often a connection was taken from a pool.
    pub checkout_count: u64,
    /// How long that took in all.
    pub waited: Duration,
    /// How often no connection came free in time.
    pub timeout_count: u64,
    /// How often another process wrote to an embedded database for longer than a writer waits.
    pub busy_count: u64,
}

impl Waits {
    /// Those until now.
    pub fn so_far() -> Self {
        Self {
            checkout_count: CHECKOUTS.load(Ordering::Relaxed),
            waited: Duration::from_micros(MICROSECONDS.load(Ordering::Relaxed)),
            timeout_count: TIMEOUTS.load(Ordering::Relaxed),
            busy_count: BUSY.load(Ordering::Relaxed),
        }
    }

    /// Counts a connection that was there at once, which its pool does not.
    pub(crate) fn note_checkout() {
        CHECKOUTS.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a writer that has waited in vain for one in another process.
    pub(crate) fn note_busy() {
        BUSY.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts for a pool.
#[derive(Debug)]
pub(crate) struct Count;

impl HandleEvent for Count {
    fn handle_checkout(&self, event: CheckoutEvent) {
        CHECKOUTS.fetch_add(1, Ordering::Relaxed);
        note(event.duration());
    }

    fn handle_timeout(&self, event: TimeoutEvent) {
        TIMEOUTS.fetch_add(1, Ordering::Relaxed);
        note(event.timeout());
    }
}

fn note(waited: Duration) {
    MICROSECONDS.fetch_add(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
}
