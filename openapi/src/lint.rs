//! The lint: what every part of the document must have, so that it is uniform for readers and generated clients.

mod operation;
mod rule;
mod schema;

use std::collections::BTreeSet;
use std::fmt::Display;

use serde_json::Value;

pub use rule::Rule;

use crate::difference::member;
use operation::Operation;
use schema::Walk;

/// Returns what is wrong with a document, one sentence per finding, with the place and the name of the rule.
///
/// ```
/// let found = openapi::lint(&serde_json::json!({"components": {"schemas": {"Orphan": {"type": "string"}}}}));
/// assert_eq!(found, ["/components/schemas/Orphan: no operation leads to it [unused-schema]"]);
/// ```
pub fn lint(document: &Value) -> Vec<String> {
    let mut lint = Lint { document, findings: Vec::new(), walked: BTreeSet::new() };
    for operation in operation::all(document) {
        lint.operation(&operation);
    }
    lint.operation_ids();
    lint.references("", document);
    lint.unused("schemas", Rule::UnusedSchema);
    lint.unused("responses", Rule::UnusedResponse);
    lint.names();
    lint.findings
}

/// Returns the summaries and descriptions of the Japanese document that are not Japanese.
///
/// ```
/// let found = openapi::lint_japanese(&serde_json::json!({"info": {"description": "Scores"}}));
/// assert_eq!(found, ["/info/description: \"Scores\" is not Japanese [japanese]"]);
/// ```
pub fn lint_japanese(document: &Value) -> Vec<String> {
    let mut lint = Lint { document, findings: Vec::new(), walked: BTreeSet::new() };
    lint.japanese("", document);
    lint.findings
}

/// Types of TypeScript, Python, Java, C# and Go that generated code uses.
const BUILT_IN: [&str; 32] = [
    "Any",
    "Array",
    "Blob",
    "Boolean",
    "Buffer",
    "Byte",
    "Bytes",
    "Class",
    "Date",
    "DateTime",
    "Error",
    "Exception",
    "File",
    "FormData",
    "Function",
    "Integer",
    "List",
    "Map",
    "Number",
    "Object",
    "Optional",
    "Promise",
    "Record",
    "Request",
    "Response",
    "Set",
    "String",
    "Symbol",
    "Task",
    "Type",
    "Unset",
    "Void",
];

/// A lint in progress.
struct Lint<'a> {
    document: &'a Value,
    findings: Vec<String>,
    /// The component schemas that were checked, and how. Many operations refer to the same ones.
    walked: BTreeSet<(&'a str, Walk)>,
}

impl<'a> Lint<'a> {
    /// Notes a finding once, even if it is found in several ways.
    fn note(&mut self, rule: Rule, place: &str, text: impl Display) {
        let finding = format!("{place}: {text} [{}]", rule.name());
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Returns the target of a `$ref`, or the value itself if it has none.
    fn resolve(&self, value: &'a Value) -> &'a Value {
        match reference(value) {
            Some(target) => target.strip_prefix('#').and_then(|at| self.document.pointer(at)).unwrap_or(&Value::Null),
            None => value,
        }
    }

    fn references(&mut self, place: &str, value: &'a Value) {
        if let Some(target) = reference(value)
            && self.resolve(value).is_null()
        {
            self.note(Rule::Reference, place, format!("{target} leads nowhere"));
        }
        for (name, child) in children(value) {
            self.references(&member(place, &name), child);
        }
    }

    fn japanese(&mut self, place: &str, value: &'a Value) {
        for (name, child) in children(value) {
            let place = member(place, &name);
            match child.as_str().filter(|_| matches!(name.as_str(), "summary" | "description")) {
                Some(text) if !text.chars().any(is_japanese) => {
                    self.note(Rule::Japanese, &place, format!("{text:?} is not Japanese"));
                }
                Some(_) => {}
                None => self.japanese(&place, child),
            }
        }
    }

    fn unused(&mut self, kind: &str, rule: Rule) {
        let mut used = BTreeSet::new();
        self.collect_used(self.document.get("paths").unwrap_or(&Value::Null), &mut used);
        let all = format!("/components/{kind}");
        for (name, _) in members(self.document, &all) {
            let place = member(&all, name);
            if !used.contains(format!("#{place}").as_str()) {
                self.note(rule, &place, "no operation leads to it");
            }
        }
    }

    fn names(&mut self) {
        let title = self.document.pointer("/info/title").and_then(Value::as_str).unwrap_or_default();
        if !title.is_ascii() {
            self.note(Rule::Title, "/info/title", format!("{title:?} is not ASCII"));
        }
        for (name, _) in members(self.document, "/components/schemas") {
            if BUILT_IN.contains(&name.as_str()) {
                self.note(Rule::SchemaName, &member("/components/schemas", name), "languages have a type of this name");
            }
        }
    }

    fn collect_used(&self, value: &'a Value, used: &mut BTreeSet<&'a str>) {
        if let Some(target) = reference(value)
            && used.insert(target)
        {
            self.collect_used(self.resolve(value), used);
        }
        for (_, child) in children(value) {
            self.collect_used(child, used);
        }
    }

    fn operation_ids(&mut self) {
        let mut seen = BTreeSet::new();
        for Operation { place, value, .. } in operation::all(self.document) {
            let id = text(value, "operationId");
            if !id.is_empty() && !seen.insert(id) {
                self.note(Rule::OperationId, &place, format!("another operation is called {id} too"));
            }
        }
    }
}

fn reference(value: &Value) -> Option<&str> {
    value.get("$ref").and_then(Value::as_str)
}

/// Returns the members of an object or the items of an array, each with its name.
fn children(value: &Value) -> Vec<(String, &Value)> {
    match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(place, item)| (place.to_string(), item)).collect(),
        _ => Vec::new(),
    }
}

/// Returns the members of the object at a pointer, or nothing if it does not exist.
fn members<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

/// Returns the items of the array with this name, or nothing if it does not exist.
fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Returns the text with this name, or an empty text if it does not exist.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a character is kana or kanji.
fn is_japanese(character: char) -> bool {
    matches!(character, '\u{3041}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}')
}

fn is_snake_case(name: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('_').all(is_word)
}
