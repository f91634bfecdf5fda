//! Compares two documents and names the differences by JSON Pointer.

use serde_json::{Map, Value};

/// Lists the differences between the checked-in and the generated document.
///
/// ```
/// use serde_json::json;
/// let found = openapi::differences(&json!({"a": 1, "b": 2}), &json!({"a": 3, "c": 2}));
/// assert_eq!(found, ["/a: 1 in the file, 3 in the code", "/b: only in the file", "/c: only in the code"]);
/// ```
pub fn differences(file: &Value, code: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", file, code, &mut found);
    found
}

fn compare(place: &str, file: &Value, code: &Value, found: &mut Vec<String>) {
    match (file, code) {
        (Value::Object(file), Value::Object(code)) => compare_members(place, file, code, found),
        (Value::Array(file), Value::Array(code)) if file.len() == code.len() => {
            for (index, (file, code)) in file.iter().zip(code).enumerate() {
                compare(&format!("{place}/{index}"), file, code, found);
            }
        }
        _ if file == code => {}
        _ => found.push(format!("{place}: {file} in the file, {code} in the code")),
    }
}

fn compare_members(place: &str, file: &Map<String, Value>, code: &Map<String, Value>, found: &mut Vec<String>) {
    for (name, old) in file {
        let place = member(place, name);
        match code.get(name) {
            Some(new) => compare(&place, old, new, found),
            None => found.push(format!("{place}: only in the file")),
        }
    }
    let is_new = |name: &&String| !file.contains_key(*name);
    found.extend(code.keys().filter(is_new).map(|name| format!("{}: only in the code", member(place, name))));
}

/// Returns the JSON Pointer (RFC 6901) of a member.
pub(crate) fn member(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}
