//! Suppliers: create, find, change, merge, archive, erase.

use serde_json::json;

use crate::support::{App, etag, id};

#[test]
fn a_supplier_is_created_and_found_by_id_and_by_code() {
    let app = App::start();
    let analyst = app.analyst();
    let body = json!({
        "supplier_code": "　Ａ-1 ", "name": "備製作所㈱", "kana": "ソナエセイサクショ", "corporate_number": "7010401022916",
        "jsic_division": "9", "employee_count": 46, "capital_jpy": 30_000_000, "prefecture_code": "13",
        "data_access": "internal", "network_access": "limited", "total_endpoints": 118,
        "reports_incidents_since": "2024-04-01",
    });

    let created = analyst.post("/v1/suppliers", &body);

    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.json["supplier_code"], "A-1", "a code is kept without width and spaces");
    assert_eq!(created.json["jsic_division"], "09");
    assert_eq!((created.etag().as_str(), &created.json["warnings"]), ("\"1\"", &json!([])));
    let by_id = analyst.get(created.header("location").unwrap());
    let by_code = analyst.get("/v1/suppliers/by-code?code=A-1");
    assert_eq!(by_id.json, created.json);
    assert_eq!(by_code.json, created.json);
    assert_eq!(by_code.header("content-location"), created.header("location"));
}

#[test]
fn all_faults_of_a_body_are_told_at_once_and_nothing_is_stored() {
    let app = App::start();
    let analyst = app.analyst();
    let body = json!({
        "supplier_code": "", "corporate_number": "7010401022917", "jsic_division": "100", "employee_count": -1,
        "capital_jpy": "3000万", "data_access": "all", "total_endpoints": 0, "reports_incidents_since": "2026-02-30",
        "colour": "red", "prefecture_code": 13,
    });

    let answer = analyst.post("/v1/suppliers", &body);

    answer.is_problem(
        422,
        "invalid-body",
        &[
            ("#/colour", "unknown-field"),
            ("#/supplier_code", "missing-value"),
            ("#/corporate_number", "check-digit"),
            ("#/jsic_division", "not-digits"),
            ("#/employee_count", "out-of-range"),
            ("#/capital_jpy", "wrong-type"),
            ("#/prefecture_code", "wrong-type"),
            ("#/data_access", "unknown-choice"),
            ("#/total_endpoints", "out-of-range"),
            ("#/reports_incidents_since", "not-a-date"),
        ],
    );
    assert_eq!(analyst.count("/v1/suppliers?include_ended=true"), 0);
}

#[test]
fn problems_speak_japanese_unless_english_is_asked_for() {
    let app = App::start();
    let mut analyst = app.analyst();
    let english = analyst.post("/v1/suppliers", &json!({}));
    analyst.lang = "ja";
    let japanese = analyst.post("/v1/suppliers", &json!({}));

    assert_eq!(english.json["title"], "The body breaks the rules");
    assert_eq!(english.json["errors"][0]["detail"], "a required value is empty; fill the value in");
    assert_eq!(japanese.json["title"], "本文の内容が正しくありません");
    assert_eq!(japanese.json["errors"][0]["detail"], "必須の値が空です。値を入れてください");
    assert_eq!(japanese.json["code"], english.json["code"]);
}

#[test]
fn a_body_that_is_no_json_object_is_refused() {
    let app = App::start();
    let analyst = app.analyst();
    let send =
        |kind, body: &str| analyst.send("POST", "/v1/suppliers", &[("content-type", kind)], Some(body.as_bytes()));

    send("application/json", "{\"supplier_code\": ").is_problem(400, "malformed-body", &[]);
    send("application/json", "[]").is_problem(422, "invalid-body", &[("#", "wrong-type")]);
    send("text/plain", "{}").is_problem(415, "unsupported-media-type", &[]);
    send("application/json", "{\"supplier_code\":\"A\",\"supplier_code\":\"B\"}").is_problem(
        422,
        "invalid-body",
        &[("#/supplier_code", "repeated-field")],
    );
    send("application/json", &"[".repeat(100_000)).is_problem(422, "invalid-body", &[("#", "wrong-type")]);
}

#[test]
fn a_code_that_is_taken_is_refused() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");

    let answer = analyst.post("/v1/suppliers", &json!({ "supplier_code": "A" }));

    answer.is_problem(409, "key-taken", &[("#/supplier_code", "key-taken")]);
}

#[test]
fn a_change_needs_the_version_that_it_is_made_to() {
    let app = App::start();
    let analyst = app.analyst();
    let supplier = analyst.supplier("A");
    let path = format!("/v1/suppliers/{}", id(&supplier));
    let patch = json!({ "employee_count": 12 });

    let kind = [("content-type", "application/merge-patch+json")];
    analyst.send("PATCH", &path, &kind, Some(patch.to_string().as_bytes())).is_problem(
        428,
        "precondition-required",
        &[],
    );
    let changed = analyst.change("PATCH", &path, "\"1\"", &patch);
    assert_eq!((changed.status, changed.etag().as_str()), (200, "\"2\""), "{changed:?}");
    assert_eq!(changed.json["name"], supplier["name"], "what is left out stays");
    let stale = analyst.change("PATCH", &path, "\"1\"", &json!({ "employee_count": 13 }));
    stale.is_problem(412, "stale-version", &[]);
    assert_eq!(stale.etag(), "\"2\"");
    let same = analyst.change("PATCH", &path, "\"2\"", &patch);
    assert_eq!(same.etag(), "\"2\"", "a change that changes nothing makes no version");
    let cleared = analyst.change("PATCH", &path, "*", &json!({ "employee_count": null }));
    assert_eq!((&cleared.json["employee_count"], cleared.etag().as_str()), (&json!(null), "\"3\""));
    analyst.change("PATCH", &path, "*", &json!({ "supplier_code": null })).is_problem(
        422,
        "invalid-body",
        &[("#/supplier_code", "missing-value")],
    );
    let tag = analyst.get(&path).header("etag").unwrap().to_owned();
    let unchanged = analyst.send("GET", &path, &[("if-none-match", &tag)], None);
    assert_eq!((unchanged.status, unchanged.header("etag")), (304, Some(tag.as_str())));
    let part = analyst.send("GET", &format!("{path}?fields=name"), &[("if-none-match", &tag)], None);
    assert_eq!((part.status, &part.json), (200, &json!({ "name": "A製作所" })), "another answer has another tag");
    assert_eq!(analyst.change("PATCH", &path, &tag, &json!({ "employee_count": 3 })).status, 200);
}

#[test]
fn one_strong_tag_among_others_names_the_version_that_is_changed() {
    let app = App::start();
    let analyst = app.analyst();
    let path = format!("/v1/suppliers/{}", id(&analyst.supplier("A")));
    let change = |tags: &str, count: u32| analyst.change("PATCH", &path, tags, &json!({ "employee_count": count }));

    assert_eq!(change("\"7\", \"1-0123456789ab\"", 1).status, 200);
    for tags in ["W/\"2\"", "2", "\"7\", *", ""] {
        change(tags, 2).is_problem(412, "stale-version", &[]);
    }
}

#[test]
fn every_version_stays_readable() {
    let app = App::start();
    let analyst = app.analyst();
    let supplier = analyst.supplier("A");
    let path = format!("/v1/suppliers/{}", id(&supplier));
    let changed = analyst.change("PATCH", &path, "\"1\"", &json!({ "name": "新社名" })).json;

    let versions = analyst.get(&format!("{path}/versions")).json;
    let names: Vec<_> = versions["items"].as_array().unwrap().iter().map(|version| &version["name"]).collect();
    assert_eq!(names, ["新社名", "A製作所"]);
    assert_eq!(versions["items"][1]["superseded_at"], changed["recorded_at"]);
    assert!(versions["items"][0]["recorded_by"].as_str().unwrap().starts_with("analyst"));
    let before = supplier["recorded_at"].as_str().unwrap();
    let then = analyst.get(&format!("{path}?known_at={before}"));
    // Within the same millisecond, the later version is the known one.
    let expected = if supplier["recorded_at"] == changed["recorded_at"] { "新社名" } else { "A製作所" };
    assert_eq!(then.json["name"], expected);
    assert_eq!(analyst.get(&format!("/v1/suppliers?known_at={before}&fields=name")).json["items"][0]["name"], expected);
    analyst.get(&format!("{path}?known_at=2020-01-01T00:00:00Z")).is_problem(404, "not-found", &[]);
}

#[test]
fn put_by_code_creates_and_then_replaces() {
    let app = App::start();
    let analyst = app.analyst();
    let path = "/v1/suppliers/by-code?supplier_code=A";
    let put = |headers: &[(&str, &str)], body: serde_json::Value| {
        let headers = [&[("content-type", "application/json")], headers].concat();
        analyst.send("PUT", path, &headers, Some(body.to_string().as_bytes()))
    };

    let created = put(&[], json!({ "name": "甲", "employee_count": 5 }));
    assert_eq!(created.status, 201, "{created:?}");
    put(&[], json!({ "name": "乙" })).is_problem(428, "precondition-required", &[]);
    put(&[("if-none-match", "*")], json!({ "name": "乙" })).is_problem(412, "stale-version", &[]);
    let replaced = put(&[("if-match", &created.etag())], json!({ "name": "乙" }));
    assert_eq!((replaced.status, &replaced.json["id"]), (200, &created.json["id"]), "{replaced:?}");
    assert_eq!(replaced.json["employee_count"], json!(null), "what is left out becomes unknown");
    put(&[("if-match", "*")], json!({ "supplier_code": "B" })).is_problem(
        422,
        "invalid-body",
        &[("#/supplier_code", "differs-from-address")],
    );
    analyst.change("PUT", "/v1/suppliers/by-code?supplier_code=B", "\"1\"", &json!({})).is_problem(
        412,
        "stale-version",
        &[],
    );
}

#[test]
fn lists_are_filtered_sorted_and_paged_without_a_row_lost_or_doubled() {
    let app = App::start();
    let analyst = app.analyst();
    let rows: String = (0..25).map(|row| format!("S{row:02},名{:02},{}\n", row % 4, ["13", "27"][row % 2])).collect();
    analyst.import_csv("kind=suppliers", &format!("supplier_code,name,prefecture_code\n{rows}"));

    for sort in ["", "&sort=supplier_code", "&sort=-supplier_code", "&sort=name", "&sort=-name", "&sort=-recorded_at"] {
        let (mut path, mut codes) = (format!("/v1/suppliers?limit=7&fields=supplier_code{sort}"), Vec::new());
        loop {
            let page = analyst.get(&path);
            let items = page.json["items"].as_array().unwrap();
            codes.extend(items.iter().map(|item| item["supplier_code"].as_str().unwrap().to_owned()));
            let links = page.header("link").unwrap();
            let Some(next) = links.split(", ").find_map(|link| link.strip_suffix(">; rel=\"next\"")) else { break };
            path = next.trim_start_matches('<').to_owned();
            // A row that is added in between does not move any other.
            analyst.supplier(&format!("T{}", codes.len()));
        }
        let mut sorted: Vec<_> = codes.iter().filter(|code| code.starts_with('S')).collect();
        if sort.ends_with("supplier_code") {
            let is_descending = sort.contains('-');
            assert!(sorted.windows(2).all(|pair| (pair[0] > pair[1]) == is_descending), "{sort}: {codes:?}");
        }
        sorted.sort();
        assert_eq!(sorted.len(), 25, "{sort}: {codes:?}");
        sorted.dedup();
        assert_eq!(sorted.len(), 25, "{sort}: {codes:?}");
        for code in codes.iter().filter(|code| code.starts_with('T')) {
            let found = analyst.get(&format!("/v1/suppliers/by-code?code={code}")).json;
            analyst.act("DELETE", &format!("/v1/suppliers/{}", id(&found)), "*");
        }
        for found in analyst.get("/v1/suppliers?limit=1000").json["items"].as_array().unwrap() {
            if found["supplier_code"].as_str().unwrap().starts_with('T') {
                analyst.act("DELETE", &format!("/v1/suppliers/{}", id(found)), "*");
            }
        }
    }
    assert_eq!(analyst.count("/v1/suppliers?prefecture_code=27"), 12);
    assert_eq!(analyst.count("/v1/suppliers?supplier_code=S03"), 1);
    assert_eq!(analyst.count("/v1/suppliers?supplier_code=nobody"), 0);
}

#[test]
fn wrong_parameters_are_named() {
    let app = App::start();
    let analyst = app.analyst();

    let path =
        "/v1/suppliers?limit=0&sort=colour&q=&color=red&jsic_division=x&fields=id,nothing&cursor=abc&known_at=now";
    analyst.get(path).is_problem(
        400,
        "invalid-parameters",
        &[
            ("color", "unknown-field"),
            ("q", "missing-value"),
            ("jsic_division", "not-digits"),
            ("known_at", "not-a-time"),
            ("limit", "out-of-range"),
            ("sort", "unknown-choice"),
            ("cursor", "bad-cursor"),
            ("fields", "unknown-choice"),
        ],
    );
    let page = analyst.get("/v1/suppliers?limit=1").json;
    assert_eq!(page["next_cursor"], json!(null));
    analyst.supplier("A");
    analyst.supplier("B");
    let cursor = analyst.get("/v1/suppliers?limit=1").json["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(analyst.get(&format!("/v1/suppliers?cursor={cursor}&limit=5")).status, 200);
    analyst.get(&format!("/v1/suppliers?cursor={cursor}&sort=name")).is_problem(
        400,
        "invalid-parameters",
        &[("cursor", "bad-cursor")],
    );
    analyst.get(&format!("/v1/incidents?cursor={cursor}")).is_problem(
        400,
        "invalid-parameters",
        &[("cursor", "bad-cursor")],
    );
}

#[test]
fn names_are_found_whatever_their_width_and_script() {
    let app = App::start();
    let analyst = app.analyst();
    let rows = "supplier_code,name,kana\nA,ﾃｽﾄ㈱,テスト\nB,日本100%紙業有限会社,ニホンシギョウ\nC,髙﨑製作所,タカサキセイサクショ\n";
    analyst.import_csv("kind=suppliers", rows);

    let found = |text: &str| {
        let query: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let list = analyst.get(&format!("/v1/suppliers?sort=supplier_code&q={query}")).json;
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["supplier_code"].as_str().unwrap().to_owned())
            .collect::<String>()
    };
    assert_eq!(found("てすと株式会社"), "A");
    assert_eq!(found("テスト(株)"), "A");
    assert_eq!(found("100%"), "B");
    assert_eq!(found("10%"), "", "a percent sign is no wildcard");
    assert_eq!(found("高崎"), "C");
    assert_eq!(found("たかさき"), "C");
    assert_eq!(found("シ"), "BC");
}

#[test]
fn a_second_supplier_with_the_same_corporate_number_is_a_warning() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.create("/v1/suppliers", &json!({ "supplier_code": "A", "corporate_number": "7010401022916" }));

    let second = analyst.create("/v1/suppliers", &json!({ "supplier_code": "B", "corporate_number": "7010401022916" }));

    assert_eq!(second["warnings"][0]["code"], "same-corporate-number");
    assert!(second["warnings"][0]["detail"].as_str().unwrap().contains("(A)"), "{second}");
}

#[test]
fn merged_suppliers_lead_to_the_firm_and_can_be_taken_apart() {
    let app = App::start();
    let analyst = app.analyst();
    let (old, new) = (analyst.supplier("OLD"), analyst.supplier("NEW"));
    let incident = json!({ "supplier_code": "OLD", "occurred_on": "2026-01-05", "outcome": "contained" });
    let incident = analyst.create("/v1/incidents", &incident);
    let path = format!("/v1/suppliers/{}", id(&old));

    let merged = analyst.change("POST", &format!("{path}/merge"), "\"1\"", &json!({ "into_id": id(&new) }));

    assert_eq!((merged.status, id(&merged.json)), (200, id(&new)), "{merged:?}");
    let resolved = analyst.get(&path);
    assert_eq!(
        (id(&resolved.json), resolved.header("content-location")),
        (id(&new), Some(format!("/v1/suppliers/{}", id(&new)).as_str()))
    );
    assert_eq!(id(&analyst.get("/v1/suppliers/by-code?code=OLD").json), id(&new));
    assert_eq!(analyst.get(&format!("/v1/incidents/{}", id(&incident))).json["supplier_code"], "NEW");
    assert_eq!(analyst.count("/v1/incidents?supplier_code=NEW"), 1);
    assert_eq!(analyst.count("/v1/suppliers"), 1);
    assert_eq!(analyst.count("/v1/suppliers?include_merged=true"), 2);
    assert_eq!(id(&analyst.get(&format!("/v1/suppliers/{}/merged", id(&new))).json["items"][0]), id(&old));
    analyst.change("PATCH", &path, "*", &json!({ "name": "x" })).is_problem(409, "wrong-state", &[]);
    analyst
        .change("POST", &format!("/v1/suppliers/{}/merge", id(&new)), "*", &json!({ "into_id": id(&old) }))
        .is_problem(409, "wrong-state", &[]);

    let file = "supplier_code,name\nOLD,via import\n";
    let job = analyst.import_csv("kind=suppliers", file);
    assert_eq!(analyst.findings(&job), [(2, "supplier_code".to_owned(), "merged-away".to_owned())]);
    let before = old["recorded_at"].as_str().unwrap();
    if before != analyst.get(&format!("{path}/versions")).json["items"][0]["recorded_at"] {
        assert_eq!(id(&analyst.get(&format!("{path}?known_at={before}")).json), id(&old), "then it stood for itself");
        let by_code = analyst.get(&format!("/v1/suppliers/by-code?code=OLD&known_at={before}&fields=id")).json;
        assert_eq!(by_code, json!({ "id": id(&old) }));
    }
    let merged_record = &analyst.get(&format!("/v1/suppliers/{}/merged", id(&new))).json["items"][0];
    assert_eq!((&merged_record["merged_into_id"], &merged_record["name"]), (&new["id"], &old["name"]));

    let apart = analyst.act("POST", &format!("{path}/unmerge"), "\"2\"");
    assert_eq!((apart.status, id(&apart.json)), (200, id(&old)), "{apart:?}");
    assert_eq!(analyst.get(&format!("/v1/incidents/{}", id(&incident))).json["supplier_code"], "OLD");
    assert_eq!(analyst.count("/v1/incidents?supplier_code=NEW"), 0);
    analyst.act("POST", &format!("{path}/unmerge"), "*").is_problem(409, "wrong-state", &[]);
}

#[test]
fn a_merge_into_nothing_or_itself_is_refused() {
    let app = App::start();
    let analyst = app.analyst();
    let supplier = analyst.supplier("A");
    let path = format!("/v1/suppliers/{}/merge", id(&supplier));

    analyst.change("POST", &path, "*", &json!({ "into_id": id(&supplier) })).is_problem(409, "wrong-state", &[]);
    let nobody = "01999999-9999-7999-8999-999999999999";
    analyst.change("POST", &path, "*", &json!({ "into_id": nobody })).is_problem(
        422,
        "invalid-body",
        &[("#/into_id", "unknown-supplier")],
    );
    analyst.change("POST", &path, "*", &json!({ "into_id": "x", "why": 1 })).is_problem(
        422,
        "invalid-body",
        &[("#/why", "unknown-field"), ("#/into_id", "not-an-id")],
    );
}

#[test]
fn an_archived_supplier_is_out_of_sight_and_comes_back() {
    let app = App::start();
    let analyst = app.analyst();
    let supplier = analyst.supplier("A");
    let path = format!("/v1/suppliers/{}", id(&supplier));

    let archived = analyst.act("POST", &format!("{path}/archive"), "\"1\"");
    assert!(archived.json["ended_on"].is_string(), "{archived:?}");
    assert_eq!((analyst.count("/v1/suppliers"), analyst.count("/v1/suppliers?include_ended=true")), (0, 1));
    let restored = analyst.act("POST", &format!("{path}/restore"), "\"2\"");
    assert_eq!(restored.json["ended_on"], json!(null));
    assert_eq!(analyst.count("/v1/suppliers"), 1);
}

#[test]
fn only_a_supplier_that_nothing_refers_to_can_be_deleted() {
    let app = App::start();
    let analyst = app.analyst();
    let (used, unused) = (analyst.supplier("A"), analyst.supplier("B"));
    analyst
        .create("/v1/incidents", &json!({ "supplier_code": "A", "occurred_on": "2026-01-05", "outcome": "blocked" }));

    analyst.act("DELETE", &format!("/v1/suppliers/{}", id(&used)), "*").is_problem(409, "still-referred", &[]);
    assert_eq!(analyst.act("DELETE", &format!("/v1/suppliers/{}", id(&unused)), "\"1\"").status, 204);
    analyst.get(&format!("/v1/suppliers/{}", id(&unused))).is_problem(404, "not-found", &[]);
    assert_eq!(analyst.count("/v1/suppliers?include_ended=true"), 1);
}

#[test]
fn codes_of_purchasing_systems_lead_to_one_firm() {
    let app = App::start();
    let analyst = app.analyst();
    let supplier = analyst.supplier("A");
    let code = json!({ "system": "sap", "company": "1000", "code": "000123", "supplier_code": "A" });
    let mapped = analyst.create("/v1/supplier-codes", &code);

    assert_eq!(mapped["supplier_id"], supplier["id"]);
    let by_code = "/v1/suppliers/by-code?system=sap&company=1000&code=000123";
    assert_eq!(id(&analyst.get(by_code).json), id(&supplier));
    analyst.get("/v1/suppliers/by-code?system=sap&code=000123").is_problem(404, "not-found", &[]);
    analyst.get("/v1/suppliers/by-code?company=1000&code=000123").is_problem(
        400,
        "invalid-parameters",
        &[("system", "missing-value")],
    );
    analyst.post("/v1/supplier-codes", &code).is_problem(409, "key-taken", &[("#/code", "key-taken")]);
    assert_eq!(analyst.act("DELETE", &format!("/v1/supplier-codes/{}", id(&mapped)), &etag(&mapped)).status, 204);
    analyst.get(by_code).is_problem(404, "not-found", &[]);
    analyst.create("/v1/supplier-codes", &code);
}

#[test]
fn an_incident_contact_can_be_erased() {
    let app = App::start();
    let analyst = app.analyst();
    let supplier = analyst.supplier("A");
    let path = format!("/v1/suppliers/{}/incident-contact", id(&supplier));
    let secret = "erase-me@example.jp";
    let put = |headers: &[(&str, &str)], body: &serde_json::Value| {
        let headers = [&[("content-type", "application/json")], headers].concat();
        analyst.send("PUT", &path, &headers, Some(body.to_string().as_bytes()))
    };

    analyst.get(&path).is_problem(404, "not-found", &[]);
    put(&[], &json!({ "name": "備 花子" })).is_problem(422, "invalid-body", &[("#/mail_address", "missing-value")]);
    let contact = put(&[], &json!({ "name": "備 花子", "mail_address": secret, "verified_on": "2026-01-05" }));
    assert_eq!(contact.status, 200, "{contact:?}");
    put(&[], &json!({ "phone_number": "03-1234-5678" })).is_problem(428, "precondition-required", &[]);
    assert_eq!(analyst.get(&path).json["mail_address"], secret);
    assert_eq!(analyst.act("DELETE", &path, contact.header("etag").unwrap()).status, 204);
    analyst.get(&path).is_problem(404, "not-found", &[]);

    // The embedded database's files; those of PostgreSQL are none of the service's.
    for file in std::fs::read_dir(app.data.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "the contact is still there");
    }
}
