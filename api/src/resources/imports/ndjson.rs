//! Rows of NDJSON: a JSON object on each line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;

use super::csv::reason;
use super::engine::{Rows, Visit};
use super::report::{Place, Refusal};
use crate::base::fault::{Fault, Reason};
use crate::base::text::Text;
use crate::files::header::Columns;
use crate::files::text::{self, Watched};
use crate::http::extract::Members;

/// An NDJSON file.
pub(crate) struct NdjsonRows {
    pub(crate) name: Option<String>,
    pub(crate) file: File,
    pub(crate) max_rows: u64,
}

/// The longest line, in bytes.
const MAX_LINE_BYTES: u64 = 1 << 20;

impl Rows for NdjsonRows {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn read(&mut self, columns: &Columns, visit: Visit<'_>) -> Result<(), Refusal> {
        let name = self.name.clone();
        let fault = |row, reason| Refusal::new(Place { sheet: name.clone(), row }, Fault::new("", reason));
        let failed = |error: io::Error| fault(None, reason(&error).1);
        let known: Vec<_> = columns.fields.iter().map(|column| column.name).collect();
        let mut reader = BufReader::with_capacity(1 << 16, Watched::new(text::open(&self.file).map_err(failed)?));
        let (mut line, mut text, mut is_empty) = (0, Vec::new(), true);
        loop {
            text.clear();
            if reader.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut text).map_err(failed)? == 0 {
                return if is_empty { Err(fault(None, Reason::EmptyFile)) } else { Ok(()) };
            }
            line += 1;
            if text.len() as u64 > MAX_LINE_BYTES {
                return Err(fault(Some(line), Reason::LineTooLong(MAX_LINE_BYTES)));
            }
            if line > self.max_rows {
                let what = Text::new("行の数", "rows");
                return Err(fault(Some(line), Reason::TooMuch { what, max: self.max_rows }));
            }
            let trimmed = text.trim_ascii();
            if trimmed.is_empty() {
                continue;
            }
            is_empty = false;
            let members = Members::parse(trimmed);
            let row = match &members {
                Err(_) if str::from_utf8(trimmed).is_err() => Err(vec![Fault::new("", text::not_utf8(trimmed))]),
                Ok(members) => read(members, &known),
                Err(error) if error.is_data() => Err(vec![Fault::new("", Reason::NotAnObject)]),
                Err(_) => Err(vec![Fault::new("", Reason::MalformedJson)]),
            };
            if let ControlFlow::Break(()) = visit(line, row) {
                return Ok(());
            }
        }
    }
}

fn read<'a>(members: &'a Members, known: &[&'static str]) -> super::engine::Row<'a> {
    let cells = members.cells();
    let mut none = ();
    let mut fields = crate::base::fields::Fields::new(cells.clone(), &mut none);
    fields.expect_only(known);
    if fields.faults.is_empty() { Ok(cells) } else { Err(fields.faults) }
}
