//! The clock: the only place that reads the time of day from the machine, and that makes ids, which begin with the
//! time.
//!
//! A process has one clock, which is passed on to everything that has to know the time. A [`Database`](crate::Database)
//! keeps its own, and everything stored takes its time and its ids from that one. Code that measures how long something
//! takes uses the machine's monotonic clock directly.
//!
//! Only tests can move a clock: `clippy.toml` refuses [`ClockMover::new`] everywhere else, as it refuses all other ways
//! to read the time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::{ContextV7, Uuid};

use crate::{Id, Timestamp};

/// A source of the time and of new ids. Copies are the same clock.
#[derive(Debug, Clone)]
pub struct Clock(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// How far this clock is ahead of the machine's.
    ahead_ms: AtomicU64,
    ids: Mutex<ContextV7>,
}

impl Clock {
    /// Returns the machine's clock.
    pub fn system() -> Self {
        static SYSTEM: LazyLock<Clock> = LazyLock::new(|| Clock(Arc::default()));
        SYSTEM.clone()
    }

    /// Returns the time of day.
    pub fn now(&self) -> Timestamp {
        self.utc().into()
    }

    /// Returns a time that never goes backwards, for telling how long ago something happened.
    pub fn monotonic(&self) -> std::time::Instant {
        std::time::Instant::now() + self.ahead()
    }

    /// Makes a new id, which sorts after all that this clock has made before.
    pub fn id<T>(&self) -> Id<T> {
        self.uuid().into()
    }

    /// Makes a new id for something that has no id type.
    pub fn uuid(&self) -> Uuid {
        let now = self.utc();
        // Counted from 1970: earlier moments count as that one.
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(&self.0.ids, seconds, now.timestamp_subsec_nanos()))
    }

    /// Returns how far it is ahead of the machine's clock, and of a database server's. It is 0 unless a test has moved
    /// it.
    pub(crate) fn ahead(&self) -> Duration {
        Duration::from_millis(self.0.ahead_ms.load(Ordering::Relaxed))
    }

    #[expect(clippy::disallowed_methods, reason = "all others ask this clock")]
    fn utc(&self) -> DateTime<Utc> {
        let now = Utc::now();
        let ahead = TimeDelta::from_std(self.ahead()).unwrap_or_default();
        now.checked_add_signed(ahead).unwrap_or(now)
    }
}

/// Moves a clock of its own, for tests that would otherwise have to wait.
#[derive(Debug)]
pub struct ClockMover(Clock);

impl ClockMover {
    #[expect(clippy::new_without_default, reason = "tests say that they make one")]
    /// Creates a clock that shows the machine's time until it is moved.
    pub fn new() -> Self {
        Self(Clock(Arc::default()))
    }

    /// Returns the clock.
    pub fn clock(&self) -> Clock {
        self.0.clone()
    }

    /// Moves the clock forward.
    pub fn advance(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.0.ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }
}
