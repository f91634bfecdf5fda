//! Parameters that several operations have.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{RefOr, Required};

use super::{
    EXAMPLE_ID, Shape, both, choice_schema, date_schema, field_schema, flag_schema, id_schema, number, text_schema,
    time_schema, whole_schema,
};
use crate::base::fields::Field;
use crate::http::page::{DEFAULT_LIMIT, MAX_LIMIT, MAX_PARAMETER_LENGTH};

const ID_TEXT: &str = "The id.\nja: 対象のID";

/// Returns the parameter for the id in a path.
pub(crate) fn id_parameter() -> Parameter {
    ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(ID_TEXT))
        .schema(Some(RefOr::from(id_schema(ID_TEXT))))
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
    let text = both(&format!("{}.", field.en), field.ja);
    parameter(field.name, &text, field_schema(field).described(&text), false)
}

/// Returns the parameters that every list of records has.
pub(crate) fn list_parameters(sorts: &[String], has_external_id: bool) -> Vec<Parameter> {
    let sorts: Vec<&str> = sorts.iter().map(String::as_str).collect();
    let text = |name, description, example, max| {
        parameter(name, description, text_schema(description, example).max_length(max), false)
    };
    let flag = |name, description| parameter(name, description, flag_schema(description, true), false);
    let mut all = page_parameters();
    let sort = "The sort order. A leading `-` reverses it. Ties are sorted by id; so is the whole list if this is omitted.\nja: \
                並べ順。先頭に `-` を付けると逆順。同順位と省略時はID順";
    let order = choice_schema(sort, &sorts, sorts.first().copied().unwrap_or_default());
    all.push(parameter("sort", sort, order, false));
    let count = "`exact` counts all matching items.\nja: `exact` を指定すると、条件に合う全体の件数を返す";
    all.push(parameter("count", count, choice_schema(count, &["exact"], "exact"), false));
    let fields =
        "The members of each item, separated by commas; all if omitted.\nja: 返す項目（コンマ区切り）。省略時はすべて";
    all.push(text("fields", fields, "id,version", MAX_PARAMETER_LENGTH));
    all.push(known_at_parameter());
    let supplier_code = "Only records of the supplier with this code, and of suppliers merged into it.\nja: \
                         この取引先コードの取引先の記録だけ（統合した取引先の記録を含む）";
    all.push(text("supplier_code", supplier_code, "S0000001", 64));
    let supplier_id = "Only records of this supplier, and of suppliers merged into it.\nja: \
                       この取引先の記録だけ（統合した取引先の記録を含む）";
    all.push(parameter("supplier_id", supplier_id, id_schema(supplier_id), false));
    all.push(text("source", "Only records of this source.\nja: この出所の記録だけ", "manual", 64));
    if has_external_id {
        let external_id = "Only records with this external id.\nja: この外部IDの記録だけ";
        all.push(text("external_id", external_id, "E0", 200));
        let include_retracted = "Whether to include retracted records; `false` if omitted.\nja: \
                                 取り消した記録を含めるか。省略時は `false`";
        all.push(flag("include_retracted", include_retracted));
    }
    let recorded_since = "Only records changed at or after this moment (RFC 3339). Add `include_ended=true` to include what was \
                          archived since.\nja: \
                          この日時以降に変わった記録だけ（RFC 3339）。その間に取引終了にしたものも見るには `include_ended=true` を付ける";
    all.push(parameter("recorded_since", recorded_since, time_schema(recorded_since), false));
    let include_ended = "Whether to include ended records. If omitted, `false` for suppliers and `true` for all other records.\nja: \
                         終了した記録を含めるか。省略時は、取引先では `false`、ほかの記録では `true`";
    all.push(flag("include_ended", include_ended));
    all
}

/// Returns the parameter that reads the past.
pub(crate) fn known_at_parameter() -> Parameter {
    let text = "Reads what was known at this moment (RFC 3339); now if omitted.\nja: \
                この日時の時点で登録されていた内容を読み取る（RFC 3339）。省略時は現在";
    parameter("known_at", text, time_schema(text), false)
}

/// Returns the parameters that limit runs by their day.
pub(crate) fn as_of_parameters() -> [Parameter; 2] {
    let gte = "Only runs for this day or later.\nja: この日以降についてのスコア計算だけ";
    let lte = "Only runs for this day or earlier.\nja: この日以前についてのスコア計算だけ";
    [parameter("as_of_gte", gte, date_schema(gte), false), parameter("as_of_lte", lte, date_schema(lte), false)]
}

/// Returns the parameters that select a page of a list.
pub(crate) fn page_parameters() -> Vec<Parameter> {
    let text = "The maximum number of items on the page.\nja: 1ページの件数の上限";
    let mut limit = whole_schema(text, DEFAULT_LIMIT);
    (limit.0.minimum, limit.0.maximum) = (Some(number(1.0)), Some(number(MAX_LIMIT as f64)));
    limit.0.default = Some(DEFAULT_LIMIT.into());
    let cursor = "The `next_cursor` of the previous page. Filters and sort order must stay the same.\nja: \
                  前のページの `next_cursor`。絞り込みと並べ順は変えない";
    vec![
        parameter("limit", text, limit, false),
        parameter("cursor", cursor, text_schema(cursor, "cG9z").max_length(MAX_PARAMETER_LENGTH), false),
    ]
}
