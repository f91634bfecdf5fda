//! Holds the model against the examples, against its properties and against a plain-loop twin.

mod examples;
mod faults;
mod naive;
mod plain;
mod properties;
mod support;
