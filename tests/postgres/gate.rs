//! Holds a job up at a row of its own: half-way, and for as long as a test needs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::sql::Sql;

use crate::support::Data;

/// Whoever writes a certain row waits, in its transaction, until the gate is opened.
pub(crate) struct Gate(Sql);

impl Gate {
    /// Closes it before rows of a table that fit a condition on `NEW`.
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

    /// Closes once more the one that a database has.
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

    /// Lets all through, now and later.
    pub(crate) fn open(&mut self) {
        self.0.run("SELECT pg_advisory_unlock(7)").unwrap();
    }
}

/// Tells the threads of a scope that it is over, also where the test panics: they would go on for ever, and the test with
/// them.
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until something holds; gives how long that took.
#[track_caller]
pub(crate) fn within(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(seconds), "not within {seconds} s: {what}");
        // Looking again at once would take the processor from whom it waits for.
        std::thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}
