//! Rules for the schemas that bodies refer to.

use serde_json::Value;

use super::{Lint, Rule, children, is_snake_case, items, members, reference, text};
use crate::difference::member;

/// How a schema is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Walk {
    /// Whether it is part of a request. Then it must state its limits.
    pub(super) is_request: bool,
    /// Whether no example covers it yet. An example at a media type, an object or an array covers everything below it.
    /// Otherwise every leaf needs its own, so that an example of the whole can be composed.
    pub(super) needs_example: bool,
}

/// The members in which a schema holds one other schema, and those in which it holds several.
const ONE: [&str; 2] = ["items", "additionalProperties"];
const SEVERAL: [&str; 6] = ["properties", "patternProperties", "prefixItems", "allOf", "anyOf", "oneOf"];

/// The members that limit a text.
const LIMITS: [&str; 5] = ["maxLength", "enum", "const", "format", "pattern"];

impl<'a> Lint<'a> {
    /// Checks a schema and everything that it refers to.
    pub(super) fn schema(&mut self, place: &str, schema: &'a Value, walk: Walk) {
        if let Some(target) = reference(schema) {
            let resolved = self.resolve(schema);
            if self.walked.insert((target, walk)) && !resolved.is_null() {
                self.schema(target.trim_start_matches('#'), resolved, walk);
            }
            return;
        }
        // `false` (in additionalProperties, for example) and the null of a choice need no description.
        if !schema.is_object() || types(schema) == ["null"] {
            return;
        }
        if text(schema, "description").trim().is_empty() {
            self.note(Rule::SchemaDescription, place, "it has no description");
        }
        for (name, _) in members(schema, "/properties").filter(|(name, _)| !is_snake_case(name)) {
            self.note(Rule::Name, place, format!("its property {name:?} is not in snake_case"));
        }
        let needs_example = walk.needs_example && !has_example(schema);
        if needs_example && parts(place, schema).is_empty() {
            self.note(Rule::Example, place, "it has no example");
        }
        self.examples_fit(place, schema, schema);
        self.arrays(place, schema);
        if walk.is_request {
            self.limits(place, schema);
        } else if schema.get("enum").is_some() {
            self.note(Rule::OpenEnum, place, "it is a closed set of values in an answer");
        }
        for (place, part) in parts(place, schema) {
            self.schema(&place, part, Walk { needs_example, ..walk });
        }
    }

    /// Checks how an array describes its items.
    pub(super) fn arrays(&mut self, place: &str, schema: &'a Value) {
        let says_items = schema.get("items").and_then(Value::as_object).is_some_and(|items| !items.is_empty());
        if types(schema).contains(&"array") && !says_items {
            self.note(Rule::ArrayItems, place, "it does not say what its items are");
        }
        if schema.get("prefixItems").is_some() {
            self.note(Rule::PrefixItems, place, "it has prefixItems");
        }
    }

    /// Checks that the examples of a parameter or schema fit the schema's type and enum.
    pub(super) fn examples_fit(&mut self, place: &str, holder: &'a Value, schema: &'a Value) {
        let examples = items(holder, "examples").chain(holder.get("example"));
        for example in examples.filter(|example| !fits(schema, example)) {
            self.note(Rule::Example, place, format!("its example {example} does not fit its type or enum"));
        }
    }

    fn limits(&mut self, place: &str, schema: &'a Value) {
        let (types, has) = (types(schema), |name: &&str| schema.get(name).is_some());
        if types.contains(&"string") && !LIMITS.iter().any(has) {
            self.note(Rule::TextLimit, place, format!("nothing limits its text, expected one of {LIMITS:?}"));
        }
        let is_object = types.contains(&"object") || schema.get("properties").is_some();
        if is_object && schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            self.note(Rule::ClosedObject, place, "it takes other properties");
        }
    }
}

/// Whether the value itself has an example.
pub(super) fn has_example(value: &Value) -> bool {
    value.get("example").is_some() || value.get("examples").is_some_and(|all| !children(all).is_empty())
}

/// Returns the schemas within a schema, each with its place.
fn parts<'a>(place: &str, schema: &'a Value) -> Vec<(String, &'a Value)> {
    let mut parts = Vec::new();
    for name in ONE {
        parts.extend(schema.get(name).filter(|part| part.is_object()).map(|part| (member(place, name), part)));
    }
    for name in SEVERAL {
        let within = member(place, name);
        parts.extend(
            children(schema.get(name).unwrap_or(&Value::Null))
                .into_iter()
                .map(|(key, part)| (member(&within, &key), part)),
        );
    }
    parts
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn fits(schema: &Value, example: &Value) -> bool {
    let is_of = |kind: &&str| match *kind {
        "string" => example.is_string(),
        "integer" => example.is_i64() || example.is_u64(),
        "number" => example.is_number(),
        "boolean" => example.is_boolean(),
        "object" => example.is_object(),
        "array" => example.is_array(),
        "null" => example.is_null(),
        _ => false,
    };
    let (types, choices) = (types(schema), schema.get("enum").and_then(Value::as_array));
    (types.is_empty() || types.iter().any(is_of)) && choices.is_none_or(|choices| choices.contains(example))
}
