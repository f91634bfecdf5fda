//! Holds a job up at a row of its own, halfway and for as long as a test needs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::sql::Sql;

use crate::support::Data;

/// A gate: a writer of a certain row waits in its transaction until the gate is opened.
pub(crate) struct Gate(Sql);

impl Gate {
    /// Closes it before rows of a table that meet a condition on `NEW`.
    pub(crate) fn close(data: &Data, table: &str, condition: &str) -> Self {
        let mut sql = Sql::open(&data.url().unwrap()).unwrap();
        sql.run(&format!(
            "SELECT pg_advisory_lock(7); \
             CREATE OR REPLACE FUNCTION wait_at_gate() RETURNS TRIGGER LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NEW; END $$; \
             CREATE OR REPLACE TRIGGER gate BEFORE INSERT ON {table} \
             FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION wait_at_gate()"
        ))
        .unwrap();
        Self(sql)
    }

    /// Closes the existing gate of a database again.
    pub(crate) fn close_again(data: &Data) -> Self {
        let mut sql = Sql::open(&data.url().unwrap()).unwrap();
        sql.run("SELECT pg_advisory_lock(7)").unwrap();
        Self(sql)
    }

    /// Waits until somebody waits at it.
    pub(crate) fn wait_for_one(&mut self) {
        let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted \
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
        within(60, "somebody is at the gate", || self.0.text(waits).unwrap() == "true");
    }

    /// Lets everybody through, now and later.
    pub(crate) fn open(&mut self) {
        self.0.run("SELECT pg_advisory_unlock(7)").unwrap();
    }
}

/// Signals the threads of a scope that the test is over, even if it panics. Otherwise they, and the test with them,
/// would go on for ever.
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until something holds. Returns how long that took.
#[track_caller]
pub(crate) fn within(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(seconds), "not within {seconds} s: {what}");
        // Checking again at once would take the processor from the process that it waits for.
        std::thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}
