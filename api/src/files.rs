//! Reading and writing what people keep in spreadsheets.

pub(crate) mod csv;
pub(crate) mod folder;
pub(crate) mod guard;
pub(crate) mod records;
pub(crate) mod spill;
