//! How long transactions have waited for connections, and for writers in other processes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::r2d2::HandleEvent;
use diesel::r2d2::event::{CheckoutEvent, TimeoutEvent};

static CHECKOUT_COUNT: AtomicU64 = AtomicU64::new(0);
static WAITED_MICROSECONDS: AtomicU64 = AtomicU64::new(0);
static TIMEOUT_COUNT: AtomicU64 = AtomicU64::new(0);
static BUSY_COUNT: AtomicU64 = AtomicU64::new(0);

/// What the transactions of this process have waited for so far, on any database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// The number of connections taken from a pool.
    pub checkout_count: u64,
    /// The total time that this took.
    pub waited: Duration,
    /// The number of times that no connection became free in time.
    pub timeout_count: u64,
    /// The number of times that another process wrote to an embedded database for longer than a writer waits.
    pub busy_count: u64,
}

impl Waits {
    /// Returns the waits until now.
    pub fn so_far() -> Self {
        Self {
            checkout_count: CHECKOUT_COUNT.load(Ordering::Relaxed),
            waited: Duration::from_micros(WAITED_MICROSECONDS.load(Ordering::Relaxed)),
            timeout_count: TIMEOUT_COUNT.load(Ordering::Relaxed),
            busy_count: BUSY_COUNT.load(Ordering::Relaxed),
        }
    }

    /// Counts a connection that was available at once, which its pool does not count.
    pub(crate) fn note_checkout() {
        CHECKOUT_COUNT.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a writer whose wait for one in another process has timed out.
    pub(crate) fn note_busy() {
        BUSY_COUNT.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts the waits of a pool.
#[derive(Debug)]
pub(crate) struct Count;

impl HandleEvent for Count {
    fn handle_checkout(&self, event: CheckoutEvent) {
        CHECKOUT_COUNT.fetch_add(1, Ordering::Relaxed);
        note(event.duration());
    }

    fn handle_timeout(&self, event: TimeoutEvent) {
        TIMEOUT_COUNT.fetch_add(1, Ordering::Relaxed);
        note(event.timeout());
    }
}

fn note(waited: Duration) {
    WAITED_MICROSECONDS.fetch_add(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
}
