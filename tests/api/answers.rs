//! Checks answers against what the document says of them.

use std::collections::HashMap;
use std::sync::LazyLock;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::Value;

use crate::support::{Answer, DOCUMENT, operation};

/// An operation, a status, and whether only some fields were requested.
type Key = (String, String, bool);

/// The schemas of all answers in JSON, compiled once for all tests of the process.
static ANSWERS: LazyLock<(Schemas, HashMap<Key, SchemaIndex>)> = LazyLock::new(|| {
    let (mut schemas, mut answers) = (Schemas::new(), HashMap::new());
    let mut compiler = Compiler::new();
    compiler.set_default_draft(Draft::V2020_12);
    compiler.enable_format_assertions();
    for is_partial in [false, true] {
        let url = format!("http://localhost/document-{is_partial}");
        let mut document = DOCUMENT.clone();
        tighten(&mut document, is_partial);
        compiler.add_resource(&url, document).unwrap();
        for (path, method, operation) in operations() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let own = format!("/paths/{}/{method}/responses/{status}", escaped(path));
                let place = response["$ref"].as_str().map_or(own.as_str(), |shared| shared.trim_start_matches('#'));
                let content = DOCUMENT.pointer(place).unwrap()["content"].as_object().into_iter().flatten();
                let is_json = |kind: &str| matches!(kind, "application/json" | "application/problem+json");
                for (kind, _) in content.filter(|(kind, _)| is_json(kind)) {
                    let schema = format!("{url}#{place}/content/{}/schema", escaped(kind));
                    let schema = compiler.compile(&schema, &mut schemas).unwrap();
                    answers.insert(key(operation, status, is_partial), schema);
                }
            }
        }
    }
    (schemas, answers)
});

fn key(operation: &Value, status: &str, is_partial: bool) -> Key {
    (operation["operationId"].as_str().unwrap().to_owned(), status.to_owned(), is_partial)
}

fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// Escapes a step of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Checks more than clients may rely on: only the members and words that are documented today are allowed.
fn tighten(schema: &mut Value, is_partial: bool) {
    if let Some(object) = schema.as_object_mut() {
        if object.get("properties").is_some_and(Value::is_object) {
            object.entry("additionalProperties").or_insert(false.into());
        }
        if is_partial && object.get("required").is_some_and(Value::is_array) {
            object.remove("required");
        }
        if let Some(Value::Array(mut words)) = object.remove("x-extensible-enum") {
            if object["type"].as_array().is_some_and(|types| types.contains(&"null".into())) {
                words.push(Value::Null);
            }
            object.insert("enum".to_owned(), words.into());
        }
        object.values_mut().for_each(|inner| tighten(inner, is_partial));
    }
    if let Some(list) = schema.as_array_mut() {
        list.iter_mut().for_each(|inner| tighten(inner, is_partial));
    }
}

/// Asserts that the document describes the answer: the status, and the body with everything in it.
pub(crate) fn conforms(method: &str, path: &str, answer: &Answer) {
    if answer.status >= 400 {
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{method} {path}: {answer:?}");
        assert!(answer.json["request_id"].is_string() && answer.json["errors"].is_array(), "{answer:?}");
    }
    if method == "HEAD" {
        return assert!(answer.bytes.is_empty());
    }
    let Some(operation) = operation(method, path) else {
        return assert!(
            matches!(answer.status, 404 | 405 | 308) || !path.starts_with("/v1"),
            "{method} {path}: {answer:?}"
        );
    };
    if answer.status == 304 || answer.status == 204 {
        return assert!(answer.bytes.is_empty());
    }
    let status = answer.status.to_string();
    assert!(
        operation["responses"][&status].is_object(),
        "{method} {path}: {status} is not in the document: {answer:?}"
    );
    if answer.status >= 400 {
        let (named, code) = (operation["responses"][&status]["$ref"].as_str().unwrap(), answer.json["code"].as_str());
        let mut known = named.rsplit('/').next().unwrap().split("-or-");
        assert!(known.any(|known| Some(known) == code), "{method} {path}: the document has {named}, not {code:?}");
    }
    let (schemas, answers) = &*ANSWERS;
    let schema = answers.get(&key(operation, &status, path.contains("fields=")));
    assert!(
        schema.is_some() || operation["responses"][&status]["content"].is_object() || answer.bytes.is_empty(),
        "{method} {path}: the document has no body for {status}: {answer:?}"
    );
    if let Some(schema) = schema
        && let Err(error) = schemas.validate(&answer.json, *schema)
    {
        panic!("{method} {path}: {error:#}\n{answer:?}");
    }
}
