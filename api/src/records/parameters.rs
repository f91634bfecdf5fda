//! Parameters that records share, for the API document.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{RefOr, Required};

use crate::http::openapi::{parameter, text_schema, time_schema};
use crate::http::page::MAX_PARAMETER_LENGTH;

/// The parameters of a read of one record.
pub(crate) struct ReadQuery;

impl IntoParams for ReadQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let known_at = "The moment whose knowledge is read (RFC 3339).";
        let fields = "The members to show, separated by commas; all if omitted.";
        vec![
            parameter("known_at", known_at, time_schema(known_at), false),
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
        "The ETag of the version that the client has. The answer is 304 while that version is current.",
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
        vec![header("If-Match", "The ETag of the version to change, or `*` for any version.", true)]
    }
}

/// The precondition of a replacement. A creation needs none.
pub(crate) struct IfMatchToReplace;

impl IntoParams for IfMatchToReplace {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = "The ETag of the version to replace, or `*` for any version. Omitted for a new record.";
        vec![header("If-Match", text, false)]
    }
}

/// The key of a record in an address.
pub(crate) struct KeyQuery;

impl IntoParams for KeyQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let (source, id) = ("The source; `manual` if omitted.", "Its id in that source.");
        vec![
            parameter("source", source, text_schema(source, "manual").max_length(64), false),
            parameter("external_id", id, text_schema(id, "E0").max_length(200), true),
        ]
    }
}
