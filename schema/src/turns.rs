//! The order in which the writers of one process come: those of a buyer follow each other, and all of an embedded database.
//!
//! The server would let them wait as well. But there each of them would hold a connection meanwhile, and end its wait with
//! an error in the server's log.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Instant;

use crate::scope::{Scope, TxRole};

/// Whose writers follow each other.
type Line = (TxRole, Scope);

/// The writers of a process, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// Whoever has its turn stands first.
    lines: HashMap<Line, VecDeque<(u64, Thread)>>,
}

impl Turns {
    /// Waits until all that came before have ended; not longer than until a moment, then there is no turn.
    pub(crate) fn take(&self, line: Line, until: Instant) -> Option<Held> {
        let number = {
            let mut state = self.state();
            state.next = state.next.wrapping_add(1);
            let number = state.next;
            state.lines.entry(line).or_default().push_back((number, thread::current()));
            number
        };
        // Dropped, it leaves the line wherever it stands in it.
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

    /// How many writers wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state().lines.values().map(|line| line.len().saturating_sub(1)).sum()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is guarded is whole after each statement.
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
