//! How far a job is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far a job is, told to whoever asks while it runs.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Progress {
    pub(crate) fn step(&self, count: u64) {
        self.done.fetch_add(count, Ordering::Relaxed);
    }

    /// So many are done; nothing where that is known.
    pub(crate) fn reach(&self, count: u64) {
        self.done.fetch_max(count, Ordering::Relaxed);
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// How many there are, if that is known.
    pub(crate) fn total(&self) -> Option<u64> {
        Some(self.total.load(Ordering::Relaxed)).filter(|total| *total > 0)
    }

    pub(crate) fn set_total(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }
}
