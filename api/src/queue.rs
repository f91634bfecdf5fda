//! Runs jobs: work that outlasts a request, and survives a restart.
//!
//! Whoever asks for a job stores it with the bytes that it reads in one transaction, and wakes the [`runner::Runner`]. That
//! has several slots, each a thread: one thread at a time looks for the next job, and runs it once it has one. A kind of
//! job is one type that implements [`work::Work`]; `app.rs` hands over the table of them, and nothing here knows which nouns
//! there are.
//!
//! What must hold:
//!
//! - **A job's effects and its end are one transaction.** It is kept whole or undone whole; a job that was interrupted
//!   anywhere begins again from the bytes that are stored.
//! - **A job that runs is leased.** On a server the process that took it renews the lease every few seconds, by the
//!   database's clock. When a lease ends, the next process first ends the sessions of the one that holds it (it may be
//!   hung in the midst of a write), and then takes the job. Every write to a job says which attempt it belongs to:
//!   whoever has lost the job gets [`schema::RepoError::TakenOver`], and nothing of what it did is kept. An embedded
//!   database has one process: what was running when that ended is put back into the queue at the next start.
//! - **No buyer waits for another.** A process runs several jobs at once, and of two slots or more one
//!   buyer never has all. On an
//!   embedded database, which has one writer, jobs wait for each other only while they write.
//! - **Jobs of one buyer happen in the order in which they were asked for**, as far as that shows: those that change records
//!   follow each other, and those that read them see all changes before; see [`work::Order`].
//! - **An attempt that got no further than the one before counts.** After ten in a row the job is given up, so that a
//!   file that kills the process does not do so for ever. How far a job was is noted outside of its transaction.
//! - **Asking for the end of a job works in every process**: by a flag in this one, and by the renewal of the lease in
//!   others.

mod attempt;
pub(crate) mod leases;
pub(crate) mod outcome;
pub(crate) mod progress;
pub(crate) mod runner;
pub(crate) mod work;
