//! What every room may use, and what uses none of them.
//!
//! - `text`, `fault`, `problem`: what is said to people, always in both languages. A [`fault::Fault`] is one thing
//!   wrong with one field, a cell or a member; a [`problem::Problem`] is the answer (RFC 9457) that carries all faults
//!   of a request. `problem` is the one table of status codes, and the only place here that knows HTTP.
//! - `today`: the buyer's day.
//! - `fields`: reads a JSON body, a row of a file and a query string in the same way. A value is checked as it is read,
//!   by the newtype of `schema` that it becomes; all faults are collected, none stops the reading.
//! - `config`: settings, with their defaults, as the command line, the environment and the settings file give them.
//! - `actors`: the names of those who act without a token. `model_file`: a model in place of the built-in one.
//! - `store`, `keys`, `machine`: the data folder: who may open it, what may lie in it, the keys that sign tokens.
//!   Nothing in it may be readable by anybody but its owner, and no secret may get into a log.
//! - `telemetry`: metrics and traces. A label never holds what a client chose, or a scanner could add a series with
//!   each guess.

pub(crate) mod actors;
pub(crate) mod config;
pub(crate) mod fault;
pub(crate) mod fields;
pub(crate) mod keys;
pub(crate) mod machine;
pub(crate) mod model_file;
pub(crate) mod problem;
pub(crate) mod store;
pub(crate) mod telemetry;
pub(crate) mod text;
pub(crate) mod today;
