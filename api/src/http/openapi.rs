//! The API document: schemas built from fields, and what all operations have in common.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use utoipa::Modify;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{
    ArrayBuilder, ArrayItems, Components, KnownFormat, Object, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat,
    SchemaType, Type,
};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, Ref, RefOr, Required};

use crate::base::fields::{Field, Kind};
use crate::base::problem::ProblemKind;
use crate::http::page::{DEFAULT_LIMIT, MAX_LIMIT, MAX_PARAMETER_LENGTH};

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

    /// Removes these properties.
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.0.properties.retain(|name, _| !names.contains(&name.as_str()));
        self.0.required.retain(|name| !names.contains(&name.as_str()));
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

const EXAMPLE_ID: &str = "01999999-9999-7999-8999-999999999999";

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
        file_schema("A file, as its bytes.").into()
    }
}

impl utoipa::ToSchema for FileBody {}

/// A text file as an answer.
pub(crate) struct TextBody;

impl utoipa::PartialSchema for TextBody {
    fn schema() -> RefOr<Schema> {
        text_schema("A file of text, UTF-8.", "(text)").into()
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
    let mut schema = scalar(Type::String, description, "2026-09-30T00:00:00.000Z".into());
    schema.format = Some(SchemaFormat::KnownFormat(KnownFormat::DateTime));
    Shape(schema)
}

/// Returns the schema of a day.
pub(crate) fn date_schema(description: &str) -> Shape {
    let mut schema = scalar(Type::String, description, "2026-09-30".into());
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

/// Returns the schema of a referenced thing or null.
pub(crate) fn one_or_null(description: &str, thing: Ref) -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Null)).build();
    let one = OneOfBuilder::new().item(thing).item(null).description(Some(description)).build();
    RefOr::T(Schema::OneOf(one))
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
    let description = format!("{} ({})", field.en, field.heading);
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

fn number(value: f64) -> utoipa::Number {
    if value.fract() == 0.0 { utoipa::Number::Int(value as isize) } else { utoipa::Number::Float(value) }
}

/// Adds the properties that say where a record comes from to a body.
pub(crate) fn origin_properties(body: Shape, has_external_id: bool) -> Shape {
    let source = text_schema("The source; `manual` if omitted.", "manual").max_length(64).or_null();
    let body = body.property("source", source, false);
    if !has_external_id {
        return body;
    }
    let text = "Its id in the source. `source` and `external_id` together identify the record. The record's own id if omitted.";
    body.property("external_id", text_schema(text, "E0").max_length(200).or_null(), false)
}

/// Adds the properties that every record has in addition to its attributes.
pub(crate) fn meta_properties(view: Shape) -> Shape {
    let date = date_schema("When it ended: it was archived, or its source no longer lists it.");
    let warning = object("Warnings: what looks wrong but was accepted.")
        .property("field", text_schema("The field.", "corporate_number"), true)
        .property("code", text_schema("The stable code.", "same-corporate-number"), true)
        .property(
            "detail",
            text_schema("What looks wrong and what to do.", "other suppliers have the same number"),
            true,
        );
    let warnings = ArrayBuilder::new()
        .items(RefOr::from(warning))
        .description(Some("Warnings; null in lists, which do not compute them."))
        .schema_type(SchemaType::Array(vec![Type::Array, Type::Null]))
        .build();
    view.property(
        "version",
        whole_schema("The number of the version, from 1. The ETag is this number in quotes.", 1),
        true,
    )
    .property("recorded_at", time_schema("When this version was recorded."), true)
    .property("superseded_at", time_schema("When the next version replaced it.").or_null(), true)
    .property("recorded_by", text_schema("The token that recorded it.", "purchasing"), true)
    .property("import_id", id_schema("The import that recorded it.").or_null(), true)
    .property("ended_on", date.or_null(), true)
    .property(
        "retraction_reason",
        text_schema("The reason for the retraction, if it was retracted.", "Wrong firm").or_null(),
        true,
    )
    .property("warnings", RefOr::T(Schema::Array(warnings)), true)
}

/// Returns the schema of a page of items.
pub(crate) fn list_schema(name: &str) -> Schema {
    let items = ArrayBuilder::new()
        .items(RefOr::Ref(Ref::from_schema_name(name)))
        .description(Some("The items, with the members named in `fields` if that was given."))
        .build();
    object("A page of a list.")
        .property("items", RefOr::T(Schema::Array(items)), true)
        .property(
            "next_cursor",
            text_schema("The `cursor` of the next page; null on the last page.", "cG9z").or_null(),
            true,
        )
        .property("count", whole_schema("The total number, if it was asked for.", 120).or_null(), true)
        .into()
}

/// Returns the parameter for the id in a path.
pub(crate) fn id_parameter() -> Parameter {
    ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The id."))
        .schema(Some(RefOr::from(id_schema("The id."))))
        .example(Some(EXAMPLE_ID.into()))
        .build()
}

/// Returns a parameter of the query string.
pub(crate) fn parameter(name: &str, description: &str, shape: Shape, is_required: bool) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(if is_required { Required::True } else { Required::False })
        .description(Some(description))
        .schema(Some(RefOr::from(shape)))
        .build()
}

/// Returns a parameter that is a field.
pub(crate) fn field_parameter(field: &Field) -> Parameter {
    parameter(field.name, field.en, field_schema(field), false)
}

/// Returns the parameters that every list of records has.
pub(crate) fn list_parameters(sorts: &[String], has_external_id: bool) -> Vec<Parameter> {
    let sorts: Vec<&str> = sorts.iter().map(String::as_str).collect();
    let text = |name, description, example, max| {
        parameter(name, description, text_schema(description, example).max_length(max), false)
    };
    let flag = |name, description| parameter(name, description, flag_schema(description, true), false);
    let mut all = page_parameters();
    all.push(parameter(
        "sort",
        "The sort order; a leading `-` reverses it. Ties, and lists without an order, are sorted by id.",
        choice_schema("The order.", &sorts, sorts.first().copied().unwrap_or_default()),
        false,
    ));
    all.push(parameter(
        "count",
        "`exact` counts all matching rows.",
        choice_schema("Whether to count.", &["exact"], "exact"),
        false,
    ));
    all.push(text(
        "fields",
        "The members of each item, separated by commas; all if omitted.",
        "id,version",
        MAX_PARAMETER_LENGTH,
    ));
    let known_at = "The moment whose knowledge is read (RFC 3339).";
    all.push(parameter("known_at", known_at, time_schema(known_at), false));
    all.push(text(
        "supplier_code",
        "Only records of the supplier with this code of the buyer, and of suppliers merged into it.",
        "S0000001",
        64,
    ));
    let supplier_id = "Only records of this supplier and of suppliers merged into it.";
    all.push(parameter("supplier_id", supplier_id, id_schema(supplier_id), false));
    all.push(text("source", "Only records of this source.", "manual", 64));
    if has_external_id {
        all.push(text("external_id", "Only the record with this id in its source.", "E0", 200));
        all.push(flag("include_retracted", "Whether to include retracted records; `false` if omitted."));
    }
    let since = "Only records changed at or after this moment (RFC 3339). Add `include_ended=true` to include what was archived since.";
    all.push(parameter("recorded_since", since, time_schema(since), false));
    all.push(flag(
        "include_ended",
        "Whether to include ended records. If omitted, `false` for suppliers and `true` for evidence.",
    ));
    all
}

/// Returns the parameters that limit runs by their day.
pub(crate) fn as_of_parameters() -> [Parameter; 2] {
    let (gte, lte) = ("Only runs as of this day or later.", "Only runs as of this day or earlier.");
    [parameter("as_of_gte", gte, date_schema(gte), false), parameter("as_of_lte", lte, date_schema(lte), false)]
}

/// Returns the parameters that select a page of a list.
pub(crate) fn page_parameters() -> Vec<Parameter> {
    let mut limit = whole_schema("The maximum number of rows on a page.", DEFAULT_LIMIT);
    (limit.0.minimum, limit.0.maximum) = (Some(number(1.0)), Some(number(MAX_LIMIT as f64)));
    limit.0.default = Some(DEFAULT_LIMIT.into());
    let cursor = "The `next_cursor` of the previous page, with the same filters and sort order.";
    vec![
        parameter("limit", "The maximum number of rows on the page.", limit, false),
        parameter("cursor", cursor, text_schema(cursor, "cG9z").max_length(MAX_PARAMETER_LENGTH), false),
    ]
}

/// Adds what operations have in common: the token, the possible problems, the preconditions.
pub(crate) struct InCommon;

impl Modify for InCommon {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        components.schemas.insert("Problem".to_owned(), problem_schema());
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("A token of `sonae token create`."))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        let mut operations = Vec::new();
        for (path, item) in &mut document.paths.paths {
            let all = [
                (HttpMethod::Get, &mut item.get),
                (HttpMethod::Post, &mut item.post),
                (HttpMethod::Put, &mut item.put),
                (HttpMethod::Patch, &mut item.patch),
                (HttpMethod::Delete, &mut item.delete),
            ];
            for (method, operation) in all {
                if let Some(operation) = operation {
                    complete(path, &method, operation);
                    operations.push(operation);
                }
            }
        }
        choose_members(components, &mut operations);
        let used = operations.iter().flat_map(|operation| operation.responses.responses.values());
        let used: BTreeSet<_> = used.filter_map(|response| target(response)).map(str::to_owned).collect();
        for kind in ProblemKind::ALL.iter().filter(|kind| used.contains(kind.slug())) {
            components.responses.insert(kind.slug().to_owned(), RefOr::T(problem_response(*kind)));
        }
        limit_requests(components, &mut operations);
        open_answers(components, &mut operations);
    }
}

/// Returns the last part of a reference: the name.
fn target<T>(value: &RefOr<T>) -> Option<&str> {
    match value {
        RefOr::Ref(reference) => reference.ref_location.rsplit('/').next(),
        RefOr::T(_) => None,
    }
}

/// Returns the schemas of an operation's answers.
fn answered(operation: &mut Operation) -> impl Iterator<Item = &mut RefOr<Schema>> {
    let responses = operation.responses.responses.values_mut().filter_map(here);
    responses
        .flat_map(|response| response.content.values_mut())
        .filter_map(here)
        .filter_map(|body| body.schema.as_mut())
}

/// Returns the value if it is written inline, not referenced.
fn here<T>(value: &mut RefOr<T>) -> Option<&mut T> {
    match value {
        RefOr::T(value) => Some(value),
        RefOr::Ref(_) => None,
    }
}

/// Returns the schemas of an operation's request body, by media type.
fn requested(operation: &mut Operation) -> impl Iterator<Item = (&String, &mut RefOr<Schema>)> {
    let contents = operation.request_body.iter_mut().filter_map(here).flat_map(|body| &mut body.content);
    contents.filter_map(|(kind, content)| Some((kind, here(content)?.schema.as_mut()?)))
}

/// Gives answers a schema of their own, without required members, where the parameter `fields` selects the members: no
/// member is sure to be present. The parameter lists the possible members.
fn choose_members(components: &mut Components, operations: &mut [&mut Operation]) {
    for operation in operations {
        let parameters = operation.parameters.get_or_insert_default();
        let fields = parameters.iter().position(|known| matches!(known, RefOr::T(known) if known.name == "fields"));
        let Some(fields) = fields else { continue };
        let Some(answer) = answered(operation).next() else { continue };
        let name = target(answer).unwrap_or_default().to_owned();
        let whole = name.strip_suffix("List").unwrap_or(&name).to_owned();
        let item = format!("{whole}Item");
        let Some(RefOr::T(Schema::Object(schema))) = components.schemas.get(&whole) else { continue };
        let mut schema = schema.clone();
        let names = schema.properties.keys().cloned().collect::<Vec<_>>().join("|");
        schema.required.clear();
        let text = schema.description.unwrap_or_default();
        schema.description = Some(format!("{text} With `fields`, those members alone; else all of them."));
        if name == whole {
            *answer = RefOr::Ref(Ref::from_schema_name(&item));
        } else if let Some(RefOr::T(Schema::Object(list))) = components.schemas.get_mut(&name)
            && let Some(RefOr::T(Schema::Array(items))) = list.properties.get_mut("items")
        {
            items.items = ArrayItems::RefOrSchema(Box::new(RefOr::Ref(Ref::from_schema_name(&item))));
        }
        components.schemas.insert(item, RefOr::T(Schema::Object(schema)));
        let parameter = operation.parameters.as_mut().and_then(|parameters| parameters.get_mut(fields));
        if let Some(RefOr::T(Parameter { schema: Some(RefOr::T(Schema::Object(text))), .. })) = parameter {
            text.pattern = Some(format!("^({names})(,({names}))*$"));
        }
    }
}

/// Visits every object, text and number in a schema, with the name of its property.
fn visit(name: &str, schema: &mut RefOr<Schema>, act: &mut impl FnMut(&str, &mut Object)) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            act(name, object);
            for (name, property) in &mut object.properties {
                visit(name, property, act);
            }
        }
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                visit(name, items, act);
            }
        }
        Schema::OneOf(all) => all.items.iter_mut().for_each(|one| visit(name, one, act)),
        Schema::AllOf(all) => all.items.iter_mut().for_each(|one| visit(name, one, act)),
        Schema::AnyOf(all) => all.items.iter_mut().for_each(|one| visit(name, one, act)),
        _ => {}
    }
}

/// Characters that a line of text must not contain: control characters, invisible ones, and those that change the
/// direction of the text around them.
const HIDDEN: &str = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff";

/// Adds patterns to the texts of requests.
fn limit_requests(components: &mut Components, operations: &mut [&mut Operation]) {
    let mut limit = |name: &str, text: &mut Object| {
        let is_text = match &text.schema_type {
            SchemaType::Type(kind) => *kind == Type::String,
            SchemaType::Array(kinds) => kinds.contains(&Type::String),
            SchemaType::AnyValue => false,
        };
        if !is_text || text.pattern.is_some() || text.format.is_some() || text.enum_values.is_some() {
            return;
        }
        text.pattern = Some(match name {
            "cursor" => r"^[A-Za-z0-9_-]*$".to_owned(),
            "evidence_url" => format!(r"^https?://[A-Za-z0-9][^\s{HIDDEN}]*$"),
            "mail_address" => format!(r"^[^\s@{HIDDEN}]+@[^\s@.{HIDDEN}]+\.[^\s@{HIDDEN}]+$"),
            "phone_number" => r"^[0-9+()-][0-9 +()-]*$".to_owned(),
            // These may have several lines.
            "reason" | "indicators" => {
                let odd = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f";
                format!(r"^[^{odd}]*[^\s{odd}][^{odd}]*$")
            }
            _ => format!(r"^[^{HIDDEN}]*[^\s{HIDDEN}][^{HIDDEN}]*$"),
        });
    };
    for operation in operations {
        for parameter in operation.parameters.iter_mut().flatten() {
            if let RefOr::T(Parameter { name, parameter_in: ParameterIn::Query, schema: Some(schema), .. }) = parameter
            {
                visit(name, schema, &mut limit);
            }
        }
        for (_, schema) in requested(operation) {
            match target(schema).map(str::to_owned) {
                Some(name) => {
                    components.schemas.get_mut(&name).into_iter().for_each(|schema| visit("", schema, &mut limit))
                }
                None => visit("", schema, &mut limit),
            }
        }
    }
}

/// Turns closed sets of values in answers into open ones, so that older clients do not fail at a value added later.
fn open_answers(components: &mut Components, operations: &mut [&mut Operation]) {
    let requests = operations.iter_mut().flat_map(|operation| requested(operation));
    let requests: BTreeSet<_> = requests.filter_map(|(_, schema)| target(schema).map(str::to_owned)).collect();
    let mut open = |_: &str, schema: &mut Object| {
        let Some(values) = schema.enum_values.take() else { return };
        let values: Vec<Value> = values.into_iter().filter(|value| !value.is_null()).collect();
        let names =
            values.iter().filter_map(Value::as_str).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let text = schema.description.take().unwrap_or_default();
        schema.description = Some(format!("{text} One of {names}; more values may be added."));
        schema.extensions.get_or_insert_default().insert("x-extensible-enum".to_owned(), values.into());
    };
    for (name, schema) in &mut components.schemas {
        if !requests.contains(name) {
            visit("", schema, &mut open);
        }
    }
    for operation in operations {
        answered(operation).for_each(|schema| visit("", schema, &mut open));
    }
}

fn complete(path: &str, method: &HttpMethod, operation: &mut Operation) {
    let needs_token = operation.security.is_none();
    let has = |operation: &Operation, name: &str| {
        operation
            .parameters
            .iter()
            .flatten()
            .any(|parameter| matches!(parameter, RefOr::T(known) if known.name == name))
    };
    let needs_match = has(operation, "If-Match");
    let mut problems: Vec<(&str, &str)> = vec![("500", "internal"), ("503", "busy"), ("507", "insufficient-storage")];
    if needs_token {
        // An operation without parameters refuses unknown ones too.
        problems.extend([("400", "invalid-parameters"), ("401", "invalid-token"), ("403", "role-too-low")]);
    } else {
        problems.push(("400", "invalid-request"));
    }
    // Before the first run there is nothing to show.
    let shows_scores = ["/v1/scores", "/v1/portfolio", "/v1/exports/scores", "/v1/own/score"];
    if shows_scores.iter().any(|start| path.starts_with(start)) {
        problems.push(("404", "not-scored"));
    } else if path.contains('{') || (*method == HttpMethod::Get && path.contains("by-")) {
        problems.push(("404", "not-found"));
    }
    if operation.request_body.is_some() {
        problems.extend([("413", "body-too-large"), ("415", "unsupported-media-type"), ("422", "invalid-body")]);
    }
    if *method != HttpMethod::Get && needs_token {
        let creates = operation.responses.responses.contains_key("201");
        let code = match *method {
            _ if creates => "key-taken",
            HttpMethod::Delete => "still-referred",
            _ => "wrong-state",
        };
        problems.push(("409", code));
    }
    if needs_match {
        problems.extend([("412", "stale-version"), ("428", "precondition-required")]);
    }
    // Operations that start a job.
    if operation.responses.responses.contains_key("202") && *method != HttpMethod::Delete {
        problems.push(("429", "too-many-jobs"));
    }
    // These are possible for every request. The operation's own response takes precedence.
    problems.extend([
        ("400", "invalid-request"),
        ("408", "slow-request"),
        ("414", "address-too-long"),
        ("429", "too-many-requests"),
        ("431", "head-too-large"),
    ]);
    for (status, code) in problems {
        let reference = || RefOr::Ref(Ref::new(format!("#/components/responses/{code}")));
        operation.responses.responses.entry(status.to_owned()).or_insert_with(reference);
    }
    describe_headers(method, operation);
    if needs_token {
        operation.security = Some(vec![utoipa::openapi::security::SecurityRequirement::new("bearer", [""; 0])]);
    }
}

/// Documents the headers that an answer has in addition to its body.
fn describe_headers(method: &HttpMethod, operation: &mut Operation) {
    let has = |name: &str| {
        let mut parameters = operation.parameters.iter().flatten();
        parameters.any(|parameter| matches!(parameter, RefOr::T(known) if known.name == name))
    };
    let (is_read, is_change) = (has("If-None-Match"), has("If-Match"));
    if is_read {
        let unchanged = ResponseBuilder::new().description("The client has the current version.").build();
        operation.responses.responses.insert("304".to_owned(), RefOr::T(unchanged));
    }
    let header = |text: &str, example: &str| {
        HeaderBuilder::new().schema(Some(Schema::from(text_schema(text, example)))).description(Some(text)).build()
    };
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let mut add = |name: &str, text: &str, example: &str| {
            response.headers.insert(name.to_owned(), header(text, example).into());
        };
        if status == "201" || (status == "202" && *method != HttpMethod::Delete) {
            add("Location", "Where it is.", "/v1/suppliers/01999999-9999-7999-8999-999999999999");
        }
        if matches!(status.as_str(), "200" | "201" | "304") && (is_read || is_change || status == "201") {
            add("ETag", "The version of the record, for If-Match and If-None-Match.", "\"1\"");
        }
        if status == "202" {
            add("Retry-After", "The number of seconds to wait before asking for the job.", "1");
        }
    }
}

fn problem_response(kind: ProblemKind) -> utoipa::openapi::response::Response {
    let (code, title) = (kind.slug(), kind.title(scoring::Lang::En));
    let errors = match kind {
        ProblemKind::InvalidBody => json!([{
            "pointer": "#/name", "code": "too-long", "detail": "use 200 characters at most",
        }]),
        ProblemKind::InvalidParameters => json!([{
            "pointer": "limit", "code": "out-of-range", "detail": "out of range; use 1 to 1,000",
        }]),
        _ => json!([]),
    };
    let example = json!({
        "type": format!("urn:sonae:problem:{code}"), "title": title, "status": kind.status().as_u16(),
        "detail": "what was wrong with this request and what to do", "instance": "/v1/suppliers", "code": code,
        "request_id": EXAMPLE_ID, "errors": errors,
    });
    let content =
        ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).example(Some(example)).build();
    ResponseBuilder::new().description(title).content("application/problem+json", content).build()
}

fn problem_schema() -> RefOr<Schema> {
    let fault = object("One fault.")
        .property(
            "pointer",
            text_schema("Where: a JSON Pointer into the body, or the parameter's name.", "#/name"),
            true,
        )
        .property("code", text_schema("The stable code, as `docs/problems.md` lists it.", "missing-value"), true)
        .property(
            "detail",
            text_schema("What is wrong and what to do.", "a required value is empty; fill it in"),
            true,
        );
    let errors = ArrayBuilder::new()
        .items(RefOr::from(fault))
        .description(Some("The faults of the request, 50 at most."))
        .max_items(Some(50))
        .build();
    object("A problem (RFC 9457). Titles and details are Japanese, or English by Accept-Language.")
        .property("type", text_schema("A URI for the kind.", "urn:sonae:problem:invalid-body"), true)
        .property("title", text_schema("The kind in words.", "The body breaks the rules"), true)
        .property("status", whole_schema("The status code.", 422), true)
        .property(
            "detail",
            text_schema("What was wrong with this request and what to do.", "faults: 1; fix each of errors"),
            true,
        )
        .property("instance", text_schema("The path.", "/v1/suppliers"), true)
        .property("code", text_schema("The kind's stable code.", "invalid-body"), true)
        .property("request_id", id_schema("The request, as the log has it."), true)
        .property(
            "error_count",
            whole_schema("How many faults there are, those that are not in `errors` included.", 1),
            true,
        )
        .property("errors", RefOr::T(Schema::Array(errors)), true)
        .into()
}
