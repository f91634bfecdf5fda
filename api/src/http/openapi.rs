//! The API document: schemas from types and from fields, in both languages, and what all operations have in common.
//!
//! An answer is a struct whose derived schema has the doc comments of its members as texts. Bodies of requests, records
//! and parameters are built from [`Field`]s, with the functions here.

mod answers;
mod common;
mod language;
mod parameters;
mod tidy;

pub(crate) use schema::{EXAMPLE_ID, EXAMPLE_TIME};
use serde_json::Value;
use utoipa::openapi::schema::{
    ArrayBuilder, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};

pub(crate) use answers::{
    JobEnded, KeyTaken, KeyTakenOrWrongState, NotFound, NotScored, StillReferred, TooManyJobs, WrongState,
};
pub(crate) use common::InCommon;
pub(crate) use language::document_in;
pub(crate) use language::{append, both};
pub(crate) use parameters::*;

use crate::base::fields::{Field, Kind};
use common::{answered, here, requested, target};

/// The day of all examples.
pub(crate) const EXAMPLE_DAY: &str = "2026-09-30";

/// A schema under construction.
#[derive(Clone)]
pub(crate) struct Shape(Object);

/// Returns the schema of an object.
pub(crate) fn object(description: &str) -> Shape {
    Shape(ObjectBuilder::new().description(Some(description)).build())
}

impl Shape {
    pub(crate) fn property(mut self, name: &str, shape: impl Into<RefOr<Schema>>, is_required: bool) -> Self {
        self.0.properties.insert(name.to_owned(), shape.into());
        if is_required {
            self.0.required.push(name.to_owned());
        }
        self
    }

    /// Allows null as well.
    pub(crate) fn or_null(mut self) -> Self {
        if let SchemaType::Type(known) = &self.0.schema_type {
            self.0.schema_type = SchemaType::Array(vec![known.clone(), Type::Null]);
        }
        if let Some(values) = &mut self.0.enum_values {
            values.push(Value::Null);
        }
        self
    }

    /// Allows no other properties.
    pub(crate) fn closed(mut self) -> Self {
        self.0.additional_properties = Some(Box::new(utoipa::openapi::schema::AdditionalProperties::FreeForm(false)));
        self
    }

    /// Removes all other properties.
    pub(crate) fn only(mut self, names: &[&str]) -> Self {
        self.0.properties.retain(|name, _| names.contains(&name.as_str()));
        self.0.required.retain(|name| names.contains(&name.as_str()));
        self
    }

    /// Removes these properties.
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.0.properties.retain(|name, _| !names.contains(&name.as_str()));
        self.0.required.retain(|name| !names.contains(&name.as_str()));
        self
    }

    /// Removes these values, each of the property before it, from the choices.
    pub(crate) fn without_choices(mut self, choices: &[(&str, &str)]) -> Self {
        for (name, value) in choices {
            if let Some(RefOr::T(Schema::Object(property))) = self.0.properties.get_mut(*name)
                && let Some(values) = &mut property.enum_values
            {
                values.retain(|choice| choice.as_str() != Some(value));
            }
        }
        self
    }

    /// Replaces the description.
    pub(crate) fn described(mut self, description: &str) -> Self {
        self.0.description = Some(description.to_owned());
        self
    }

    pub(crate) fn min_length(mut self, min: usize) -> Self {
        self.0.min_length = Some(min);
        self
    }

    pub(crate) fn max_length(mut self, max: usize) -> Self {
        self.0.max_length = Some(max);
        self
    }

    /// Sets the range of a number.
    pub(crate) fn range(mut self, min: i64, max: i64) -> Self {
        (self.0.minimum, self.0.maximum) = (Some(number(min as f64)), Some(number(max as f64)));
        self
    }

    /// Sets the pattern of a text, as a regular expression.
    pub(crate) fn pattern(mut self, pattern: impl Into<String>) -> Self {
        self.0.pattern = Some(pattern.into());
        self
    }
}

impl From<Shape> for RefOr<Schema> {
    fn from(shape: Shape) -> Self {
        Self::T(Schema::Object(shape.0))
    }
}

impl From<Shape> for Schema {
    fn from(shape: Shape) -> Self {
        Self::Object(shape.0)
    }
}

fn scalar(kind: Type, description: &str, example: Value) -> Object {
    ObjectBuilder::new().schema_type(SchemaType::Type(kind)).description(Some(description)).examples([example]).build()
}

/// Returns the schema of a text.
pub(crate) fn text_schema(description: &str, example: &str) -> Shape {
    Shape(scalar(Type::String, description, example.into()))
}

/// Returns the schema of a UUID.
pub(crate) fn id_schema(description: &str) -> Shape {
    let mut schema = scalar(Type::String, description, EXAMPLE_ID.into());
    schema.format = Some(SchemaFormat::KnownFormat(KnownFormat::Uuid));
    Shape(schema)
}

/// Returns the schema of a file, as its bytes.
pub(crate) fn file_schema(description: &str) -> Shape {
    let mut file = scalar(Type::String, description, "(bytes)".into());
    file.format = Some(SchemaFormat::KnownFormat(KnownFormat::Binary));
    Shape(file)
}

/// A file, as its bytes. Its schema is written inline: a schema named File would hide a language's own type of that
/// name.
pub(crate) struct FileBody;

impl utoipa::PartialSchema for FileBody {
    fn schema() -> RefOr<Schema> {
        file_schema("A file, as its bytes.\nja: ファイル（バイト列）").into()
    }
}

impl utoipa::ToSchema for FileBody {}

/// A text file as an answer.
pub(crate) struct TextBody;

impl utoipa::PartialSchema for TextBody {
    fn schema() -> RefOr<Schema> {
        text_schema("A text file in UTF-8.\nja: テキストファイル（UTF-8）", "(text)").into()
    }
}

impl utoipa::ToSchema for TextBody {}

/// Returns the schema of a whole number.
pub(crate) fn whole_schema(description: &str, example: i64) -> Shape {
    Shape(scalar(Type::Integer, description, example.into()))
}

/// Returns the schema of a flag.
pub(crate) fn flag_schema(description: &str, example: bool) -> Shape {
    Shape(scalar(Type::Boolean, description, example.into()))
}

/// Returns the schema of a moment.
pub(crate) fn time_schema(description: &str) -> Shape {
    let mut schema = scalar(Type::String, description, EXAMPLE_TIME.into());
    schema.format = Some(SchemaFormat::KnownFormat(KnownFormat::DateTime));
    Shape(schema)
}

/// Returns the schema of a day.
pub(crate) fn date_schema(description: &str) -> Shape {
    let mut schema = scalar(Type::String, description, EXAMPLE_DAY.into());
    schema.format = Some(SchemaFormat::KnownFormat(KnownFormat::Date));
    Shape(schema)
}

/// Returns the schema of a number with decimals.
pub(crate) fn number_schema(description: &str, example: f64) -> Shape {
    let mut schema = scalar(Type::Number, description, example.into());
    schema.format = Some(SchemaFormat::KnownFormat(KnownFormat::Double));
    Shape(schema)
}

/// Returns the schema of an array.
pub(crate) fn array(description: &str, items: impl Into<RefOr<Schema>>) -> RefOr<Schema> {
    let array = ArrayBuilder::new().items(items.into()).description(Some(description)).build();
    RefOr::T(Schema::Array(array))
}

/// Returns the schema of an array with 1 to `most` items.
pub(crate) fn array_of_up_to(most: usize, description: &str, items: impl Into<RefOr<Schema>>) -> RefOr<Schema> {
    let array = ArrayBuilder::new().items(items.into()).description(Some(description));
    RefOr::T(Schema::Array(array.min_items(Some(1)).max_items(Some(most)).build()))
}

/// Returns the schema of one of a closed set of values.
pub(crate) fn choice_schema(description: &str, keys: &[&str], example: &str) -> Shape {
    let mut schema = scalar(Type::String, description, example.into());
    schema.enum_values = Some(keys.iter().map(|key| (*key).into()).collect());
    Shape(schema)
}

/// Returns the schema of what a field holds.
pub(crate) fn field_schema(field: &Field) -> Shape {
    let example: Value = match field.kind {
        Kind::Whole(..) | Kind::Number(..) | Kind::Flag => serde_json::from_str(field.example).unwrap_or_default(),
        _ => field.example.trim_matches('"').into(),
    };
    let description = describe_field(field);
    let typed = |kind| scalar(kind, &description, example.clone());
    let formatted = |format| {
        let mut schema = typed(Type::String);
        schema.format = Some(SchemaFormat::KnownFormat(format));
        schema
    };
    Shape(match field.kind {
        Kind::Text { max } => {
            let mut schema = typed(Type::String);
            (schema.min_length, schema.max_length) = (Some(1), Some(max));
            schema
        }
        Kind::Digits { count } => {
            let mut schema = typed(Type::String);
            // A spreadsheet drops the leading zero of a two-digit code. Longer numbers must have all digits.
            schema.pattern = Some(match field.name {
                "prefecture_code" => "^(0?[1-9]|[1-3][0-9]|4[0-7])$".to_owned(),
                _ if count == 2 => "^(0?[1-9]|[1-9][0-9])$".to_owned(),
                _ => format!("^[0-9]{{{count}}}$"),
            });
            schema
        }
        Kind::Choice(words) => {
            let mut schema = typed(Type::String);
            schema.enum_values = Some(words.iter().map(|(key, _)| (*key).into()).collect());
            schema
        }
        Kind::Whole(min, max) => {
            let mut schema = typed(Type::Integer);
            schema.format = Some(SchemaFormat::KnownFormat(KnownFormat::Int64));
            (schema.minimum, schema.maximum) = (Some(number(min as f64)), Some(number(max as f64)));
            schema
        }
        Kind::Number(min, max) => {
            let mut schema = typed(Type::Number);
            schema.format = Some(SchemaFormat::KnownFormat(KnownFormat::Double));
            (schema.minimum, schema.maximum) = (Some(number(min)), Some(number(max)));
            schema
        }
        Kind::Date => formatted(KnownFormat::Date),
        Kind::Time => formatted(KnownFormat::DateTime),
        Kind::Id => formatted(KnownFormat::Uuid),
        Kind::Flag => typed(Type::Boolean),
    })
}

/// Returns the text of a field with its heading: after the first sentence in English, and before the text in Japanese.
fn describe_field(field: &Field) -> String {
    let (en, heading) = (field.en.trim_end_matches('.'), field.heading);
    let en = match en.split_once(". ") {
        Some((what, rest)) => format!("{what} ({heading}). {rest}."),
        None => format!("{en} ({heading})."),
    };
    both(&en, &format!("{heading}：{}", field.ja))
}

fn number(value: f64) -> utoipa::Number {
    if value.fract() == 0.0 { utoipa::Number::Int(value as isize) } else { utoipa::Number::Float(value) }
}

/// Adds the properties that say where a record comes from to a body.
pub(crate) fn origin_properties(body: Shape, has_external_id: bool) -> Shape {
    let text = "The source of the record; `manual` if omitted.\nja: 記録の出所。省略時は `manual`";
    let source = text_schema(text, "manual").max_length(64).or_null();
    let body = body.property("source", source, false);
    if !has_external_id {
        return body;
    }
    let text = "The id of the record in its source. `source` and `external_id` together identify the record.\nja: \
                出所での外部ID。`source` と `external_id` の組で記録を特定する";
    body.property("external_id", text_schema(text, "E0").max_length(200).or_null(), false)
}

/// Adds the properties that every record has in addition to its attributes.
pub(crate) fn meta_properties(view: Shape) -> Shape {
    let version = "The number of the version, counted from 1. The ETag begins with it.\nja: 版の番号（1から）。ETagの先頭にも付く";
    let superseded_at = "When the next version replaced this one; null for the current version.\nja: \
                         次の版に置き換わった日時。現在の版ではnull";
    let recorded_by = "The name of the token that recorded this version.\nja: この版を記録したトークンの名前";
    let import_id = "The import that recorded this version; null if no import did.\nja: \
                     この版を記録した取り込みのID。取り込みによるものでなければnull";
    let ended_on = "The day on which the record ended: it was archived, or its source no longer lists it. Null if it has not \
                    ended.\nja: 記録が終了した日（取引終了にした日、または出所からなくなった日）。終了していなければnull";
    let retraction_reason =
        "Why the record was retracted; null if it was not.\nja: 取り消した理由。取り消していなければnull";
    view.property("version", whole_schema(version, 1), true)
        .property("recorded_at", time_schema("When this version was recorded.\nja: この版を記録した日時"), true)
        .property("superseded_at", time_schema(superseded_at).or_null(), true)
        .property("recorded_by", text_schema(recorded_by, "purchasing"), true)
        .property("import_id", id_schema(import_id).or_null(), true)
        .property("ended_on", date_schema(ended_on).or_null(), true)
        .property("retraction_reason", text_schema(retraction_reason, "Wrong firm").or_null(), true)
        .property("warnings", warnings_schema(), true)
}

fn warnings_schema() -> RefOr<Schema> {
    let field = "The field that the warning is about.\nja: 警告の対象の項目";
    let code = "The stable code of the warning.\nja: 警告のコード（変わらない）";
    let detail = "What looks wrong and what to do.\nja: 確かめる点と対処";
    let warning = object("A value that looks wrong but was accepted.\nja: 受け付けたが、誤りかもしれない値")
        .property("field", text_schema(field, "corporate_number"), true)
        .property("code", text_schema(code, "same-corporate-number"), true)
        .property("detail", text_schema(detail, "other suppliers have the same number"), true);
    let text = "The warnings; null in lists, which do not compute them.\nja: 警告。一覧では確認しないためnull";
    let warnings = ArrayBuilder::new()
        .items(RefOr::from(warning))
        .description(Some(text))
        .schema_type(SchemaType::Array(vec![Type::Array, Type::Null]))
        .build();
    RefOr::T(Schema::Array(warnings))
}

/// Returns the schema of a page of items.
pub(crate) fn list_schema(name: &str) -> Schema {
    let next_cursor =
        "The `cursor` of the next page; null on the last page.\nja: 次のページの `cursor`。最後のページではnull";
    let count = "The total number of items; null if they were not counted.\nja: 全体の件数。数えていなければnull";
    let items = ArrayBuilder::new()
        .items(RefOr::Ref(Ref::from_schema_name(name)))
        .description(Some("The items of the page.\nja: ページの内容"))
        .build();
    object("A page of a list.\nja: 一覧の1ページ")
        .property("items", RefOr::T(Schema::Array(items)), true)
        .property("next_cursor", text_schema(next_cursor, "cG9z").or_null(), true)
        .property("count", whole_schema(count, 120).or_null(), true)
        .into()
}
