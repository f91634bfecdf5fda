//! Imports: what files change in the stored data, and what is reported about their rows.

use serde_json::json;

use crate::support::{App, Client, id};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scoring/tests/examples");
const KINDS: [&str; 6] = ["suppliers", "relationships", "enrollments", "certifications", "assessments", "incidents"];

/// Returns how many rows were created, updated, unchanged, rejected and ended.
fn counts(job: &serde_json::Value) -> [u64; 5] {
    ["created", "updated", "unchanged", "rejected", "ended"].map(|name| job["result"][name].as_u64().unwrap())
}

fn found(row: u64, column: &str, code: &str) -> (u64, String, String) {
    (row, column.to_owned(), code.to_owned())
}

#[test]
fn every_example_is_taken_as_it_is_and_a_second_time_changes_nothing() {
    let app = App::start();
    for example in ["basics", "limits", "chain", "graph", "portfolio", "other-model", "assessments", "overlap"] {
        app.sonae(&["tenant", "create", example]);
        let integrator = app.client_of(example, "integrator");
        for time in 0..2 {
            for kind in KINDS {
                // Some examples have no assessments.
                let Ok(text) = std::fs::read_to_string(format!("{EXAMPLES}/{example}/{kind}.csv")) else { continue };
                let rows = text.lines().count() as u64 - 1;
                let job = integrator.import_csv(&format!("kind={kind}"), &text);
                let expected = if time == 0 { [rows, 0, 0, 0, 0] } else { [0, 0, rows, 0, 0] };
                assert_eq!(
                    (job["state"].as_str(), counts(&job)),
                    (Some("succeeded"), expected),
                    "{example} {kind}: {job}"
                );
                assert_eq!(integrator.count(&format!("/v1/{kind}")), rows, "{example} {kind}");
            }
        }
    }
}

#[test]
fn what_differs_is_found_wherever_it_stands() {
    let app = App::start();
    let analyst = app.analyst();
    // More rows than are compared at a time.
    let mut rows: Vec<String> = (0..1201).map(|number| format!("S{number:04},取引先{number}")).collect();
    let file = |rows: &[String]| format!("supplier_code,name\n{}\n", rows.join("\n"));
    assert_eq!(counts(&analyst.import_csv("kind=suppliers", &file(&rows))), [1201, 0, 0, 0, 0]);
    for place in [0, 499, 500, 1200] {
        rows[place].push('改');
        let changed = analyst.import_csv("kind=suppliers", &file(&rows));
        assert_eq!(counts(&changed), [0, 1, 1200, 0, 0], "{place}: {changed}");
        let supplier = analyst.get(&format!("/v1/suppliers/by-code?code=S{place:04}")).json;
        assert_eq!(supplier["name"], format!("取引先{place}改"));
        let again = analyst.import_csv("kind=suppliers", &file(&rows));
        assert_eq!(counts(&again), [0, 0, 1201, 0, 0], "{place}: {again}");
    }
    // If all rows are unchanged, records that are missing are still ended.
    rows.pop();
    let replaced = |rows: &[String]| counts(&analyst.import_csv("kind=suppliers&mode=replace", &file(rows)));
    assert_eq!([replaced(&rows), replaced(&rows)], [[0, 0, 1200, 0, 1], [0, 0, 1200, 0, 0]]);
}

#[test]
fn rows_find_their_records_in_whatever_order_they_come() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.import_csv("kind=suppliers", "supplier_code\nA\n");
    app.sonae(&["tenant", "create", "other"]);
    let other = app.client_of("other", "analyst");
    other.import_csv("kind=suppliers", "supplier_code\nA\n");
    let import_by = |client: &Client, query: &str, rows: &[String]| {
        let file = format!("external_id,supplier_code,occurred_on,outcome,count\n{}\n", rows.join("\n"));
        let job = client.import_csv(&format!("kind=incidents&source={query}"), &file);
        (counts(&job), client.findings(&job))
    };
    let import = |query: &str, rows: &[String]| {
        let (counts, findings) = import_by(&analyst, query, rows);
        assert_eq!(findings, []);
        counts
    };
    let row = |number: usize, count: usize| format!("K{number:04},A,2026-04-01,blocked,{count}");
    let mut rows: Vec<String> = (0..1100).map(|number| row(number, 1)).collect();
    // Two sources and another buyer with the same keys, recorded in turn.
    for part in rows.chunks(300) {
        let created = [part.len() as u64, 0, 0, 0, 0];
        assert_eq!(["a", "b"].map(|source| import(source, part)), [created; 2]);
        assert_eq!(import_by(&other, "a", part).0, created);
    }
    let others = analyst.get("/v1/incidents?source=b&limit=1000").json["items"].clone();
    let unchanged = [0, 0, 1100, 0, 0];
    for _ in 0..3 {
        assert_eq!(import("a", &rows), unchanged);
        let backwards: Vec<_> = rows.iter().rev().cloned().collect();
        assert_eq!(import("a", &backwards), unchanged);
        let mixed: Vec<_> = (0..1100).map(|place| rows[place * 7 % 1100].clone()).collect();
        assert_eq!(import("a", &mixed), unchanged);
        // Every second record gets more versions.
        for (number, changed) in rows.iter_mut().enumerate().step_by(2) {
            let count: usize = changed.rsplit(',').next().unwrap().parse().unwrap();
            *changed = row(number, count + 1);
        }
        assert_eq!(import("a", &rows), [0, 550, 550, 0, 0]);
    }
    rows.insert(550, row(2000, 1));
    rows.remove(20);
    assert_eq!(import("a", &rows), [1, 0, 1099, 0, 0]);
    // A record that its source dropped begins again; one that was retracted stays so.
    let gone = rows.remove(700);
    assert_eq!(import("a&mode=replace", &rows), [0, 0, 1099, 0, 2]);
    rows.insert(700, gone);
    assert_eq!(import("a", &rows), [0, 1, 1099, 0, 0]);
    let wrong = analyst.get("/v1/incidents?source=a&external_id=K0900").json["items"][0].clone();
    analyst.change("POST", &format!("/v1/incidents/{}/retract", id(&wrong)), "*", &json!({ "reason": "誤報" }));
    let line = 2 + rows.iter().position(|row| row.starts_with("K0900")).unwrap() as u64;
    let stays = vec![found(line, "external_id", "stays-retracted")];
    assert_eq!(import_by(&analyst, "a", &rows), ([0, 0, 1100, 0, 0], stays));
    assert_eq!(other.count("/v1/incidents"), 1100);
    assert_eq!(analyst.get("/v1/incidents?source=b&limit=1000").json["items"], others);
}

#[test]
fn japanese_headings_and_words_are_taken() {
    let app = App::start();
    let analyst = app.analyst();
    let suppliers = "\u{feff}取引先コード,取引先名,従業員数,データの取扱い,備考\r\nA,備製作所,46,社内情報,メモ\r\n";
    let job = analyst.import_csv("kind=suppliers&source=erp", suppliers);

    assert_eq!(counts(&job), [1, 0, 0, 0, 0], "{job}");
    assert_eq!(analyst.findings(&job), [found(0, "備考", "unknown-heading")]);
    let supplier = analyst.get("/v1/suppliers/by-code?code=A").json;
    assert_eq!((&supplier["employee_count"], &supplier["data_access"]), (&json!(46), &json!("internal")));
    assert_eq!((&supplier["source"], &supplier["import_id"]), (&json!("erp"), &job["id"]));
}

#[test]
fn a_nul_in_a_row_is_told_like_any_other_fault() {
    let app = App::start();
    let integrator = app.client("integrator");
    let rows = "{\"supplier_code\": \"A\\u0000\", \"employee_count\": \"8\\u00000\"}\n{\"supplier_code\": \"B\", \"x\\u0000\": 1}\n";
    let job = integrator.import("kind=suppliers", "application/x-ndjson", rows.as_bytes());
    let expected = [
        found(1, "supplier_code", "control-character"),
        found(1, "employee_count", "wrong-type"),
        found(2, "x\u{fffd}", "unknown-field"),
    ];
    assert_eq!(integrator.findings(&job), expected);
}

#[test]
fn a_column_that_is_not_there_stays_and_an_empty_cell_clears() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.import_csv("kind=suppliers", "supplier_code,name,employee_count\nA,甲,5\nB,乙,6\n");

    let job = analyst.import_csv("kind=suppliers", "supplier_code,employee_count\nA,\nB,6\n");

    assert_eq!(counts(&job), [0, 1, 1, 0, 0], "{job}");
    let supplier = analyst.get("/v1/suppliers/by-code?code=A").json;
    assert_eq!((&supplier["name"], &supplier["employee_count"]), (&json!("甲"), &json!(null)));
}

#[test]
fn either_all_rows_are_taken_or_none() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    let text = "external_id,supplier_code,occurred_on,outcome,count,loss_jpy\n\
        I1,A,2026-01-05,contained,3,\n\
        I2,A,2026-02-30,harmful,,-5\n\
        I3,nobody,2026-01-05,lost,0,1e3\n\
        \n\
        I1,A,2026-01-06,blocked,,\n\
        I4,A,2026-01-05\n\
        ,A,2026-01-05,blocked,,\n\
        I5,A,2026-01-05,harmful,2,5円\n";
    let job = analyst.import_csv("kind=incidents", text);

    assert_eq!((job["state"].as_str(), counts(&job)), (Some("failed"), [0, 0, 0, 6, 0]), "{job}");
    assert_eq!(job["result"]["is_kept"], json!(false));
    assert_eq!(
        analyst.findings(&job),
        [
            found(3, "occurred_on", "not-a-date"),
            found(3, "loss_jpy", "out-of-range"),
            found(4, "supplier_code", "unknown-supplier"),
            found(4, "outcome", "unknown-choice"),
            found(4, "count", "out-of-range"),
            found(6, "external_id", "repeated-key"),
            found(7, "", "field-count"),
            found(8, "external_id", "missing-value"),
            found(9, "loss_jpy", "not-a-number"),
            found(9, "count", "harmful-count"),
        ]
    );
    assert_eq!(analyst.count("/v1/incidents"), 0);

    let job = analyst.import_csv("kind=incidents&mode=accept_valid", text);
    assert_eq!((job["state"].as_str(), counts(&job)), (Some("partially_succeeded"), [1, 0, 0, 6, 0]), "{job}");
    assert_eq!(analyst.count("/v1/incidents"), 1);
}

#[test]
fn findings_say_the_value_and_come_in_pages_and_in_both_languages() {
    let app = App::start();
    let mut analyst = app.analyst();
    let rows: String = (0..5).map(|row| format!("S{row},{row}名\n")).collect();
    let job = analyst.import_csv("kind=suppliers", &format!("supplier_code,employee_count\n{rows}"));
    let url = job["result"]["findings_url"].as_str().unwrap();

    let page = analyst.get(&format!("{url}?limit=2")).json;
    assert_eq!(page["items"][1]["value"], "1名");
    assert_eq!(page["items"][1]["detail"], "not a number; write digits only, without separators or units");
    analyst.lang = "ja";
    let next = analyst.get(&format!("{url}?limit=10&cursor={}", page["next_cursor"].as_str().unwrap())).json;
    assert_eq!(
        (next["items"].as_array().unwrap().len(), &next["items"][0]["row"], &next["next_cursor"]),
        (3, &json!(4), &json!(null))
    );
    assert!(next["items"][0]["detail"].as_str().unwrap().starts_with("数値ではありません"), "{next}");
}

#[test]
fn a_dry_run_counts_and_keeps_nothing() {
    let app = App::start();
    let analyst = app.analyst();

    let job = analyst.import_csv("kind=suppliers&dry_run=true", "supplier_code\nA\nB\n");

    assert_eq!((job["state"].as_str(), counts(&job)), (Some("succeeded"), [2, 0, 0, 0, 0]), "{job}");
    assert_eq!((&job["result"]["is_kept"], analyst.count("/v1/suppliers")), (&json!(false), 0));
}

#[test]
fn replace_ends_what_the_source_no_longer_sends_and_takes_it_back() {
    let app = App::start();
    let analyst = app.analyst();
    let file = |rows: std::ops::Range<u32>| {
        let rows: String = rows.map(|row| format!("S{row}\n")).collect();
        format!("supplier_code\n{rows}")
    };
    analyst.import_csv("kind=suppliers&source=erp", &file(0..10));
    analyst.import_csv("kind=suppliers&source=crm", "supplier_code\nX\n");

    let job = analyst.import_csv("kind=suppliers&source=erp&mode=replace", &file(0..8));
    assert_eq!((job["state"].as_str(), counts(&job)), (Some("succeeded"), [0, 0, 8, 0, 2]), "{job}");
    assert_eq!(analyst.count("/v1/suppliers"), 9, "those of another source stay");
    let ended = analyst.get("/v1/suppliers/by-code?code=S9").json;
    assert!(ended["ended_on"].is_string(), "{ended}");

    let job = analyst.import_csv("kind=suppliers&source=erp&mode=replace", &file(0..6));
    assert_eq!(
        (job["state"].as_str(), &job["result"]["failure"]["code"]),
        (Some("failed"), &json!("replace-needs-confirm")),
        "{job}"
    );
    assert_eq!(analyst.count("/v1/suppliers"), 9);
    let job = analyst.import_csv("kind=suppliers&source=erp&mode=replace&confirm=true", &file(0..6));
    assert_eq!(counts(&job), [0, 0, 6, 0, 2], "{job}");

    let job = analyst.import_csv("kind=suppliers&source=erp&mode=replace", &file(0..10));
    assert_eq!(counts(&job), [0, 4, 6, 0, 0], "{job}");
    assert_eq!(analyst.count("/v1/suppliers"), 11);
}

#[test]
fn replace_with_a_bad_row_changes_nothing() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.import_csv("kind=suppliers", "supplier_code\nA\nB\n");

    let job = analyst.import_csv("kind=suppliers&mode=replace&confirm=true", "supplier_code,employee_count\nA,x\n");

    assert_eq!(job["state"], "failed", "{job}");
    assert_eq!(analyst.count("/v1/suppliers"), 2);
}

#[test]
fn what_a_person_has_archived_or_retracted_an_import_leaves_so() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.import_csv("kind=suppliers", "supplier_code\nA\n");
    let incidents = "external_id,supplier_code,occurred_on,outcome\nI1,A,2026-01-05,blocked\n";
    analyst.import_csv("kind=incidents", incidents);
    let supplier = analyst.get("/v1/suppliers/by-code?code=A").json;
    analyst.act("POST", &format!("/v1/suppliers/{}/archive", id(&supplier)), "*");
    let incident = analyst.get("/v1/incidents").json["items"][0].clone();
    analyst.change("POST", &format!("/v1/incidents/{}/retract", id(&incident)), "*", &json!({ "reason": "誤報" }));

    assert_eq!(counts(&analyst.import_csv("kind=suppliers", "supplier_code\nA\n")), [0, 0, 1, 0, 0]);
    let job = analyst.import_csv("kind=incidents", incidents);
    assert_eq!(
        (counts(&job), analyst.findings(&job)),
        ([0, 0, 1, 0, 0], vec![found(2, "external_id", "stays-retracted")])
    );
    assert_eq!((analyst.count("/v1/suppliers"), analyst.count("/v1/incidents")), (0, 0));
}

#[test]
fn relationships_without_a_key_are_told_apart_by_their_place_among_equals() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.import_csv("kind=suppliers", "supplier_code\nA\nB\n");
    let header = "upstream_code,downstream_code,item,criticality,substitutability,annual_spend_jpy\n";
    let rows = "A,,ねじ,routine,multiple,100\nA,,ねじ,routine,multiple,200\nA,B,ねじ,routine,multiple,300\n";
    assert_eq!(counts(&analyst.import_csv("kind=relationships", &format!("{header}{rows}"))), [3, 0, 0, 0, 0]);

    let changed = rows.replace("200", "250");
    assert_eq!(counts(&analyst.import_csv("kind=relationships", &format!("{header}{changed}"))), [0, 1, 2, 0, 0]);
    assert_eq!(analyst.count("/v1/relationships"), 3);
}

#[test]
fn ndjson_has_json_types_and_names_each_bad_line() {
    let app = App::start();
    let analyst = app.analyst();
    let lines = "{\"supplier_code\":\"A\",\"employee_count\":5}\n\n{\"supplier_code\":\"B\",\"employee_count\":\"5\"}\n\
        {\"supplier_code\":\"C\",\"colour\":1}\nnot json\n[]\n{\"supplier_code\":\"A\"}\n";

    let job = analyst.import("kind=suppliers&mode=accept_valid", "application/x-ndjson", lines.as_bytes());

    assert_eq!(counts(&job), [1, 0, 0, 5, 0], "{job}");
    assert_eq!(
        analyst.findings(&job),
        [
            found(3, "employee_count", "wrong-type"),
            found(4, "colour", "unknown-field"),
            found(5, "", "malformed-json"),
            found(6, "", "not-an-object"),
            found(7, "supplier_code", "repeated-key"),
        ]
    );
}

#[test]
fn a_folder_is_imported_from_the_shell() {
    let app = App::start();
    let analyst = app.analyst();

    let printed = app.sonae(&["import", &format!("{EXAMPLES}/chain"), "--lang", "en", "--source", "erp"]);

    assert!(printed.contains("suppliers.csv: created 9, updated 0, unchanged 0, rejected 0, ended 0"), "{printed}");
    assert_eq!(analyst.count("/v1/suppliers?source=erp"), 9);
    let again = app.sonae(&["import", &format!("{EXAMPLES}/chain"), "--lang", "en", "--source", "erp"]);
    assert!(again.contains("suppliers.csv: created 0, updated 0, unchanged 9"), "{again}");
    let jobs = analyst.get("/v1/jobs").json;
    assert_eq!(jobs["items"][0]["created_by"], "command line");
}

#[test]
fn a_job_that_waits_can_be_cancelled_and_one_that_has_ended_cannot() {
    let app = App::start();
    let analyst = app.analyst();
    let rows: String = (0..20_000).map(|row| format!("S{row}\n")).collect();
    let file = format!("supplier_code\n{rows}");
    let start = || {
        let answer =
            analyst.send("POST", "/v1/imports?kind=suppliers", &[("content-type", "text/csv")], Some(file.as_bytes()));
        id(&answer.json).to_owned()
    };
    let (first, second) = (start(), start());

    let cancelled = analyst.send("DELETE", &format!("/v1/jobs/{second}"), &[], None);

    assert_eq!(cancelled.status, 202, "{cancelled:?}");
    let ended = analyst.ended(&second);
    assert_eq!(
        (&ended["state"], &ended["result"]["failure"]["code"]),
        (&json!("cancelled"), &json!("cancelled")),
        "{ended}"
    );
    assert_eq!(counts(&analyst.ended(&first)), [20_000, 0, 0, 0, 0]);
    analyst.send("DELETE", &format!("/v1/jobs/{first}"), &[], None).is_problem(409, "wrong-state", &[]);
    let listed = analyst.get("/v1/jobs?state=cancelled").json;
    assert_eq!((listed["items"].as_array().unwrap().len(), id(&listed["items"][0])), (1, second.as_str()));
}
