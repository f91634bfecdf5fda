//! Keeps unpacked runs in memory for as long as there is room.
//!
//! The scores of a run never change, so what is kept is never wrong. Whether the run still exists, and whose it is,
//! comes from the database: the caller has read the run's row in the same transaction.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::unpacked::Unpacked;
use crate::error::RepoError;
use crate::{RunId, TenantId};

/// A run of a buyer.
type Key = (TenantId, RunId);

/// Looking up this number of suppliers one by one costs about as much as unpacking a run of 100,000 suppliers. From
/// then on, the run is unpacked. At worst, both costs were paid.
const LOOKUPS: usize = 256;
/// The number of runs with fewer look-ups that are remembered.
const LOOKED_UP_RUNS: usize = 1000;
/// The approximate number of bytes of an unpacked run for each stored byte.
const EXPANSION: u64 = 6;

/// Runs kept in memory within a budget. The least recently used are dropped. Copies share it.
#[derive(Clone)]
pub(crate) struct WarmRuns(Arc<Shared>);

struct Shared {
    budget: u64,
    state: Mutex<State>,
    /// Notified when a run was unpacked or could not be, or a large one is no longer used.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    runs: HashMap<Key, Entry>,
    /// Counts uses: the run that was used last has the highest number.
    uses: u64,
    bytes: u64,
    /// Whether a run beyond the budget is in memory.
    has_large: bool,
    looked_up: HashMap<Key, usize>,
}

enum Entry {
    /// Another caller is unpacking it.
    Awaited,
    Kept {
        run: Arc<Unpacked>,
        bytes: u64,
        last_use: u64,
    },
}

/// A run in memory: kept, or only for the holder of this value.
pub(super) struct Lent {
    run: Arc<Unpacked>,
    /// Dropped when it is no longer used.
    _large: Option<Large>,
}

impl std::ops::Deref for Lent {
    type Target = Unpacked;

    fn deref(&self) -> &Unpacked {
        &self.run
    }
}

impl fmt::Debug for WarmRuns {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("WarmRuns").field("budget", &self.0.budget).finish_non_exhaustive()
    }
}

impl WarmRuns {
    /// Creates a cache with a budget in bytes.
    pub(crate) fn new(budget: u64) -> Self {
        Self(Arc::new(Shared { budget, state: Mutex::default(), changed: Condvar::new() }))
    }

    /// Returns whether a run with this number of bytes in the database is kept once it is unpacked.
    pub(super) fn has_room(&self, stored_bytes: u64) -> bool {
        stored_bytes.saturating_mul(EXPANSION) <= self.0.budget
    }

    /// Returns a run, if it is kept.
    pub(super) fn kept(&self, key: Key) -> Option<Lent> {
        self.0.state().used(key)
    }

    /// Notes that suppliers of a run that is not kept are looked up one by one. Returns whether it should be unpacked
    /// now.
    pub(super) fn note_lookups(&self, key: Key, count: usize) -> bool {
        let mut state = self.0.state();
        if state.looked_up.len() >= LOOKED_UP_RUNS {
            state.looked_up.clear();
        }
        let looked_up = state.looked_up.entry(key).or_default();
        *looked_up = looked_up.saturating_add(count);
        let is_worth_it = *looked_up >= LOOKUPS;
        if is_worth_it {
            state.looked_up.remove(&key);
        }
        is_worth_it
    }

    /// Returns a run. The first caller unpacks it, and others wait for that. `stored_bytes` is its number of bytes in
    /// the database.
    ///
    /// A run beyond the budget is unpacked for one caller at a time, and not kept. A caller that holds one asks for no
    /// other.
    pub(super) fn get(
        &self,
        key: Key,
        stored_bytes: u64,
        unpack: impl FnOnce() -> Result<Unpacked, RepoError>,
    ) -> Result<Lent, RepoError> {
        if !self.has_room(stored_bytes) {
            let large = self.large();
            return Ok(Lent { run: Arc::new(unpack()?), _large: Some(large) });
        }
        let mut state = self.0.state();
        loop {
            match state.runs.get(&key) {
                Some(Entry::Kept { .. }) => break,
                Some(Entry::Awaited) => state = self.0.wait(state),
                None => {
                    state.runs.insert(key, Entry::Awaited);
                    break;
                }
            }
        }
        if let Some(lent) = state.used(key) {
            return Ok(lent);
        }
        drop(state);
        // On any outcome, the others must not wait for ever.
        let awaited = Awaited { shared: &self.0, key };
        let mut run = unpack()?;
        run.keep_facts();
        let run = Arc::new(run);
        awaited.keep(&run);
        Ok(Lent { run, _large: None })
    }

    fn large(&self) -> Large {
        let mut state = self.0.state();
        while state.has_large {
            state = self.0.wait(state);
        }
        state.has_large = true;
        Large(Arc::clone(&self.0))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent after each statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn used(&mut self, key: Key) -> Option<Lent> {
        self.uses += 1;
        let Some(Entry::Kept { run, last_use, .. }) = self.runs.get_mut(&key) else { return None };
        *last_use = self.uses;
        Some(Lent { run: Arc::clone(run), _large: None })
    }

    /// Removes the least recently used runs until those that are kept are within the budget. The caller drops them once
    /// nobody waits.
    fn keep_within(&mut self, budget: u64) -> Vec<Entry> {
        let mut dropped = Vec::new();
        while self.bytes > budget {
            let kept = self.runs.iter().filter_map(|(key, entry)| match entry {
                Entry::Kept { bytes, last_use, .. } => Some((*last_use, *key, *bytes)),
                Entry::Awaited => None,
            });
            let Some((_, oldest, bytes)) = kept.min() else { break };
            dropped.extend(self.runs.remove(&oldest));
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        dropped
    }
}

/// A run that a caller unpacks, and others may wait for.
struct Awaited<'a> {
    shared: &'a Shared,
    key: Key,
}

impl Awaited<'_> {
    fn keep(self, run: &Arc<Unpacked>) {
        let bytes = run.size() as u64;
        tracing::debug!(run = %self.key.1, bytes, "scores of a run are kept in memory");
        let mut state = self.shared.state();
        state.uses += 1;
        let last_use = state.uses;
        state.runs.insert(self.key, Entry::Kept { run: Arc::clone(run), bytes, last_use });
        state.bytes = state.bytes.saturating_add(bytes);
        let dropped = state.keep_within(self.shared.budget);
        drop(state);
        drop(dropped);
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if matches!(state.runs.get(&self.key), Some(Entry::Awaited)) {
            state.runs.remove(&self.key);
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

/// The turn of a run beyond the budget.
struct Large(Arc<Shared>);

impl Drop for Large {
    fn drop(&mut self) {
        self.0.state().has_large = false;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;
    use crate::Clock;

    fn key() -> Key {
        (Clock::system().id(), Clock::system().id())
    }

    fn empty() -> Result<Unpacked, RepoError> {
        Ok(Unpacked::default())
    }

    #[test]
    fn a_run_is_unpacked_once_for_all_that_ask_at_a_time() {
        let (runs, key, count) = (WarmRuns::new(1 << 20), key(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    runs.get(key, 0, || {
                        count.fetch_add(1, Ordering::Relaxed);
                        empty()
                    })
                    .unwrap();
                });
            }
        });
        assert_eq!(count.into_inner(), 1);
        assert!(runs.kept(key).is_some());
    }

    #[test]
    fn what_was_not_used_for_longest_is_dropped() {
        let size = Unpacked::default().size() as u64;
        let (runs, keys) = (WarmRuns::new(size * 2), [key(), key(), key()]);
        for key in &keys[..2] {
            runs.get(*key, 0, empty).unwrap();
        }
        assert!(runs.kept(keys[0]).is_some());
        runs.get(keys[2], 0, empty).unwrap();
        assert_eq!(keys.map(|key| runs.kept(key).is_some()), [true, false, true]);
    }

    #[test]
    fn a_run_that_cannot_be_unpacked_or_is_too_large_holds_nobody_up() {
        let (runs, key) = (WarmRuns::new(1 << 20), key());
        assert!(runs.get(key, 0, || Err(RepoError::Failed("damaged".into()))).is_err());
        assert!(runs.get(key, 1 << 20, || Err(RepoError::Failed("damaged".into()))).is_err());
        drop(runs.get(key, 1 << 20, empty).unwrap());
        assert!(runs.kept(key).is_none());
        runs.get(key, 0, empty).unwrap();
        assert!(runs.kept(key).is_some());
    }

    #[test]
    fn a_run_is_worth_unpacking_after_many_look_ups() {
        let (runs, one) = (WarmRuns::new(0), key());
        assert!((1..LOOKUPS).all(|_| !runs.note_lookups(one, 1)));
        assert!(runs.note_lookups(one, 1) && !runs.note_lookups(one, 1));
        assert!((0..LOOKED_UP_RUNS * 2).all(|_| !runs.note_lookups(key(), 1)));
    }
}
