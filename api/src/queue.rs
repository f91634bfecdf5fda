//! The queue of jobs: work that outlasts a request.
//!
//! A request stores a job, with what is asked for as JSON, in the database, and wakes the [`runner`]. The runner has several
//! slots, each a thread. One thread at a time looks for the next job; once it has one, it runs it, and another looks. What
//! a kind of job does is its [`work::Work`]; the application hands over a table of those. The queue itself knows no noun.
//!
//! What must always hold:
//! - The effects of a job, its result and its end are one transaction. An attempt that ends before that has changed nothing,
//!   and the job begins again, in this process or another one.
//! - Several processes that share a server each take jobs from the same queue. A process has a job to itself for as long as
//!   it renews the job's lease, by the server's clock ([`leases`]). What it writes after another process has begun a new
//!   attempt is refused: each attempt has a number. One process has an embedded database, and all its jobs.
//! - One buyer never has all slots of a process, so that its flood of jobs does not keep others waiting.
//! - Jobs of a buyer that change its records run one after the other, in the order in which they were asked for. Those that
//!   read its records see what was changed before them; see [`work::Order`].
//! - A job that ended with its process many times in a row, and never got further, is given up.

mod attempt;
pub(crate) mod leases;
pub(crate) mod outcome;
pub(crate) mod progress;
pub(crate) mod runner;
pub(crate) mod work;
