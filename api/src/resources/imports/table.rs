//! Tables of files: which columns a kind has.

use schema::{Choice, RecordKind};

use crate::base::fields::{Field, Kind};
use crate::base::text::Text;
use crate::providers::assigned::CORPORATE_NUMBER_FIELD;
use crate::records::{Resource, of_kind};

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
    columns(kind).map(is_optional).chain([CORPORATE_NUMBER_FIELD])
}

/// The kind of the table that a sheet or file of this name holds.
pub(crate) fn kind_of_name(name: &str) -> Option<RecordKind> {
    let name = name.trim();
    RecordKind::ALL.iter().find(|(_, key, ja)| *key == name || *ja == name).map(|(kind, ..)| *kind)
}

/// The words of a column in both languages: its heading, and its name.
pub(crate) fn words_of(column: &str) -> Text {
    let field = RecordKind::ALL.iter().flat_map(|(kind, ..)| columns(*kind)).find(|field| field.name == column);
    field.map_or_else(|| Text::new(column, column), |field| Text::new(field.heading, field.name))
}
