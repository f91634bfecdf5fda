//! Reading and writing what people keep in spreadsheets.

pub(crate) mod csv;
pub(crate) mod folder;
pub(crate) mod quotes;
pub(crate) mod xlsx;
