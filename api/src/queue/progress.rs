//! The progress of a job.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The progress of a job, which others can read while it runs.
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

    /// Raises the number of finished units to `count`. It never lowers it.
    pub(crate) fn reach(&self, count: u64) {
        self.done.fetch_max(count, Ordering::Relaxed);
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Returns the total number of units, if it is known.
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
