//! Each rule can fail: a small sound document, spoilt in one place at a time.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use openapi::Rule;
use serde_json::{Value, json};

/// A document that breaks no rule, with one of everything that the rules speak of.
fn sound() -> Value {
    let problem =
        json!({"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}});
    let text = json!({"type": "string", "description": "A text.", "maxLength": 9, "examples": ["a"]});
    let parameter = |name: &str, within: &str| {
        let schema = json!({"type": "integer", "examples": [1]});
        json!({"name": name, "in": within, "required": within == "path", "description": "A number.", "schema": schema})
    };
    json!({
        "info": {"title": "Things"},
        "tags": [{"name": "things"}],
        "paths": {
            "/things": {"get": {
                "operationId": "list_things", "summary": "List things", "description": "All.", "tags": ["things"],
                "security": [{"bearer": []}],
                "parameters": [parameter("limit", "query"), parameter("cursor", "query")],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Things"}}}},
                    "401": problem, "403": problem, "500": problem, "503": problem
                }
            }},
            "/things/{id}": {"put": {
                "operationId": "put_thing", "summary": "Put a thing", "description": "One.", "tags": ["things"],
                "security": [],
                "parameters": [parameter("id", "path"), parameter("If-Match", "header")],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/PutThing"}}}},
                "responses": {"204": {}, "404": problem}
            }}
        },
        "components": {
            "securitySchemes": {"bearer": {}},
            "responses": {},
            "schemas": {
                "Things": {"type": "array", "description": "All.", "items": text},
                "PutThing": {
                    "type": "object", "description": "One.", "additionalProperties": false,
                    "properties": {"name": text, "kind": {"oneOf": [{"type": "null"}, text], "description": "Its kind."}}
                },
                "Problem": {"type": "object", "description": "A problem.", "properties": {"title": text}}
            }
        }
    })
}

/// What to spoil: the rule, where, and with what; null takes it away.
fn spoilt() -> Vec<(Rule, String, Value)> {
    const LIST: &str = "/paths/~1things/get";
    const PUT: &str = "/paths/~1things~1{id}/put";
    const SCHEMAS: &str = "/components/schemas";
    const THINGS: &str = "#/components/schemas/Things";
    const PROBLEM: &str = "#/components/schemas/Problem";
    let mut schemas = sound()["components"]["schemas"].take();
    schemas["File"] = schemas["Things"]["items"].take();
    schemas["Things"]["items"] = json!({"$ref": "#/components/schemas/File"});
    let types = json!({"application/json": {"schema": {"$ref": "#/components/schemas/PutThing"}}, "text/csv": {"schema": {"$ref": "#/components/schemas/PutThing"}}});
    let spoilt = [
        (Rule::OperationId, LIST, "/operationId", Value::Null),
        (Rule::OperationId, LIST, "/operationId", json!("list_Things")),
        (Rule::OperationId, LIST, "/operationId", json!("things_list")),
        (Rule::OperationId, LIST, "/operationId", json!("put_thing")),
        (Rule::Summary, LIST, "/summary", Value::Null),
        (Rule::Description, LIST, "/description", json!(" ")),
        (Rule::Tag, LIST, "/tags", json!([])),
        (Rule::Tag, LIST, "/tags", json!(["things", "things"])),
        (Rule::Tag, LIST, "/tags/0", json!("others")),
        (Rule::Security, LIST, "/security", Value::Null),
        (Rule::Security, "", "/components/securitySchemes", json!({})),
        (Rule::TokenProblems, LIST, "/responses/403", Value::Null),
        (Rule::TokenProblems, PUT, "/security", json!([{"bearer": []}])),
        (Rule::Problem, PUT, "/responses/404", json!({})),
        (Rule::Problem, PUT, "/responses/404/content/application~1problem+json/schema", json!({"$ref": THINGS})),
        (Rule::Problem, PUT, "/responses/404/content/application~1json", json!({"schema": {"$ref": PROBLEM}})),
        (Rule::BodySchema, LIST, "/requestBody", json!({})),
        (Rule::BodySchema, PUT, "/responses/204/content", json!({"text/csv": {"example": "a"}})),
        (Rule::SchemaDescription, SCHEMAS, "/Things/description", Value::Null),
        (Rule::SchemaDescription, SCHEMAS, "/PutThing/properties/kind/oneOf/1/description", Value::Null),
        (Rule::Example, SCHEMAS, "/Things/items/examples", json!([])),
        (Rule::Example, SCHEMAS, "/Things/items/examples/0", json!(1)),
        (Rule::Example, SCHEMAS, "/PutThing/properties/name/enum", json!(["b"])),
        (Rule::Example, LIST, "/parameters/0/example", json!("1")),
        (Rule::ArrayItems, SCHEMAS, "/Things", json!({"type": "array", "description": "All.", "examples": [[]]})),
        (Rule::ArrayItems, LIST, "/parameters/0/schema", json!({"type": "array", "examples": [[]]})),
        (Rule::PrefixItems, SCHEMAS, "/Things/prefixItems", json!([])),
        (Rule::TextLimit, SCHEMAS, "/PutThing/properties/name/maxLength", Value::Null),
        (Rule::ClosedObject, SCHEMAS, "/PutThing/additionalProperties", Value::Null),
        (Rule::Parameter, LIST, "/parameters/0/description", Value::Null),
        (Rule::Parameter, LIST, "/parameters/0/schema", Value::Null),
        (Rule::Parameter, LIST, "/parameters/0/schema/examples", Value::Null),
        (Rule::Parameter, LIST, "/parameters/0/name", json!("cursor")),
        (Rule::PathParameter, PUT, "/parameters/0/in", json!("query")),
        (Rule::PathParameter, LIST, "/parameters/0/in", json!("path")),
        (Rule::PathParameter, PUT, "/parameters/0/required", json!(false)),
        (Rule::ListCursor, LIST, "/parameters/1/name", json!("offset")),
        (Rule::Name, PUT, "/parameters/1/in", json!("query")),
        (Rule::Name, SCHEMAS, "/Problem/properties", json!({"aTitle": {"description": "A text.", "example": "a"}})),
        (Rule::Reference, SCHEMAS, "/PutThing/properties/name/$ref", json!("#/components/schemas/Name")),
        (Rule::UnusedSchema, SCHEMAS, "/Orphan", json!({"$ref": "#/components/schemas/Orphan"})),
        (Rule::UnusedResponse, "/components/responses", "/orphan", json!({})),
        (Rule::SchemaName, SCHEMAS, "", schemas),
        (Rule::Title, "/info/title", "", json!("もの")),
        (Rule::FirstType, PUT, "/requestBody/content", types),
        (Rule::OpenEnum, SCHEMAS, "/Things/items/enum", json!(["a"])),
    ];
    spoilt.map(|(rule, base, place, value)| (rule, format!("{base}{place}"), value)).into()
}

fn spoil(document: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        parent if value.is_null() => drop(parent.as_object_mut().unwrap().remove(&unescaped(name)).unwrap()),
        parent => parent[unescaped(name)] = value,
    }
}

fn unescaped(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}

#[test]
fn a_sound_document_has_no_findings() {
    assert_eq!(openapi::lint(&sound()), [""; 0]);
}

#[test]
fn what_is_spoilt_is_named_by_its_rule() {
    for (rule, pointer, value) in spoilt() {
        let mut document = sound();
        spoil(&mut document, &pointer, value.clone());
        let findings = openapi::lint(&document);
        let is_named = |finding: &String| finding.ends_with(&format!("[{}]", rule.name()));
        assert!(!findings.is_empty() && findings.iter().all(is_named), "{pointer} = {value}: {findings:?}");
    }
}

#[test]
fn an_example_of_the_whole_stands_for_those_of_its_parts() {
    let mut document = sound();
    spoil(&mut document, "/components/schemas/Things/items/examples", Value::Null);
    spoil(&mut document, "/paths/~1things/get/responses/200/content/application~1json/example", json!(["a"]));
    assert_eq!(openapi::lint(&document), [""; 0]);
}

#[test]
fn every_rule_is_tried() {
    // That every text is Japanese is a rule of the Japanese document, tried below.
    for rule in Rule::ALL.iter().filter(|rule| **rule != Rule::Japanese) {
        assert!(spoilt().iter().any(|(tried, ..)| tried == rule), "{rule:?}");
    }
}

#[test]
fn a_text_of_the_japanese_document_that_is_not_japanese_is_found() {
    let document = json!({
        "info": { "description": "スコア" },
        "paths": { "/v1/scores": { "get": { "summary": "List scores", "description": "スコアを一覧する" } } },
    });
    assert_eq!(
        openapi::lint_japanese(&document),
        ["/paths/~1v1~1scores/get/summary: \"List scores\" is not Japanese [japanese]"]
    );
}
