//! Which firm a row means: codes that look alike, archived suppliers, numbers and codes that move, firms that are there twice.

use serde_json::{Value, json};

use crate::support::{App, etag, id};

fn found(row: u64, column: &str, code: &str) -> (u64, String, String) {
    (row, column.to_owned(), code.to_owned())
}

/// Returns the codes of a record's warnings.
fn warnings(record: &Value) -> Vec<&str> {
    record["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[test]
fn a_code_with_another_hyphen_is_the_same_code() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A-100");

    let job = analyst.import_csv("kind=suppliers", "supplier_code,name\nA‐100,甲\nX‐1,乙\n");

    assert_eq!((&job["result"]["created"], &job["result"]["updated"]), (&json!(1), &json!(1)), "{job}");
    let expected = [found(2, "supplier_code", "other-hyphen"), found(3, "supplier_code", "other-hyphen")];
    assert_eq!(analyst.findings(&job), expected);
    for dash in "‐‑‒–—―−─⁃˗﹣－".chars() {
        let code = format!("A{dash}100");
        let encoded: String = code.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let found = analyst.get(&format!("/v1/suppliers/by-code?code={encoded}"));
        assert_eq!((found.status, &found.json["supplier_code"]), (200, &json!("A-100")), "{dash:?}");
        let job = analyst.import_csv("kind=suppliers", &format!("supplier_code,name\n{code},甲\n"));
        assert_eq!(job["result"]["unchanged"], 1, "{dash:?}: {job}");
    }
    let incident = json!({ "supplier_code": "Aー100", "occurred_on": "2026-01-05", "outcome": "blocked" });
    assert_eq!(analyst.create("/v1/incidents", &incident)["supplier_code"], "A-100");
    assert_eq!(analyst.count("/v1/incidents?supplier_code=A%E2%88%92100"), 1);
    analyst.post("/v1/suppliers", &json!({ "supplier_code": "A—100" })).is_problem(
        409,
        "key-taken",
        &[("#/supplier_code", "key-taken")],
    );
    assert_eq!(analyst.count("/v1/suppliers"), 2);
}

#[test]
fn a_code_with_a_character_that_is_not_seen_is_refused() {
    let app = App::start();
    let analyst = app.analyst();
    for hidden in
        ['\u{ad}', '\u{200b}', '\u{2060}', '\u{feff}', '\u{34f}', '\u{180e}', '\u{fe0f}', '\u{e0041}', '\u{3164}']
    {
        let code = format!("A{hidden}1");
        let job = analyst.import_csv("kind=suppliers", &format!("supplier_code\n{code}\n"));
        assert_eq!(analyst.findings(&job), [found(2, "supplier_code", "control-character")], "{hidden:?}");
        let value = job["result"]["finding_groups"][0]["value"].as_str().unwrap();
        assert!(value.contains("\\u{"), "the character is shown: {value}");
        analyst.post("/v1/suppliers", &json!({ "supplier_code": code })).is_problem(
            422,
            "invalid-body",
            &[("#/supplier_code", "control-character")],
        );
    }
}

#[test]
fn what_a_person_has_archived_stays_so_and_its_rows_say_it() {
    let app = App::start();
    let analyst = app.analyst();
    let supplier = analyst.supplier("A");
    let path = format!("/v1/suppliers/{}", id(&supplier));
    analyst.act("POST", &format!("{path}/archive"), "*");

    for _ in 0..2 {
        let job = analyst.import_csv("kind=suppliers", "supplier_code,name\nA,別名\n");
        assert_eq!(analyst.findings(&job), [found(2, "supplier_code", "stays-archived")], "{job}");
        assert!(analyst.get(&path).json["ended_on"].is_string());
    }
    let rows = "external_id,supplier_code,occurred_on,outcome\nI1,A,2026-01-05,blocked\n";
    let job = analyst.import_csv("kind=incidents", rows);
    assert_eq!(analyst.findings(&job), [found(2, "supplier_code", "supplier-archived")], "{job}");
    let incident = json!({ "supplier_code": "A", "occurred_on": "2026-01-05", "outcome": "blocked" });
    assert_eq!(warnings(&analyst.create("/v1/incidents", &incident)), ["supplier-archived"]);

    analyst.act("POST", &format!("{path}/restore"), "*");
    let job = analyst.import_csv("kind=suppliers", "supplier_code,name\nA,別名\n");
    assert_eq!((&job["result"]["updated"], analyst.findings(&job)), (&json!(1), vec![]), "{job}");
}

#[test]
fn another_number_under_the_same_code_is_told_of() {
    let app = App::start();
    let analyst = app.analyst();
    let (first, second) = ("7010401022916", "7123456789012");
    let file = |number| format!("supplier_code,corporate_number\nCN-1,{number}\n");
    assert_eq!(analyst.findings(&analyst.import_csv("kind=suppliers", &file(first))), []);

    let job = analyst.import_csv("kind=suppliers", &file(second));

    assert_eq!(analyst.findings(&job), [found(2, "corporate_number", "corporate-number-changed")], "{job}");
    let detail = job["result"]["finding_groups"][0]["detail"].as_str().unwrap();
    assert!(detail.contains(first) && detail.contains(second), "{detail}");
    let supplier = analyst.get("/v1/suppliers/by-code?code=CN-1").json;
    let path = format!("/v1/suppliers/{}", id(&supplier));
    let changed = analyst.change("PATCH", &path, &etag(&supplier), &json!({ "corporate_number": first }));
    assert_eq!(warnings(&changed.json), ["corporate-number-changed"]);
    let put = json!({ "corporate_number": second });
    let replaced = analyst.change("PUT", "/v1/suppliers/by-code?supplier_code=CN-1", "*", &put);
    assert_eq!(warnings(&replaced.json), ["corporate-number-changed"]);
    assert_eq!(warnings(&analyst.get(&path).json), [""; 0]);
}

#[test]
fn a_further_code_that_moves_to_another_supplier_is_told_of() {
    let app = App::start();
    let analyst = app.analyst();
    for code in ["SE-1", "SE-2", "SE-3"] {
        analyst.supplier(code);
    }
    let file = |code| format!("system,code,supplier_code\nsap,100,{code}\n");
    assert_eq!(analyst.findings(&analyst.import_csv("kind=supplier_codes&source=a", &file("SE-1"))), []);

    let job = analyst.import_csv("kind=supplier_codes&source=b", &file("SE-2"));

    assert_eq!(analyst.findings(&job), [found(2, "supplier_code", "code-moved")], "{job}");
    let detail = job["result"]["finding_groups"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("SE-1") && detail.contains("SE-2"), "{detail}");
    let mapping = &analyst.get("/v1/supplier-codes").json["items"][0];
    analyst.act("DELETE", &format!("/v1/supplier-codes/{}", id(mapping)), "*");
    let again =
        analyst.create("/v1/supplier-codes", &json!({ "system": "sap", "code": "100", "supplier_code": "SE-3" }));
    assert_eq!(warnings(&again), ["code-moved"], "{again}");
}

#[test]
fn firms_with_one_name_under_two_codes_are_told_of() {
    let app = App::start();
    let analyst = app.analyst();
    let file = "取引先コード,取引先名,都道府県コード,法人番号\n\
        S1,㈱霧岬製作所,13,\nS2,株式会社　霧岬製作所,13,\nS3,ｷﾘﾐｻｷ工業（株）,,\nS4,キリミサキ工業,27,\n\
        S5,霧岬製作所,27,\nS6,有限会社霧岬製作所,13,7010401022916\nS7,霧岬製作所,13,7123456789012\n";

    let job = analyst.import_csv("kind=suppliers", file);

    let same: Vec<_> = analyst.findings(&job).into_iter().filter(|(.., code)| code == "same-name").collect();
    assert_eq!(same.iter().map(|(row, ..)| *row).collect::<Vec<_>>(), [2, 3, 4, 5, 7, 8], "{job}");
    let job =
        analyst.import_csv("kind=suppliers", "取引先コード,取引先名,都道府県コード\nS8,霧岬　製作所株式会社,13\n");
    let detail = job["result"]["finding_groups"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("(S1, S2, S6, S7)"), "{detail}");
    let created = analyst.create(
        "/v1/suppliers",
        &json!({ "supplier_code": "S9", "name": "キリミサキ工業株式会社", "prefecture_code": "27" }),
    );
    assert_eq!(warnings(&created), ["same-name"]);
}

#[test]
fn a_name_that_very_many_have_does_not_hide_the_others() {
    let app = App::start();
    let analyst = app.analyst();
    let rows: String = (0..2_000).map(|row| format!("C{row},共通商店\n")).collect();
    let file = format!("supplier_code,name\nR1,霧岬製作所\nR2,㈱霧岬製作所\n{rows}");

    let job = analyst.import_csv("kind=suppliers", &file);

    let findings = analyst.findings(&job);
    assert_eq!(findings[..2], [found(2, "name", "same-name"), found(3, "name", "same-name")], "{job}");
}
