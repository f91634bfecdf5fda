//! The problems that an operation may answer with, as types: an annotation names them after its other answers.

use std::collections::BTreeMap;

use scoring::Lang;
use serde_json::{Value, json};
use utoipa::IntoResponses;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{Ref, RefOr};

use super::{EXAMPLE_ID, both};
use crate::base::problem::ProblemKind;

macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident($($kind:ident),*);)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                answers(&[$(ProblemKind::$kind),*])
            }
        }
    )*};
}

answers! {
    /// Nothing has this code or key.
    NotFound(NotFound);
    /// There is no score yet, or no such supplier or run.
    NotScored(NotScored, NotFound);
    /// The key of a new record is in use, or what it refers to was deleted in the meantime.
    KeyTaken(KeyTaken, StillReferred);
    /// The key of a new record is in use, or the record that has it must not be changed.
    KeyTakenOrWrongState(KeyTaken, StillReferred, WrongState);
    /// Other records refer to what would go, or it must not be changed.
    StillReferred(StillReferred, WrongState);
    /// The state of the record does not allow this, or it was deleted in the meantime.
    WrongState(WrongState, StillReferred);
    /// The job has ended.
    JobEnded(WrongState);
    /// The buyer has as many open jobs as it may have.
    TooManyJobs(TooManyJobs);
}

/// What joins the kinds in the name of an answer that may be of several.
const KIND_SEPARATOR: &str = "-or-";

/// Returns an answer for each status of these kinds.
pub(super) fn answers(kinds: &[ProblemKind]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status = BTreeMap::<_, Vec<_>>::new();
    for kind in ProblemKind::ALL.iter().filter(|kind| kinds.contains(kind)) {
        by_status.entry(kind.status().as_str().to_owned()).or_default().push(kind.slug());
    }
    let reference =
        |slugs: Vec<_>| RefOr::Ref(Ref::new(format!("#/components/responses/{}", slugs.join(KIND_SEPARATOR))));
    by_status.into_iter().map(|(status, slugs)| (status, reference(slugs))).collect()
}

/// Returns the kinds of an answer by its name.
pub(super) fn kinds_of(name: &str) -> Vec<ProblemKind> {
    name.split(KIND_SEPARATOR)
        .filter_map(|slug| ProblemKind::ALL.iter().find(|kind| kind.slug() == slug))
        .copied()
        .collect()
}

/// Returns the answer of one or several kinds.
pub(super) fn problem_response(kinds: &[ProblemKind]) -> Response {
    let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
    let content = ContentBuilder::new().schema(Some(schema));
    let content = match kinds {
        [kind] => content.example(Some(example(*kind))),
        _ => content.examples_from_iter(
            kinds.iter().map(|kind| (kind.slug(), ExampleBuilder::new().value(Some(example(*kind))).build())),
        ),
    };
    let titles = |lang| kinds.iter().map(|kind| kind.title(lang)).collect::<Vec<_>>();
    let title = both(&titles(Lang::En).join("; or: "), &titles(Lang::Ja).join("、または"));
    ResponseBuilder::new().description(title).content("application/problem+json", content.build()).build()
}

fn example(kind: ProblemKind) -> Value {
    let errors = match kind {
        ProblemKind::InvalidBody => json!([{
            "pointer": "#/name", "code": "too-long", "detail": "use 200 characters at most",
        }]),
        ProblemKind::InvalidParameters => json!([{
            "pointer": "limit", "code": "out-of-range", "detail": "out of range; use 1 to 1,000",
        }]),
        _ => json!([]),
    };
    let code = kind.slug();
    json!({
        "type": format!("urn:sonae:problem:{code}"), "title": kind.title(Lang::En), "status": kind.status().as_u16(),
        "detail": "what was wrong with this request and what to do", "instance": "/v1/suppliers", "code": code,
        "request_id": EXAMPLE_ID, "error_count": errors.as_array().map_or(0, Vec::len), "errors": errors,
    })
}
