//! The resources of the API: one noun, one place, with its routes, its views and the work that it starts.
//!
//! A noun is a file, with a folder of the same name once it grows. A file has, from the top: what is particular to the
//! noun (its fields, the schema of its answers), the handlers in the order of the document, and last its `routes`,
//! which [`crate::routes`] lists. Queries are in `schema`, under the same name. A noun may use another one, as scores
//! use score runs, as long as that does not use it: `.ci/rooms` also counts circles of nouns.

pub(crate) mod assessments;
pub(crate) mod certifications;
pub(crate) mod enrollments;
pub(crate) mod exports;
pub(crate) mod imports;
pub(crate) mod incidents;
pub(crate) mod jobs;
pub(crate) mod own;
pub(crate) mod portfolio;
pub(crate) mod provider_assignments;
pub(crate) mod public_keys;
pub(crate) mod relationships;
pub(crate) mod score_runs;
pub(crate) mod scores;
pub(crate) mod services;
pub(crate) mod settings;
pub(crate) mod submissions;
pub(crate) mod supplier_codes;
pub(crate) mod suppliers;
