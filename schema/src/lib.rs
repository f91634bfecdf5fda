//! Tables, migrations and queries: the only crate that knows the database.
//!
//! Every function that touches rows takes its transaction, a [`Tx`], which knows the buyer.
//!
//! What a buyer registers is kept in versions (see [`Record`]): a change adds a row and closes the one before it, so
//! everything can be read as it was known at any past moment. Who recorded a version, when and with which import is
//! stored once, in the [`Commit`] whose number the version has.

mod clock;
mod conn;
mod database;
mod dialect;
mod document;
mod error;
mod id;
mod kept;
mod migrate;
mod postgres;
mod record;
mod replica;
mod row_level_security;
mod scope;
mod search;
mod server_url;
mod sqlite;
mod tables;
mod timestamp;
mod turns;
mod tx;
mod values;
mod waits;

pub mod assessments;
pub mod certifications;
pub mod commits;
pub mod data_states;
pub mod enrollments;
pub mod incident_contacts;
pub mod incidents;
pub mod jobs;
pub mod portfolio;
pub mod provider_assignments;
pub mod relationships;
pub mod score_runs;
pub mod scores;
pub mod services;
pub mod settings;
pub mod supplier_codes;
pub mod suppliers;
pub mod tenants;
pub mod tokens;

pub use clock::{Clock, ClockMover};
pub use commits::Commit;
pub use database::{Database, DatabasePlace, Figures, ReplicaFigures, Watch};
pub use document::{EXAMPLE_ID, EXAMPLE_TIME};
pub use error::{Bilingual, RepoError};
pub use id::{Id, Job, JobId, NotAnId, RunId, ScoreRun, ServiceId, SupplierId, TenantId, TokenId};
pub use migrate::{Notice, Pending, SchemaState, expect_schema};
pub use postgres::ConnectionNeeds;
pub use record::{Common, Listed, Meta, Page, Record, Stored};
pub use scope::{Installation, Scope, TxRole};
pub use search::search_text;
pub use server_url::{SSL_MODES, ServerUrl, UrlError};
pub use sqlite::copy_embedded;
pub use timestamp::Timestamp;
pub use tx::{Access, Actor, Context, OperatorTx, Tx};
pub use values::*;
pub use waits::Waits;
