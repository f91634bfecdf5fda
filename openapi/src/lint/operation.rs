//! Rules for operations, their parameters, bodies and answers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::schema::{Walk, has_example};
use super::{Lint, Rule, is_snake_case, items, members, reference, text};

/// An operation of the document.
pub(super) struct Operation<'a> {
    /// Its name in findings: `GET /v1/suppliers`.
    pub(super) place: String,
    path: &'a str,
    /// The path's own entry. Its parameters apply to all of its operations.
    item: &'a Value,
    pub(super) value: &'a Value,
}

const METHODS: [&str; 8] = ["get", "put", "post", "patch", "delete", "head", "options", "trace"];

const VERBS: [&str; 16] = [
    "archive", "cancel", "change", "create", "delete", "erase", "export", "get", "list", "look", "merge", "put",
    "restore", "retract", "start", "unmerge",
];

/// HTTP headers, which keep their standard names.
const HTTP_HEADERS: [&str; 2] = ["If-Match", "If-None-Match"];

const TOKEN_PROBLEMS: [&str; 4] = ["401", "403", "500", "503"];

/// Returns all operations, in the order of the document.
pub(super) fn all(document: &Value) -> impl Iterator<Item = Operation<'_>> {
    members(document, "/paths").flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| {
            let place = format!("{} {path}", method.to_uppercase());
            Some(Operation { place, path, item, value: item.get(method)? })
        })
    })
}

impl<'a> Lint<'a> {
    /// Checks one operation and everything that it refers to.
    pub(super) fn operation(&mut self, operation: &Operation<'a>) {
        self.labels(operation);
        self.security(operation);
        self.parameters(operation);
        if let Some(body) = operation.value.get("requestBody") {
            let body = self.resolve(body);
            self.bodies(&format!("{} request", operation.place), body, true);
            let first = members(body, "/content").next().map(|(kind, _)| kind.as_str());
            if members(body, "/content").count() > 1 && first != Some("application/octet-stream") {
                let text = format!("of several types its request body has {first:?} first");
                self.note(Rule::FirstType, &operation.place, text);
            }
            if first.is_none() {
                self.note(Rule::BodySchema, &operation.place, "its request body has no media type");
            }
        }
        for (status, response) in members(operation.value, "/responses") {
            let response = self.resolve(response);
            let place = format!("{} {status}", operation.place);
            match status.chars().next() {
                Some('2') => self.bodies(&place, response, false),
                Some('1' | '3') => {}
                _ => self.problem(&place, response),
            }
        }
    }

    fn labels(&mut self, Operation { place, value, .. }: &Operation<'a>) {
        let id = text(value, "operationId");
        if !is_snake_case(id) {
            self.note(Rule::OperationId, place, format!("its operationId {id:?} is not in snake_case"));
        }
        if !id.split_once('_').is_some_and(|(verb, _)| VERBS.contains(&verb)) {
            self.note(Rule::OperationId, place, format!("its operationId {id:?} begins with none of {VERBS:?}"));
        }
        for (rule, name) in [(Rule::Summary, "summary"), (Rule::Description, "description")] {
            if text(value, name).trim().is_empty() {
                self.note(rule, place, format!("it has no {name}"));
            }
        }
        let tags: Vec<_> = items(value, "tags").filter_map(Value::as_str).collect();
        let is_declared = |tag: &str| items(self.document, "tags").any(|known| text(known, "name") == tag);
        match tags.as_slice() {
            [tag] if is_declared(tag) => {}
            [tag] => self.note(Rule::Tag, place, format!("the document declares no tag {tag}")),
            _ => self.note(Rule::Tag, place, format!("it has {} tags, expected 1", tags.len())),
        }
    }

    fn security(&mut self, Operation { place, value, .. }: &Operation<'a>) {
        if !value.get("security").is_some_and(Value::is_array) {
            return self.note(Rule::Security, place, "it does not say whether it needs a token");
        }
        let schemes: Vec<_> = items(value, "security").flat_map(|needed| members(needed, "")).collect();
        for (scheme, _) in &schemes {
            if members(self.document, "/components/securitySchemes").all(|(known, _)| known != *scheme) {
                self.note(Rule::Security, place, format!("the document declares no scheme {scheme}"));
            }
        }
        let missing = |status: &&str| value.get("responses").and_then(|all| all.get(status)).is_none();
        for status in TOKEN_PROBLEMS.iter().filter(|status| !schemes.is_empty() && missing(status)) {
            self.note(Rule::TokenProblems, place, format!("it has no response {status}"));
        }
    }

    fn parameters(&mut self, Operation { place, path, item, value }: &Operation<'a>) {
        let parameters: Vec<&Value> =
            items(item, "parameters").chain(items(value, "parameters")).map(|each| self.resolve(each)).collect();
        let mut declared = BTreeSet::new();
        for parameter in parameters {
            let (name, within) = (text(parameter, "name"), text(parameter, "in"));
            if !declared.insert((within, name)) {
                self.note(Rule::Parameter, place, format!("it has the parameter {name} twice"));
            }
            if !(is_snake_case(name) || within == "header" && HTTP_HEADERS.contains(&name)) {
                self.note(Rule::Name, place, format!("its parameter {name:?} is not in snake_case"));
            }
            if within == "path" && parameter.get("required") != Some(&Value::Bool(true)) {
                self.note(Rule::PathParameter, place, format!("its parameter {name} is in the path, and not required"));
            }
            self.parameter(&format!("{place} parameter {name}"), parameter);
        }
        let in_template: BTreeSet<_> = path.split('{').skip(1).filter_map(|part| part.split('}').next()).collect();
        let in_path: BTreeSet<_> =
            declared.iter().filter(|(within, _)| *within == "path").map(|(_, name)| *name).collect();
        for name in in_template.symmetric_difference(&in_path) {
            let text = if in_path.contains(name) { "is not in the path" } else { "is not declared" };
            self.note(Rule::PathParameter, place, format!("its parameter {name} {text}"));
        }
        let has = |name| declared.contains(&("query", name));
        if text(value, "operationId").starts_with("list_") && has("limit") && !has("cursor") {
            self.note(Rule::ListCursor, place, "it has the parameter limit, and no cursor");
        }
    }

    fn parameter(&mut self, place: &str, parameter: &'a Value) {
        if text(parameter, "description").trim().is_empty() {
            self.note(Rule::Parameter, place, "it has no description");
        }
        let Some(schema) = parameter.get("schema") else {
            return self.note(Rule::Parameter, place, "it has no schema");
        };
        let schema = self.resolve(schema);
        if !has_example(parameter) && !has_example(schema) {
            self.note(Rule::Parameter, place, "it has no example");
        }
        self.arrays(place, schema);
        self.examples_fit(place, schema, schema);
        self.examples_fit(place, parameter, schema);
    }

    /// Checks a body in each of its media types.
    fn bodies(&mut self, place: &str, body: &'a Value, is_request: bool) {
        for (media_type, media) in members(body, "/content") {
            let place = format!("{place} ({media_type})");
            match media.get("schema") {
                Some(schema) => {
                    self.schema(&place, schema, Walk { is_request, needs_example: !has_example(media) });
                }
                None => self.note(Rule::BodySchema, &place, "it has no schema"),
            }
        }
    }

    fn problem(&mut self, place: &str, response: &'a Value) {
        let types: Vec<_> = members(response, "/content").map(|(media_type, _)| media_type.as_str()).collect();
        if types != ["application/problem+json"] {
            self.note(Rule::Problem, place, format!("it is {types:?}, expected application/problem+json alone"));
        }
        for (_, media) in members(response, "/content") {
            if media.get("schema").and_then(reference) != Some("#/components/schemas/Problem") {
                self.note(Rule::Problem, place, "its schema is not Problem");
            }
        }
        self.bodies(place, response, false);
    }
}
