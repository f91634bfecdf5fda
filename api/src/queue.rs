//! Runs jobs.

pub(crate) mod outcome;
pub(crate) mod runner;
pub(crate) mod work;
