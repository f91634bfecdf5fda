//! What the API is about: one noun, one place.

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
