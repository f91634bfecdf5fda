//! Every operation of the document: without a token, with a weak role, and with the ids of another buyer.

use serde_json::{Value, json};

use crate::support::{App, Client, DOCUMENT, id, operations};

/// Returns whether one role may do what another one is needed for.
fn may(role: &str, needed: &str) -> bool {
    let allowed: &[&str] = match needed {
        "viewer" => &["viewer", "integrator", "analyst", "admin", "auditor"],
        "integrator" => &["integrator", "analyst", "admin"],
        "analyst" => &["analyst", "admin"],
        "admin" => &["admin"],
        // Only these roles themselves may do this.
        "provider" => &["provider"],
        "supplier" => &["supplier"],
        other => panic!("no role: {other}"),
    };
    allowed.contains(&role)
}

#[test]
fn every_operation_asks_for_a_token_and_for_its_role() {
    let app = App::start();
    app.analyst().supplier("A");
    let roles = ["viewer", "integrator", "analyst", "admin", "auditor", "provider", "supplier"];
    let clients: Vec<_> = roles.iter().map(|role| (role, app.client(role))).collect();
    let nobody = "01999999-9999-7999-8999-999999999999";
    for operation in operations() {
        let answer = operation.send(&app.stranger(), nobody);
        let Some(needed) = operation.role else {
            assert_eq!(answer.status, 200, "{}: {answer:?}", operation.name);
            continue;
        };
        answer.is_problem(401, "invalid-token", &[]);
        for (role, client) in &clients {
            let answer = operation.send(client, nobody);
            if may(role, needed) {
                assert!(
                    !matches!(answer.status, 401 | 403) && answer.status < 500,
                    "{} {role}: {answer:?}",
                    operation.name
                );
            } else {
                answer.is_problem(403, "role-too-low", &[]);
            }
        }
    }
}

#[test]
fn no_operation_reaches_what_another_buyer_has() {
    let app = App::start();
    app.sonae(&["tenant", "create", "other"]);
    let (ours, theirs) = (app.client("admin"), app.client_of("other", "admin"));
    let secret = "ひみつの取引先";
    let supplier = theirs.create("/v1/suppliers", &json!({ "supplier_code": "A", "name": secret }));
    theirs.supplier("B");
    let evidence = |path: &str, body: Value| id(&theirs.create(path, &body)).to_owned();
    let job = theirs.import_csv("kind=suppliers", &format!("supplier_code,employee_count\n{secret},x\n"));
    let ids = [
        id(&supplier).to_owned(),
        evidence("/v1/supplier-codes", json!({ "system": "sap", "code": secret, "supplier_code": "A" })),
        evidence(
            "/v1/relationships",
            json!({ "upstream_code": "A", "criticality": "routine", "substitutability": "sole", "item": secret }),
        ),
        evidence(
            "/v1/enrollments",
            json!({ "supplier_code": "A", "service_class": "class_1", "starts_on": "2025-04-01", "onsite_response": true, "service_name": secret, "external_id": "X" }),
        ),
        evidence(
            "/v1/certifications",
            json!({ "supplier_code": "A", "scheme": "isms", "issued_on": "2025-04-01", "scope": secret, "external_id": "X" }),
        ),
        evidence(
            "/v1/assessments",
            json!({ "supplier_code": "A", "control": "mfa", "status": "met", "assessed_on": "2025-04-01", "assurance": "verified_by_third_party", "assessor_name": secret, "external_id": "X" }),
        ),
        evidence(
            "/v1/incidents",
            json!({ "supplier_code": "A", "occurred_on": "2026-01-05", "outcome": "blocked", "indicators": secret, "external_id": "X" }),
        ),
        evidence("/v1/provider-assignments", json!({ "supplier_code": "A", "provider_name": secret })),
        id(&job).to_owned(),
        id(&theirs.score(&json!({}))).to_owned(),
    ];
    let contact = format!("/v1/suppliers/{}/incident-contact", ids[0]);
    let put = theirs.send(
        "PUT",
        &contact,
        &[("content-type", "application/json")],
        Some(json!({ "name": secret, "phone_number": "03" }).to_string().as_bytes()),
    );
    assert_eq!(put.status, 200);
    let state = |client: &Client| {
        [
            "suppliers",
            "supplier-codes",
            "relationships",
            "enrollments",
            "certifications",
            "assessments",
            "incidents",
            "provider-assignments",
        ]
        .map(|kind| client.get(&format!("/v1/{kind}?include_ended=true&limit=1000")).json["items"].clone())
    };
    let before = state(&theirs);
    assert!(before.iter().all(Value::is_array), "{before:?}");

    ours.supplier("A");
    ours.score(&json!({}));
    let (provider, own) = (app.client("provider"), app.client("supplier"));
    for operation in operations() {
        let ours = match operation.role {
            Some("provider") => &provider,
            Some("supplier") => &own,
            _ => &ours,
        };
        for id in &ids {
            let answer = operation.send(ours, id);
            let text = String::from_utf8_lossy(&answer.bytes);
            assert!(!text.contains(secret), "{} {id}: {text}", operation.name);
            if operation.path.contains("{id}") {
                assert!(matches!(answer.status, 404 | 422), "{} {id}: {answer:?}", operation.name);
            }
        }
    }
    // Their codes mean nothing here, and their cursors are not ours.
    ours.post("/v1/incidents", &json!({ "supplier_code": "B", "occurred_on": "2026-01-05", "outcome": "blocked" }))
        .is_problem(422, "invalid-body", &[("#/supplier_code", "unknown-supplier")]);
    let cursor = theirs.get("/v1/suppliers?limit=1").json["next_cursor"].as_str().unwrap().to_owned();
    ours.get(&format!("/v1/suppliers?limit=1&cursor={cursor}")).is_problem(
        400,
        "invalid-parameters",
        &[("cursor", "bad-cursor")],
    );
    assert_eq!(state(&theirs), before, "and nothing of theirs has changed");
}

#[test]
fn the_document_and_its_pages_come_from_the_service_itself() {
    let app = App::start();
    let stranger = app.stranger();

    assert_eq!(stranger.get("/openapi.json?lang=en").json, *DOCUMENT);
    let page = stranger.get("/docs/");
    let text = String::from_utf8(page.bytes).unwrap();
    assert!(page.status == 200 && text.contains("swagger-ui-bundle.js"), "{text}");
    assert!(!text.contains("https://"), "nothing comes from elsewhere: {text}");
    assert_eq!(stranger.get("/docs/swagger-ui-bundle.js").status, 200);
    assert_eq!(stranger.get("/docs").header("location"), Some("/docs/"));
}

#[test]
fn the_document_is_read_in_the_language_that_is_asked_for() {
    let app = App::start();
    let title = |path: &str, accepted: &[(&str, &str)]| {
        let answer = Client { lang: "", ..app.stranger() }.send("GET", path, accepted, None);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["paths"]["/v1/suppliers"]["get"]["summary"].as_str().unwrap().to_owned()
    };
    let en = DOCUMENT["paths"]["/v1/suppliers"]["get"]["summary"].as_str().unwrap();
    let ja = api::document(api::Lang::Ja).unwrap()["paths"]["/v1/suppliers"]["get"]["summary"].clone();
    let ja = ja.as_str().unwrap();
    assert_ne!(en, ja);

    // Generators of clients ask for no language.
    assert_eq!(title("/openapi.json", &[]), en);
    assert_eq!(title("/openapi.json", &[("accept-language", "ja,en-US;q=0.7,en;q=0.3")]), ja);
    assert_eq!(title("/openapi.json", &[("accept-language", "fr, en;q=0.5, ja;q=0.2")]), en);
    assert_eq!(title("/openapi.json?lang=ja", &[("accept-language", "en")]), ja);
    assert_eq!(title("/openapi.json?lang=en", &[("accept-language", "ja")]), en);
    app.stranger().get("/openapi.json?lang=fr").is_problem(400, "invalid-parameters", &[("lang", "unknown-choice")]);
    app.stranger().get("/openapi.json?long=ja").is_problem(400, "invalid-parameters", &[("long", "unknown-field")]);
}

#[test]
fn every_kind_of_problem_has_a_section_on_the_page() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/problems.md")).unwrap();
    for (slug, status, [ja, en]) in api::problem_kinds() {
        let begin = format!("## {slug}\n\n**{status}** · {ja} · {en}\n");
        assert!(page.contains(&begin), "docs/problems.md has no section that begins with\n{begin}");
    }
}

#[test]
fn the_page_on_problems_shows_a_real_answer() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/problems.md")).unwrap();
    let shown = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let mut shown: Value = serde_json::from_str(shown).unwrap();

    let app = App::start();
    let mut answer = app.analyst().post("/v1/suppliers", &json!({ "employee_count": "46" })).json;

    for problem in [&mut shown, &mut answer] {
        assert_eq!(problem["request_id"].take().as_str().unwrap().len(), 36);
    }
    assert_eq!(answer.to_string(), shown.to_string());
}
