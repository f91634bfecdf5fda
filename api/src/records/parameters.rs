//! Parameters that records share, for the API document.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{RefOr, Required};

use crate::http::openapi::{known_at_parameter, parameter, text_schema};
use crate::http::page::MAX_PARAMETER_LENGTH;

/// The parameters of a read of one record.
pub(crate) struct ReadQuery;

impl IntoParams for ReadQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let fields =
            "The members to return, separated by commas; all if omitted.\nja: 返す項目（コンマ区切り）。省略時はすべて";
        vec![
            known_at_parameter(),
            parameter("fields", fields, text_schema(fields, "id,version").max_length(MAX_PARAMETER_LENGTH), false),
            if_none_match(),
        ]
    }
}

fn header(name: &str, text: &str, is_required: bool) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(if is_required { Required::True } else { Required::False })
        .description(Some(text))
        .schema(Some(RefOr::from(text_schema(text, "\"1\""))))
        .build()
}

/// Returns the header that can spare a read.
pub(crate) fn if_none_match() -> Parameter {
    header(
        "If-None-Match",
        "The ETag of the version that the client has. The answer is 304 while that version is current.\nja: \
         手元の版のETag。その版が最新なら304を返す",
        false,
    )
}

/// The header that can spare a read, for reads without other parameters.
pub(crate) struct IfNoneMatch;

impl IntoParams for IfNoneMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![if_none_match()]
    }
}

/// The precondition of a change.
pub(crate) struct IfMatch;

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text =
            "The ETag of the version to change, or `*` for any version.\nja: 変更する版のETag。版を問わないときは `*`";
        vec![header("If-Match", text, true)]
    }
}

/// The precondition of a replacement. A creation needs none.
pub(crate) struct IfMatchToReplace;

impl IntoParams for IfMatchToReplace {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = "The ETag of the version to replace, or `*` for any version. Omit it for a new record.\nja: \
                    置き換える版のETag。版を問わないときは `*`。新しい記録では省略する";
        vec![header("If-Match", text, false)]
    }
}

/// The key of a record in an address.
pub(crate) struct KeyQuery;

impl IntoParams for KeyQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let source = "The source of the record; `manual` if omitted.\nja: 記録の出所。省略時は `manual`";
        let id = "The id of the record in that source.\nja: その出所での外部ID";
        vec![
            parameter("source", source, text_schema(source, "manual").max_length(64), false),
            parameter("external_id", id, text_schema(id, "E0").max_length(200), true),
        ]
    }
}
