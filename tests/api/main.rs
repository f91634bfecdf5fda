//! Tests of the service, over HTTP.

mod document;
mod evidence;
mod files;
mod imports;
mod limits;
mod suppliers;
mod support;
mod survival;
mod tokens;
