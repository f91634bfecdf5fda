//! What お助け隊 providers send about the suppliers that are assigned to them.

use serde_json::{Value, json};

use crate::support::{Answer, App, Client, DOCUMENT, etag, id};

const NUMBER: &str = "7010401022916";
const FILES: &str = "/v1/submissions/imports";

fn incident(code: &str) -> Value {
    json!({ "supplier_code": code, "occurred_on": "2026-01-05", "outcome": "blocked" })
}

fn numbered(number: &str) -> Value {
    json!({ "corporate_number": number, "occurred_on": "2026-01-05", "outcome": "blocked" })
}

fn enrollment(code: &str) -> Value {
    json!({ "supplier_code": code, "service_class": "class_1", "starts_on": "2025-04-01", "onsite_response": true })
}

fn assessment(code: &str, assurance: &str) -> Value {
    json!({
        "supplier_code": code, "control": "mfa", "status": "met", "assessed_on": "2026-01-05", "assurance": assurance,
    })
}

/// Lets a provider send evidence for a supplier.
fn assign(admin: &Client, provider: &str, code: &str) -> Value {
    admin.create("/v1/provider-assignments", &json!({ "provider_name": provider, "supplier_code": code }))
}

/// Starts a service with the supplier A, assigned to 甲, and the supplier B, which is not.
fn two_suppliers() -> (App, Client, Client) {
    let app = App::start();
    let admin = app.client("admin");
    admin.supplier("A");
    admin.supplier("B");
    assign(&admin, "甲", "A");
    let provider = app.provider("甲");
    (app, admin, provider)
}

fn put(client: &Client, key: &str, body: &Value) -> Answer {
    client.change("PUT", &format!("/v1/submissions/incidents/by-key?external_id={key}"), "*", body)
}

fn send(client: &Client, query: &str, text: &str) -> Value {
    client.import_to(FILES, FILES, query, "text/csv", text.as_bytes())
}

fn counts(job: &Value) -> [u64; 5] {
    ["created", "updated", "unchanged", "rejected", "ended"].map(|name| job["result"][name].as_u64().unwrap())
}

fn ids(client: &Client, path: &str) -> Vec<String> {
    let items = client.get(path).json["items"].clone();
    items.as_array().unwrap().iter().map(|item| id(item).to_owned()).collect()
}

/// Returns the body of a refusal without the id of the request.
fn said(answer: &Answer) -> Value {
    let mut said = answer.json.clone();
    said["request_id"] = Value::Null;
    said
}

#[test]
fn a_provider_sends_for_a_supplier_that_is_assigned_to_it_by_its_code() {
    let (_app, admin, provider) = two_suppliers();

    let sent = provider.create("/v1/submissions/incidents", &incident("A"));

    assert_eq!((&sent["supplier_code"], &sent["corporate_number"]), (&json!("A"), &json!(null)));
    for hidden in ["supplier_id", "recorded_by", "superseded_at"] {
        assert!(sent.get(hidden).is_none(), "{sent}");
    }
    let stored = admin.get(&format!("/v1/incidents/{}", id(&sent))).json;
    assert_eq!((&stored["supplier_code"], &stored["source"]), (&json!("A"), &json!("provider:甲")));
    assert_eq!(admin.count("/v1/incidents?source=provider:%E7%94%B2"), 1);
}

/// Returns the names of an object's members, sorted.
fn members(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// Returns what a provider gets of one record from every operation of its kind.
fn all_answers(provider: &Client, path: &str, body: &Value) -> [(&'static str, Value); 6] {
    let created = provider.create(path, body);
    let one = format!("{path}/{}", id(&created));
    let found = provider.get(&one).json;
    let listed = provider.get(path).json["items"][0].clone();
    let retracted = provider.change("POST", &format!("{one}/retract"), "*", &json!({ "reason": "別の会社" })).json;
    let key = format!("{path}/by-key?external_id=NEW");
    let mut body = body.clone();
    body.as_object_mut().unwrap().remove("external_id");
    let json_body = [("content-type", "application/json")];
    let put = provider.send("PUT", &key, &json_body, Some(body.to_string().as_bytes())).json;
    let replaced = provider.change("PUT", &key, "*", &body).json;
    [
        ("create", created),
        ("get", found),
        ("list", listed),
        ("retract", retracted),
        ("put as new", put),
        ("put in place", replaced),
    ]
}

#[test]
fn a_provider_sees_just_these_members_of_an_enrollment() {
    let (_app, admin, provider) = two_suppliers();
    admin.create("/v1/suppliers", &json!({ "supplier_code": "N", "corporate_number": NUMBER }));
    assign(&admin, "甲", "N");
    let body = json!({
        "supplier_code": "N", "external_id": "E1", "service_name": "見守り", "provider_name": "甲",
        "service_class": "class_1", "monitoring": "endpoint", "coverage_share": 0.8, "covered_endpoints": 80,
        "starts_on": "2025-04-01", "ends_on": "2027-04-01", "onsite_response": true, "insured_limit_jpy": 1_000_000,
    });

    for (operation, shown) in all_answers(&provider, "/v1/submissions/enrollments", &body) {
        let expected = [
            "corporate_number",
            "coverage_share",
            "covered_endpoints",
            "ended_on",
            "ends_on",
            "external_id",
            "id",
            "import_id",
            "insured_limit_jpy",
            "monitoring",
            "onsite_response",
            "provider_name",
            "recorded_at",
            "retraction_reason",
            "service_class",
            "service_name",
            "source",
            "starts_on",
            "supplier_code",
            "version",
            "warnings",
        ];
        assert_eq!(members(&shown), expected, "{operation}");
        assert_eq!((&shown["corporate_number"], &shown["monitoring"]), (&json!(NUMBER), &json!("endpoint")));
    }
}

#[test]
fn a_provider_sees_just_these_members_of_an_incident() {
    let (_app, _admin, provider) = two_suppliers();
    let body = json!({
        "supplier_code": "A", "external_id": "I1", "occurred_on": "2026-01-05", "category": "malware",
        "outcome": "harmful", "count": 1, "loss_jpy": 476_974, "downtime_days": 5.7,
        "detected_at": "2026-01-05T02:15:00+09:00", "reported_at": "2026-01-05T09:00:00+09:00",
        "partners_affected": 3, "indicators": "203.0.113.7",
    });

    for (operation, shown) in all_answers(&provider, "/v1/submissions/incidents", &body) {
        let expected = [
            "category",
            "corporate_number",
            "count",
            "detected_at",
            "downtime_days",
            "ended_on",
            "external_id",
            "id",
            "import_id",
            "indicators",
            "loss_jpy",
            "occurred_on",
            "outcome",
            "partners_affected",
            "recorded_at",
            "reported_at",
            "retraction_reason",
            "source",
            "supplier_code",
            "version",
            "warnings",
        ];
        assert_eq!(members(&shown), expected, "{operation}");
        assert_eq!((&shown["loss_jpy"], &shown["partners_affected"]), (&json!(476_974), &json!(3)));
    }
}

#[test]
fn a_provider_sees_just_these_members_of_an_assessment() {
    let (_app, _admin, provider) = two_suppliers();
    let mut body = assessment("A", "verified_by_provider");
    body["external_id"] = json!("A1");
    body["expires_on"] = json!("2027-01-05");
    body["evidence_url"] = json!("https://example.jp/assessment");

    for (operation, shown) in all_answers(&provider, "/v1/submissions/assessments", &body) {
        let expected = [
            "assessed_on",
            "assessor_name",
            "assurance",
            "control",
            "corporate_number",
            "ended_on",
            "evidence_url",
            "expires_on",
            "external_id",
            "id",
            "import_id",
            "recorded_at",
            "retraction_reason",
            "source",
            "status",
            "supplier_code",
            "total_score",
            "version",
            "warnings",
        ];
        assert_eq!(members(&shown), expected, "{operation}");
        assert_eq!((&shown["control"], &shown["evidence_url"]), (&json!("mfa"), &body["evidence_url"]));
    }
}

#[test]
fn an_assessment_is_by_the_provider_who_sends_it_or_by_the_supplier() {
    let (app, admin, provider) = two_suppliers();
    let path = "/v1/submissions/assessments";
    let send_as = |assurance: &str| {
        let mut body = assessment("A", assurance);
        body["assessor_name"] = json!("乙");
        provider.post(path, &body)
    };

    let checked = send_as("verified_by_provider").json;
    assert_eq!(checked["assessor_name"], "甲", "{checked}");
    let said = send_as("self_reported").json;
    assert_eq!(said["assessor_name"], Value::Null, "{said}");
    let by_third = [("#/assurance", "not-by-providers")];
    send_as("verified_by_third_party").is_problem(422, "invalid-body", &by_third);
    let key = format!("{path}/by-key?external_id=X");
    let json_body = [("content-type", "application/json")];
    let body = assessment("A", "verified_by_third_party").to_string();
    provider.send("PUT", &key, &json_body, Some(body.as_bytes())).is_problem(422, "invalid-body", &by_third);
    for body in ["SubmitAssessment", "PutSubmittedAssessment"] {
        let choices = &DOCUMENT["components"]["schemas"][body]["properties"]["assurance"]["enum"];
        assert_eq!(*choices, json!(["self_reported", "verified_by_provider"]), "{body}");
    }
    let other = assessment("B", "self_reported");
    provider.post(path, &other).is_problem(422, "invalid-body", &[("#/supplier_code", "not-assigned")]);
    assert_eq!(admin.count("/v1/assessments"), 2);

    let planned = json!({ "supplier_code": "A", "control": "edr", "status": "met", "assessed_on": "2999-01-05", "assurance": "self_reported" });
    assert_eq!(provider.create(path, &planned)["warnings"][0]["code"], "in-the-future");
    // Another provider that is assigned to the supplier sees none of that.
    assign(&admin, "乙", "A");
    let rival = app.provider("乙");
    assert_eq!(ids(&rival, path), [""; 0]);
    rival.get(&format!("{path}/{}", id(&checked))).is_problem(404, "not-found", &[]);
    assert_eq!(ids(&provider, path).len(), 3);
}

#[test]
fn a_file_of_assessments_is_by_the_provider_too() {
    let (_app, admin, provider) = two_suppliers();
    let file = "外部ID,取引先コード,対策,実施状況,自社診断の合計点,確認日,確認者,確認した者の名称\n\
        1,A,EDR,導入,,2026-01-05,事業者が確認,乙\n2,A,自社診断,,72,2026-01-05,自己申告,乙\n\
        3,A,多要素認証,実施,,2026-01-05,第三者が確認,乙\n4,B,多要素認証,実施,,2026-01-05,自己申告,\n";

    let job = send(&provider, "kind=assessments&mode=accept_valid", file);
    assert_eq!((job["state"].as_str(), counts(&job)), (Some("partially_succeeded"), [2, 0, 0, 2, 0]), "{job}");
    let mut findings = provider.findings(&job);
    findings.sort();
    assert_eq!(
        findings,
        [
            (4, "assurance".to_owned(), "not-by-providers".to_owned()),
            (5, "supplier_code".to_owned(), "not-assigned".to_owned()),
        ]
    );
    let stored = admin.get("/v1/assessments?sort=recorded_at").json;
    let names: Vec<_> = stored["items"].as_array().unwrap().iter().map(|row| &row["assessor_name"]).collect();
    assert_eq!(names, [&json!("甲"), &Value::Null]);
    let again = send(&provider, "kind=assessments&mode=accept_valid", file);
    assert_eq!(counts(&again), [0, 0, 2, 2, 0], "{again}");
}

#[test]
fn a_provider_sends_for_a_supplier_by_its_corporate_number() {
    let (_app, admin, provider) = two_suppliers();
    admin.create("/v1/suppliers", &json!({ "supplier_code": "N", "corporate_number": NUMBER }));
    let path = "/v1/submissions/incidents";
    provider.post(path, &numbered(NUMBER)).is_problem(422, "invalid-body", &[("#/corporate_number", "not-assigned")]);
    assign(&admin, "甲", "N");

    let sent = provider.create(path, &numbered(NUMBER));
    assert_eq!((&sent["supplier_code"], &sent["corporate_number"]), (&json!("N"), &json!(NUMBER)));

    // Two suppliers have the same number: Sonae must not choose between them.
    admin.create("/v1/suppliers", &json!({ "supplier_code": "M", "corporate_number": NUMBER }));
    provider.create(path, &numbered(NUMBER));
    assign(&admin, "甲", "M");
    provider.post(path, &numbered(NUMBER)).is_problem(422, "invalid-body", &[("#/corporate_number", "not-assigned")]);
}

#[test]
fn a_provider_sends_for_a_supplier_by_the_code_that_the_buyer_gave_it() {
    let (app, admin, provider) = two_suppliers();
    let map = |system: &str, code: &str, supplier: &str| {
        let body = json!({ "system": system, "code": code, "supplier_code": supplier });
        admin.create("/v1/supplier-codes", &body);
    };
    map("甲", "K-1", "A");
    map("甲", "K-2", "B");
    map("乙", "K-3", "A");
    let path = "/v1/submissions/incidents";

    assert_eq!(provider.create(path, &incident("K-1"))["supplier_code"], "A");
    for code in ["K-2", "K-3"] {
        provider.post(path, &incident(code)).is_problem(422, "invalid-body", &[("#/supplier_code", "not-assigned")]);
    }
    // A code that means one supplier to the buyer and another to the provider is accepted for neither.
    assign(&admin, "甲", "B");
    map("甲", "A", "B");
    provider.post(path, &incident("A")).is_problem(422, "invalid-body", &[("#/supplier_code", "not-assigned")]);
    assign(&admin, "乙", "A");
    assert_eq!(app.provider("乙").create(path, &incident("A"))["supplier_code"], "A");
}

#[test]
fn a_supplier_is_named_by_one_of_the_two() {
    let (_app, _admin, provider) = two_suppliers();
    let refused = |body: Value, field: &str, code: &str| {
        provider.post("/v1/submissions/incidents", &body).is_problem(422, "invalid-body", &[(field, code)]);
    };

    refused(json!({ "occurred_on": "2026-01-05", "outcome": "blocked" }), "#/supplier_code", "missing-value");
    refused(
        json!({ "supplier_code": "A", "corporate_number": NUMBER, "occurred_on": "2026-01-05", "outcome": "blocked" }),
        "#/corporate_number",
        "not-together",
    );
    refused(numbered("1010401022916"), "#/corporate_number", "check-digit");
    refused(
        json!({ "supplier_code": "A", "occurred_on": "2026-01-05", "outcome": "blocked", "source": "manual" }),
        "#/source",
        "unknown-field",
    );
    let mut late = incident("A");
    late["occurred_on"] = json!("2999-01-05");
    refused(late, "#/occurred_on", "in-the-future");
}

#[test]
fn an_enrollment_is_with_the_provider_who_sends_it() {
    let (_app, admin, provider) = two_suppliers();
    let mut body = enrollment("A");
    body["provider_name"] = json!("乙");
    body["external_id"] = json!("E1");

    let sent = provider.create("/v1/submissions/enrollments", &body);
    assert_eq!(sent["provider_name"], "甲");

    let file = "external_id,supplier_code,service_class,starts_on,onsite_response,provider_name\n\
        E1,A,class_1,2025-04-01,true,乙\nE2,A,class_2,2025-04-01,true,丙\n";
    let job = send(&provider, "kind=enrollments", file);
    assert_eq!(counts(&job), [1, 0, 1, 0, 0], "{job}");
    assert_eq!(admin.count("/v1/enrollments?provider_name=%E7%94%B2"), 2);
}

#[test]
fn what_is_not_assigned_is_told_from_what_does_not_exist_by_nothing() {
    let (_app, admin, provider) = two_suppliers();
    let number = |code: &str, number: &str| {
        let body = json!({ "supplier_code": code, "corporate_number": number });
        admin.create("/v1/suppliers", &body)
    };
    // Assigned to nobody; archived though assigned; merged away though assigned; merged into one that is not assigned.
    number("C", "1180301018771");
    let archived = number("D", "7000012050002");
    assign(&admin, "甲", "D");
    admin.act("POST", &format!("/v1/suppliers/{}/archive", id(&archived)), "*");
    let (merged, into) = (number("E", NUMBER), admin.supplier("F"));
    assign(&admin, "甲", "E");
    admin.change("POST", &format!("/v1/suppliers/{}/merge", id(&merged)), "*", &json!({ "into_id": id(&into) }));
    let (merged, into) = (admin.supplier("G"), admin.supplier("H"));
    admin.change("POST", &format!("/v1/suppliers/{}/merge", id(&merged)), "*", &json!({ "into_id": id(&into) }));
    // A supplier that is assigned to another provider.
    admin.supplier("I");
    assign(&admin, "乙", "I");

    let unknown = "Z";
    let (posted, putted) =
        (provider.post("/v1/submissions/incidents", &incident(unknown)), put(&provider, "X", &incident(unknown)));
    let file = |column: &str, name: &str| {
        let text = format!("external_id,{column},occurred_on,outcome\nI1,{name},2026-01-05,blocked\n");
        let job = send(&provider, "kind=incidents", &text);
        let found = provider.get(job["result"]["findings_url"].as_str().unwrap()).json;
        assert_eq!(found["items"][0]["value"], name);
        // The code that was sent is in the finding, and nowhere else.
        (counts(&job), job["result"]["failure"].clone(), found.to_string().replace(&format!("\"{name}\""), ""))
    };
    let imported = file("supplier_code", unknown);
    assert_eq!(imported.0, [0, 0, 0, 1, 0]);
    posted.is_problem(422, "invalid-body", &[("#/supplier_code", "not-assigned")]);
    for code in ["B", "C", "D", "E", "G", "H", "I"] {
        assert_eq!(said(&provider.post("/v1/submissions/incidents", &incident(code))), said(&posted), "{code}");
        assert_eq!(said(&put(&provider, "X", &incident(code))), said(&putted), "{code}");
        assert_eq!(file("supplier_code", code), imported, "{code}");
    }
    let unknown = "6000012070001";
    let posted = provider.post("/v1/submissions/incidents", &numbered(unknown));
    let putted = put(&provider, "X", &numbered(unknown));
    let imported = file("corporate_number", unknown);
    posted.is_problem(422, "invalid-body", &[("#/corporate_number", "not-assigned")]);
    for number in ["1180301018771", "7000012050002", NUMBER] {
        assert_eq!(said(&provider.post("/v1/submissions/incidents", &numbered(number))), said(&posted), "{number}");
        assert_eq!(said(&put(&provider, "X", &numbered(number))), said(&putted), "{number}");
        assert_eq!(file("corporate_number", number), imported, "{number}");
    }
    assert_eq!(admin.count("/v1/incidents"), 0);
}

#[test]
fn a_provider_reads_its_own_submissions_alone() {
    let (_app, admin, provider) = two_suppliers();
    let sent = provider.create("/v1/submissions/incidents", &incident("A"));
    let buyers = admin.create("/v1/incidents", &incident("A"));

    assert_eq!(ids(&provider, "/v1/submissions/incidents"), [id(&sent)]);
    assert_eq!(provider.get(&format!("/v1/submissions/incidents/{}", id(&sent))).json["id"], sent["id"]);
    let unknown = provider.get("/v1/submissions/incidents/01999999-9999-7999-8999-999999999999");
    let others = provider.get(&format!("/v1/submissions/incidents/{}", id(&buyers)));
    assert_eq!((unknown.status, &others.json["detail"]), (404, &unknown.json["detail"]));
    let path = format!("/v1/submissions/incidents/{}/retract", id(&buyers));
    assert_eq!(provider.change("POST", &path, "*", &json!({ "reason": "誤報" })).status, 404);
    let import = admin.import_csv("kind=suppliers", "supplier_code\nA\n");
    for path in [format!("{FILES}/{}", id(&import)), format!("{FILES}/{}/findings", id(&import))] {
        provider.get(&path).is_problem(404, "not-found", &[]);
    }
}

#[test]
fn two_providers_side_by_side_see_and_change_nothing_of_each_other() {
    let (app, admin, provider) = two_suppliers();
    assign(&admin, "乙", "A");
    let other = app.provider("乙");
    let mut body = incident("A");
    body["external_id"] = json!("X");
    let path = "/v1/submissions/incidents";
    let (first, second) = (provider.create(path, &body), other.create(path, &body));

    assert_eq!((ids(&provider, path), ids(&other, path)), (vec![id(&first).into()], vec![id(&second).into()]));
    other.get(&format!("{path}/{}", id(&first))).is_problem(404, "not-found", &[]);
    let retract = format!("{path}/{}/retract", id(&first));
    other.change("POST", &retract, "*", &json!({ "reason": "x" })).is_problem(404, "not-found", &[]);
    body["outcome"] = json!("contained");
    body.as_object_mut().unwrap().remove("external_id");
    assert_eq!(id(&put(&other, "X", &body).json), id(&second));
    let file = "external_id,supplier_code,occurred_on,outcome\nX,A,2026-01-06,blocked\n";
    let job = send(&other, "kind=incidents&mode=replace&confirm=true", file);
    assert_eq!(counts(&job), [0, 1, 0, 0, 0], "{job}");
    provider.get(&format!("{FILES}/{}", id(&job))).is_problem(404, "not-found", &[]);
    assert_eq!(provider.get(&format!("{path}/{}", id(&first))).json, first);
    assert_eq!(admin.get(&format!("/v1/incidents/{}", id(&first))).etag(), "\"1\"");
}

#[test]
fn providers_whose_names_differ_in_width_alone_are_two() {
    let (app, admin, _) = two_suppliers();
    for name in ["AB", "ＡＢ"] {
        assign(&admin, name, "A");
    }
    let (narrow, wide) = (app.provider("AB"), app.provider("ＡＢ"));

    narrow.create("/v1/submissions/incidents", &incident("A"));

    assert_eq!(ids(&wide, "/v1/submissions/incidents"), [""; 0]);
}

#[test]
fn two_buyers_with_the_same_provider_are_kept_apart() {
    let (app, _admin, _) = two_suppliers();
    let ours = app.client("provider");
    app.sonae(&["tenant", "create", "other"]);
    let theirs = app.client_of("other", "admin");
    theirs.supplier("A");
    assign(&theirs, "事業者01", "A");
    let sent = app.client_of("other", "provider").create("/v1/submissions/incidents", &incident("A"));

    let refused = ours.post("/v1/submissions/incidents", &incident("A"));
    refused.is_problem(422, "invalid-body", &[("#/supplier_code", "not-assigned")]);
    assert_eq!(ids(&ours, "/v1/submissions/incidents"), [""; 0]);
    ours.get(&format!("/v1/submissions/incidents/{}", id(&sent))).is_problem(404, "not-found", &[]);
}

#[test]
fn when_an_assignment_has_ended_what_was_sent_is_read_and_no_longer_changed() {
    let (_app, admin, provider) = two_suppliers();
    assign(&admin, "甲", "B");
    let mut body = incident("A");
    body["external_id"] = json!("X");
    let sent = provider.create("/v1/submissions/incidents", &body);
    let assignment = admin.get("/v1/provider-assignments").json["items"][0].clone();
    assert_eq!(admin.act("DELETE", &format!("/v1/provider-assignments/{}", id(&assignment)), "*").status, 204);
    let path = format!("/v1/submissions/incidents/{}", id(&sent));

    assert_eq!(provider.get(&path).json, sent);
    assert_eq!(ids(&provider, "/v1/submissions/incidents"), [id(&sent)]);
    let refused = provider.post("/v1/submissions/incidents", &incident("A"));
    refused.is_problem(422, "invalid-body", &[("#/supplier_code", "not-assigned")]);
    put(&provider, "X", &incident("A")).is_problem(422, "invalid-body", &[("#/supplier_code", "not-assigned")]);
    // Nor can it be moved to a supplier that is assigned.
    put(&provider, "X", &incident("B")).is_problem(409, "wrong-state", &[]);
    let retracted = provider.change("POST", &format!("{path}/retract"), "*", &json!({ "reason": "誤報" }));
    retracted.is_problem(409, "wrong-state", &[]);
    let head = "external_id,supplier_code,occurred_on,outcome\n";
    let job = send(&provider, "kind=incidents", &format!("{head}X,B,2026-01-05,blocked\n"));
    assert_eq!(counts(&job), [0, 0, 0, 1, 0], "{job}");
    assert_eq!(provider.findings(&job), [(2, "external_id".to_owned(), "not-assigned".to_owned())]);
    let job = send(&provider, "kind=incidents&mode=replace&confirm=true", &format!("{head}Y,B,2026-01-05,blocked\n"));
    assert_eq!(counts(&job), [1, 0, 0, 0, 0], "a replacing import ends nothing of it either: {job}");
    assert_eq!(admin.get(&format!("/v1/incidents/{}", id(&sent))).etag(), "\"1\"");
}

#[test]
fn an_assignment_that_a_replacing_import_has_ended_holds_no_more() {
    let (_app, admin, provider) = two_suppliers();
    let head = "provider_name,supplier_code\n";
    admin.import_csv("kind=provider_assignments&source=erp", &format!("{head}甲,B\n"));
    provider.create("/v1/submissions/incidents", &incident("B"));

    let job =
        admin.import_csv("kind=provider_assignments&source=erp&mode=replace&confirm=true", &format!("{head}乙,A\n"));

    assert_eq!(counts(&job), [1, 0, 0, 0, 1], "{job}");
    let refused = provider.post("/v1/submissions/incidents", &incident("B"));
    refused.is_problem(422, "invalid-body", &[("#/supplier_code", "not-assigned")]);
}

#[test]
fn an_assignment_of_a_merged_supplier_holds_for_the_one_that_stands_for_it() {
    let (_app, admin, provider) = two_suppliers();
    let map = json!({ "system": "甲", "code": "K-1", "supplier_code": "A" });
    admin.create("/v1/supplier-codes", &map);
    let sent = provider.create("/v1/submissions/incidents", &incident("A"));
    let [a, b] = ["A", "B"].map(|code| admin.get(&format!("/v1/suppliers/by-code?code={code}")).json);

    admin.change("POST", &format!("/v1/suppliers/{}/merge", id(&a)), "*", &json!({ "into_id": id(&b) }));

    let path = "/v1/submissions/incidents";
    assert_eq!(provider.create(path, &incident("B"))["supplier_code"], "B");
    assert_eq!(provider.create(path, &incident("K-1"))["supplier_code"], "B");
    let refused = provider.post(path, &incident("A"));
    refused.is_problem(422, "invalid-body", &[("#/supplier_code", "not-assigned")]);
    let file = "external_id,supplier_code,occurred_on,outcome\nI1,B,2026-01-05,blocked\nI2,K-1,2026-01-05,blocked\n";
    assert_eq!(counts(&send(&provider, "kind=incidents", file)), [2, 0, 0, 0, 0]);
    let retract = format!("{path}/{}/retract", id(&sent));
    assert_eq!(provider.change("POST", &retract, "*", &json!({ "reason": "誤報" })).status, 200);
}

#[test]
fn a_record_is_created_and_replaced_by_its_key() {
    let (_app, admin, provider) = two_suppliers();
    let body = json!({ "supplier_code": "A", "occurred_on": "2026-01-05", "outcome": "harmful", "loss_jpy": 5 });

    let created = put(&provider, "X", &body);
    assert_eq!(created.status, 412, "If-Match asks for something to be there: {created:?}");
    let key = "/v1/submissions/incidents/by-key?external_id=X";
    let created = provider.send("PUT", key, &[("content-type", "application/json")], Some(body.to_string().as_bytes()));
    assert_eq!(created.status, 201, "{created:?}");
    let replaced = put(&provider, "X", &incident("A"));
    assert_eq!((replaced.status, &replaced.json["loss_jpy"]), (200, &json!(null)));
    assert_eq!(provider.change("PUT", key, "\"1\"", &body).status, 412);
    assert_eq!(admin.get("/v1/incidents").json["items"][0]["version"], 2);
}

#[test]
fn a_submission_is_retracted_with_a_reason() {
    let (_app, admin, provider) = two_suppliers();
    let mut body = enrollment("A");
    body["external_id"] = json!("E1");
    let sent = provider.create("/v1/submissions/enrollments", &body);
    let path = format!("/v1/submissions/enrollments/{}", id(&sent));
    let retract = |etag: &str, body: Value| provider.change("POST", &format!("{path}/retract"), etag, &body);

    retract("*", json!({})).is_problem(422, "invalid-body", &[("#/reason", "missing-value")]);
    let retracted = retract(&etag(&sent), json!({ "reason": "別の会社" }));
    assert_eq!((retracted.status, &retracted.json["retraction_reason"]), (200, &json!("別の会社")));
    assert_eq!(admin.count("/v1/enrollments"), 0);
    assert_eq!(provider.get("/v1/submissions/enrollments").json["items"][0]["retraction_reason"], "別の会社");
    retract("*", json!({ "reason": "二度目" })).is_problem(409, "wrong-state", &[]);
    let file = "external_id,supplier_code,service_class,starts_on,onsite_response\nE1,A,class_1,2025-04-01,true\n";
    let job = send(&provider, "kind=enrollments", file);
    assert_eq!(provider.findings(&job), [(2, "external_id".to_owned(), "stays-retracted".to_owned())]);
}

#[test]
fn what_the_buyer_mends_stays_the_buyers() {
    let (_app, admin, provider) = two_suppliers();
    let secret = "ひみつの修正";
    let mut body = incident("A");
    body["external_id"] = json!("X");
    let sent = provider.create("/v1/submissions/incidents", &body);
    let (theirs, ours) = (format!("/v1/incidents/{}", id(&sent)), format!("/v1/submissions/incidents/{}", id(&sent)));
    admin.change("PATCH", &theirs, "*", &json!({ "indicators": secret }));

    assert_eq!(provider.get(&ours).json, sent);
    // A file without the column keeps what the provider sent there, not what the buyer wrote.
    let job =
        send(&provider, "kind=incidents", "external_id,supplier_code,occurred_on,outcome\nX,A,2026-01-05,blocked\n");
    assert_eq!(counts(&job), [0, 1, 0, 0, 0], "{job}");
    assert_eq!(admin.get(&theirs).json["indicators"], json!(null));
    admin.change("PATCH", &theirs, "*", &json!({ "indicators": secret }));
    let retracted = provider.change("POST", &format!("{ours}/retract"), "*", &json!({ "reason": "誤報" }));
    assert_eq!((retracted.status, &retracted.json["indicators"]), (200, &json!(null)));
    let listed = provider.get("/v1/submissions/incidents");
    assert!(!String::from_utf8_lossy(&listed.bytes).contains(secret), "{listed:?}");
}

#[test]
fn a_provider_reads_what_it_sent_last_though_the_buyer_wrote_the_same_before() {
    let (_app, admin, provider) = two_suppliers();
    let corrected =
        json!({ "supplier_code": "A", "occurred_on": "2026-01-05", "outcome": "blocked", "indicators": "x" });
    let mut body = incident("A");
    for key in ["X", "Y"] {
        body["external_id"] = json!(key);
        let sent = provider.create("/v1/submissions/incidents", &body);
        admin.change("PATCH", &format!("/v1/incidents/{}", id(&sent)), "*", &json!({ "indicators": "x" }));
    }

    assert_eq!(put(&provider, "X", &corrected).status, 200);
    let file = "external_id,supplier_code,occurred_on,outcome,indicators\nY,A,2026-01-05,blocked,x\n";
    send(&provider, "kind=incidents", file);

    let items = provider.get("/v1/submissions/incidents").json["items"].clone();
    assert_eq!((&items[0]["indicators"], &items[1]["indicators"]), (&json!("x"), &json!("x")));
}

#[test]
fn what_the_buyer_has_moved_to_another_supplier_is_not_changed() {
    let (_app, admin, provider) = two_suppliers();
    let mut body = incident("A");
    body["external_id"] = json!("X");
    let sent = provider.create("/v1/submissions/incidents", &body);
    admin.change("PATCH", &format!("/v1/incidents/{}", id(&sent)), "*", &json!({ "supplier_code": "B" }));
    let path = format!("/v1/submissions/incidents/{}", id(&sent));
    let retract = || provider.change("POST", &format!("{path}/retract"), "*", &json!({ "reason": "誤報" }));

    assert_eq!(provider.get(&path).json, sent, "it shows the supplier that it was sent of");
    retract().is_problem(409, "wrong-state", &[]);
    put(&provider, "X", &incident("A")).is_problem(409, "wrong-state", &[]);
    // The supplier that is assigned now is not the one of the record: a retraction would write about the other one
    // again.
    let assignment = admin.get("/v1/provider-assignments").json["items"][0].clone();
    assign(&admin, "甲", "B");
    admin.act("DELETE", &format!("/v1/provider-assignments/{}", id(&assignment)), "*");
    retract().is_problem(409, "wrong-state", &[]);
    assert_eq!(put(&provider, "X", &incident("B")).status, 200);
    assert_eq!(retract().status, 200);
}

#[test]
fn what_the_buyer_retracts_gives_no_reason_to_the_provider() {
    let (_app, admin, provider) = two_suppliers();
    let sent = provider.create("/v1/submissions/incidents", &incident("A"));
    let reason = json!({ "reason": "ひみつの理由" });

    assert_eq!(admin.change("POST", &format!("/v1/incidents/{}/retract", id(&sent)), "*", &reason).status, 200);

    let path = format!("/v1/submissions/incidents/{}", id(&sent));
    assert_eq!(provider.get(&path).json, sent);
    let refused = provider.change("POST", &format!("{path}/retract"), "*", &json!({ "reason": "誤報" }));
    refused.is_problem(409, "wrong-state", &[]);
}

#[test]
fn nobody_else_sends_in_the_name_of_a_provider() {
    let (app, admin, provider) = two_suppliers();
    for source in ["provider:甲", "Provider:甲", "ｐｒｏｖｉｄｅｒ：甲"] {
        let mut body = incident("A");
        body["source"] = json!(source);
        let refused = admin.post("/v1/incidents", &body);
        refused.is_problem(422, "invalid-body", &[("#/source", "reserved-source")]);
    }
    let source = "provider:%E7%94%B2";
    let path = format!("/v1/incidents/by-key?external_id=X&source={source}");
    let put = admin.send("PUT", &path, &[("content-type", "application/json")], Some(b"{}"));
    put.is_problem(400, "invalid-parameters", &[("source", "reserved-source")]);
    let send = |client: &Client, path: &str| {
        client.send("POST", path, &[("content-type", "text/csv")], Some(b"external_id,supplier_code\n"))
    };
    let import = send(&admin, &format!("/v1/imports?kind=incidents&source={source}"));
    import.is_problem(400, "invalid-parameters", &[("source", "reserved-source")]);
    let import = send(&provider, &format!("{FILES}?kind=incidents&source=manual"));
    import.is_problem(400, "invalid-parameters", &[("source", "unknown-field")]);
    let folder = app.data.path().to_str().unwrap();
    let shell = crate::support::command(&app.data, &["import", folder, "--source", "provider:甲"]).output();
    assert_eq!(shell.unwrap().status.code(), Some(2));
}

#[test]
fn a_provider_sends_files_of_evidence_alone() {
    let (_app, admin, provider) = two_suppliers();
    for kind in ["suppliers", "relationships", "provider_assignments", "supplier_codes", "certifications"] {
        let path = format!("{FILES}?kind={kind}");
        let refused = provider.send("POST", &path, &[("content-type", "text/csv")], Some(b"supplier_code\nX\n"));
        refused.is_problem(400, "invalid-parameters", &[("kind", "unknown-choice")]);
    }
    let refused = provider.send("POST", FILES, &[("content-type", "text/csv")], Some(b"supplier_code\nX\n"));
    refused.is_problem(400, "invalid-parameters", &[("kind", "missing-value")]);
    assert_eq!(admin.count("/v1/suppliers"), 2);
}

#[test]
fn a_file_names_suppliers_by_code_or_by_corporate_number() {
    let (_app, admin, provider) = two_suppliers();
    admin.create("/v1/suppliers", &json!({ "supplier_code": "N", "corporate_number": NUMBER }));
    assign(&admin, "甲", "N");
    let file = format!(
        "外部ID,取引先コード,法人番号,発生日,結果\nI1,A,,2026-01-05,遮断\nI2,,{NUMBER},2026-01-05,遮断\n\
         I3,,,2026-01-05,遮断\nI4,A,{NUMBER},2026-01-05,遮断\nI5,B,,2026-01-05,遮断\n"
    );

    let job = send(&provider, "kind=incidents&mode=accept_valid", &file);
    assert_eq!((job["state"].as_str(), counts(&job)), (Some("partially_succeeded"), [2, 0, 0, 3, 0]), "{job}");
    let found = |row, column: &str, code: &str| (row, column.to_owned(), code.to_owned());
    assert_eq!(
        provider.findings(&job),
        [
            found(4, "supplier_code", "missing-value"),
            found(5, "corporate_number", "not-together"),
            found(6, "supplier_code", "not-assigned"),
        ]
    );
    assert_eq!((admin.count("/v1/incidents?supplier_code=N"), admin.count("/v1/incidents")), (1, 2));

    // A row that names another firm moves the record there.
    let moved = format!("external_id,corporate_number\nI1,{NUMBER}\n");
    let job = send(&provider, "kind=incidents", &moved);
    assert_eq!(job["result"]["failure"]["code"], "missing-column", "{job}");
    let line = format!(
        "{{\"external_id\":\"I1\",\"corporate_number\":\"{NUMBER}\",\"occurred_on\":\"2026-01-05\",\"outcome\":\"blocked\"}}\n"
    );
    let job = provider.import_to(FILES, FILES, "kind=incidents", "application/x-ndjson", line.as_bytes());
    assert_eq!(counts(&job), [0, 1, 0, 0, 0], "{job}");
    assert_eq!(admin.count("/v1/incidents?supplier_code=N"), 2);
}

#[test]
fn a_workbook_of_a_provider_gives_the_sheet_of_its_kind_alone() {
    let (_app, admin, provider) = two_suppliers();
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheets = [
        ("取引先", ["取引先コード", "取引先名", "従業員数", "資本金"], ["X", "x", "1", "1"]),
        ("事案", ["外部ID", "取引先コード", "発生日", "結果"], ["I1", "A", "2026-01-05", "遮断"]),
    ];
    for (name, headings, cells) in sheets {
        let sheet = book.add_worksheet();
        sheet.set_name(name).unwrap();
        for (column, (heading, cell)) in headings.iter().zip(cells).enumerate() {
            sheet.write(0, column as u16, *heading).unwrap();
            sheet.write(1, column as u16, cell).unwrap();
        }
    }
    let media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    let job = provider.import_to(FILES, FILES, "kind=incidents", media_type, &book.save_to_buffer().unwrap());

    assert_eq!(counts(&job), [1, 0, 0, 0, 0], "{job}");
    assert_eq!((admin.count("/v1/suppliers"), admin.count("/v1/incidents")), (2, 1));
}

#[test]
fn submissions_come_in_pages() {
    let (_app, admin, provider) = two_suppliers();
    let rows: String = (0..5).map(|row| format!("I{row},A,2026-01-05,blocked\n")).collect();
    let file = format!("external_id,supplier_code,occurred_on,outcome\n{rows}");
    admin.import_csv("kind=incidents", &file);
    assert_eq!(counts(&send(&provider, "kind=incidents", &file)), [5, 0, 0, 0, 0]);
    assert_eq!(counts(&send(&provider, "kind=incidents", &file)), [0, 0, 5, 0, 0]);

    let page = provider.get("/v1/submissions/incidents?limit=3").json;
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = provider.get(&format!("/v1/submissions/incidents?limit=3&cursor={cursor}")).json;
    let keys = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["external_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!([keys(&page), keys(&next)].concat(), ["I0", "I1", "I2", "I3", "I4"]);
    assert_eq!(next["next_cursor"], json!(null));
}
