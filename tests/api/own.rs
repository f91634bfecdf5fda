//! What a supplier sees of itself.

use serde_json::{Value, json};

use crate::support::{App, Client, id};

/// Creates a buyer's evidence about a supplier, by its code.
fn evidence(analyst: &Client, code: &str) -> [Value; 3] {
    let create = |path: &str, body: Value| analyst.create(path, &body);
    [
        create(
            "/v1/enrollments",
            json!({ "supplier_code": code, "service_class": "class_1", "starts_on": "2025-04-01", "onsite_response": true }),
        ),
        create("/v1/certifications", json!({ "supplier_code": code, "scheme": "isms", "issued_on": "2025-04-01" })),
        create(
            "/v1/incidents",
            json!({ "supplier_code": code, "occurred_on": "2026-01-05", "outcome": "blocked", "external_id": code }),
        ),
    ]
}

const LISTS: [&str; 3] = ["/v1/own/enrollments", "/v1/own/certifications", "/v1/own/incidents"];

fn ids(client: &Client, path: &str) -> Vec<String> {
    let items = client.get(path).json["items"].clone();
    items.as_array().unwrap().iter().map(|item| id(item).to_owned()).collect()
}

#[test]
fn a_supplier_reads_its_own_record_and_nobody_elses() {
    let app = App::start();
    let analyst = app.analyst();
    let number = "7010401022916";
    for code in ["A", "B"] {
        let body = json!({ "supplier_code": code, "name": format!("{code}製作所"), "corporate_number": number });
        analyst.create("/v1/suppliers", &body);
    }
    let own = app.client("supplier").get("/v1/own");

    assert_eq!((&own.json["supplier_code"], &own.json["name"]), (&json!("A"), &json!("A製作所")));
    // The shared number warns the buyer about B. The supplier sees nothing of that, nor of who works for the buyer.
    for hidden in ["recorded_by", "import_id", "source", "warnings", "merged_into_id"] {
        assert!(own.json.get(hidden).is_none(), "{own:?}");
    }
    let again = app.client("supplier").send("GET", "/v1/own", &[("if-none-match", own.header("etag").unwrap())], None);
    assert_eq!(again.status, 304);
}

#[test]
fn a_supplier_reads_its_own_evidence_and_nobody_elses() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    analyst.supplier("B");
    let own = evidence(&analyst, "A");
    evidence(&analyst, "B");
    let supplier = app.client("supplier");

    for (path, own) in LISTS.iter().zip(&own) {
        let list = supplier.get(path).json;
        assert_eq!(ids(&supplier, path), [id(own)], "{path}");
        for hidden in ["recorded_by", "import_id", "source", "external_id", "warnings"] {
            assert!(list["items"][0].get(hidden).is_none(), "{path}: {list}");
        }
    }
}

#[test]
fn what_was_retracted_is_not_there() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    let [enrollment, ..] = evidence(&analyst, "A");
    let path = format!("/v1/enrollments/{}/retract", id(&enrollment));

    analyst.change("POST", &path, "*", &json!({ "reason": "別の会社の記録" }));

    assert_eq!(ids(&app.client("supplier"), "/v1/own/enrollments"), [""; 0]);
}

#[test]
fn a_merged_supplier_reads_the_one_that_stands_for_it_with_the_evidence_of_both() {
    let app = App::start();
    let analyst = app.analyst();
    let (a, b) = (analyst.supplier("A"), analyst.supplier("B"));
    let own = evidence(&analyst, "A");
    let others = evidence(&analyst, "B");
    let supplier = app.client("supplier");

    analyst.change("POST", &format!("/v1/suppliers/{}/merge", id(&a)), "*", &json!({ "into_id": id(&b) }));

    assert_eq!(supplier.get("/v1/own").json["supplier_code"], "B");
    for (path, (own, other)) in LISTS.iter().zip(own.iter().zip(&others)) {
        assert_eq!(ids(&supplier, path), [id(own), id(other)], "{path}");
    }
    analyst.act("POST", &format!("/v1/suppliers/{}/unmerge", id(&a)), "*");
    assert_eq!(ids(&supplier, LISTS[0]), [id(&own[0])]);
}

#[test]
fn own_lists_come_in_pages() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    let rows: String = (0..5).map(|row| format!("I{row},A,2026-01-05,blocked\n")).collect();
    analyst.import_csv("kind=incidents", &format!("external_id,supplier_code,occurred_on,outcome\n{rows}"));
    let supplier = app.client("supplier");

    let page = supplier.get("/v1/own/incidents?limit=3").json;
    let next = supplier.get(&format!("/v1/own/incidents?cursor={}", page["next_cursor"].as_str().unwrap())).json;
    assert_eq!((page["items"].as_array().unwrap().len(), next["items"].as_array().unwrap().len()), (3, 2));
    assert_eq!(next["next_cursor"], json!(null));
    supplier.get("/v1/own/incidents?supplier_code=B").is_problem(
        400,
        "invalid-parameters",
        &[("supplier_code", "unknown-field")],
    );
}

#[test]
fn suppliers_of_two_buyers_see_their_own_buyers_record() {
    let app = App::start();
    app.sonae(&["tenant", "create", "other"]);
    app.analyst().supplier("A");
    let theirs = app.client_of("other", "analyst");
    theirs.create("/v1/suppliers", &json!({ "supplier_code": "A", "name": "ひみつの取引先" }));
    evidence(&theirs, "A");

    assert_eq!(app.client("supplier").get("/v1/own").json["name"], "A製作所");
    assert_eq!(app.client_of("other", "supplier").get("/v1/own").json["name"], "ひみつの取引先");
    assert_eq!(ids(&app.client("supplier"), "/v1/own/incidents"), [""; 0]);
}

#[test]
fn a_supplier_may_do_nothing_else() {
    let app = App::start();
    let a = app.analyst().supplier("A");
    let supplier = app.client("supplier");

    for path in ["/v1/suppliers", "/v1/incidents", "/v1/submissions/incidents", "/v1/jobs", "/v1/services"] {
        supplier.get(path).is_problem(403, "role-too-low", &[]);
    }
    supplier.get(&format!("/v1/suppliers/{}", id(&a))).is_problem(403, "role-too-low", &[]);
    supplier.get(&format!("/v1/own/{}", id(&a))).is_problem(404, "no-such-path", &[]);
    supplier.post("/v1/own/incidents", &json!({})).is_problem(405, "method-not-allowed", &[]);
}

#[test]
fn a_supplier_sees_its_own_score_and_nothing_of_others() {
    let app = App::start();
    let analyst = app.analyst();
    for (code, division) in [("A", "24"), ("PEER", "24"), ("SECRET", "24")] {
        analyst.create(
            "/v1/suppliers",
            &json!({ "supplier_code": code, "employee_count": 40, "jsic_division": division }),
        );
    }
    let supply = |up: &str, down: Value| {
        json!({
            "upstream_code": up, "downstream_code": down, "criticality": "stops_line", "substitutability": "sole",
            "annual_spend_jpy": 100_000_000,
        })
    };
    analyst.create("/v1/relationships", &supply("A", Value::Null));
    analyst.create("/v1/relationships", &supply("SECRET", json!("A")));
    let own = app.client("supplier");
    own.get("/v1/own/score").is_problem(404, "not-scored", &[]);
    analyst.score(&json!({}));
    let seen_by_buyer = analyst.get("/v1/scores/by-code?code=A").json;
    assert!(seen_by_buyer.to_string().contains("SECRET"));

    let answer = own.get("/v1/own/score");

    let rounded = |value: &Value| (value.as_f64().unwrap() * 10.0).round() / 10.0;
    assert_eq!(answer.json["risk_score"], rounded(&seen_by_buyer["risk_score"]));
    assert_eq!(answer.json["grade"], seen_by_buyer["grade"]);
    assert_eq!(answer.json["contributions"][2]["reason"], "no お助け隊 enrollment is known");
    assert_eq!(
        answer.json["contributions"][1]["reason"],
        "the record of all watched suppliers of its section and size"
    );
    assert_eq!(answer.json["contributions"].as_array().unwrap().len(), 6);
    let text = answer.json.to_string();
    for kept in ["SECRET", "PEER", "loss_", "_loss", "tier", "upstream_", "disruption", "chain_", "_rate", "_factor"] {
        assert!(!text.contains(kept), "{kept}: {text}");
    }
    let history = own.get("/v1/own/score/history").json;
    assert_eq!(history["items"][0]["risk_score"], rounded(&seen_by_buyer["risk_score"]));
    for kept in ["loss", "_rate", "chain_", "points"] {
        assert!(!history.to_string().contains(kept), "{kept}: {history}");
    }
    for path in ["/v1/scores", "/v1/portfolio", "/v1/exports/scores.csv", "/v1/score-runs", "/v1/settings"] {
        own.get(path).is_problem(403, "role-too-low", &[]);
    }
}
