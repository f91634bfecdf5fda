//! Texts, faults, fields, problems, keys, configuration, the buyer's day: imported by all, importing none of the others.

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
