//! Parameters that several operations have.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{RefOr, Required};

use super::{
    EXAMPLE_ID, Shape, choice_schema, date_schema, field_schema, flag_schema, id_schema, number, text_schema,
    time_schema, whole_schema,
};
use crate::base::fields::Field;
use crate::http::page::{DEFAULT_LIMIT, MAX_LIMIT, MAX_PARAMETER_LENGTH};

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
