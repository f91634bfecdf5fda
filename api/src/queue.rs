//! Runs jobs: work that takes longer than a request and survives a restart.
//!
//! A request for a job stores it, with the bytes that it reads, in one transaction, and wakes the [`runner::Runner`].
//! The runner has several slots, each a thread. One thread at a time looks for the next job, and runs the job once it
//! has one. A kind of job is one type that implements [`work::Work`]. `app.rs` passes in the table of them; nothing
//! here depends on particular resources.
//!
//! Invariants:
//!
//! - **A job's effects and its end are one transaction.** It is kept or undone as a whole. A job that was interrupted,
//!   wherever that was, begins again from the stored bytes.
//! - **A running job is leased.** On a server, the process that took it renews the lease every few seconds, by the
//!   database's clock. When a lease ends, the next process first ends the sessions of its holder (which may hang in the
//!   middle of a write), and then takes the job. Every write to a job names its attempt: a process that has lost the
//!   job gets [`schema::RepoError::TakenOver`], and nothing that it did is kept. An embedded database has one process;
//!   jobs that were running when it ended go back to the queue at the next start.
//! - **No buyer waits for another.** A process runs several jobs at once. With two or more slots, one buyer never has
//!   all of them. On an embedded database, which has one writer, jobs wait for each other only while they write.
//! - **Jobs of one buyer take effect in the order in which they were requested**, as far as that is visible. Those that
//!   change records run one after another; those that read records see all earlier changes. See [`work::Order`].
//! - **An attempt that got no further than the one before counts.** After ten in a row the job is given up, so that a
//!   file that kills the process does not do so forever. Progress is noted outside the job's transaction.
//! - **A job can be cancelled from every process**: by a flag in this one, and through the renewal of the lease in
//!   others.

mod attempt;
pub(crate) mod leases;
pub(crate) mod outcome;
pub(crate) mod progress;
pub(crate) mod runner;
pub(crate) mod work;
