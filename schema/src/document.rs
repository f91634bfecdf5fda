//! How values look in JSON, for the API document: their type, their format and an example.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::{Number, PartialSchema, ToSchema};

use crate::{Choice, Id, Timestamp, UpTo, Whole};

/// The id of all examples.
pub const EXAMPLE_ID: &str = "01999999-9999-7999-8999-999999999999";
/// The moment of all examples.
pub const EXAMPLE_TIME: &str = "2026-09-30T00:00:00.000Z";

impl<T> PartialSchema for Id<T> {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).examples([EXAMPLE_ID]);
        shape(text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).build())
    }
}

impl<T> ToSchema for Id<T> {
    fn name() -> Cow<'static, str> {
        "Id".into()
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).examples([EXAMPLE_TIME]);
        shape(text.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build())
    }
}

impl ToSchema for Timestamp {}

impl<const MIN: i64, const MAX: i64> PartialSchema for Whole<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).examples([MIN.max(1)]);
        let number = number.minimum(Some(Number::Int(MIN as isize))).maximum(Some(Number::Int(MAX as isize)));
        shape(number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))).build())
    }
}

impl<const MIN: i64, const MAX: i64> ToSchema for Whole<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        format!("Whole{MIN}To{MAX}").into()
    }
}

impl<const MAX: u32> PartialSchema for UpTo<MAX> {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Number).examples([0.5]);
        let number = number.minimum(Some(Number::Int(0))).maximum(Some(Number::Int(MAX as isize)));
        shape(number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Double))).build())
    }
}

impl<const MAX: u32> ToSchema for UpTo<MAX> {
    fn name() -> Cow<'static, str> {
        format!("UpTo{MAX}").into()
    }
}

/// Returns the schema of a closed set of values: the keys, with the first as the example.
pub(crate) fn choice<C: Choice>() -> RefOr<Schema> {
    let keys = || C::ALL.iter().map(|(_, key, _)| *key);
    let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some(keys()));
    shape(text.examples(keys().take(1)).build())
}

fn shape(object: Object) -> RefOr<Schema> {
    RefOr::T(Schema::Object(object))
}
