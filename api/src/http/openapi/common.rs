//! What all operations have in common: the token, the possible problems, the preconditions.

use std::collections::BTreeSet;

use schema::Choice;
use serde_json::Value;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterIn};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ArrayItems, Components, Object, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, Ref, RefOr};
use utoipa::{Modify, PartialSchema, ToSchema};

use super::answers::{answers, kinds_of, problem_response};
use super::language::append;
use super::tidy::{require_members, tidy};
use super::{EXAMPLE_ID, text_schema};
use crate::base::problem::{ProblemKind, ProblemView};
use crate::http::auth::roles_of;

/// Adds what operations have in common: the token, the possible problems, the preconditions.
pub(crate) struct InCommon;

impl Modify for InCommon {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        components.schemas.extend(problem_schemas());
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("A token of `sonae token create`.\nja: `sonae token create` で発行したトークン"))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        let mut operations = Vec::new();
        for item in document.paths.paths.values_mut() {
            let all = [
                (HttpMethod::Get, &mut item.get),
                (HttpMethod::Post, &mut item.post),
                (HttpMethod::Put, &mut item.put),
                (HttpMethod::Patch, &mut item.patch),
                (HttpMethod::Delete, &mut item.delete),
            ];
            for (method, operation) in all {
                if let Some(operation) = operation {
                    complete(&method, operation);
                    operations.push(operation);
                }
            }
        }
        tidy(components, &mut operations);
        require_members(components, &mut operations);
        describe_answers(components, &mut operations);
        choose_members(components, &mut operations);
        let used = operations.iter().flat_map(|operation| operation.responses.responses.values());
        let used: BTreeSet<_> = used.filter_map(|response| target(response)).map(str::to_owned).collect();
        for name in used {
            components.responses.insert(name.clone(), RefOr::T(problem_response(&kinds_of(&name))));
        }
        limit_requests(components, &mut operations);
        open_answers(components, &mut operations);
    }
}

/// Returns the schemas of a problem: only answers refer to them, which are written later.
fn problem_schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(ProblemView::name().into_owned(), ProblemView::schema())];
    ProblemView::schemas(&mut schemas);
    schemas
}

/// Describes answers without a text of their own as their bodies.
fn describe_answers(components: &Components, operations: &mut [&mut Operation]) {
    for operation in operations {
        for response in operation.responses.responses.values_mut().filter_map(here) {
            let body = response.content.values().find_map(|content| match content {
                RefOr::T(content) => components.schemas.get(target(content.schema.as_ref()?)?),
                RefOr::Ref(_) => None,
            });
            if let Some(RefOr::T(Schema::Object(body))) = body
                && response.description.is_empty()
            {
                response.description = body.description.clone().unwrap_or_default();
            }
        }
    }
}

/// Returns the last part of a reference: the name.
pub(super) fn target<T>(value: &RefOr<T>) -> Option<&str> {
    match value {
        RefOr::Ref(reference) => reference.ref_location.rsplit('/').next(),
        RefOr::T(_) => None,
    }
}

/// Returns the schemas of an operation's answers.
pub(super) fn answered(operation: &mut Operation) -> impl Iterator<Item = &mut RefOr<Schema>> {
    let responses = operation.responses.responses.values_mut().filter_map(here);
    responses
        .flat_map(|response| response.content.values_mut())
        .filter_map(here)
        .filter_map(|body| body.schema.as_mut())
}

/// Returns the value if it is written inline, not referenced.
pub(super) fn here<T>(value: &mut RefOr<T>) -> Option<&mut T> {
    match value {
        RefOr::T(value) => Some(value),
        RefOr::Ref(_) => None,
    }
}

/// Returns the schemas of an operation's request body, by media type.
pub(super) fn requested(operation: &mut Operation) -> impl Iterator<Item = (&String, &mut RefOr<Schema>)> {
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
        let (en, ja) =
            (" If `fields` is given, it has only those members.", "（`fields` を指定した場合は、その項目だけ）");
        schema.description = Some(append(&text, en, ja));
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
pub(super) fn visit(name: &str, schema: &mut RefOr<Schema>, act: &mut impl FnMut(&str, &mut Object)) {
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
const HIDDEN_CHARACTERS: &str = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff";

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
            "evidence_url" => format!(r"^https?://[A-Za-z0-9][^\s{HIDDEN_CHARACTERS}]*$"),
            "mail_address" => {
                format!(r"^[^\s@{HIDDEN_CHARACTERS}]+@[^\s@.{HIDDEN_CHARACTERS}]+\.[^\s@{HIDDEN_CHARACTERS}]+$")
            }
            "phone_number" => r"^[0-9+()-][0-9 +()-]*$".to_owned(),
            // These may have several lines.
            "reason" | "indicators" => {
                let odd = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f";
                format!(r"^[^{odd}]*[^\s{odd}][^{odd}]*$")
            }
            _ => format!(r"^[^{HIDDEN_CHARACTERS}]*[^\s{HIDDEN_CHARACTERS}][^{HIDDEN_CHARACTERS}]*$"),
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
        let names: Vec<_> = values.iter().filter_map(Value::as_str).map(|name| format!("`{name}`")).collect();
        let text = schema.description.take().unwrap_or_default();
        let (en, ja) = (
            format!(" One of {}; more values may be added.", names.join(", ")),
            format!("（{} のいずれか。値は増えることがある）", names.join("、")),
        );
        schema.description = Some(append(&text, &en, &ja));
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

/// Adds what follows from the parts of an operation: its token, its parameters, its body and its answers.
fn complete(method: &HttpMethod, operation: &mut Operation) {
    let role = role(operation);
    let has = |parts: fn(&Parameter) -> bool| {
        operation.parameters.iter().flatten().any(|known| matches!(known, RefOr::T(known) if parts(known)))
    };
    // These are possible for every request.
    let mut problems = vec![
        ProblemKind::InvalidRequest,
        ProblemKind::SlowRequest,
        ProblemKind::AddressTooLong,
        ProblemKind::TooManyRequests,
        ProblemKind::HeadTooLarge,
        ProblemKind::Internal,
        ProblemKind::Busy,
        ProblemKind::InsufficientStorage,
    ];
    if role.is_some() {
        // An operation without parameters refuses unknown ones too.
        problems.extend([ProblemKind::InvalidParameters, ProblemKind::InvalidToken, ProblemKind::RoleTooLow]);
    }
    if *method != HttpMethod::Get {
        problems.push(ProblemKind::ReadOnly);
    }
    if has(|parameter| parameter.parameter_in == ParameterIn::Path) {
        problems.push(ProblemKind::NotFound);
    }
    if has(|parameter| parameter.name == "If-Match") {
        problems.extend([ProblemKind::StaleVersion, ProblemKind::PreconditionRequired]);
    }
    if operation.request_body.is_some() {
        problems.extend([
            ProblemKind::MalformedBody,
            ProblemKind::BodyTooLarge,
            ProblemKind::UnsupportedMediaType,
            ProblemKind::InvalidBody,
        ]);
    }
    // The operation's own problems.
    problems.extend(operation.responses.responses.values().filter_map(target).flat_map(kinds_of));
    operation.responses.responses.extend(answers(&problems));
    describe_headers(method, operation);
    if let Some(role) = role {
        let allowed = roles_of(&role).iter().map(|role| format!("`{}`", role.key())).collect::<Vec<_>>();
        let (en, ja) = (allowed.join(", "), allowed.join("、"));
        let text = operation.description.as_deref().unwrap_or_default();
        operation.description = Some(append(text, &format!("\n\nRoles: {en}."), &format!("\n\nロール: {ja}")));
    }
}

/// Returns the role that an operation's security requirement names: the lowest one that may call it. `None` if it needs
/// no token.
fn role(operation: &Operation) -> Option<String> {
    let requirements = serde_json::to_value(&operation.security).unwrap_or_default();
    requirements.pointer("/0/bearer/0").and_then(Value::as_str).map(str::to_owned)
}

/// Documents the headers that an answer has in addition to its body.
fn describe_headers(method: &HttpMethod, operation: &mut Operation) {
    let has = |name: &str| {
        let mut parameters = operation.parameters.iter().flatten();
        parameters.any(|parameter| matches!(parameter, RefOr::T(known) if known.name == name))
    };
    let (is_read, is_change) = (has("If-None-Match"), has("If-Match"));
    if is_read {
        let unchanged =
            ResponseBuilder::new().description("The client has the current version.\nja: 手元の版が最新").build();
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
        if status == "201" {
            let text = "The address of what was created.\nja: 登録した内容のアドレス";
            add("Location", text, &format!("/v1/suppliers/{EXAMPLE_ID}"));
        }
        if status == "202" && *method != HttpMethod::Delete {
            add("Location", "The address of the job.\nja: ジョブのアドレス", &format!("/v1/jobs/{EXAMPLE_ID}"));
        }
        if matches!(status.as_str(), "200" | "201" | "304") && (is_read || is_change || status == "201") {
            let text = "The version of what is returned, for If-Match and If-None-Match.\nja: 返した内容の版。If-MatchとIf-None-Matchに使う";
            add("ETag", text, "\"1\"");
        }
        if status == "202" {
            let text = "The number of seconds to wait before reading the job.\nja: ジョブを確認するまでに待つ秒数";
            add("Retry-After", text, "1");
        }
    }
}
