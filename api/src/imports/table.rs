//! Tables of files: which columns a kind has, and what stands in a header.

use std::borrow::Cow;

use schema::{Choice, RecordKind};

use crate::fault::{Fault, Reason};
use crate::fields::{Cell, Field, Kind};
use crate::problem::Text;
use crate::records::{Resource, of_kind};
use crate::submissions::NUMBER;

/// The most columns of a table.
pub(crate) const MAX_COLUMNS: usize = 256;

const EXTERNAL_ID: Field = Field {
    name: "external_id",
    heading: "外部ID",
    ja: "送り元でのキー。同じファイルを送り直すと、このキーで同じ記録と分かる",
    en: "The key where the row comes from; sending a file again finds the same record by it",
    kind: Kind::Text { max: 200 },
    is_required: true,
    example: "E0",
};

/// The columns of a kind, in the order of the template.
pub(crate) fn columns(kind: RecordKind) -> impl Iterator<Item = Field> {
    let (fields, has_external_id) = of_kind!(kind, Kind => (Kind::FIELDS, Kind::HAS_EXTERNAL_ID));
    // A relationship is found by its ends and item where it has no key.
    let is_required = kind != RecordKind::Relationships;
    has_external_id.then_some(Field { is_required, ..EXTERNAL_ID }).into_iter().chain(fields.iter().copied())
}

/// The columns of a kind in what a provider sends: a 法人番号 may stand in place of a code.
pub(crate) fn submitted_columns(kind: RecordKind) -> impl Iterator<Item = Field> {
    let is_optional =
        |column: Field| Field { is_required: column.is_required && column.name != "supplier_code", ..column };
    columns(kind).map(is_optional).chain([NUMBER])
}

/// The kind of the table that a sheet or file of this name holds.
pub(crate) fn kind_of_name(name: &str) -> Option<RecordKind> {
    let name = name.trim();
    RecordKind::ALL.iter().find(|(_, key, ja)| *key == name || *ja == name).map(|(kind, ..)| *kind)
}

/// Which cell of a row holds which column.
pub(crate) struct Header {
    columns: Vec<Option<&'static str>>,
}

impl Header {
    /// Reads the first row. Headings that no column has are told by `unknown` and not read.
    pub(crate) fn read<'a>(
        known: &[Field],
        headings: impl Iterator<Item = Cow<'a, str>>,
        mut unknown: impl FnMut(Fault),
    ) -> Result<Self, Fault> {
        let mut header = Self { columns: Vec::new() };
        for heading in headings {
            let heading = heading.trim();
            let column = known.iter().find(|column| column.name == heading || column.heading == heading);
            let fault = |reason| Fault { field: heading.to_owned(), value: None, reason };
            match column {
                Some(column) if header.columns.contains(&Some(column.name)) => {
                    return Err(fault(Reason::RepeatedHeading));
                }
                None if !heading.is_empty() => unknown(fault(Reason::UnknownHeading)),
                _ => {}
            }
            header.columns.push(column.map(|column| column.name));
            if header.columns.len() > MAX_COLUMNS {
                return Err(fault(Reason::TooMuch { what: Text::new("列", "columns"), max: MAX_COLUMNS as u64 }));
            }
        }
        let missing = known.iter().find(|column| column.is_required && !header.columns.contains(&Some(column.name)));
        match missing {
            Some(column) => Err(Fault::new(column.name, Reason::Model(scoring::Reason::MissingColumn))),
            None => Ok(header),
        }
    }

    /// How many cells a row has.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The columns that are read, with the place of each.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (usize, &'static str)> {
        self.columns.iter().enumerate().filter_map(|(place, column)| Some((place, (*column)?)))
    }
}

/// A cell of text: nothing where it is empty.
pub(crate) fn text_cell(text: &str) -> Cell<'_> {
    if text.is_empty() { Cell::Null } else { Cell::Text(Cow::Borrowed(text)) }
}
