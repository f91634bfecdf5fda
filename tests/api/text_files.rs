//! Text files as people and programs write them: other encodings, large records, headings, totals, guards.

use serde_json::{Value, json};

use crate::support::{App, Client, command};

fn found(row: u64, column: &str, code: &str) -> (u64, String, String) {
    (row, column.to_owned(), code.to_owned())
}

/// Returns the code and the words of an import's failure.
fn failure(job: &Value) -> (&str, &str) {
    let failure = &job["result"]["failure"];
    (failure["code"].as_str().unwrap_or_default(), failure["detail"].as_str().unwrap_or_default())
}

fn text(client: &Client, code: &str, field: &str) -> String {
    client.get(&format!("/v1/suppliers/by-code?code={code}")).json[field].as_str().unwrap_or_default().to_owned()
}

#[test]
fn text_in_another_encoding_is_refused_by_its_name() {
    let app = App::start();
    let analyst = app.analyst();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let rows: String = (0..20_000).map(|row| format!("S{row},\n")).collect();
    let late = format!("supplier_code,name\n{rows}Z,");
    let files: [(&str, Vec<u8>); 9] = [
        ("ISO-2022-JP", b"\x1b$B<h0z@h%3!<%I\x1b(B,\x1b$B<h0z@hL>\x1b(B\nA,\x1b$BHw\x1b(B\n".to_vec()),
        ("ISO-2022-JP", [late.as_bytes(), b"\x1b$BHw\x1b(B\n"].concat()),
        ("UTF-7", b"supplier_code,+U9ZfFVFIVA0-\nA,b\n".to_vec()),
        ("UTF-16", utf16("取引先コード,取引先名\r\nA,備\r\n")),
        ("UTF-16", utf16("\u{feff}supplier_code,name\nA,x\n")),
        ("Shift_JIS", b"\x8e\xe6\x88\xf8\x90\xe6\x83R\x81[\x83h,name\nA,x\n".to_vec()),
        ("EUC-JP", b"\xbc\xe8\xb0\xfa\xc0\xe8\xa5\xb3\xa1\xbc\xa5\xc9,name\nA,x\n".to_vec()),
        ("Shift_JIS", b"supplier_code,name\nA,\x94\xf5\x90\xbb\x8d\xec\x8f\x8a\n".to_vec()),
        ("UTF-7", b"supplier_code,name\nA,+UJmI/U9cYkA-\n".to_vec()),
    ];
    for (name, file) in files {
        let headers = [("content-type", "text/csv")];
        let answer = analyst.send("POST", "/v1/imports?kind=suppliers", &headers, Some(&file));
        // Faults in the first bytes are reported at once, faults in a row with that row.
        let told = match answer.status {
            422 => answer.json["errors"][0].clone(),
            _ => {
                let job = analyst.ended(crate::support::id(&answer.json));
                let group = job["result"]["finding_groups"][0].clone();
                if group.is_null() { job["result"]["failure"].clone() } else { group }
            }
        };
        let is_named = told["detail"].as_str().unwrap_or_default().contains(name);
        assert_eq!((told["code"].as_str(), is_named), (Some("not-utf-8"), true), "{name}: {told}");
    }
    assert_eq!(analyst.count("/v1/suppliers"), 0);
}

#[test]
fn garbled_text_is_refused_in_its_row_and_in_a_heading() {
    let app = App::start();
    let analyst = app.analyst();
    let file =
        "supplier_code,name\nA,備\u{fffd}作所\nB,å\u{82}\u{99}è£½ä½\u{9c}æ\u{89}\u{80}\nC,繧ｫ繝翫き\nD,備製作所\n";

    let job = analyst.import_csv("kind=suppliers&mode=accept_valid", file);

    let garbled = |row| found(row, "name", "garbled-text");
    assert_eq!(analyst.findings(&job), [garbled(2), garbled(3), garbled(4)], "{job}");
    assert_eq!(analyst.count("/v1/suppliers"), 1);
    assert_eq!(
        failure(&analyst.import_csv("kind=suppliers", "supplier_code,\u{fffd}\u{fffd}\nA,x\n")).0,
        "garbled-text"
    );
    assert_eq!(failure(&analyst.import_csv("kind=suppliers", "supplier_code,na\u{7}me\nA,x\n")).0, "control-character");
    let line = "{\"supplier_code\":\"E\",\"name\":\"\u{fffd}\"}\n";
    let job = analyst.import("kind=suppliers", "application/x-ndjson", line.as_bytes());
    assert_eq!(analyst.findings(&job), [found(1, "name", "garbled-text")]);
}

#[test]
fn marks_of_the_end_are_no_row() {
    let app = App::start();
    let analyst = app.analyst();
    for end in ["\u{1a}", "\0\0\0", "\u{1a}\0\0", "\u{1a}\r\n"] {
        let job = analyst.import_csv("kind=suppliers", &format!("supplier_code,name\nA,x\n{end}"));
        assert_eq!(
            (&job["state"], &job["result"]["finding_count"]),
            (&json!("succeeded"), &json!(0)),
            "{end:?}: {job}"
        );
    }
}

#[test]
fn a_record_is_bounded_whatever_its_quotes_hold() {
    let app = App::start();
    let analyst = app.analyst();
    let header = "supplier_code,name,メモ\nA,x,y\n";
    let refused = |file: String| {
        let job = analyst.import_csv("kind=suppliers", &file);
        let row = job["result"]["failure"]["row"].as_u64();
        (failure(&job).0.to_owned(), row)
    };

    assert_eq!(refused(format!("{header}B,\"{}", "x\n".repeat(1_000_000))), ("line-too-long".to_owned(), Some(3)));
    assert_eq!(
        refused(format!("{header}B,\"{}\",\n", "\"\"".repeat(1_000_000))),
        ("line-too-long".to_owned(), Some(3))
    );
    assert_eq!(refused("supplier_code,".repeat(100_000)), ("too-much".to_owned(), Some(1)));
    assert_eq!(refused(format!("{header}{}", ",".repeat(100_000))), ("too-much".to_owned(), Some(3)));

    let lines: String = (0..200).map(|row| format!("S{row},x,{}\r", "y".repeat(30_000))).collect();
    let job = analyst.import_csv("kind=suppliers", &format!("supplier_code,name,メモ\r{lines}"));
    assert_eq!((&job["state"], &job["result"]["created"]), (&json!("succeeded"), &json!(200)), "{job}");
    let long = format!("supplier_code,name\nA,{}\nB,乙\n", "長".repeat(32_768));
    let job = analyst.import_csv("kind=suppliers&mode=accept_valid", &long);
    assert_eq!(analyst.findings(&job), [found(2, "name", "too-much")]);
}

#[test]
fn rows_are_counted_as_a_spreadsheet_shows_them() {
    let app = App::start();
    let analyst = app.analyst();
    let file = "supplier_code,employee_count,備考\r\nA,1,\"二行\r\nの\n備考\"\r\n\r\nB,many,\r\nB2,\"a\nb\",\r\n";

    let job = analyst.import_csv("kind=suppliers&mode=accept_valid", file);

    assert_eq!(
        analyst.findings(&job)[1..],
        [found(4, "employee_count", "not-a-number"), found(5, "employee_count", "not-a-number")],
        "{job}"
    );
}

#[test]
fn what_the_export_guards_comes_back_as_it_was() {
    let app = App::start();
    let analyst = app.analyst();
    let names = ["=1+1", "'甲", "+81", "'=1", "甲", "-", "''", "＝x", "@a\"b,c"];
    for (place, name) in names.iter().enumerate() {
        analyst.create("/v1/suppliers", &json!({ "supplier_code": format!("G{place}"), "name": name }));
    }
    analyst.create("/v1/suppliers", &json!({ "supplier_code": "-9", "name": "負号" }));
    analyst.score(&json!({}));
    let exported = analyst.get("/v1/exports/scores.csv");

    for _ in 0..2 {
        let job = analyst.import("kind=suppliers", "text/csv", &exported.bytes);
        assert_eq!((&job["state"], &job["result"]["unchanged"]), (&json!("succeeded"), &json!(10)), "{job}");
    }
    analyst.import_csv("kind=suppliers", "supplier_code,name\nM1,'甲\nM2,'=1\n");
    assert_eq!([text(&analyst, "M1", "name"), text(&analyst, "M2", "name")], ["'甲", "=1"]);
}

#[test]
fn a_missing_column_is_named_with_the_headings_that_there_are() {
    let app = App::start();
    let mut analyst = app.analyst();
    analyst.lang = "ja";

    let job = analyst.import_csv("kind=suppliers", "仕入先コード,仕入先名\nA,x\n");

    let expected = "取引先コード の列がありません。この表の見出し: 仕入先コード, 仕入先名。";
    assert!(failure(&job).1.starts_with(expected), "{job}");
    assert!(job["failure"]["detail"].as_str().unwrap().contains(expected), "{job}");
    let twice = analyst.import_csv("kind=suppliers", "取引先コード,supplier_code\nA,A\n");
    assert!(failure(&twice).1.starts_with("「取引先コード」と「supplier_code」は同じ列です"), "{twice}");
    analyst.lang = "en";
    let job = analyst.import_csv("kind=incidents", "external_id,supplier_code\nA,x\n");
    assert!(failure(&job).1.starts_with("the column occurred_on (発生日) is missing; headings"), "{job}");
}

#[test]
fn columns_that_scores_rest_on_are_read_or_refused_by_name() {
    let app = App::start();
    let analyst = app.analyst();
    let file =
        "取引先コード,業種コード,資本金（千円）,従業員数(人),都道府県\nA,31,\"30000\",46,東京都\nB,09,1.5,7,京都府\n";

    let job = analyst.import_csv("kind=suppliers", file);

    assert_eq!((&job["state"], &job["result"]["finding_count"]), (&json!("succeeded"), &json!(0)), "{job}");
    let (a, b) = (analyst.get("/v1/suppliers/by-code?code=A").json, analyst.get("/v1/suppliers/by-code?code=B").json);
    assert_eq!((&a["jsic_division"], &a["capital_jpy"]), (&json!("31"), &json!(30_000_000)));
    assert_eq!((&a["employee_count"], &a["prefecture_code"]), (&json!(46), &json!("13")));
    assert_eq!((&b["capital_jpy"], &b["prefecture_code"]), (&json!(1500), &json!("26")));
    let job = analyst.import_csv("kind=suppliers", "取引先コード,資本金(百万円)\nA,三千\n");
    let group = &job["result"]["finding_groups"][0];
    assert_eq!((&group["code"], &group["value"]), (&json!("not-a-number"), &json!("三千")), "{job}");

    let file = "取引先コード,業種,従業員規模,メモ\nC,製造業,50-99,x\n";
    let job = analyst.import_csv("kind=suppliers", file);
    let (code, detail) = failure(&job);
    assert_eq!((code, detail.contains("業種"), detail.contains("従業員規模")), ("unread-column", true, true), "{job}");
    let job = analyst.import_csv("kind=suppliers&accept_unread_columns=true", file);
    assert_eq!((&job["state"], &job["result"]["created"]), (&json!("succeeded"), &json!(1)), "{job}");
    let unread = |column| found(0, column, "unread-column");
    assert_eq!(analyst.findings(&job), [found(0, "メモ", "unknown-heading"), unread("業種"), unread("従業員規模")]);
    let job = analyst.import_csv("kind=suppliers", "取引先コード,業種,産業中分類\nD,製造業,31\n");
    assert_eq!(analyst.findings(&job), [found(0, "業種", "unknown-heading")], "the column itself is there: {job}");
}

#[test]
fn rows_of_totals_are_no_suppliers_and_are_named() {
    let app = App::start();
    let analyst = app.analyst();
    let file = "取引先コード,取引先名,従業員数\nB-10,甲,46\nB-11,乙,1\n小　計,,47\n合計,,47\nTotal,,47\n以上,,\n";

    let job = analyst.import_csv("kind=suppliers", file);

    let column = "supplier_code";
    assert_eq!(
        analyst.findings(&job),
        [
            found(4, column, "total-row"),
            found(5, column, "total-row"),
            found(6, column, "looks-like-total"),
            found(7, column, "looks-like-total"),
        ],
        "{job}"
    );
    assert_eq!(analyst.count("/v1/suppliers"), 4);
    let file = "upstream_code,criticality,substitutability,annual_spend_jpy\nB-10,routine,sole,5\n合計,,,5\n";
    let job = analyst.import_csv("kind=relationships", file);
    assert_eq!(analyst.findings(&job), [found(3, "upstream_code", "total-row")], "{job}");
}

#[test]
fn words_of_lists_and_of_screens_are_taken_and_told_in_the_language_of_the_reader() {
    let app = App::start();
    let mut analyst = app.analyst();
    let header = "取引先コード,データの取扱い,ネットワーク接続\n";
    let job = analyst.import_csv("kind=suppliers", &format!("{header}A,なし,限定\nB,機密情報,限定的\n"));
    assert_eq!(job["state"], "succeeded", "{job}");
    let flags = "external_id,supplier_code,service_class,starts_on,onsite_response\n1,A,1類,2026-01-01,True\n2,A,1類,2026-01-01,false\n3,A,1類,2026-01-01,TRUE\n";
    assert_eq!(analyst.import_csv("kind=enrollments", flags)["state"], "succeeded");

    analyst.lang = "ja";
    let job = analyst.import_csv("kind=suppliers", &format!("{header}A,極秘,\n"));
    let detail = job["result"]["finding_groups"][0]["detail"].as_str().unwrap();
    assert_eq!(detail, "次のいずれかにしてください: なし（none）、社内情報（internal）、機密情報（confidential）");
}

#[test]
fn a_failed_import_says_why_and_never_that_something_was_made() {
    let app = App::start();
    let mut analyst = app.analyst();
    let rows: String = (0..1000).map(|row| format!("S{row},{row}名\n")).collect();
    let file = format!("supplier_code,employee_count\nA,1\n{rows}");

    let job = analyst.import_csv("kind=suppliers", &file);

    let result = &job["result"];
    assert_eq!((&job["state"], &result["created"], &result["rejected"]), (&json!("failed"), &json!(0), &json!(1000)));
    assert_eq!((failure(&job).0, &job["failure"]["code"]), ("rejected-rows", &json!("rejected-rows")), "{job}");
    let groups = result["finding_groups"].as_array().unwrap();
    assert_eq!((groups.len(), &groups[0]["count"], &groups[0]["rows"][0]), (1, &json!(1000), &json!(3)));
    assert_eq!(groups[0]["value"], "0名");

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("suppliers.csv"), &file).unwrap();
    let path = folder.path().to_str().unwrap();
    let done = command(&app.data, &["import", path, "--lang", "en"]).output().unwrap();
    let printed = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{printed}");
    assert!(printed.contains("created 0, updated 0, unchanged 0, rejected 1000"), "{printed}");
    assert!(
        printed
            .contains("fault: suppliers.csv:3,4,5,6,7,8,9,10,11,12…:employee_count: 1000 times: \"0名\": not a number"),
        "{printed}"
    );
    assert!(printed.lines().count() < 6, "{printed}");

    let dry = analyst.import_csv("kind=suppliers&dry_run=true", "supplier_code\nA\n");
    assert_eq!((&dry["state"], &dry["result"]["created"]), (&json!("succeeded"), &json!(1)));
    analyst.lang = "ja";
    let job = analyst.import_csv("kind=suppliers", "supplier_code,name\nA,x\nB,\"y\" z\n");
    assert!(job["failure"]["detail"].as_str().unwrap().starts_with("3行目: 引用符が"), "{job}");
}

#[test]
fn a_header_without_rows_is_told_of() {
    let app = App::start();
    let analyst = app.analyst();
    let job = analyst.import_csv("kind=suppliers", "supplier_code,name\n");
    assert_eq!((&job["state"], analyst.findings(&job)), (&json!("succeeded"), vec![found(0, "", "no-rows")]), "{job}");
}
