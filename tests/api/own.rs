//! What a supplier sees of itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{App, Client, id};

fn assessment(code: &str, control: &str) -> Value {
    let (status, total_score) =
        if control == "self_assessment" { (Value::Null, json!(72)) } else { (json!("met"), Value::Null) };
    json!({
        "supplier_code": code, "control": control, "status": status, "total_score": total_score,
        "assessed_on": "2026-08-31", "assurance": "self_reported",
    })
}

/// Creates a buyer's evidence about a supplier, by its code.
fn evidence(analyst: &Client, code: &str) -> [Value; 4] {
    let create = |path: &str, body: Value| analyst.create(path, &body);
    [
        create(
            "/v1/enrollments",
            json!({ "supplier_code": code, "service_class": "class_1", "starts_on": "2025-04-01", "onsite_response": true }),
        ),
        create("/v1/certifications", json!({ "supplier_code": code, "scheme": "isms", "issued_on": "2025-04-01" })),
        create("/v1/assessments", assessment(code, "mfa")),
        create(
            "/v1/incidents",
            json!({ "supplier_code": code, "occurred_on": "2026-01-05", "outcome": "blocked", "external_id": code }),
        ),
    ]
}

const LISTS: [&str; 4] = ["/v1/own/enrollments", "/v1/own/certifications", "/v1/own/assessments", "/v1/own/incidents"];

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
    assert_eq!(answer.json["contributions"].as_array().unwrap().len(), 12);
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

/// Registers a supplier of which the buyer knows everything, and scores it before and after a part of that was known.
fn known_in_full(analyst: &Client) {
    let firm = |code: &str| {
        json!({
            "supplier_code": code, "name": "備製作所株式会社", "kana": "ソナエセイサクショ", "employee_count": 40,
            "capital_jpy": 10_000_000, "jsic_division": "24", "prefecture_code": "13", "data_access": "confidential",
            "network_access": "limited", "total_endpoints": 40, "reports_incidents_since": "2025-01-01",
        })
    };
    for code in ["A", "PEER", "SECRET"] {
        analyst.create("/v1/suppliers", &firm(code));
    }
    let supply = |up: &str, down: Value| {
        json!({
            "upstream_code": up, "downstream_code": down, "criticality": "stops_line", "substitutability": "sole",
            "annual_spend_jpy": 100_000_000, "stock_cover_days": 5,
        })
    };
    analyst.create("/v1/relationships", &supply("A", Value::Null));
    analyst.score(&json!({}));
    analyst.create("/v1/relationships", &supply("SECRET", json!("A")));
    for (starts_on, ends_on) in [("2024-04-01", json!("2025-04-01")), ("2025-04-01", Value::Null)] {
        let enrollment = json!({
            "supplier_code": "A", "service_class": "class_1", "starts_on": starts_on, "ends_on": ends_on,
            "onsite_response": true, "coverage_share": 0.8, "service_name": "お助け隊サービス01",
            "provider_name": "事業者01", "insured_limit_jpy": 1_000_000,
        });
        analyst.create("/v1/enrollments", &enrollment);
    }
    for scheme in ["security_action_2", "isms"] {
        let certification = json!({
            "supplier_code": "A", "scheme": scheme, "issued_on": "2026-04-01", "expires_on": "2099-03-31",
            "scope": "全社",
        });
        analyst.create("/v1/certifications", &certification);
    }
    for control in ["mfa", "patching", "hardening", "remote_access", "edr", "backup", "self_assessment"] {
        let mut assessment = assessment("A", control);
        assessment["expires_on"] = json!("2026-09-15");
        assessment["assessor_name"] = json!("監査法人01");
        assessment["evidence_url"] = json!("https://example.jp/assessment");
        analyst.create("/v1/assessments", &assessment);
    }
    for (code, outcome) in [("A", "harmful"), ("A", "contained"), ("A", "blocked"), ("PEER", "harmful")] {
        let incident = json!({
            "supplier_code": code, "occurred_on": "2026-01-05", "outcome": outcome, "category": "ransomware",
            "loss_jpy": 100, "indicators": "203.0.113.1", "external_id": format!("{code} {outcome}"),
        });
        analyst.create("/v1/incidents", &incident);
    }
    analyst.score(&json!({}));
}

/// Collects the paths of all members of an answer: `evidence.enrollments[].starts_on`, and `contributions[].key=points_base`.
fn collect_members(value: &Value, path: &str, members: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = format!("{path}{name}");
                members.insert(match (name.as_str(), value) {
                    ("key", Value::String(key)) => format!("{path}={key}"),
                    _ => path.clone(),
                });
                let end = if value.is_array() { "[]." } else { "." };
                collect_members(value, &format!("{path}{end}"), members);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_members(item, path, members)),
        _ => {}
    }
}

/// Everything that a supplier sees of itself. Whoever adds to this decides that suppliers may see it.
const SEEN: [(&str, &str); 7] = [
    (
        "/v1/own",
        "id supplier_code name kana corporate_number jsic_division employee_count capital_jpy prefecture_code data_access
         network_access total_endpoints reports_incidents_since version recorded_at ended_on",
    ),
    (
        "/v1/own/enrollments",
        "items items[].id items[].supplier_id items[].supplier_code items[].service_name items[].provider_name
         items[].service_class items[].monitoring items[].coverage_share items[].covered_endpoints items[].starts_on
         items[].ends_on items[].onsite_response items[].insured_limit_jpy items[].version items[].recorded_at
         items[].ended_on next_cursor count",
    ),
    (
        "/v1/own/certifications",
        "items items[].id items[].supplier_id items[].supplier_code items[].scheme items[].issued_on items[].expires_on
         items[].scope items[].evidence_url items[].version items[].recorded_at items[].ended_on next_cursor count",
    ),
    (
        "/v1/own/assessments",
        "items items[].id items[].supplier_id items[].supplier_code items[].control items[].status items[].total_score
         items[].assessed_on items[].expires_on items[].assurance items[].assessor_name items[].evidence_url
         items[].version items[].recorded_at items[].ended_on next_cursor count",
    ),
    (
        "/v1/own/incidents",
        "items items[].id items[].supplier_id items[].supplier_code items[].occurred_on items[].category items[].outcome
         items[].count items[].loss_jpy items[].downtime_days items[].detected_at items[].reported_at
         items[].partners_affected items[].indicators items[].version items[].recorded_at items[].ended_on next_cursor
         count",
    ),
    (
        "/v1/own/score",
        "supplier_id supplier_code name size_class jsic_section risk_score risk_score_low risk_score_high grade
         contributions contributions[].key=points_base contributions[].key=points_segment
         contributions[].key=points_monitoring contributions[].key=points_ladder contributions[].key=points_isms
         contributions[].key=points_mfa contributions[].key=points_patching contributions[].key=points_hardening
         contributions[].key=points_remote_access contributions[].key=points_edr
         contributions[].key=points_self_assessment
         contributions[].key=points_history contributions[].points contributions[].reason
         evidence evidence.enrollments evidence.enrollments[].service_class evidence.enrollments[].coverage_share
         evidence.enrollments[].is_assumed evidence.enrollments[].counted_share evidence.enrollments[].starts_on
         evidence.enrollment_ended_on evidence.certifications evidence.certifications[].scheme
         evidence.certifications[].expires_on evidence.certifications[].is_assumed evidence.certifications[].freshness
         evidence.assessments evidence.assessments[].control evidence.assessments[].status
         evidence.assessments[].total_score evidence.assessments[].assurance evidence.assessments[].assessed_on
         evidence.assessments[].expired_on evidence.assessments[].freshness evidence.assessments[].counted_share
         evidence.harmful_count evidence.contained_count evidence.blocked_count evidence.discounted_observed_years
         evidence.data_access evidence.network_access
         change change.score_run_id change.as_of change.scored_at change.model_version change.risk_score_before
         change.grade_before change.risk_score_difference change.contributions
         change.contributions[].key=points_segment change.contributions[].key=points_monitoring
         change.contributions[].key=points_ladder change.contributions[].key=points_isms
         change.contributions[].key=points_mfa change.contributions[].key=points_patching
         change.contributions[].key=points_hardening change.contributions[].key=points_remote_access
         change.contributions[].key=points_edr change.contributions[].key=points_self_assessment
         change.contributions[].key=points_history change.contributions[].points_before change.contributions[].points
         change.contributions[].difference change.contributions[].reason_before change.contributions[].reason
         caveats score_run_id as_of scored_at model_version stale",
    ),
    (
        "/v1/own/score/history",
        "items items[].supplier_id items[].supplier_code items[].name items[].size_class items[].jsic_section
         items[].risk_score items[].risk_score_low items[].risk_score_high items[].grade items[].score_run_id
         items[].as_of items[].scored_at items[].model_version next_cursor score_run_id as_of scored_at model_version
         stale",
    ),
];

#[test]
fn a_supplier_sees_exactly_these_members() {
    let app = App::start();
    known_in_full(&app.analyst());
    let supplier = app.client("supplier");

    for (path, seen) in SEEN {
        let answer = supplier.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let mut members = BTreeSet::new();
        collect_members(&answer.json, "", &mut members);
        let seen: BTreeSet<String> = seen.split_whitespace().map(str::to_owned).collect();
        let appeared: Vec<_> = members.difference(&seen).collect();
        let vanished: Vec<_> = seen.difference(&members).collect();
        assert!(appeared.is_empty() && vanished.is_empty(), "{path}: appeared {appeared:?}, vanished {vanished:?}");
    }
}

#[test]
fn a_suppliers_points_are_rounded_and_those_of_its_upstream_are_left_out() {
    let app = App::start();
    let analyst = app.analyst();
    known_in_full(&analyst);

    let buyers = analyst.get("/v1/scores/by-code?code=A").json;
    let own = app.client("supplier").get("/v1/own/score").json;

    let rounded = |value: &Value| (value.as_f64().unwrap() * 10.0).round() / 10.0;
    assert_eq!(own["change"]["risk_score_difference"], rounded(&buyers["change"]["risk_score_difference"]));
    for (list, points) in [("/contributions", "points"), ("/change/contributions", "difference")] {
        let parts = |of: &Value| of.pointer(list).and_then(Value::as_array).unwrap().clone();
        let (upstream, rest): (Vec<_>, Vec<_>) =
            parts(&buyers).into_iter().partition(|part| part["key"] == "points_upstream");
        assert_eq!(upstream.len(), 1, "{list}: {buyers}");
        let expected: Vec<_> = rest.iter().map(|part| (&part["key"], rounded(&part[points]))).collect();
        let own = parts(&own);
        let seen: Vec<_> = own.iter().map(|part| (&part["key"], part[points].as_f64().unwrap())).collect();
        assert_eq!(seen, expected, "{list}");
    }
}
