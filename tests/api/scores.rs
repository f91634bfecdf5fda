//! Scores over HTTP: as the model has them, found by code, filtered, opened, and followed when data changes.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use api::Limits;
use serde_json::{Value, json};

use crate::migrations::sql;
use crate::support::{App, Client, Data, Process, admin_token, eventually, id};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scoring/tests/examples");
const KINDS: [&str; 6] = ["suppliers", "relationships", "enrollments", "certifications", "assessments", "incidents"];
/// The day for which the examples are scored.
const AS_OF: &str = "2026-09-30";

/// Imports an example and scores it for its day. Returns the run.
fn scored(client: &Client, example: &str) -> String {
    for kind in KINDS {
        let Ok(text) = std::fs::read_to_string(format!("{EXAMPLES}/{example}/{kind}.csv")) else {
            assert_eq!(kind, "assessments", "{example}");
            continue;
        };
        let job = client.import_csv(&format!("kind={kind}"), &text);
        assert_eq!(job["state"], "succeeded", "{example} {kind}: {job}");
    }
    id(&client.score(&json!({ "as_of": AS_OF }))).to_owned()
}

/// Returns all items of a list, page by page.
fn all(client: &Client, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = client.get(&format!("{path}{cursor}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        items.extend(answer.json["items"].as_array().unwrap().clone());
        match answer.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

fn codes(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["supplier_code"].as_str().unwrap()).collect()
}

/// A row of expected results.
type Row = HashMap<String, String>;

/// A filter, and the rows that it should match.
type Case = (&'static str, fn(&Row) -> bool);

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap()
}

fn expected(example: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(format!("{EXAMPLES}/{example}/expected.csv")).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// Returns the tolerance of the model's text, by the unit in a column's name.
fn tolerance(column: &str) -> f64 {
    match column {
        name if name.ends_with("_jpy") => 1e-6,
        name if name.starts_with("points_") || name.contains("score") => 1e-9,
        _ => 0.0,
    }
}

#[test]
fn the_examples_score_as_the_model_demands() {
    let usual = App::start();
    let other = App::with_model(Path::new(&format!("{EXAMPLES}/other-model/model.toml")));
    for example in
        ["basics", "limits", "chain", "graph", "portfolio", "assessments", "overlap", "recovery", "other-model"]
    {
        let app = if example == "other-model" { &other } else { &usual };
        app.sonae(&["tenant", "create", example]);
        let client = app.client_of(example, "analyst");
        let run = scored(&client, example);

        let found = all(&client, &format!("/v1/scores?score_run_id={run}&limit=70"));
        let expected = expected(example);
        assert_eq!(found.len(), expected.len(), "{example}");
        for (found, expected) in found.iter().zip(&expected) {
            for (column, value) in expected {
                let place = format!("{example} {} {column}", expected["supplier_code"]);
                match found[column].as_f64() {
                    None => assert_eq!(found[column].as_str(), Some(value.as_str()), "{place}"),
                    Some(number) => {
                        let value: f64 = value.parse().unwrap();
                        let allowed = (1e-9 * value.abs()).max(tolerance(column));
                        assert!((number - value).abs() <= allowed, "{place}: {number} is not {value}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_run_of_the_service_has_the_bits_of_a_folder_that_is_scored() {
    let app = App::start();
    for example in ["portfolio", "limits", "graph", "overlap"] {
        app.sonae(&["tenant", "create", example]);
        let client = app.client_of(example, "analyst");
        let run = scored(&client, example);
        let found = all(&client, &format!("/v1/scores?score_run_id={run}&limit=70"));

        let kept = tempfile::TempDir::new().unwrap();
        let out = kept.path().join("scores.csv");
        let (folder, file) = (format!("{EXAMPLES}/{example}"), out.to_str().unwrap());
        app.sonae(&["score", &folder, "--as-of", AS_OF, "--out", file]);
        let scored: Vec<Row> = csv::Reader::from_path(&out).unwrap().deserialize().map(Result::unwrap).collect();

        assert_eq!(found.len(), scored.len(), "{example}");
        for (found, scored) in found.iter().zip(&scored) {
            for (column, value) in scored {
                let place = format!("{example} {} {column}", scored["supplier_code"]);
                match found[column].as_f64() {
                    None => assert_eq!(found[column].as_str(), Some(value.as_str()), "{place}"),
                    Some(number) => assert_eq!(number.to_bits(), value.parse::<f64>().unwrap().to_bits(), "{place}"),
                }
            }
        }
    }
}

#[test]
fn every_answer_says_of_what_day_model_and_state_it_is() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    analyst.get("/v1/scores").is_problem(404, "not-scored", &[]);
    analyst.get("/v1/portfolio").is_problem(404, "not-scored", &[]);

    let run = analyst.score(&json!({}));

    for path in ["/v1/scores", "/v1/scores/by-code?code=A", "/v1/portfolio", "/v1/portfolio/history"] {
        let answer = analyst.get(path).json;
        assert_eq!((&answer["score_run_id"], &answer["stale"]), (&run["id"], &json!(false)), "{path}");
        assert_eq!(answer["model_version"], "2026.2", "{path}");
        assert!(answer["as_of"].is_string() && answer["scored_at"].is_string(), "{path}");
    }
    analyst.supplier("B");
    for path in ["/v1/scores", "/v1/scores/by-code?code=A", "/v1/portfolio"] {
        assert_eq!(analyst.get(path).json["stale"], true, "{path}");
    }
    analyst.get("/v1/scores/by-code?code=B").is_problem(404, "not-scored", &[]);
    analyst.get("/v1/scores/by-code?code=C").is_problem(404, "not-found", &[]);
    assert_eq!(analyst.get(&format!("/v1/score-runs/{}", id(&run))).json["stale"], true);
}

#[test]
fn what_the_scores_do_not_rest_on_leaves_them_fresh() {
    let app = App::start();
    let admin = app.client("admin");
    let supplier = admin.supplier("A");
    admin.score(&json!({}));

    admin.create("/v1/supplier-codes", &json!({ "system": "sap", "code": "1", "supplier_code": "A" }));
    let assignment = json!({ "provider_name": "事業者01", "supplier_code": "A" });
    admin.create("/v1/provider-assignments", &assignment);
    assert_eq!(admin.get("/v1/scores").json["stale"], false);

    let path = format!("/v1/suppliers/{}", id(&supplier));
    assert_eq!(admin.change("PATCH", &path, "*", &json!({ "employee_count": 7 })).status, 200);
    assert_eq!(admin.get("/v1/scores").json["stale"], true);
}

#[test]
fn a_score_opens_into_its_sum_with_reasons_and_evidence() {
    let app = App::start();
    let analyst = app.analyst();
    scored(&analyst, "chain");

    let score = analyst.get("/v1/scores/by-code?code=T1").json;

    let parts = score["contributions"].as_array().unwrap();
    let sum = |count: usize| parts.iter().take(count).map(|part| part["points"].as_f64().unwrap()).sum::<f64>();
    assert!((sum(12) - score["risk_score"].as_f64().unwrap()).abs() < 1e-9, "{score}");
    assert!((sum(13) - score["chain_score"].as_f64().unwrap()).abs() < 1e-9, "{score}");
    assert_eq!(parts[3]["reason"], "SCS ★4 (valid until 2029-02-28)");
    assert_eq!(parts[5]["reason"], "MFA is not known (counted as average)");
    assert_eq!(parts[12]["reason"], "inherits stops of 2 upstream suppliers (T2A 98.4%, T2B 1.6%)");
    let losses: f64 = score["losses"].as_array().unwrap().iter().map(|loss| loss["loss_jpy"].as_f64().unwrap()).sum();
    let both = ["direct", "caused"].map(|kind| score[format!("expected_annual_loss_{kind}_jpy")].as_f64().unwrap());
    let shared: f64 =
        score["losses"].as_array().unwrap()[2..].iter().map(|loss| loss["loss_jpy"].as_f64().unwrap()).sum();
    assert!((both[0] + both[1] - losses - shared).abs() < 1e-6, "{score}");
    assert_eq!(score["evidence"]["certifications"][0]["scheme"], "scs_4");
    assert_eq!(score["tier"], 1);
    assert!(score["caveats"].as_array().unwrap().len() >= 5);
    let japanese = Client { lang: "ja", ..analyst.clone() }.get("/v1/scores/by-code?code=T1").json;
    assert_eq!(japanese["contributions"][3]["reason"], "SCS ★4（2029-02-28まで有効）");
    let by_id = analyst.get(&format!("/v1/scores/{}", score["supplier_id"].as_str().unwrap()));
    assert_eq!(by_id.json, score);
    let tag = by_id.header("etag").unwrap().to_owned();
    let path = format!("/v1/scores/{}", score["supplier_id"].as_str().unwrap());
    assert_eq!(analyst.send("GET", &path, &[("if-none-match", &tag)], None).status, 304);
}

#[test]
fn what_changed_is_told_by_contribution() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.create("/v1/suppliers", &json!({ "supplier_code": "A", "employee_count": 40, "jsic_division": "24" }));
    let first = analyst.score(&json!({}));
    assert_eq!(analyst.get("/v1/scores/by-code?code=A").json["change"], Value::Null);
    let enrollment = json!({
        "supplier_code": "A", "service_class": "class_2", "coverage_share": 1.0, "starts_on": "2025-01-01",
        "onsite_response": true,
    });
    analyst.create("/v1/enrollments", &enrollment);
    analyst.score(&json!({}));

    let score = analyst.get("/v1/scores/by-code?code=A").json;

    let change = &score["change"];
    assert_eq!(change["score_run_id"], first["id"]);
    let parts = change["contributions"].as_array().unwrap();
    let keys: Vec<_> = parts.iter().map(|part| part["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["points_monitoring", "points_history"], "the largest change first: {change}");
    assert_eq!(parts[0]["reason_before"], "no お助け隊 enrollment is known");
    assert_eq!(parts[0]["reason"], "enrolled in class 2 (coverage 100.0%, since 2025-01-01)");
    let sum: f64 = parts.iter().map(|part| part["difference"].as_f64().unwrap()).sum();
    let difference = score["risk_score"].as_f64().unwrap() - change["risk_score_before"].as_f64().unwrap();
    assert!((sum - difference).abs() < 1e-9 && difference < 0.0, "{change}");
    let history = analyst.get(&format!("/v1/scores/{}/history", score["supplier_id"].as_str().unwrap())).json;
    let scores: Vec<_> = history["items"].as_array().unwrap().iter().map(|item| &item["risk_score"]).collect();
    assert_eq!(scores, [&score["risk_score"], &change["risk_score_before"]]);
}

#[test]
fn lists_are_filtered_sorted_and_walked_page_by_page() {
    let app = App::start();
    let analyst = app.analyst();
    let run = scored(&analyst, "portfolio");
    let expected = expected("portfolio");
    let cases: [Case; 8] = [
        ("grade=D,E", |row| matches!(row["grade"].as_str(), "D" | "E")),
        ("chain_grade=B", |row| row["chain_grade"] == "B"),
        ("jsic_section=E,unknown", |row| matches!(row["jsic_section"].as_str(), "E" | "unknown")),
        ("size_class=micro", |row| row["size_class"] == "micro"),
        ("risk_score_gte=60&risk_score_lte=65", |row| (60.0..=65.0).contains(&number(row, "risk_score"))),
        ("chain_score_gte=70", |row| number(row, "chain_score") >= 70.0),
        ("expected_annual_loss_caused_jpy_gte=1000000&grade=C", |row| {
            number(row, "expected_annual_loss_caused_jpy") >= 1e6 && row["grade"] == "C"
        }),
        ("expected_annual_loss_direct_jpy_lte=1000", |row| number(row, "expected_annual_loss_direct_jpy") <= 1000.0),
    ];
    for (query, keep) in cases {
        let found = all(&analyst, &format!("/v1/scores?limit=7&{query}"));
        let wanted: Vec<_> = expected.iter().filter(|row| keep(row)).map(|row| row["supplier_code"].as_str()).collect();
        assert_eq!(codes(&found), wanted, "{query}");
        assert!(!wanted.is_empty() && wanted.len() < 300, "{query} tells nothing");
        assert_eq!(analyst.count(&format!("/v1/scores?{query}")), wanted.len() as u64, "{query}");
    }
    for column in ["risk_score", "chain_score", "expected_annual_loss_direct_jpy", "expected_annual_loss_caused_jpy"] {
        for (sign, turn) in [("", 1.0), ("-", -1.0)] {
            let found = all(&analyst, &format!("/v1/scores?limit=41&sort={sign}{column}&score_run_id={run}"));
            let values: Vec<_> = found.iter().map(|item| turn * item[column].as_f64().unwrap()).collect();
            assert_eq!(values.len(), 300);
            assert!(values.is_sorted(), "{sign}{column}");
            let mut codes = codes(&found);
            codes.sort_unstable();
            codes.dedup();
            assert_eq!(codes.len(), 300, "each supplier once");
        }
    }
    let tiers: u64 = (1..6).map(|tier| analyst.count(&format!("/v1/scores?tier={tier}"))).sum();
    assert!(tiers > 100 && analyst.count("/v1/scores?tier=1") < tiers, "{tiers}");
}

/// What a list can be sorted by.
const SORTS: [&str; 5] = [
    "supplier_code",
    "risk_score",
    "chain_score",
    "expected_annual_loss_direct_jpy",
    "expected_annual_loss_caused_jpy",
];

/// Sorts scores as a list does: by the column, then by id, and from highest to lowest in exactly the reverse order.
fn sorted(mut scores: Vec<Value>, column: &str, is_descending: bool) -> Vec<Value> {
    scores.sort_by(|one, other| {
        let by_column = match one[column].as_f64().zip(other[column].as_f64()) {
            Some((one, other)) => one.partial_cmp(&other).unwrap(),
            None => one[column].as_str().cmp(&other[column].as_str()),
        };
        by_column.then(one["supplier_id"].as_str().cmp(&other["supplier_id"].as_str()))
    });
    if is_descending {
        scores.reverse();
    }
    scores
}

#[test]
fn lists_in_every_order_are_a_plain_sort_whatever_is_kept_in_memory() {
    for megabytes in [0, 1] {
        let app = App::with_limits(Limits { warm_frames_mb: megabytes, ..Limits::default() });
        let analyst = app.analyst();
        // These are more than one block, and most have the same scores, so that ids decide.
        let rows = (0..1300).map(|row| {
            let division = ["", "24", "62"][row % 3];
            format!("S{:04},{division}\n", row * 7 % 1300)
        });
        let file = format!("supplier_code,jsic_division\n{}", rows.collect::<String>());
        assert_eq!(analyst.import_csv("kind=suppliers", &file)["state"], "succeeded");
        let run = analyst.score(&json!({}));

        let cold = analyst.get("/v1/scores/by-code?code=S0511");
        let scores = all(&analyst, "/v1/scores?limit=1000");
        assert_eq!(scores.len(), 1300);
        for column in SORTS {
            for (sign, is_descending) in [("", false), ("-", true)] {
                let found = all(&analyst, &format!("/v1/scores?limit=401&sort={sign}{column}"));
                assert_eq!(found, sorted(scores.clone(), column, is_descending), "{sign}{column}, {megabytes} MB");
            }
        }
        assert_eq!(analyst.count("/v1/scores?jsic_section=E"), 433, "those of division 24");
        for code in ["S0000", "S0511", "S0512", "S1299"] {
            let score = analyst.get(&format!("/v1/scores/by-code?code={code}")).json;
            let listed = scores.iter().find(|score| score["supplier_code"] == code).unwrap();
            assert!(listed.as_object().unwrap().iter().all(|(name, value)| score[name] == *value), "{score} {listed}");
        }
        for _ in 0..5 {
            let warm = analyst.get("/v1/scores/by-code?code=S0511");
            assert_eq!((warm.etag(), &warm.json), (cold.etag(), &cold.json));
            analyst.get("/v1/scores/by-code?code=S1300").is_problem(404, "not-found", &[]);
        }
        let file = analyst.get(&format!("/v1/exports/scores.ndjson?score_run_id={}", id(&run)));
        let text = String::from_utf8(file.bytes).unwrap();
        let lines: Vec<_> = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
        assert_eq!(codes(&lines), codes(&scores));
        assert_eq!(analyst.get("/v1/portfolio").json["supplier_count"], 1300);
    }
}

#[test]
fn a_supplier_is_followed_through_runs_that_did_and_did_not_score_it() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    let first = analyst.score(&json!({}));
    app.clock.advance(Duration::from_secs(1));
    let supplier = analyst.supplier("B");
    let runs = [first, analyst.score(&json!({})), analyst.score(&json!({}))];
    let runs: Vec<_> = runs.iter().map(id).collect();

    // The scores are looked up block by block, and then once more from memory.
    for _ in 0..2 {
        let history = analyst.get(&format!("/v1/scores/{}/history", id(&supplier))).json;
        let found: Vec<_> =
            history["items"].as_array().unwrap().iter().map(|item| item["score_run_id"].as_str().unwrap()).collect();
        assert_eq!(found, [runs[2], runs[1]]);
        for run in &runs {
            assert!(analyst.count(&format!("/v1/scores?score_run_id={run}")) > 0);
        }
    }
    let path = format!("/v1/suppliers/{}", id(&supplier));
    analyst.act("DELETE", &path, "*").is_problem(409, "still-referred", &[]);
    analyst.supplier("C");
    let unscored = analyst.get("/v1/suppliers?supplier_code=C").json["items"][0].clone();
    assert_eq!(analyst.act("DELETE", &format!("/v1/suppliers/{}", id(&unscored)), "*").status, 204);
}

#[test]
fn a_damaged_block_is_an_error_of_the_server_and_no_crash() {
    let data = Data::new();
    let token = admin_token(&data, "default");
    let mut process = Process::start(&data, &["--rescore-after-seconds", "86400"]);
    let client = process.client(&token);
    let supplier = client.supplier("A");
    client.score(&json!({}));
    process.end("TERM");
    let open = if data.url().is_some() { "ALTER TABLE score_blocks NO FORCE ROW LEVEL SECURITY;" } else { "" };
    sql(&data, &format!("{open} UPDATE score_blocks SET bytes = substr(bytes, 1, length(bytes) - 9)"));

    let process = Process::start(&data, &["--rescore-after-seconds", "86400"]);
    let client = process.client(&token);
    for path in ["/v1/scores", "/v1/scores/by-code?code=A", &format!("/v1/scores/{}", id(&supplier)), "/v1/scores"] {
        client.get(path).is_problem(500, "internal", &[]);
    }
    assert!(process.log().contains("a block of scores is damaged"), "{}", process.log());
    assert_eq!(client.get("/v1/suppliers").status, 200);
    client.score(&json!({}));
    assert_eq!(client.get("/v1/scores").status, 200);
}

#[test]
fn wrong_filters_are_named_all_at_once() {
    let app = App::start();
    let analyst = app.analyst();
    let answer = analyst.get("/v1/scores?grade=D,F&tier=0&risk_score_gte=101&sort=name&colour=red&cursor=x");
    let found = [
        ("colour", "unknown-field"),
        ("grade", "unknown-choice"),
        ("tier", "out-of-range"),
        ("risk_score_gte", "out-of-range"),
        ("sort", "unknown-choice"),
        ("cursor", "bad-cursor"),
    ];
    assert_eq!(answer.status, 400, "{answer:?}");
    answer.is_problem(400, "invalid-parameters", &found);
}

#[test]
fn a_thousand_codes_are_looked_up_at_once_in_their_order() {
    let app = App::start();
    let analyst = app.analyst();
    scored(&analyst, "portfolio");
    analyst.supplier("NEW");
    analyst.create(
        "/v1/supplier-codes",
        &json!({ "system": "sap", "company": "1000", "code": "77", "supplier_code": "S0000007" }),
    );

    let mut asked: Vec<String> = (0..300).rev().map(|number| format!("S{number:07}")).collect();
    asked.extend(["NEW".to_owned(), "unknown".to_owned(), "S0000001".to_owned()]);
    asked.extend((asked.len()..1000).map(|number| format!("U{number}")));
    let answer = analyst.post("/v1/scores/lookup", &json!({ "codes": asked }));

    assert_eq!(answer.status, 200, "{answer:?}");
    let items = answer.json["items"].as_array().unwrap();
    assert_eq!(items.iter().map(|item| item["code"].as_str().unwrap()).collect::<Vec<_>>(), asked);
    let states: Vec<_> = items.iter().map(|item| item["state"].as_str().unwrap()).collect();
    assert_eq!(&states[298..303], ["found", "found", "not_scored", "not_found", "found"]);
    assert!(states.len() == 1000 && states[303..].iter().all(|state| *state == "not_found"));
    assert_eq!(items[302]["score"], items[298]["score"]);
    let by_code = analyst.get("/v1/scores/by-code?system=sap&company=1000&code=77").json;
    assert_eq!(by_code["supplier_code"], "S0000007");
    let mapped = json!({ "codes": ["77", "S0000007"], "system": "sap", "company": "1000" });
    let mapped = analyst.post("/v1/scores/lookup", &mapped).json;
    assert_eq!((&mapped["items"][0]["state"], &mapped["items"][1]["state"]), (&json!("found"), &json!("not_found")));

    let many: Vec<_> = (0..1001).map(|number| number.to_string()).collect();
    analyst.post("/v1/scores/lookup", &json!({ "codes": many })).is_problem(
        422,
        "invalid-body",
        &[("#/codes", "too-much")],
    );
    let faults = [("#/codes/1", "wrong-type"), ("#/codes/2", "missing-value")];
    analyst.post("/v1/scores/lookup", &json!({ "codes": ["A", 5, ""] })).is_problem(422, "invalid-body", &faults);
    analyst.post("/v1/scores/lookup", &json!({})).is_problem(422, "invalid-body", &[("#/codes", "missing-value")]);
}

#[test]
fn a_run_scores_what_was_known_at_a_moment() {
    let app = App::start();
    let analyst = app.analyst();
    let first = analyst.supplier("A");
    let moment = first["recorded_at"].as_str().unwrap();
    app.clock.advance(Duration::from_secs(1));
    analyst.supplier("B");

    let run = analyst.score(&json!({ "known_at": moment }));

    let run = analyst.get(run["result_url"].as_str().unwrap()).json;
    assert_eq!(run["known_at"], *moment);
    let scores = all(&analyst, &format!("/v1/scores?score_run_id={}&limit=100", id(&run)));
    assert!(codes(&scores).contains(&"A") && (scores.len() as u64) < analyst.count("/v1/suppliers"), "{scores:?}");
    assert_eq!(run["stale"], true, "it never was a score of now");
    let now = analyst.score(&json!({}));
    analyst.score(&json!({ "known_at": moment }));
    assert_eq!(analyst.get("/v1/scores").json["score_run_id"], now["id"], "and is not taken for one");
    let tomorrow = "2999-01-01";
    let answer = analyst.post("/v1/score-runs", &json!({ "as_of": tomorrow, "known_at": "2999-01-01T00:00:00Z" }));
    answer.is_problem(422, "invalid-body", &[("#/as_of", "in-the-future"), ("#/known_at", "in-the-future")]);
}

#[test]
fn a_run_for_a_past_day_leaves_the_latest_scores_as_they_are() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    let today = analyst.score(&json!({}));
    let past = analyst.score(&json!({ "as_of": "2020-01-01" }));

    assert_eq!(analyst.get("/v1/scores").json["score_run_id"], today["id"]);
    let runs = analyst.get("/v1/score-runs").json;
    let ids: Vec<_> = runs["items"].as_array().unwrap().iter().map(|run| &run["id"]).collect();
    assert_eq!(ids, [&today["id"], &past["id"]]);
    let page = analyst.get("/v1/score-runs?limit=1").json;
    let next = page["next_cursor"].as_str().unwrap();
    assert_eq!(analyst.get(&format!("/v1/score-runs?limit=1&cursor={next}")).json["items"][0]["id"], past["id"]);
    assert_eq!(analyst.get("/v1/score-runs?as_of_lte=2020-12-31").json["items"].as_array().unwrap().len(), 1);
    assert_eq!(analyst.get("/v1/score-runs?is_automatic=true").json["items"], json!([]));
}

#[test]
fn merged_archived_and_retracted_records_do_not_count() {
    let app = App::start();
    let analyst = app.analyst();
    let [kept, merged, archived] = ["KEPT", "MERGED", "GONE"].map(|code| analyst.supplier(code));
    let incident = |code: &str| json!({ "supplier_code": code, "occurred_on": "2026-01-05", "outcome": "harmful", "category": "malware" });
    analyst.create("/v1/incidents", &incident("MERGED"));
    let wrong = analyst.create("/v1/incidents", &incident("KEPT"));
    let before = id(&analyst.score(&json!({}))).to_owned();
    let supply = |up: &str, down: Value| json!({ "upstream_code": up, "downstream_code": down, "criticality": "stops_line", "substitutability": "sole" });
    for (up, down) in [("KEPT", Value::Null), ("MERGED", json!("KEPT")), ("GONE", json!("KEPT"))] {
        analyst.create("/v1/relationships", &supply(up, down));
    }
    let path = format!("/v1/incidents/{}/retract", id(&wrong));
    assert_eq!(analyst.change("POST", &path, "*", &json!({ "reason": "wrong firm" })).status, 200);
    let path = format!("/v1/suppliers/{}/merge", id(&merged));
    assert_eq!(analyst.change("POST", &path, "*", &json!({ "into_id": id(&kept) })).status, 200);
    let path = format!("/v1/suppliers/{}/archive", id(&archived));
    assert_eq!(analyst.act("POST", &path, "*").status, 200);

    analyst.score(&json!({}));

    assert_eq!(codes(&all(&analyst, "/v1/scores?limit=10")), ["KEPT"]);
    let score = analyst.get(&format!("/v1/scores/{}", id(&merged))).json;
    let past = analyst.get(&format!("/v1/scores/{}?score_run_id={before}", id(&merged))).json;
    assert_eq!(past["supplier_code"], "MERGED", "before it was merged it had a score of its own");
    assert_eq!(score["supplier_code"], "KEPT", "a merged supplier leads to the one that stands for it");
    assert_eq!(score["evidence"]["harmful_count"], 1, "its incident counts there, the retracted one does not");
    assert_eq!(
        score["evidence"]["upstream_supplier_count"], 0,
        "what it supplied to itself and what is archived is gone"
    );
}

#[test]
fn the_buyers_own_loss_is_an_input() {
    let app = App::start();
    let admin = app.client("admin");
    admin.create("/v1/suppliers", &json!({ "supplier_code": "A", "network_access": "privileged" }));
    let loss = || {
        admin.score(&json!({}));
        let score = admin.get("/v1/scores/by-code?code=A").json;
        score["losses"][3]["loss_jpy"].as_f64().unwrap()
    };
    let usual = loss();
    let settings = admin.get("/v1/settings");
    assert_eq!(settings.json["scores_automatically"], true);
    let tag = settings.header("etag").unwrap().to_owned();
    let change = json!({ "buyer_breach_loss_jpy": 5_000_000_000i64, "keep_daily_days": 30 });
    let changed = admin.change("PATCH", "/v1/settings", &tag, &change);
    assert_eq!((changed.status, &changed.json["version"]), (200, &json!(1)), "{changed:?}");
    assert_eq!(admin.get("/v1/scores").json["stale"], true);

    assert!((loss() - 5.0 * usual).abs() < 1e-6 * usual);
    let runs = admin.get("/v1/score-runs").json;
    assert_eq!(runs["items"][0]["buyer_breach_loss_jpy"], 5_000_000_000i64);
    assert_ne!(runs["items"][0]["input_hash"], runs["items"][1]["input_hash"]);
    admin.change("PATCH", "/v1/settings", &tag, &change).is_problem(412, "stale-version", &[]);
    let bad = admin.change("PATCH", "/v1/settings", "*", &json!({ "keep_daily_days": 0, "colour": 1 }));
    bad.is_problem(422, "invalid-body", &[("#/colour", "unknown-field"), ("#/keep_daily_days", "out-of-range")]);
    app.analyst().change("PATCH", "/v1/settings", "*", &json!({})).is_problem(403, "role-too-low", &[]);
}

#[test]
fn the_same_data_is_kept_once_and_every_run_comes_out_again() {
    let app = App::start();
    let analyst = app.analyst();
    let run = scored(&analyst, "portfolio");
    let again = id(&analyst.score(&json!({ "as_of": AS_OF }))).to_owned();

    let [first, second] = [&run, &again].map(|run| analyst.get(&format!("/v1/score-runs/{run}")).json);
    assert_eq!(first["input_hash"], second["input_hash"]);
    assert_eq!(first["supplier_count"], 300);
    let text = app.sonae(&["score-run", "reproduce", &run]);
    assert!(text.contains("values compared, all equal to the bit"), "{text}");
    let compared: u64 = text.split("scored again: ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert_eq!(compared, 300 * 40 + 1);
    let listed = app.sonae(&["score-run", "list"]);
    assert!(listed.contains(&run) && listed.contains(&again), "{listed}");
}

#[test]
fn the_command_line_scores_what_is_stored() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    let line = app.sonae(&["score-run", "start"]);
    let run = line.split_whitespace().next().unwrap();
    assert_eq!(analyst.get("/v1/scores").json["score_run_id"], run);
    assert_eq!(analyst.get(&format!("/v1/jobs/{run}")).json["state"], "succeeded");
    let text = app.sonae(&["prune", "--dry-run"]);
    assert!(text.starts_with("default: would be deleted: automatic runs: 0"), "{text}");
}

/// Waits until the scores are those of the present data, and returns them.
fn fresh(client: &Client) -> Value {
    eventually("the scores follow", || {
        let answer = client.get("/v1/scores");
        (answer.status == 200 && answer.json["stale"] == false).then_some(answer.json)
    })
}

#[test]
fn scores_follow_changes_by_themselves_and_one_automatic_run_a_day_stays() {
    let app = App::rescoring();
    let admin = app.client("admin");
    admin.supplier("A");
    let first = fresh(&admin);
    assert_eq!(codes(first["items"].as_array().unwrap()), ["A"]);

    let many: String = (0..500).map(|number| format!("S{number}\n")).collect();
    admin.import_csv("kind=suppliers", &format!("supplier_code\n{many}"));
    fresh(&admin);

    assert_eq!(admin.count("/v1/scores"), 501);
    let runs = admin.get("/v1/score-runs").json["items"].clone();
    assert_eq!(runs.as_array().unwrap().len(), 1, "{runs}");
    assert_eq!((&runs[0]["is_automatic"], &runs[0]["created_by"]), (&json!(true), &json!("automatic")));
    admin.get(&format!("/v1/score-runs/{}", first["score_run_id"].as_str().unwrap())).is_problem(404, "not-found", &[]);
    let cursor = admin.get("/v1/scores?limit=1").json["next_cursor"].as_str().unwrap().to_owned();

    // A run that was exported stays next to the new one.
    assert_eq!(admin.get("/v1/exports/scores.csv").status, 200);
    admin.supplier("B");
    fresh(&admin);
    assert_eq!(admin.get("/v1/score-runs").json["items"].as_array().unwrap().len(), 2);
    // A list that was begun can be continued while its run is kept.
    assert_eq!(admin.get(&format!("/v1/scores?limit=1&cursor={cursor}")).status, 200);
    let cursor = admin.get("/v1/scores?limit=1").json["next_cursor"].as_str().unwrap().to_owned();
    admin.supplier("E");
    fresh(&admin);
    let answer = admin.get(&format!("/v1/scores?limit=1&cursor={cursor}"));
    answer.is_problem(400, "invalid-parameters", &[("cursor", "scores-replaced")]);
}

#[test]
fn a_buyer_can_switch_automatic_scores_off() {
    let app = App::rescoring();
    app.sonae(&["tenant", "create", "other"]);
    let (admin, other) = (app.client("admin"), app.client_of("other", "admin"));
    let off = admin.change("PATCH", "/v1/settings", "*", &json!({ "scores_automatically": false }));
    assert_eq!(off.status, 200);
    admin.supplier("A");
    // The other buyer's change came later: once that is scored, this one's would have been.
    other.supplier("A");
    fresh(&other);
    other.supplier("B");
    fresh(&other);
    assert_eq!(admin.get("/v1/jobs").json["items"], json!([]));
    admin.get("/v1/scores").is_problem(404, "not-scored", &[]);
}

#[test]
fn a_trial_of_another_model_changes_no_scores() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    let run = analyst.score(&json!({}));
    let model = format!("{EXAMPLES}/other-model/model.toml");
    let line = app.sonae(&["score-run", "start", "--model", &model]);
    assert!(line.ends_with(", a trial"), "{line}");
    let scores = analyst.get("/v1/scores").json;
    assert_eq!((&scores["score_run_id"], &scores["stale"]), (&run["id"], &json!(false)));
    let trial = line.split_whitespace().next().unwrap();
    let tried = analyst.get(&format!("/v1/scores?score_run_id={trial}")).json;
    assert_ne!(tried["model_version"], scores["model_version"]);
    assert_eq!(analyst.get(&format!("/v1/score-runs/{trial}")).json["is_trial"], true);
    assert_eq!(analyst.get("/v1/portfolio/history").json["items"].as_array().unwrap().len(), 1);
}

#[test]
fn a_scored_supplier_cannot_be_deleted() {
    let app = App::start();
    let analyst = app.analyst();
    let supplier = analyst.supplier("A");
    analyst.score(&json!({}));
    let path = format!("/v1/suppliers/{}", id(&supplier));
    analyst.act("DELETE", &path, "*").is_problem(409, "still-referred", &[]);
}

#[test]
fn a_buyer_sees_its_own_runs_alone() {
    let app = App::start();
    app.sonae(&["tenant", "create", "other"]);
    let (analyst, other) = (app.analyst(), app.client_of("other", "analyst"));
    let supplier = analyst.supplier("A");
    other.supplier("A");
    let run = analyst.score(&json!({}));
    let theirs = other.score(&json!({}));

    let run = id(&run);
    other.get(&format!("/v1/score-runs/{run}")).is_problem(404, "not-found", &[]);
    other.get(&format!("/v1/scores?score_run_id={run}")).is_problem(404, "not-found", &[]);
    other.get(&format!("/v1/scores/{}", id(&supplier))).is_problem(404, "not-found", &[]);
    other.get(&format!("/v1/portfolio?score_run_id={run}")).is_problem(404, "not-found", &[]);
    other.get(&format!("/v1/exports/scores.csv?score_run_id={run}")).is_problem(404, "not-found", &[]);
    assert_eq!(other.get("/v1/scores").json["score_run_id"], theirs["id"]);
    assert_eq!(other.get("/v1/score-runs").json["items"].as_array().unwrap().len(), 1);
    analyst.supplier("B");
    assert_eq!(other.get("/v1/scores").json["stale"], false, "another buyer's change makes nothing stale");
}
