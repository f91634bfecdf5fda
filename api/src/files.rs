//! Reading and writing what people keep in spreadsheets.
//!
//! Called by `sonae score`, which reads a folder, by imports and by exports. There is one reading of CSV: `text` opens a
//! file and knows other encodings, `records` watches lines, quotes and sizes, `header` knows what headings mean, and the
//! fields of [`crate::base::fields`] read cells. `csv` reads a table so in blocks on all threads, straight into columns;
//! imports read row by row. What must hold: a file is read in bounded memory, however long a line or wide a row it has;
//! every fault names file, line and column; and a text that a spreadsheet would take for a formula is written so that it
//! stays a text.

mod blocks;
pub(crate) mod csv;
pub(crate) mod folder;
pub(crate) mod guard;
pub(crate) mod header;
pub(crate) mod records;
pub(crate) mod spill;
pub(crate) mod text;
