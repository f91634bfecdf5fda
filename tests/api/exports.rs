//! Exports: the scores as files that people and machines open.

use std::io::Cursor;

use calamine::{Data, DataType as _, Range, Reader, Xlsx};
use polars::prelude::{CompatLevel, SchemaExt};
use polars_io::SerReader;
use polars_io::prelude::ParquetReader;
use polars_parquet::write::schema_to_metadata_key;
use serde_json::{Value, json};

use crate::support::{Answer, App, Client, id};

/// Imports and scores suppliers whose codes and names look like formulas or numbers.
fn scored(client: &Client) -> Value {
    let text = "supplier_code,name,jsic_division,employee_count\n0012,\"=HYPERLINK(\"\"x\"\")\",24,46\n=1+1,-3,24,46\n\
                'A,備製作所㈱,24,46\nB,\"い,ろ\"\"は\",,\n";
    let job = client.import_csv("kind=suppliers", text);
    assert_eq!(job["state"], "succeeded", "{job}");
    client.score(&json!({}))
}

fn disposition(answer: &Answer) -> (&str, &str) {
    (answer.header("content-type").unwrap(), answer.header("content-disposition").unwrap())
}

#[test]
fn csv_is_what_spreadsheets_expect_and_holds_no_formula() {
    let app = App::start();
    let analyst = app.analyst();
    let run = scored(&analyst);
    let answer = analyst.get("/v1/exports/scores.csv");

    let day = analyst.get("/v1/scores").json["as_of"].as_str().unwrap().to_owned();
    let name = format!("attachment; filename=\"sonae-scores-{day}.csv\"");
    assert_eq!(disposition(&answer), ("text/csv; charset=utf-8", name.as_str()));
    let text = String::from_utf8(answer.bytes).unwrap();
    let text = text.strip_prefix('\u{feff}').unwrap();
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    assert!(text.starts_with("\"supplier_code\",\"name\",\"size_class\""), "{text}");
    assert!(text.contains("\r\n\"0012\",\"'=HYPERLINK(\"\"x\"\")\",\"sme\""), "{text}");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let guarded: Vec<_> = rows.iter().map(|row| (&row[0], &row[1])).collect();
    assert_eq!(guarded, [("''A", "備製作所㈱"), ("0012", "'=HYPERLINK(\"x\")"), ("'=1+1", "'-3"), ("B", "い,ろ\"は")]);
    let headings = reader.headers().unwrap().clone();
    let place = |name: &str| headings.iter().position(|known| known == name).unwrap();
    let scores = analyst.get("/v1/scores").json;
    for (row, score) in rows.iter().zip(scores["items"].as_array().unwrap()) {
        for name in ["risk_score", "points_history", "expected_annual_loss_caused_jpy", "chain_score"] {
            assert_eq!(row[place(name)].parse::<f64>().unwrap(), score[name].as_f64().unwrap(), "{name}");
        }
        assert_eq!((&row[place("as_of")], &row[place("model_version")]), (day.as_str(), "2026.2"));
    }
    assert!(analyst.get(&format!("/v1/score-runs/{}", id(&run))).json["exported_at"].is_string());
}

#[test]
fn ndjson_and_parquet_hold_the_same_numbers_to_the_bit() {
    let app = App::start();
    let analyst = app.analyst();
    scored(&analyst);
    let scores = analyst.get("/v1/scores").json["items"].clone();
    let scores = scores.as_array().unwrap();

    let lines = analyst.get("/v1/exports/scores.ndjson");
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> =
        String::from_utf8(lines.bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), scores.len());
    for (line, score) in lines.iter().zip(scores) {
        for (name, value) in score.as_object().unwrap() {
            assert_eq!(&line[name], value, "{name}");
        }
    }
    let parquet = analyst.get("/v1/exports/scores.parquet");
    let mut reader = ParquetReader::new(Cursor::new(parquet.bytes));
    let metadata = reader.get_metadata().unwrap().key_value_metadata().clone().unwrap();
    let frame = reader.finish().unwrap();
    // Not all readers can open, filter or sort views of texts.
    let schema_of = |level| schema_to_metadata_key(&frame.schema().to_arrow(level));
    assert!(metadata.contains(&schema_of(CompatLevel::oldest())), "{metadata:?}");
    assert!(!metadata.contains(&schema_of(CompatLevel::newest())), "{metadata:?}");
    assert_eq!((frame.height(), frame.width()), (4, 39));
    for (row, score) in scores.iter().enumerate() {
        for name in ["own_rate", "risk_score", "loss_per_disruption_jpy"] {
            let found = frame.column(name).unwrap().f64().unwrap().get(row).unwrap();
            assert_eq!(found.to_bits(), score[name].as_f64().unwrap().to_bits(), "{name}");
        }
        assert_eq!(frame.column("name").unwrap().str().unwrap().get(row), score["name"].as_str());
    }
}

#[test]
fn the_workbook_has_its_five_sheets_typed_and_filtered() {
    let app = App::start();
    let analyst = app.analyst();
    let run = scored(&analyst);
    let answer = analyst.get("/v1/exports/scores.xlsx?size_class=sme&risk_score_gte=1");
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(answer.bytes)).unwrap();
    assert_eq!(book.sheet_names(), ["Scores", "Contributions", "Portfolio", "Data dictionary", "Conditions"]);
    let mut sheet = |name: &str| book.worksheet_range(name).unwrap();

    let list = sheet("Scores");
    let rows: Vec<_> = list.rows().skip(2).map(|row| (row[0].clone(), row[1].clone())).collect();
    let text = |text: &str| Data::String(text.to_owned());
    assert_eq!(
        rows,
        [(text("'A"), text("備製作所㈱")), (text("0012"), text("=HYPERLINK(\"x\")")), (text("=1+1"), text("-3"))],
        "the one of unknown size is filtered out; codes stay text as they are"
    );
    let reasons = sheet("Contributions");
    assert_eq!(reasons.rows().len(), 5);
    assert!(reasons.rows().nth(2).unwrap().contains(&text("no お助け隊 enrollment is known")));
    let conditions: Vec<String> = sheet("Conditions").cells().map(|(_, _, cell)| cell.to_string()).collect();
    for part in ["size class = sme, risk score ≥ 1", id(&run), "2026.2"] {
        assert!(conditions.contains(&part.to_owned()), "{part}: {conditions:?}");
    }
    assert!(book.worksheet_formula("Scores").unwrap().is_empty());
    let japanese = Client { lang: "ja", ..analyst }.get("/v1/exports/scores.xlsx");
    let book: Xlsx<_> = Xlsx::new(Cursor::new(japanese.bytes)).unwrap();
    assert_eq!(book.sheet_names(), ["一覧", "内訳", "集計", "データ定義", "条件"]);
}

/// Returns the cells of a sheet below a machine name.
fn below(sheet: &Range<Data>, name: &str) -> Vec<Data> {
    let names = sheet.rows().next().unwrap();
    let place = names.iter().position(|cell| *cell == name).unwrap_or_else(|| panic!("{name}: {names:?}"));
    sheet.rows().skip(2).map(|row| row[place].clone()).collect()
}

#[test]
fn what_the_model_of_an_older_run_lacks_stays_blank_and_nothing_moves() {
    let app = App::start();
    let analyst = app.analyst();
    scored(&analyst);
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../scoring/model-2026.1.toml");
    let line = app.sonae(&["score-run", "start", "--model", model]);
    let of_trial = format!("score_run_id={}", line.split_whitespace().next().unwrap());
    let new = ["points_mfa", "points_self_assessment", "mean_downtime_days"];
    let scores = |query: &str| analyst.get(&format!("/v1/scores?{query}")).json["items"].as_array().unwrap().clone();

    for (query, is_blank) in [("", false), (of_trial.as_str(), true)] {
        let scores = scores(query);
        let export = |ending: &str| analyst.get(&format!("/v1/exports/scores.{ending}?{query}")).bytes;
        let mut book: Xlsx<_> = Xlsx::new(Cursor::new(export("xlsx"))).unwrap();
        let sheets = ["Scores", "Contributions"].map(|name| book.worksheet_range(name).unwrap());
        for sheet in &sheets {
            for name in ["points_base", "points_history", "points_upstream"].into_iter().chain(new) {
                for (cell, score) in below(sheet, name).iter().zip(&scores) {
                    assert_eq!(cell.as_f64(), score[name].as_f64(), "{query} {name}");
                }
            }
            for name in new {
                assert!(below(sheet, name).iter().all(|cell| (*cell == Data::Empty) == is_blank), "{query} {name}");
            }
        }
        let portfolio = book.worksheet_range("Portfolio").unwrap();
        assert_eq!(portfolio.cells().any(|(_, _, cell)| *cell == "tested off-line backup"), !is_blank, "{query}");

        let csv = export("csv");
        let mut csv = csv::Reader::from_reader(csv.strip_prefix("\u{feff}".as_bytes()).unwrap());
        let headings = csv.headers().unwrap().clone();
        let names: Vec<_> = headings.iter().collect();
        // The new columns are the last of the model's, before those that name the run.
        assert_eq!(names[31], "points_mfa");
        assert_eq!(names[37..], ["mean_downtime_days", "tier", "as_of", "scored_at", "model_version"]);
        assert!(csv.records().all(|row| row.unwrap()[31].is_empty() == is_blank), "{query}");
        let frame = ParquetReader::new(Cursor::new(export("parquet"))).finish().unwrap();
        for name in new {
            let absent = frame.column(name).unwrap().null_count();
            assert_eq!(absent, if is_blank { scores.len() } else { 0 }, "{query} {name}");
        }
    }
}

#[test]
fn many_suppliers_are_written_by_a_job() {
    let app = App::start();
    let analyst = app.analyst();
    let rows: String = (0..10_001).map(|number| format!("S{number:05}\n")).collect();
    analyst.import_csv("kind=suppliers", &format!("supplier_code\n{rows}"));
    analyst.score(&json!({}));

    let accepted = analyst.get("/v1/exports/scores.csv");
    assert_eq!(accepted.status, 202, "{accepted:?}");
    assert_eq!(accepted.json["kind"], "export");
    let again = analyst.get("/v1/exports/scores.csv");
    assert_eq!((again.status, &again.json["id"]), (202, &accepted.json["id"]), "the same again is the same job");
    let job = analyst.ended(id(&accepted.json));
    assert_eq!((&job["state"], &job["failure"]), (&json!("succeeded"), &Value::Null), "{job}");

    let file = analyst.get(job["result_url"].as_str().unwrap());
    assert_eq!(file.status, 200);
    let text = String::from_utf8(file.bytes).unwrap();
    assert_eq!(text.lines().count(), 10_002);
    assert!(text.contains("\r\n\"S10000\","));
    assert_eq!(analyst.get("/v1/exports/scores.csv?grade=A").status, 200, "few are written at once");
    app.sonae(&["tenant", "create", "other"]);
    let path = job["result_url"].as_str().unwrap();
    app.client_of("other", "admin").get(path).is_problem(404, "not-found", &[]);
}

#[test]
fn filters_are_checked_as_those_of_the_list() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.get("/v1/exports/scores.xlsx").is_problem(404, "not-scored", &[]);
    let faults = [("sort", "unknown-field"), ("grade", "unknown-choice")];
    analyst.get("/v1/exports/scores.csv?sort=name&grade=Z").is_problem(400, "invalid-parameters", &faults);
}

#[test]
fn whoever_reads_scores_takes_them_out_as_files() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.supplier("A");
    analyst.score(&json!({}));

    for role in ["viewer", "integrator", "auditor"] {
        assert_eq!(app.client(role).get("/v1/exports/scores.xlsx").status, 200, "{role}");
    }
    for role in ["provider", "supplier"] {
        app.client(role).get("/v1/exports/scores.xlsx").is_problem(403, "role-too-low", &[]);
    }
    // Only a purchasing system may look up codes by the thousand.
    let codes = json!({ "codes": ["A"] });
    app.client("viewer").post("/v1/scores/lookup", &codes).is_problem(403, "role-too-low", &[]);
}

#[test]
fn text_is_packed_with_gzip_for_those_who_accept_it_and_files_are_not() {
    let app = App::start();
    let analyst = app.analyst();
    scored(&analyst);
    let get = |path: &str, accepted: &str| analyst.send("GET", path, &[("accept-encoding", accepted)], None);
    let unpack = |answer: &Answer| {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&answer.bytes[..]), &mut bytes).unwrap();
        bytes
    };
    for path in ["/v1/scores", "/v1/exports/scores.csv", "/v1/exports/scores.ndjson", "/openapi.json"] {
        let (plain, packed) = (analyst.get(path), get(path, "br, gzip;q=0.5"));
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{path}");
        assert_eq!(unpack(&packed), plain.bytes, "{path}");
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, packed.header("vary")));
        assert!(plain.header("vary").unwrap().contains("accept-encoding"), "{plain:?}");
        let head = analyst.send("HEAD", path, &[("accept-encoding", "gzip")], None);
        assert_eq!((head.status, head.header("content-encoding")), (200, Some("gzip")), "{path}");
        for accepted in ["identity", "gzip;q=0", "br"] {
            assert_eq!(get(path, accepted).header("content-encoding"), None, "{path} {accepted}");
        }
    }
    for path in ["/v1/exports/scores.xlsx", "/v1/exports/scores.parquet", "/v1/jobs?limit=1"] {
        assert_eq!(get(path, "gzip").header("content-encoding"), None, "{path}");
    }
}

#[test]
fn the_entity_tag_of_a_packed_answer_is_its_own_and_names_the_same_version() {
    let app = App::start();
    let analyst = app.analyst();
    let name = "備".repeat(200);
    let supplier = analyst.create("/v1/suppliers", &json!({ "supplier_code": "A", "name": name }));
    let path = format!("/v1/suppliers/{}", id(&supplier));
    let get = |headers: &[(&str, &str)]| analyst.send("GET", &path, headers, None);
    let (plain, packed) = (get(&[]), get(&[("accept-encoding", "gzip")]));
    let (plain, tag) = (plain.header("etag").unwrap().to_owned(), packed.header("etag").unwrap().to_owned());
    assert_eq!((packed.header("content-encoding"), tag != plain), (Some("gzip"), true), "{packed:?}");

    let again = get(&[("accept-encoding", "gzip"), ("if-none-match", &tag)]);
    assert_eq!((again.status, again.header("etag")), (304, Some(tag.as_str())), "{again:?}");
    let again = get(&[("if-none-match", &plain)]);
    assert_eq!((again.status, again.header("etag")), (304, Some(plain.as_str())), "{again:?}");
    let changed = analyst.change("PATCH", &path, &tag, &json!({ "employee_count": 5 }));
    assert_eq!(changed.status, 200, "{changed:?}");
    analyst.change("PATCH", &path, &tag, &json!({ "employee_count": 6 })).is_problem(412, "stale-version", &[]);
}
