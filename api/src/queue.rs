//! Runs jobs.

pub(crate) mod outcome;
pub(crate) mod runner;
