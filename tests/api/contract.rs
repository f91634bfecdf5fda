//! What every operation promises: bounded work for a request, and values as clients write them.

use serde_json::{Value, json};

use crate::support::{Answer, App};

/// Asserts that an answer names no more than 50 faults, is small, and has their number.
fn is_brief(answer: &Answer, count: u64) {
    assert!(answer.bytes.len() < 64 << 10, "{} bytes", answer.bytes.len());
    assert_eq!(answer.json["error_count"], json!(count), "{answer:?}");
    assert_eq!(answer.json["errors"].as_array().unwrap().len() as u64, count.min(50));
}

/// Returns an object with this number of unknown members.
fn members(count: usize) -> String {
    let members: Vec<_> = (0..count).map(|place| format!("\"m{place}\":1")).collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn an_object_has_a_hundred_members_at_most() {
    let app = App::start();
    let admin = app.client("admin");
    let made = admin.supplier("A");
    let path = format!("/v1/suppliers/{}", made["id"].as_str().unwrap());

    let body = members(100_000);
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    for (method, path) in [("POST", "/v1/suppliers"), ("PATCH", path.as_str()), ("POST", "/v1/scores/lookup")] {
        let answer = admin.send(method, path, &headers, Some(body.as_bytes()));
        assert_eq!(answer.status, 422, "{method} {path}");
        assert_eq!(answer.json["errors"][0]["code"], "too-much", "{method} {path}");
        assert!(answer.bytes.len() < 64 << 10, "{method} {path}: {} bytes", answer.bytes.len());
    }
    // The same name again and again.
    let body = format!("{{{}\"a\":1}}", "\"a\":1,".repeat(100_000));
    let answer = admin.send("POST", "/v1/suppliers", &headers, Some(body.as_bytes()));
    assert_eq!(answer.json["errors"][0]["code"], "too-much");
    assert!(answer.bytes.len() < 64 << 10);
}

#[test]
fn a_body_has_no_more_values_than_any_needs() {
    let app = App::start();
    let admin = app.client("admin");
    let headers = [("content-type", "application/json")];

    let body = format!("{{\"codes\":[{}0]}}", "[],".repeat(200_000));
    let answer = admin.send("POST", "/v1/scores/lookup", &headers, Some(body.as_bytes()));
    answer.is_problem(422, "invalid-body", &[("#", "too-much")]);
    let codes: Vec<_> = (0..1001).map(|place| format!("S{place}")).collect();
    let answer = admin.post("/v1/scores/lookup", &json!({ "codes": codes }));
    answer.is_problem(422, "invalid-body", &[("#/codes", "too-much")]);
    let detail = answer.json["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("1,000") && !detail.contains("file"), "{detail}");
}

#[test]
fn a_query_string_has_a_hundred_parameters_at_most() {
    let app = App::start();
    let viewer = app.client("viewer");
    let query = |count: usize| (0..count).map(|place| format!("p{place}=1")).collect::<Vec<_>>().join("&");

    for path in ["/v1/suppliers", "/v1/scores", "/v1/jobs"] {
        is_brief(&viewer.get(&format!("{path}?{}", query(500))), 101);
        is_brief(&viewer.get(&format!("{path}?{}", query(60))), 60);
    }
}

#[test]
fn the_first_fifty_faults_are_named_and_all_are_counted() {
    let app = App::start();
    let codes = vec![Value::from(1); 1000];
    is_brief(&app.client("integrator").post("/v1/scores/lookup", &json!({ "codes": codes })), 1000);
}

#[test]
fn json_may_begin_with_a_byte_order_mark() {
    let app = App::start();
    let body = "\u{feff}{\"supplier_code\": \"A\"}";
    let headers = [("content-type", "application/json")];
    assert_eq!(app.analyst().send("POST", "/v1/suppliers", &headers, Some(body.as_bytes())).status, 201);
}

#[test]
fn parameters_are_taken_as_clients_write_them() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");

    // Values as Python writes them, and a URL in which the plus was not escaped.
    assert_eq!(analyst.count("/v1/suppliers?include_ended=True"), 1);
    assert_eq!(analyst.count("/v1/suppliers?recorded_since=2026-04-01T00:00:00+09:00"), 1);
    assert_eq!(analyst.count("/v1/suppliers?recorded_since=2026-04-01T00:00:00%2B09:00"), 1);
    let wrong = analyst.get("/v1/suppliers?recorded_since=2026-04-01T00:00:00");
    wrong.is_problem(400, "invalid-parameters", &[("recorded_since", "not-a-time")]);
    // An empty cursor is the first page, for clients that always send one.
    assert_eq!(analyst.get("/v1/suppliers?cursor=").json["items"].as_array().unwrap().len(), 1);
    // A list of values can be several parameters of the same name.
    let item = &analyst.get("/v1/suppliers?fields=id&fields=version&fields=id").json["items"][0];
    assert_eq!(item.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "version"]);
    let twice = analyst.get("/v1/suppliers?limit=1&limit=2");
    twice.is_problem(400, "invalid-parameters", &[("limit", "repeated-field")]);
}

#[test]
fn scores_are_filtered_by_repeated_parameters_too() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.import_csv(
        "kind=suppliers",
        "supplier_code,jsic_division,employee_count,capital_jpy\nA,24,5,1000000\nB,24,5000,9000000000\n",
    );
    analyst.score(&json!({}));

    let sizes = "size_class=micro&size_class=large";
    assert_eq!(analyst.get(&format!("/v1/scores?{sizes}")).json["items"].as_array().unwrap().len(), 2);
    assert_eq!(analyst.get("/v1/scores?size_class=large").json["items"].as_array().unwrap().len(), 1);
    let file = analyst.get(&format!("/v1/exports/scores.csv?{sizes}"));
    assert_eq!(String::from_utf8(file.bytes).unwrap().lines().count(), 3);
}

#[test]
fn an_unknown_code_is_named_with_what_a_spreadsheet_may_have_done_to_it() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("000123");
    analyst.score(&json!({}));

    for path in ["/v1/suppliers/by-code?code=123", "/v1/scores/by-code?code=123"] {
        let answer = analyst.get(path);
        answer.is_problem(404, "not-found", &[]);
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains("\"123\"") && detail.contains("leading zeros"), "{detail}");
    }
}

#[test]
fn tiers_beyond_the_tenth_are_counted_together() {
    let app = App::start();
    let analyst = app.analyst();
    let suppliers: String = (1..=30).map(|place| format!("S{place}\n")).collect();
    analyst.import_csv("kind=suppliers", &format!("supplier_code\n{suppliers}"));
    let links: String = (2..=30).map(|place| format!("S{place},S{},routine,multiple\n", place - 1)).collect();
    let file = format!("upstream_code,downstream_code,criticality,substitutability\nS1,,routine,multiple\n{links}");
    assert_eq!(analyst.import_csv("kind=relationships", &file)["result"]["created"], 30);
    analyst.score(&json!({}));

    let tiers = analyst.get("/v1/portfolio").json["monitored_by_tier"].clone();
    let tiers = tiers.as_array().unwrap();
    assert_eq!(tiers.len(), 10, "{tiers:?}");
    assert_eq!((&tiers[8]["monitored"]["of"], &tiers[9]["monitored"]["of"]), (&json!(1), &json!(21)));
}
