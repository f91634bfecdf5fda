//! The clock: the only place that asks the machine for the time of day, and that makes ids, which begin with it.
//!
//! A process has one clock, which is handed on to whatever has to know the time: a [`Database`](crate::Database) keeps
//! its own, and all that is stored takes its time and its ids from that one. What measures how long something takes uses
//! the machine's monotonic clock directly.
//!
//! Only tests can move a clock: `clippy.toml` refuses [`ClockMover::new`] everywhere else, as it refuses all other ways to
//! ask for the time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::{ContextV7, Uuid};

use crate::{Id, Timestamp};

/// A source of the time and of new ids; copies of it are the same clock.
#[derive(Debug, Clone)]
pub struct Clock(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// How far it is ahead of the machine's clock.
    ahead_ms: AtomicU64,
    ids: Mutex<ContextV7>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        static SYSTEM: LazyLock<Clock> = LazyLock::new(|| Clock(Arc::default()));
        SYSTEM.clone()
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        self.utc().into()
    }

    /// A time that never goes backwards, for telling how long ago something happened.
    pub fn monotonic(&self) -> std::time::Instant {
        std::time::Instant::now() + self.ahead()
    }

    /// A new id, later in order than all that this clock made before.
    pub fn id<T>(&self) -> Id<T> {
        self.uuid().into()
    }

    /// The same, of what has no type of its own.
    pub fn uuid(&self) -> Uuid {
        let now = self.utc();
        // Since 1970: earlier moments count as that one.
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(&self.0.ids, seconds, now.timestamp_subsec_nanos()))
    }

    /// How far it is ahead of the machine's clock, and of a database server's: nothing, unless a test has moved it.
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

/// Moves a clock of its own, for tests that would have to wait otherwise.
#[derive(Debug)]
pub struct ClockMover(Clock);

impl ClockMover {
    #[expect(clippy::new_without_default, reason = "tests say that they make one")]
    /// A clock that shows the machine's time until it is moved.
    pub fn new() -> Self {
        Self(Clock(Arc::default()))
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.0.clone()
    }

    /// Sets the clock forward.
    pub fn advance(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.0.ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }
}
