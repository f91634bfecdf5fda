//! The API document, its generator and its lint.
//!
//! Empty until the service has an API.
