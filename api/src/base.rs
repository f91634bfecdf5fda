//! What every room may use. It uses none of them.
//!
//! - `text`, `fault`, `problem`: texts for people, always in both languages. A [`fault::Fault`] is one thing wrong with
//!   one field, cell or member. A [`problem::Problem`] is the answer (RFC 9457) that carries all faults of a request.
//!   `problem` has the only table of status codes, and is the only module here that knows HTTP.
//! - `today`: the buyer's day.
//! - `fields`: reads a JSON body, a row of a file and a query string in the same way. The newtype of `schema` that a
//!   value becomes checks it while it is read. All faults are collected; none stops the reading.
//! - `config`: the settings and their defaults, from the command line, the environment and the settings file.
//! - `actors`: the names of those who act without a token. `model_file`: a model that replaces the built-in one.
//! - `store`, `keys`, `machine`: the data folder: who may open it, what it may contain, and the keys that sign tokens.
//!   Only its owner may read anything in it, and no secret may get into a log.
//! - `telemetry`: metrics and traces. A label never contains text chosen by a client; otherwise a scanner could add a
//!   series with each guess.

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
