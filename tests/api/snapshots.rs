//! An answer of each kind that the document has, of a small portfolio: `tests/api/snapshots`.
//!
//! `docs/contribute/testing.md` says how to review it when it has changed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests::redact::redacted;

use crate::support::{Answer, App, Client, DOCUMENT, id, operation};

/// The first answer of each kind, with its request.
#[derive(Default)]
struct Answers(BTreeMap<String, (String, Value)>);

impl Answers {
    /// Notes an answer under the name of its schema in the document.
    fn note(&mut self, method: &str, path: &str, answer: Answer) -> Value {
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        let described = &operation(method, path).unwrap()["responses"][answer.status.to_string()];
        let kind = kinds_of(described).next().unwrap_or_else(|| panic!("{method} {path}: {described}"));
        self.0.entry(kind).or_insert_with(|| (format!("{method} {path}"), answer.json.clone()));
        answer.json
    }

    fn get(&mut self, client: &Client, path: &str) -> Value {
        self.note("GET", path, client.get(path))
    }

    fn post(&mut self, client: &Client, path: &str, body: &Value) -> Value {
        self.note("POST", path, client.post(path, body))
    }

    /// Returns all of them, without what differs from run to run.
    fn text(&self) -> String {
        let parts = self.0.iter().map(|(kind, (request, answer))| {
            let mut answer = answer.clone();
            hide(&mut answer);
            format!("# {kind}: {request}\n{}\n", serde_json::to_string_pretty(&answer).unwrap())
        });
        redacted(&parts.collect::<Vec<_>>().join("\n"))
    }
}

/// Hides members that differ from run to run and cannot be told by their form.
fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "today" | "next_cursor" | "kid" | "x" | "y" if value.is_string() => {
                        *value = json!(format!("<{name}>"))
                    }
                    name if name.ends_with("_ms") && value.is_number() => *value = json!("<milliseconds>"),
                    _ => hide(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        // The last digits may differ between kinds of machines.
        Value::Number(number) if number.is_f64() => {
            let rounded: Option<f64> = number.as_f64().and_then(|number| format!("{number:.8e}").parse().ok());
            *value = json!(rounded);
        }
        _ => {}
    }
}

/// Returns the names of the schemas of an answer.
fn kinds_of(answer: &Value) -> impl Iterator<Item = String> {
    let contents = answer["content"].as_object().into_iter().flatten();
    let names = contents.filter_map(|(_, content)| content["schema"]["$ref"].as_str()?.rsplit('/').next());
    names.map(str::to_owned)
}

/// Returns the names of the schemas of all answers that are no problems.
fn kinds() -> BTreeSet<String> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let operations = paths.values().flat_map(|item| item.as_object().unwrap().values());
    let answers = operations.flat_map(|operation| operation["responses"].as_object().unwrap());
    answers.filter(|(status, _)| status.starts_with('2')).flat_map(|(_, answer)| kinds_of(answer)).collect()
}

#[test]
fn an_answer_of_each_kind() {
    let app = App::start();
    let admin = named(&app, "admin", &[]);
    let mut answers = Answers::default();

    let services = app.data.path().join("services.csv");
    let text = "provider_name,service_name,service_class\n事業者01,見守り,class_1\n";
    std::fs::write(&services, text).unwrap();
    app.sonae(&["service", "import", services.to_str().unwrap()]);
    register(&mut answers, &admin);
    submit(&mut answers, &admin, &named(&app, "provider", &["--provider", "事業者01"]));
    score(&mut answers, &admin);
    look_around(&mut answers, &admin);

    let own = named(&app, "supplier", &["--supplier", "A"]);
    for path in ["", "/score", "/score/history", "/enrollments", "/certifications", "/assessments", "/incidents"] {
        answers.get(&own, &format!("/v1/own{path}"));
    }
    answers.get(&app.stranger(), "/.well-known/jwks.json");

    let seen: BTreeSet<_> = answers.0.keys().cloned().collect();
    assert_eq!(seen, kinds(), "a request for each kind of answer is needed");
    insta::assert_snapshot!("answers", answers.text());
}

/// Returns a client with a role, whose token has the same name in each run: records show it.
fn named(app: &App, role: &str, more: &[&str]) -> Client {
    let token = app.sonae(&[&["token", "create", "--name", role, "--role", role], more].concat());
    Client { address: app.address, token: Some(token), lang: "en" }
}

/// Registers two suppliers with evidence of each kind.
fn register(answers: &mut Answers, admin: &Client) {
    let supplier = json!({
        "supplier_code": "A", "name": "備製作所㈱", "kana": "ソナエセイサクショ", "corporate_number": "7010401022916",
        "jsic_division": "24", "employee_count": 46, "capital_jpy": 10_000_000, "prefecture_code": "13",
        "data_access": "confidential", "network_access": "limited", "total_endpoints": 40,
        "reports_incidents_since": "2026-01-01",
    });
    let supplier = answers.post(admin, "/v1/suppliers", &supplier);
    answers.post(admin, "/v1/suppliers", &json!({ "supplier_code": "B", "name": "架空化成㈱" }));
    let contact = format!("/v1/suppliers/{}/incident-contact", id(&supplier));
    let person = json!({ "name": "備太郎", "mail_address": "taro@example.jp", "phone_number": "03-1234-5678" });
    let put = admin.send("PUT", &contact, &[("content-type", "application/json")], Some(person.to_string().as_bytes()));
    answers.note("PUT", &contact, put);
    for (path, body) in [
        ("/v1/supplier-codes", json!({ "supplier_code": "A", "system": "sap", "company": "1000", "code": "S-1" })),
        ("/v1/provider-assignments", json!({ "provider_name": "事業者01", "supplier_code": "A" })),
        (
            "/v1/relationships",
            json!({ "upstream_code": "A", "annual_spend_jpy": 30_000_000, "criticality": "stops_line",
                "substitutability": "sole", "stock_cover_days": 5, "external_id": "R-1" }),
        ),
        (
            "/v1/relationships",
            json!({ "upstream_code": "B", "downstream_code": "A", "criticality": "degrades",
                "substitutability": "limited", "external_id": "R-2" }),
        ),
        (
            "/v1/enrollments",
            json!({ "supplier_code": "A", "service_class": "class_1", "coverage_share": 0.8, "starts_on": "2025-10-01",
                "onsite_response": true, "external_id": "E-1" }),
        ),
        (
            "/v1/certifications",
            json!({ "supplier_code": "A", "scheme": "security_action_2", "issued_on": "2026-04-01", "external_id": "C-1" }),
        ),
        (
            "/v1/assessments",
            json!({ "supplier_code": "A", "control": "mfa", "status": "met", "assessed_on": "2026-05-01",
                "assurance": "verified_by_third_party", "external_id": "K-1" }),
        ),
        (
            "/v1/incidents",
            json!({ "supplier_code": "A", "occurred_on": "2026-05-01", "outcome": "blocked", "count": 12,
                "external_id": "I-1" }),
        ),
    ] {
        answers.post(admin, path, &body);
    }
}

/// Lets a provider send evidence, and a buyer a file with a row that is wrong.
fn submit(answers: &mut Answers, admin: &Client, provider: &Client) {
    let enrollment = json!({ "supplier_code": "A", "service_class": "class_1", "starts_on": "2025-11-01",
        "onsite_response": false, "external_id": "P-1" });
    answers.post(provider, "/v1/submissions/enrollments", &enrollment);
    let incident = json!({ "supplier_code": "A", "occurred_on": "2026-06-01", "outcome": "contained", "count": 1,
        "external_id": "P-2" });
    answers.post(provider, "/v1/submissions/incidents", &incident);
    let assessment = json!({ "supplier_code": "A", "control": "backup", "status": "met", "assessed_on": "2026-06-01",
        "assurance": "verified_by_provider", "external_id": "P-3" });
    answers.post(provider, "/v1/submissions/assessments", &assessment);
    answers.get(provider, "/v1/submissions/assessments");
    answers.get(provider, "/v1/submissions/enrollments");
    answers.get(provider, "/v1/submissions/incidents");
    let job = admin.import_csv("kind=suppliers", "supplier_code,employee_count\nC,80名\n");
    answers.get(admin, job["result"]["findings_url"].as_str().unwrap());
    answers.get(admin, &format!("/v1/jobs/{}", id(&job)));
    answers.get(admin, "/v1/jobs");
}

/// Scores two days, with a change between them.
fn score(answers: &mut Answers, admin: &Client) {
    for (as_of, outcome) in [("2026-06-30", "contained"), ("2026-09-30", "harmful")] {
        admin.score(&json!({ "as_of": as_of }));
        let incident = json!({ "supplier_code": "A", "occurred_on": "2026-07-01", "outcome": outcome, "count": 1 });
        admin.create("/v1/incidents", &incident);
    }
    let runs = answers.get(admin, "/v1/score-runs");
    answers.get(admin, &format!("/v1/score-runs/{}", id(&runs["items"][0])));
    answers.get(admin, "/v1/scores?sort=supplier_code");
    let found = answers.get(admin, "/v1/scores/by-code?code=A");
    answers.get(admin, &format!("/v1/scores/{}/history", found["supplier_id"].as_str().unwrap()));
    answers.post(admin, "/v1/scores/lookup", &json!({ "codes": ["B", "nobody"] }));
    answers.get(admin, "/v1/portfolio");
    answers.get(admin, "/v1/portfolio/history");
    answers.get(admin, "/v1/settings");
}

/// Reads the list of each resource, and its first item.
fn look_around(answers: &mut Answers, admin: &Client) {
    answers.get(admin, "/v1/services");
    for resource in [
        "suppliers",
        "supplier-codes",
        "provider-assignments",
        "relationships",
        "enrollments",
        "certifications",
        "assessments",
        "incidents",
    ] {
        let list = answers.get(admin, &format!("/v1/{resource}"));
        answers.get(admin, &format!("/v1/{resource}/{}", id(&list["items"][0])));
    }
}
