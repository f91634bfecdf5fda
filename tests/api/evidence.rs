//! Relationships, enrollments, certifications, assessments, incidents, assignments.

use serde_json::{Value, json};

use crate::support::{App, etag, id};

#[test]
fn each_kind_is_created_changed_retracted_and_restored() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    analyst.supplier("B");
    let cases = [
        (
            "relationships",
            json!({ "upstream_code": "A", "downstream_code": "B", "criticality": "stops_line", "substitutability": "sole" }),
            json!({ "stock_cover_days": 4.5 }),
        ),
        (
            "enrollments",
            json!({ "supplier_code": "A", "service_class": "class_1", "starts_on": "2025-04-01", "onsite_response": true }),
            json!({ "coverage_share": 0.5 }),
        ),
        (
            "certifications",
            json!({ "supplier_code": "A", "scheme": "isms", "issued_on": "2025-04-01" }),
            json!({ "expires_on": "2028-03-31" }),
        ),
        (
            "assessments",
            json!({ "supplier_code": "A", "control": "mfa", "status": "met", "assessed_on": "2026-04-01", "assurance": "self_reported" }),
            json!({ "status": "not_met", "assessor_name": "監査法人01" }),
        ),
        (
            "incidents",
            json!({ "supplier_code": "A", "occurred_on": "2026-04-01", "outcome": "harmful", "detected_at": "2026-04-01T09:00:00+09:00" }),
            json!({ "loss_jpy": 120_000 }),
        ),
    ];
    for (kind, body, patch) in cases {
        let created = analyst.create(&format!("/v1/{kind}"), &body);
        let path = format!("/v1/{kind}/{}", id(&created));

        let changed = analyst.change("PATCH", &path, &etag(&created), &patch);
        assert_eq!(changed.status, 200, "{changed:?}");
        for (name, value) in patch.as_object().unwrap() {
            assert_eq!(&changed.json[name], value, "{kind}");
        }
        let retracted =
            analyst.change("POST", &format!("{path}/retract"), "\"2\"", &json!({ "reason": "別の会社の記録" }));
        assert_eq!(retracted.json["retraction_reason"], "別の会社の記録", "{kind}");
        assert_eq!(analyst.count(&format!("/v1/{kind}")), 0, "{kind}");
        assert_eq!(analyst.count(&format!("/v1/{kind}?include_retracted=true")), 1, "{kind}");
        analyst.change("PATCH", &path, "*", &patch).is_problem(409, "wrong-state", &[]);
        analyst.change("POST", &format!("{path}/retract"), "*", &json!({})).is_problem(
            422,
            "invalid-body",
            &[("#/reason", "missing-value")],
        );
        let restored = analyst.act("POST", &format!("{path}/restore"), "\"3\"");
        assert_eq!((&restored.json["retraction_reason"], restored.etag().as_str()), (&Value::Null, "\"4\""), "{kind}");
        assert_eq!(analyst.get(&format!("{path}/versions")).json["count"], 4, "{kind}");
        let read = analyst.get(&path);
        assert_eq!(read.json, restored.json, "{kind}");
        // The answer also shows the supplier's code: if that changes, the tag changes too.
        let supplier = analyst.get("/v1/suppliers?sort=-supplier_code").json["items"][1].clone();
        let code = format!("A-{kind}");
        analyst.change("PATCH", &format!("/v1/suppliers/{}", id(&supplier)), "*", &json!({ "supplier_code": code }));
        let again = analyst.send("GET", &path, &[("if-none-match", read.header("etag").unwrap())], None);
        assert_eq!(again.status, 200, "{kind}");
        analyst.change("PATCH", &format!("/v1/suppliers/{}", id(&supplier)), "*", &json!({ "supplier_code": "A" }));
    }
    let incident = &analyst.get("/v1/incidents").json["items"][0];
    assert_eq!(incident["detected_at"], "2026-04-01T00:00:00.000Z");
}

#[test]
fn faults_between_fields_are_found() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    let refused = |kind: &str, body: Value, faults: &[(&str, &str)]| {
        analyst.post(&format!("/v1/{kind}"), &body).is_problem(422, "invalid-body", faults);
        assert_eq!(analyst.count(&format!("/v1/{kind}")), 0);
    };

    refused(
        "enrollments",
        json!({ "supplier_code": "A", "service_class": "class_1", "starts_on": "2025-04-01", "ends_on": "2025-04-01", "onsite_response": true }),
        &[("#/ends_on", "ends-before-start")],
    );
    refused(
        "certifications",
        json!({ "supplier_code": "A", "scheme": "isms", "issued_on": "2025-04-01", "expires_on": "2025-03-31", "evidence_url": "javascript:1" }),
        &[("#/evidence_url", "not-an-address"), ("#/expires_on", "expires-before-issue")],
    );
    refused(
        "assessments",
        json!({ "supplier_code": "A", "control": "mfa", "total_score": 72, "assessed_on": "2026-04-01", "expires_on": "2026-03-31", "assurance": "self_reported" }),
        &[
            ("#/status", "missing-status"),
            ("#/total_score", "total-of-control"),
            ("#/expires_on", "expires-before-assessment"),
        ],
    );
    refused(
        "assessments",
        json!({ "supplier_code": "A", "control": "self_assessment", "status": "met", "assessed_on": "2026-04-01", "assurance": "self_reported" }),
        &[("#/status", "status-of-self-assessment"), ("#/total_score", "missing-total")],
    );
    refused(
        "incidents",
        json!({
            "supplier_code": "A", "occurred_on": "2026-04-01", "outcome": "blocked",
            "detected_at": "2999-01-01T00:00:00Z", "reported_at": "2026-01-01T00:00:00Z",
        }),
        &[("#/detected_at", "in-the-future"), ("#/reported_at", "ends-before-start")],
    );
    refused(
        "incidents",
        json!({ "supplier_code": "A", "occurred_on": "2999-04-01", "outcome": "harmful", "count": 2 }),
        &[("#/occurred_on", "in-the-future"), ("#/count", "harmful-count")],
    );
    refused(
        "relationships",
        json!({ "upstream_code": "A", "downstream_code": "A", "criticality": "routine", "substitutability": "sole", "valid_from_on": "2026-01-01", "valid_to_on": "2026-01-01" }),
        &[("#/downstream_code", "self-supply"), ("#/valid_to_on", "ends-before-start")],
    );
    refused(
        "incidents",
        json!({ "supplier_code": "X", "occurred_on": "2026-02-30" }),
        &[("#/supplier_code", "unknown-supplier"), ("#/occurred_on", "not-a-date"), ("#/outcome", "missing-value")],
    );
}

#[test]
fn a_day_is_in_the_future_by_the_buyers_own_calendar() {
    let app = App::start();
    // The two time zones are a day apart at every moment: when it is today in one, it is yesterday in the other.
    app.sonae(&["tenant", "create", "east", "--time-zone", "Pacific/Kiritimati"]);
    app.sonae(&["tenant", "create", "west", "--time-zone", "Pacific/Pago_Pago"]);
    let (east, west) = (app.client_of("east", "analyst"), app.client_of("west", "analyst"));
    east.supplier("A");
    west.supplier("A");
    let today =
        east.act("POST", &format!("/v1/suppliers/{}/archive", id(&east.supplier("B"))), "*").json["ended_on"].clone();
    let body = json!({ "supplier_code": "A", "occurred_on": today, "outcome": "blocked" });

    assert_eq!(east.post("/v1/incidents", &body).status, 201);
    west.post("/v1/incidents", &body).is_problem(422, "invalid-body", &[("#/occurred_on", "in-the-future")]);
}

#[test]
fn a_key_belongs_to_its_source() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    let body = |source: &str| json!({ "supplier_code": "A", "scheme": "isms", "issued_on": "2025-04-01", "source": source, "external_id": "C1" });
    analyst.create("/v1/certifications", &body("erp"));

    analyst.create("/v1/certifications", &body("audit"));
    analyst.post("/v1/certifications", &body("erp")).is_problem(409, "key-taken", &[("#/external_id", "key-taken")]);
    let path = "/v1/certifications/by-key?source=erp&external_id=C1";
    let replaced = analyst.change(
        "PUT",
        path,
        "\"1\"",
        &json!({ "supplier_code": "A", "scheme": "scs_3", "issued_on": "2026-04-01" }),
    );
    assert_eq!(
        (replaced.status, &replaced.json["source"], replaced.etag().as_str()),
        (200, &json!("erp"), "\"2\""),
        "{replaced:?}"
    );
    assert_eq!(replaced.json["warnings"][0]["code"], "scs-not-open");
    let planned = json!({ "supplier_code": "A", "scheme": "isms", "issued_on": "2999-04-01" });
    assert_eq!(analyst.create("/v1/certifications", &planned)["warnings"][0]["code"], "in-the-future");
    let planned = json!({ "supplier_code": "A", "control": "mfa", "status": "met", "assessed_on": "2999-04-01", "assurance": "self_reported" });
    assert_eq!(analyst.create("/v1/assessments", &planned)["warnings"][0]["code"], "in-the-future");
    analyst.send("PUT", "/v1/certifications/by-key", &[("content-type", "application/json")], Some(b"{}")).is_problem(
        400,
        "invalid-parameters",
        &[("external_id", "missing-value")],
    );
}

#[test]
fn equal_relationships_are_two() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    let body =
        json!({ "upstream_code": "A", "criticality": "routine", "substitutability": "multiple", "item": "ねじ" });

    analyst.create("/v1/relationships", &body);
    let second = analyst.create("/v1/relationships", &body);

    assert_eq!((&second["downstream_id"], &second["downstream_code"]), (&Value::Null, &Value::Null));
    assert_eq!(analyst.count("/v1/relationships?to_buyer=true"), 2);
    assert_eq!(analyst.count("/v1/relationships?downstream_code=A"), 0);
    assert_eq!(analyst.count("/v1/relationships?criticality=stops_line"), 0);
}

#[test]
fn lists_of_evidence_have_filters_of_their_own() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    let enrollments = "external_id,supplier_code,service_class,starts_on,ends_on,onsite_response,provider_name\n\
        E1,A,class_1,2025-01-01,2026-01-01,true,甲\nE2,A,class_2,2025-06-01,,false,乙\n";
    analyst.import_csv("kind=enrollments", enrollments);
    let certifications = "external_id,supplier_code,scheme,issued_on,expires_on\nC1,A,isms,2024-01-01,2026-12-31\nC2,A,security_action_1,2025-01-01,\n";
    analyst.import_csv("kind=certifications", certifications);
    let assessments = "external_id,supplier_code,control,status,total_score,assessed_on,expires_on,assurance\n\
        A1,A,mfa,met,,2026-01-10,2026-12-31,self_reported\nA2,A,edr,not_met,,2026-02-10,,verified_by_provider\n\
        A3,A,self_assessment,,-25,2026-02-10,,self_reported\n";
    analyst.import_csv("kind=assessments", assessments);
    let incidents = "external_id,supplier_code,occurred_on,outcome,category,count\nI1,A,2026-01-10,blocked,malware,9\nI2,A,2026-02-10,harmful,ransomware,\n";
    analyst.import_csv("kind=incidents", incidents);

    for (path, expected) in [
        ("/v1/enrollments?active_on=2025-12-31", 2),
        ("/v1/enrollments?active_on=2026-01-01", 1),
        ("/v1/enrollments?service_class=class_1", 1),
        ("/v1/enrollments?provider_name=%E4%B9%99", 1),
        ("/v1/certifications?scheme=isms&valid_on=2026-12-31", 1),
        ("/v1/certifications?valid_on=2027-01-01", 1),
        ("/v1/certifications?expires_before=2027-01-01", 1),
        ("/v1/assessments?control=mfa", 1),
        ("/v1/assessments?status=not_met", 1),
        ("/v1/assessments?assurance=self_reported", 2),
        ("/v1/assessments?expires_before=2027-01-01", 1),
        ("/v1/assessments?expires_before=2026-12-31", 0),
        ("/v1/incidents?occurred_on_gte=2026-01-11", 1),
        ("/v1/incidents?occurred_on_lte=2026-01-10", 1),
        ("/v1/incidents?outcome=harmful&category=ransomware", 1),
        ("/v1/incidents?external_id=I1&source=manual", 1),
        ("/v1/incidents?source=erp", 0),
    ] {
        assert_eq!(analyst.count(path), expected, "{path}");
    }
    let sorted = analyst.get("/v1/incidents?sort=-occurred_on&fields=external_id").json;
    assert_eq!(sorted["items"], json!([{ "external_id": "I2" }, { "external_id": "I1" }]));
}

#[test]
fn an_enrollment_whose_class_differs_from_its_service_warns() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    let file = app.data.path().join("services.csv");
    std::fs::write(&file, "provider_name,service_name,service_class,monitoring\n甲,見守り,class_2,network\n").unwrap();
    assert_eq!(app.sonae(&["service", "import", file.to_str().unwrap()]), "services: 1");
    assert_eq!(app.sonae(&["service", "import", file.to_str().unwrap()]), "services: 1");

    let body = json!({
        "supplier_code": "A", "service_class": "class_1", "starts_on": "2025-04-01", "onsite_response": true,
        "provider_name": "甲", "service_name": "見守り",
    });
    let enrollment = analyst.create("/v1/enrollments", &body);

    assert_eq!(enrollment["warnings"][0]["code"], "class-differs");
    assert_eq!(analyst.get("/v1/services?service_class=class_2").json["items"].as_array().unwrap().len(), 1);
    assert_eq!(analyst.get("/v1/services?service_class=class_1").json["items"].as_array().unwrap().len(), 0);
}

#[test]
fn a_provider_is_assigned_by_an_administrator_alone() {
    let app = App::start();
    let (analyst, admin) = (app.analyst(), app.client("admin"));
    analyst.supplier("A");
    let body = json!({ "provider_name": "甲", "supplier_code": "A" });

    analyst.post("/v1/provider-assignments", &body).is_problem(403, "role-too-low", &[]);
    let assigned = admin.create("/v1/provider-assignments", &body);
    admin.post("/v1/provider-assignments", &body).is_problem(409, "key-taken", &[("#/supplier_code", "key-taken")]);
    assert_eq!(analyst.count("/v1/provider-assignments?provider_name=%E7%94%B2"), 1);
    let path = format!("/v1/provider-assignments/{}", id(&assigned));
    analyst.act("DELETE", &path, "*").is_problem(403, "role-too-low", &[]);
    assert_eq!(admin.act("DELETE", &path, "*").status, 204);
    assert_eq!(analyst.count("/v1/provider-assignments"), 0);
}
