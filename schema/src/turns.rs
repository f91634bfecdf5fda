//! The order of the writers of one process: those of a buyer run one after another, and so do all of an embedded
//! database.
//!
//! A server would let them wait as well. But then each of them would hold a connection meanwhile, and a time-out would
//! leave an error in the server's log.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Instant;

use crate::scope::{Scope, TxRole};

/// The writers that run one after another.
type Line = (TxRole, Scope);

/// The writers of a process, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// The first one in a line has its turn.
    lines: HashMap<Line, VecDeque<(u64, Thread)>>,
}

impl Turns {
    /// Waits until all earlier ones have ended, but not longer than until a moment. None if the wait has timed out.
    pub(crate) fn take(&self, line: Line, until: Instant) -> Option<Held> {
        let number = {
            let mut state = self.state();
            state.next = state.next.wrapping_add(1);
            let number = state.next;
            state.lines.entry(line).or_default().push_back((number, thread::current()));
            number
        };
        // When it is dropped, it leaves the line at any position.
        let held = Held { turns: self.clone(), line, number };
        loop {
            if self.state().lines.get(&line).and_then(VecDeque::front).is_some_and(|(first, _)| *first == number) {
                return Some(held);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            thread::park_timeout(left);
        }
    }

    /// Returns the number of waiting writers.
    pub(crate) fn waiting(&self) -> usize {
        self.state().lines.values().map(|line| line.len().saturating_sub(1)).sum()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent after each statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn, until it is dropped.
pub(crate) struct Held {
    turns: Turns,
    line: Line,
    number: u64,
}

impl fmt::Debug for Held {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Held").field(&self.line).finish()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        let Some(line) = state.lines.get_mut(&self.line) else { return };
        line.retain(|(number, _)| *number != self.number);
        match line.front() {
            Some((_, next)) => next.unpark(),
            None => drop(state.lines.remove(&self.line)),
        }
    }
}
