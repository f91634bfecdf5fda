//! Reads and writes the formats that people keep in spreadsheets.
//!
//! Called by `sonae score`, which reads a folder, by imports and by exports. There is one way to read CSV: `text` opens
//! a file and detects other encodings, `records` watches lines, quotes and sizes, `header` understands headings, and
//! the fields of [`crate::base::fields`] read cells. With these, `csv` reads a table in blocks on all threads, directly
//! into columns; imports read row by row. Invariants: a file is read in bounded memory, however long its lines or wide
//! its rows are; every fault names file, line and column; and a text that a spreadsheet would read as a formula is
//! written so that it stays a text.

mod blocks;
pub(crate) mod csv;
pub(crate) mod folder;
pub(crate) mod guard;
pub(crate) mod header;
pub(crate) mod records;
pub(crate) mod spill;
pub(crate) mod text;
