//! Requests that name something of another buyer, in every place that takes such a value.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::things::{Own, Things};
use crate::buyers::{Buyer, code};
use crate::support::{Answer, Operation, operations};

/// The place where a request names something.
pub(super) const NAMED: &str = "{named}";
/// An id that nobody has.
const NOBODY: &str = "01999999-9999-7999-8999-999999999999";

/// A request that is sent with each of many values.
pub(super) struct Question {
    pub(super) operation: Operation,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<String>,
    pub(super) values: Vec<String>,
    /// A value of the same form that nobody has.
    pub(super) made_up: String,
    /// The answer to that value.
    pub(super) expected: OnceLock<(u16, Value)>,
}

/// A request as it was sent, as one text.
pub(super) struct Asked {
    pub(super) text: String,
    pub(super) answer: Answer,
}

/// Returns every operation with each of their values in each place that takes such a value.
pub(super) fn questions(theirs: &Things, own: &Own) -> Vec<Question> {
    let mut all = Vec::new();
    let tag = theirs.tags.iter().find(|tag| tag.starts_with("\"1-")).unwrap();
    let tagged = vec![("if-match", tag.clone()), ("if-none-match", tag.clone())];
    let any = vec![("if-match", "*".to_owned())];
    // A bare version is that of many records, and our settings have version 1.
    let hashed: Vec<_> = theirs.tags.iter().filter(|tag| tag.len() > 10).cloned().collect();
    let later: Vec<_> = theirs.tags.iter().filter(|tag| !tag.starts_with("\"1")).cloned().collect();
    for operation in operations().into_iter().filter(|operation| operation.role.is_some()) {
        let mut ask = |path: String,
                       headers: &[(&'static str, String)],
                       body: Option<String>,
                       values: &[String],
                       made_up: &str| {
            assert!(!values.is_empty(), "{path}");
            all.push(Question {
                operation: operation.clone(),
                path,
                headers: headers.to_vec(),
                body,
                values: values.to_vec(),
                made_up: made_up.to_owned(),
                expected: OnceLock::new(),
            });
        };
        let (path, sent) = (&operation.path, body(&operation, &own.supplier));
        let needed = operation.needed_query();
        if path.contains("{id}") {
            let named = path.replace("{id}", NAMED);
            // A change names its supplier by a code of ours.
            let sent = sent.clone().map(|sent| sent.replace(NAMED, &code("ours", 4)));
            ask(named.clone(), &any, sent.clone(), &theirs.ids, NOBODY);
            ask(named, &tagged, sent, &theirs.ids, NOBODY);
        }
        let own_path = match path.contains("/findings") {
            true => path.replace("{id}", &own.import),
            false => path.replace("{id}", &own.supplier),
        };
        let starts_job = operation.name.ends_with("_import") || operation.name == "start_score_run";
        if operation.method == "GET" {
            for parameter in &operation.query {
                let wide = if operation.query.contains(&"include_ended") { "&include_ended=true" } else { "" };
                let needs_code = if needed.contains("code=") && *parameter != "code" { "&code={named}" } else { "" };
                let path = format!("{own_path}?{parameter}={NAMED}{wide}{needs_code}");
                match *parameter {
                    "supplier_id" | "downstream_id" | "score_run_id" => {
                        let path = path.replace("&code={named}", &format!("&code={}", code("ours", 0)));
                        ask(path, &any, None, &theirs.ids, NOBODY);
                    }
                    "supplier_code" | "downstream_code" | "code" | "source" | "external_id" | "provider_name" | "q"
                    | "system" | "company" => ask(path, &any, None, &theirs.texts, "nobody-code-00"),
                    "corporate_number" => ask(path, &any, None, &["7010401022916".to_owned()], "1180301018771"),
                    "cursor" => {
                        let path = path.replace("&include_ended=true", "");
                        ask(path, &any, None, &theirs.cursors, "AAAA");
                    }
                    _ => {}
                }
            }
            if !path.contains("{id}") {
                ask(
                    format!("{path}{}", needed.replace("=A", "=ours-code-00")),
                    &[("if-none-match", NAMED.to_owned())],
                    None,
                    &hashed,
                    "\"1-00000000\"",
                );
            }
        } else if !path.contains("{id}") && !starts_job {
            match operation.name {
                // This would create records of ours: see the end.
                "create_supplier" => {}
                "put_supplier_by_code" => {
                    ask(format!("{path}?supplier_code={NAMED}"), &tagged, sent, &theirs.texts, "nobody-code-00");
                }
                "change_settings" => {
                    ask(path.clone(), &[("if-match", NAMED.to_owned())], sent, &later, "\"9-00000000\"")
                }
                _ => {
                    let query = needed.replace("=X", "={named}");
                    ask(format!("{path}{query}"), &[], sent, &theirs.texts, "nobody-code-00");
                }
            }
        }
        if operation.name == "merge_supplier" {
            let sent = json!({ "into_id": NAMED }).to_string();
            ask(own_path, &any, Some(sent), &theirs.ids, NOBODY);
        } else if operation.name == "look_up_scores" {
            let sent = json!({ "codes": [code("ours", 0)], "score_run_id": NAMED }).to_string();
            ask(own_path, &any, Some(sent), &theirs.ids, NOBODY);
        }
    }
    all
}

impl Question {
    pub(super) fn ask(&self, agent: &ureq::Agent, buyer: &Buyer, value: &str) -> Asked {
        let fill = |text: &str| text.replace(NAMED, value);
        let path = fill(&self.path);
        let mut headers: Vec<(&str, String)> = self.headers.iter().map(|(name, text)| (*name, fill(text))).collect();
        headers.extend(self.operation.has_body.map(|kind| ("content-type", kind.to_owned())));
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let body = self.body.as_deref().map(fill);
        let text = format!("{} {path} {headers:?} {}", self.operation.method, body.as_deref().unwrap_or_default());
        let client = buyer.client(&self.operation);
        let answer =
            client.send_over(agent, &self.operation.method, &path, &headers, body.as_deref().map(str::as_bytes));
        Asked { text, answer }
    }

    /// Returns the answer to their value if it differs from the answer to one that nobody has.
    pub(super) fn differs(&self, agent: &ureq::Agent, buyer: &Buyer, value: &str, answer: &Answer) -> Option<String> {
        let expected = self.expected.get_or_init(|| {
            let made_up = self.ask(agent, buyer, &self.made_up);
            self.said(&self.made_up, &made_up.answer)
        });
        let said = self.said(value, answer);
        // An id is a position in some lists: the page depends on the rows before it, whoever owns it.
        let is_comparable = !(self.path.contains("cursor=") && value.len() == 36);
        let is_found = answer.status < 300 && self.path.contains(&format!("/{NAMED}"));
        (is_comparable && said != *expected || is_found).then(|| format!("of nobody's: {expected:?}"))
    }

    /// Returns the answer without what differs in each answer, and without the value that was named.
    fn said(&self, value: &str, answer: &Answer) -> (u16, Value) {
        let mut said = answer.json.clone();
        if said.get("request_id").is_some() {
            said["request_id"] = Value::Null;
        }
        let text = said.to_string().replace(json!(value).to_string()[1..].trim_end_matches('"'), NAMED);
        (answer.status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

/// Returns a body that an operation accepts, except for the record that it is about.
fn body(operation: &Operation, ours: &str) -> Option<String> {
    let name = operation.name;
    let body = match () {
        () if name.starts_with("retract_") => json!({ "reason": "x" }),
        () if name == "merge_supplier" => json!({ "into_id": ours }),
        () if name == "put_incident_contact" => json!({ "name": "x" }),
        () if name.contains("relationship") => {
            json!({ "upstream_code": NAMED, "downstream_code": NAMED, "criticality": "routine", "substitutability": "sole" })
        }
        () if name.contains("enrollment") => {
            json!({ "supplier_code": NAMED, "service_class": "class_1", "starts_on": "2025-04-01", "onsite_response": true })
        }
        () if name.contains("certification") => {
            json!({ "supplier_code": NAMED, "scheme": "isms", "issued_on": "2025-04-01" })
        }
        () if name.contains("incident") => {
            json!({ "supplier_code": NAMED, "occurred_on": "2026-01-05", "outcome": "blocked" })
        }
        () if name == "create_provider_assignment" => json!({ "supplier_code": NAMED, "provider_name": "x" }),
        () if name == "create_supplier_code" => json!({ "supplier_code": NAMED, "system": "x", "code": "x" }),
        () if name == "look_up_scores" => json!({ "codes": [NAMED] }),
        () => json!({}),
    };
    operation.has_body.map(|_| body.to_string())
}
