//! Tables of files: the columns of each kind.

use schema::{Choice, RecordKind};
use scoring::Table;

use crate::base::fields::Field;
use crate::files::header::Columns;
use crate::providers::assigned::CORPORATE_NUMBER_FIELD;
use crate::records::columns;

/// Returns the columns of a kind in files of a provider: a 法人番号 may replace a code.
pub(crate) fn submitted_columns(kind: RecordKind) -> impl Iterator<Item = Field> {
    let is_optional =
        |column: Field| Field { is_required: column.is_required && column.name != "supplier_code", ..column };
    columns(kind).map(is_optional).chain([CORPORATE_NUMBER_FIELD])
}

/// Returns the columns of a table of `sonae score`, which requires only those that the model needs.
pub(crate) fn scored_columns(table: Table, takes_unread: bool) -> Columns {
    let kind = match table {
        Table::Suppliers => RecordKind::Suppliers,
        Table::Relationships => RecordKind::Relationships,
        Table::Enrollments => RecordKind::Enrollments,
        Table::Certifications => RecordKind::Certifications,
        Table::Assessments => RecordKind::Assessments,
        Table::Incidents => RecordKind::Incidents,
    };
    let is_required = |name| table.columns().iter().any(|column| column.name == name && column.required);
    let fields = columns(kind).map(|field| Field { is_required: is_required(field.name), ..field }).collect();
    Columns { kind, fields, takes_unread }
}

/// Returns the kind of the table in a sheet or file of this name.
pub(crate) fn kind_of_name(name: &str) -> Option<RecordKind> {
    let name = name.trim();
    RecordKind::ALL.iter().find(|(_, key, ja)| *key == name || *ja == name).map(|(kind, ..)| *kind)
}

#[cfg(test)]
mod tests {
    use scoring::ColumnKind as Scored;

    use super::*;
    use crate::base::fields::Kind;

    #[test]
    fn each_column_that_is_scored_is_a_field_that_holds_the_same() {
        for table in Table::ALL {
            let known = scored_columns(table, false);
            for declared in table.columns() {
                let field = known.fields.iter().find(|field| field.name == declared.name);
                let field = field.unwrap_or_else(|| panic!("{} is no field", declared.name));
                let holds_the_same = match (declared.kind, field.kind) {
                    (Scored::Text, Kind::Text { .. })
                    | (Scored::Whole(1, 99), Kind::Digits { count: 2 })
                    | (Scored::Date, Kind::Date)
                    | (Scored::Flag, Kind::Flag) => true,
                    (Scored::Choice(keys), Kind::Choice(words)) => {
                        words.len() == keys.len() && words.iter().all(|(key, _)| keys.contains(key))
                    }
                    (Scored::Whole(low, high), Kind::Whole(from, to)) => (low, high) == (from, to),
                    (Scored::Number(low, high), Kind::Whole(from, to)) => (low, high) == (from as f64, to as f64),
                    (Scored::Number(low, high), Kind::Number(from, to)) => (low, high) == (from, to),
                    _ => false,
                };
                assert!(holds_the_same, "{}: {:?}, {:?}", declared.name, declared.kind, field.kind);
                assert_eq!((field.heading, field.is_required), (declared.ja, declared.required), "{}", declared.name);
            }
        }
    }
}
