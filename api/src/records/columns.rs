//! The columns of each kind of record in files, and the words for them.

use schema::{Choice, ExternalId, RecordKind};

use super::{Resource, of_kind};
use crate::base::fields::{Field, FieldValue, Kind};
use crate::base::text::Text;

const EXTERNAL_ID: Field = Field {
    name: "external_id",
    heading: "外部ID",
    ja: "送り元でのキー。同じファイルを送り直すと、このキーで同じ記録と分かる",
    en: "The key where the row comes from; sending a file again finds the same record by it",
    kind: Kind::Text { max: 200 },
    is_required: true,
    example: "E0",
    read: ExternalId::read_scalar,
};

/// Returns the columns of a kind, in the order of the template.
pub(crate) fn columns(kind: RecordKind) -> impl Iterator<Item = Field> {
    let (fields, has_external_id) = of_kind!(kind, Kind => (Kind::FIELDS, Kind::HAS_EXTERNAL_ID));
    // A relationship without a key is found by its ends and item.
    let is_required = kind != RecordKind::Relationships;
    has_external_id.then_some(Field { is_required, ..EXTERNAL_ID }).into_iter().chain(fields.iter().copied())
}

/// Returns the words for a column in both languages: its heading and its name.
pub(crate) fn words_of(column: &str) -> Text {
    let field = RecordKind::ALL.iter().flat_map(|(kind, ..)| columns(*kind)).find(|field| field.name == column);
    field.map_or_else(|| Text::new(column, column), |field| Text::new(field.heading, field.name))
}
